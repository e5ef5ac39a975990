package sessions_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// fullUser has something in every field.
func fullUser() sessions.User {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)
	return sessions.User{
		ID: "c1f8f8c4-5e6b-4d0a-9d3b-0a4f1d6f2b11", Revision: 7, Waiting: true,
		Identities: []sessions.UserIdentity{
			{
				Principal: gateward.Principal{Issuer: "https://op.example.com", Subject: "ada\x00\"<&> \u2028"}, Method: "oidc", Provider: "example",
				Email: "ada@example.com", Authoritative: true, Name: "Ada ✓", LastLoginAt: at.Add(time.Hour),
			},
			{Principal: gateward.Principal{Issuer: "https://github.com", Subject: "1"}, Method: "github"},
		},
		CreatedAt: at, UpdatedAt: at.Add(time.Minute), LastLoginAt: at.Add(time.Hour),
	}
}

func TestEncodeUser(t *testing.T) {
	t.Parallel()
	smallest := sessions.User{ID: "a", Enabled: true, Identities: []sessions.UserIdentity{{Principal: gateward.Principal{Subject: "a"}}}}
	for name, want := range map[string]sessions.User{"full": fullUser(), "smallest": smallest} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := sessions.EncodeUser([]byte("before"), &want)
			if err != nil || string(b[:6]) != "before" {
				t.Fatalf("encode: got %q, %v", b, err)
			}
			got, err := sessions.DecodeUser(b[6:])
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

// TestEncodeUser_EveryField fails when a field is added that the record forgets.
func TestEncodeUser_EveryField(t *testing.T) {
	t.Parallel()
	u := fullUser()
	u.Enabled, u.Waiting = true, false
	for _, v := range []reflect.Value{reflect.ValueOf(u), reflect.ValueOf(u.Identities[0])} {
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Waiting" {
				t.Errorf("%s.%s is not in the test", v.Type().Name(), name)
			}
		}
	}
	b, err := sessions.EncodeUser(nil, &u)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := sessions.DecodeUser(b); err != nil || !reflect.DeepEqual(got, u) {
		t.Errorf("got %+v, %v, want %+v", got, err, u)
	}
}

func TestEncodeUser_Refused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*sessions.User){
		"no id":                func(u *sessions.User) { u.ID = "" },
		"no identity":          func(u *sessions.User) { u.Identities = nil },
		"enabled and waiting":  func(u *sessions.User) { u.Enabled = true },
		"an id not UTF-8":      func(u *sessions.User) { u.ID += "\xff" },
		"an issuer not UTF-8":  func(u *sessions.User) { u.Identities[1].Issuer += "\xff" },
		"a subject not UTF-8":  func(u *sessions.User) { u.Identities[1].Subject = "\xc3\x28" },
		"a method not UTF-8":   func(u *sessions.User) { u.Identities[0].Method = "\xed\xa0\x80" },
		"a provider not UTF-8": func(u *sessions.User) { u.Identities[0].Provider = "\xff" },
		"an address not UTF-8": func(u *sessions.User) { u.Identities[0].Email = "ada\xff@example.com" },
	} {
		u := fullUser()
		spoil(&u)
		if b, err := sessions.EncodeUser(nil, &u); err == nil {
			t.Errorf("%s: got %q and no error", name, b)
		}
	}
}

// TestEncodeUser_Name: a display name keeps nobody out.
func TestEncodeUser_Name(t *testing.T) {
	t.Parallel()
	u := fullUser()
	u.Identities[0].Name = "Ada\xff"
	b, err := sessions.EncodeUser(nil, &u)
	if err != nil {
		t.Fatal(err)
	}
	u.Identities[0].Name = "Ada\ufffd"
	if got, err := sessions.DecodeUser(b); err != nil || !reflect.DeepEqual(got, u) {
		t.Errorf("got %+v, %v, want %+v", got, err, u)
	}
}

// FuzzEncodeUser: what is kept of a principal is the same principal.
func FuzzEncodeUser(f *testing.F) {
	for _, s := range []string{"", "a", "\xff", "a\xff", "\ufffd", "\xc3\x28", "\xed\xa0\x80", "\u2028<&>\x00\"", "ü"} {
		f.Add("https://op.example.com", s)
		f.Add(s, "ada")
	}
	f.Fuzz(func(t *testing.T, issuer, subject string) {
		u := fullUser()
		u.Identities[1].Principal = gateward.Principal{Issuer: issuer, Subject: subject}
		b, err := sessions.EncodeUser(nil, &u)
		if err != nil {
			return
		}
		if got, err := sessions.DecodeUser(b); err != nil || !reflect.DeepEqual(got, u) {
			t.Errorf("got %+v, %v, want %+v", got, err, u)
		}
	})
}

// FuzzDecodeUser: anything else is ErrTampered, and what is read is what would be
// written.
func FuzzDecodeUser(f *testing.F) {
	u := fullUser()
	whole, err := sessions.EncodeUser(nil, &u)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	for i := 0; i < len(whole); i += 9 {
		f.Add(whole[:i])
	}
	for _, s := range []string{
		"", "\x01", "\x01null", "\x01{}", "\x02{}", "\x01[]", `{"id":"a","i":[{"sub":"a"}]}`,
		"\x01" + `{"id":"a","i":[]}`, "\x01" + `{"id":"","i":[{}]}`, "\x01" + `{"id":"a","on":true,"w":true,"i":[{"sub":"a"}]}`,
		"\x01" + `{"id":"a","tc":9223372036854775807,"i":[{"sub":"a","tl":-1}]}`, "\x01" + `{"id":"a","i":[null]}{}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := sessions.DecodeUser(b)
		if err != nil {
			if !errors.Is(err, sessions.ErrTampered) {
				t.Errorf("got error %v, want %v", err, sessions.ErrTampered)
			}
			return
		}
		again, err := sessions.EncodeUser(nil, &u)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		if got, err := sessions.DecodeUser(again); err != nil || !reflect.DeepEqual(got, u) {
			t.Errorf("got %+v, %v, want %+v", got, err, u)
		}
	})
}
