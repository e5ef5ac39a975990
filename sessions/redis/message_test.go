package redis

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/gateward/gateward/sessions"
)

func TestEncode_Batches(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{0: 0, 1: 1, keysPerMessage: 1, keysPerMessage + 1: 2, 3 * keysPerMessage: 3} {
		keys := make([]sessions.Key, n)
		for i := range keys {
			keys[i][0], keys[i][1] = byte(i), byte(i>>8)
		}
		texts := encode(sessions.Revocation{Keys: keys})
		var got []sessions.Key
		for _, text := range texts {
			m, err := decode(text)
			if err != nil || m.All || m.beat != "" {
				t.Fatalf("%d keys: %+v, %v", n, m, err)
			}
			got = append(got, m.Keys...)
		}
		if len(texts) != want || len(got) != n || n > 0 && got[n-1] != keys[n-1] {
			t.Errorf("%d keys: got %d in %d messages, want %d", n, len(got), len(texts), want)
		}
	}
}

// TestEncode_Everything: nothing of a revocation is lost, and who is denied is
// first.
func TestEncode_Everything(t *testing.T) {
	t.Parallel()
	keys := make([]sessions.Key, 2*keysPerMessage+1)
	for i := range keys {
		keys[i][0], keys[i][1] = byte(i), byte(i>>8)
	}
	for name, r := range map[string]sessions.Revocation{
		"nothing":          {},
		"denied":           {Denied: keys[:2]},
		"many denied":      {Denied: keys},
		"users":            {Users: true},
		"denied and users": {Denied: keys[:1], Users: true},
		"all, and denied":  {All: true, Denied: keys[:1]},
		"all, and users":   {All: true, Users: true},
		"all of it":        {Keys: keys, Denied: keys, Users: true},
	} {
		var got sessions.Revocation
		for i, text := range encode(r) {
			m, err := decode(text)
			if err != nil || m.beat != "" {
				t.Fatalf("%s: %+v, %v", name, m, err)
			}
			if i == 0 && r.Denied != nil && m.Denied == nil {
				t.Errorf("%s: something comes before who is denied", name)
			}
			got.Keys, got.Denied = append(got.Keys, m.Keys...), append(got.Denied, m.Denied...)
			got.All, got.Users = got.All || m.All, got.Users || m.Users
		}
		if !reflect.DeepEqual(got, r) {
			t.Errorf("%s: got %d keys, all %v, %d denied, users %v", name, len(got.Keys), got.All, len(got.Denied), got.Users)
		}
	}
}

// TestDecode_UnknownKind: a replica that does not know a kind takes nothing from
// it.
func TestDecode_UnknownKind(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"\x01z", "\x01Z" + strings.Repeat("k", 32), "\x01u" + strings.Repeat("k", 32), "\x01d", "\x01\x00"} {
		if m, err := decode(text); !errors.Is(err, errMalformed) || !reflect.DeepEqual(m, message{}) {
			t.Errorf("%q: got %+v, %v, want %v", text, m, err, errMalformed)
		}
	}
}

// FuzzDecode: what decodes is what encodes to the same text; nothing else is
// more than an error.
func FuzzDecode(f *testing.F) {
	f.Add("")
	f.Add("\x01a")
	f.Add(beatMessage("origin"))
	f.Add(keysMessage(sessions.Key{1}, sessions.Key{2}))
	f.Add(keysMessage() + "short")
	f.Add("\x02a")
	f.Add("\x01u")
	f.Add(deniedMessage(sessions.Key{1}, sessions.Key{2}))
	f.Add(deniedMessage() + "short")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := decode(text)
		if err != nil {
			if !errors.Is(err, errMalformed) || !reflect.DeepEqual(m, message{}) {
				t.Fatalf("got %+v, %v", m, err)
			}
			return
		}
		again := []string{beatMessage(m.beat)}
		if m.beat == "" {
			again = encode(m.Revocation)
			if len(text) > 2+keysPerMessage*len(sessions.Key{}) {
				return // nobody here sends so many at once
			}
		}
		if len(again) != 1 || again[0] != text {
			t.Fatalf("%q is %q again", text, again)
		}
	})
}

// FuzzParseToken: a page token is the only one of its place, in one kind of list.
func FuzzParseToken(f *testing.F) {
	id := sessions.IDOf(sessions.Key{1})
	f.Add("")
	f.Add(entry{1_700_000_000_000_000, id}.token(sessionPages))
	f.Add(entry{1_700_000_000_000_000, id}.token(userPages))
	f.Add(entry{-1, id}.token(sessionPages))
	f.Add("MTowOg")
	f.Add(strings.Repeat("A", 100))
	f.Fuzz(func(t *testing.T, token string) {
		accepted := 0
		for _, kind := range []string{sessionPages, userPages} {
			e, err := parseToken(kind, token)
			if err != nil {
				if !errors.Is(err, sessions.ErrBadPage) {
					t.Fatal(err)
				}
				continue
			}
			accepted++
			if token != "" && (e.token(kind) != token || !isID(e.id)) {
				t.Fatalf("%q is %+v, whose token is %q", token, e, e.token(kind))
			}
		}
		if accepted > 1 && token != "" {
			t.Fatalf("%q is a page of sessions and of users", token)
		}
	})
}
