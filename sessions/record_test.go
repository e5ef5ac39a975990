package sessions_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// FuzzRecord: what was put in comes out, whatever the strings are.
func FuzzRecord(f *testing.F) {
	f.Add("", "", "", "", int64(0), int64(0), uint64(0), false)
	f.Add("https://op.example.com", "ada", `{"sub":"ada","n":[1,null,{"a":"<>&"}]}`, "tok\x00en\u2028", int64(1772366400123456), int64(3600e6), uint64(1)<<63, true)
	f.Add("ü\n", "\"}", `{"a":1e400}`, "\\", int64(-62135596800000000), int64(-1), uint64(1), true)
	f.Fuzz(func(t *testing.T, issuer, subject, claims, token string, at, idle int64, revision uint64, flag bool) {
		for _, s := range []string{issuer, subject, claims, token} {
			if !utf8.ValidString(s) {
				t.Skip("JSON has no other strings")
			}
		}
		if at%(1<<56) == 0 || idle > 1<<50 || idle < -1<<50 {
			t.Skip("0 stands for no time")
		}
		when := func(n int64) time.Time { return time.UnixMicro(at%(1<<56) + n).UTC() }
		key := sessions.KeyOf([]byte(token))
		want := sessions.Session{
			ID: sessions.IDOf(key), Key: key, Revision: revision,
			Identity: gateward.Identity{
				Principal: gateward.Principal{Issuer: issuer, Subject: subject}, Method: subject, Provider: issuer,
				Email: token, EmailVerified: flag, Name: claims, Groups: []string{issuer, "", subject}, AllScopes: flag,
				Metadata: map[string]string{"a": token, claims: subject}, AuthTime: when(0),
			},
			Tokens:    gateward.Tokens{AccessToken: gateward.NewSecret("a" + token), Expiry: when(0), SID: subject},
			CreatedAt: when(0), UpdatedAt: when(0), LastSeenAt: when(0), ExpiresAt: when(0),
			IdleTimeout: time.Duration(idle) * time.Microsecond, UserAgent: issuer, Address: token,
		}
		var object map[string]any
		if json.Unmarshal([]byte(claims), &object) == nil {
			if want.Identity.Claims = object; flag {
				want.Identity.Metadata["io.flipt.auth.claims"] = claims
			}
		}
		if len(want.Identity.Claims) == 0 && !flag {
			want.Identity.Claims = nil // none and no claims are the same
		}
		if _, ours := want.Identity.Metadata["io.flipt.auth.claims"]; ours != (flag && object != nil) {
			t.Skip("the name of the metadata is taken")
		}
		b, err := sessions.Encode([]byte("x"), &want)
		if err != nil || b[0] != 'x' {
			t.Fatalf("encode: %v", err)
		}
		got, err := sessions.Decode(b[1:])
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	})
}

// FuzzDecode: no bytes are too strange, and what is read can be kept again.
func FuzzDecode(f *testing.F) {
	b, err := sessions.Encode(nil, &sessions.Session{Identity: gateward.Identity{Metadata: map[string]string{"io.flipt.auth.claims": "{}"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, s := range []string{"", "\x01", "\x01{}", "\x02{}", "\x01null", `{}`, "\x01{\"k\":\"AAAA\"}", strings.Replace(string(b), `{}`, `[]`, 1)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := sessions.Decode(b)
		if err != nil {
			if !errors.Is(err, sessions.ErrTampered) {
				t.Errorf("got error %v, want %v", err, sessions.ErrTampered)
			}
			return
		}
		if s.ID != sessions.IDOf(s.Key) {
			t.Error("the id is not that of the key")
		}
		if _, err := sessions.Encode(nil, &s); err != nil {
			t.Errorf("encode: %v", err)
		}
	})
}

func TestDecode_Refuses(t *testing.T) {
	t.Parallel()
	s := sessions.Session{Key: sessions.Key{1}}
	b, err := sessions.Encode(nil, &s)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"nothing": nil, "another version": append([]byte{2}, b[1:]...), "cut off": b[:len(b)-1], "no key": []byte("\x01{}"),
		"a short key": []byte("\x01{\"k\":\"AAAA\"}"), "more": append(b[:len(b):len(b)], '}'), "text": []byte("hello"),
	} {
		if _, err := sessions.Decode(bad); !errors.Is(err, sessions.ErrTampered) {
			t.Errorf("%s: got error %v, want %v", name, err, sessions.ErrTampered)
		}
	}
	if _, err := sessions.Decode(b); err != nil {
		t.Errorf("the whole: %v", err)
	}
}

// TestEncode_ClaimsOnce: claims that the metadata has are not kept twice.
func TestEncode_ClaimsOnce(t *testing.T) {
	t.Parallel()
	s := sessions.Session{Identity: gateward.Identity{
		Claims: map[string]any{"sub": "canary"}, Metadata: map[string]string{"io.flipt.auth.claims": `{"sub":"canary"}`},
	}}
	b, err := sessions.Encode(nil, &s)
	if n := strings.Count(string(b), "canary"); err != nil || n != 1 {
		t.Errorf("kept %d times, %v, want once", n, err)
	}
	if got, err := sessions.Decode(b); err != nil || !reflect.DeepEqual(got.Identity, s.Identity) {
		t.Errorf("got %+v, %v, want %+v", got.Identity, err, s.Identity)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	kept := sessions.Session{
		ID: "id", Key: sessions.Key{1}, Revision: 3, CreatedAt: now.Add(-3), LastSeenAt: now.Add(-2), UpdatedAt: now.Add(-1), ExpiresAt: now.Add(time.Hour),
		IdleTimeout: time.Minute, UserAgent: "ua", Address: "a", Identity: gateward.Identity{Name: "early"},
	}
	with := sessions.Session{
		ID: "other", Key: sessions.Key{2}, Revision: 9, CreatedAt: now, LastSeenAt: now, UpdatedAt: now, ExpiresAt: now.Add(2 * time.Hour),
		IdleTimeout: time.Hour, UserAgent: "other", Address: "other",
		Identity: gateward.Identity{Name: "late", Metadata: map[string]string{"a": "b"}}, Tokens: gateward.Tokens{SID: "sid"},
	}
	want := kept
	want.Identity, want.Tokens, want.Revision, want.UpdatedAt = with.Identity, with.Tokens, 4, now
	if got := sessions.Merge(&kept, &with, now); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	with.ExpiresAt = now.Add(time.Minute)
	if got := sessions.Merge(&kept, &with, now).ExpiresAt; !got.Equal(with.ExpiresAt) {
		t.Errorf("an earlier end: got %v, want %v", got, with.ExpiresAt)
	}
}
