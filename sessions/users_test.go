package sessions_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

func person(enabled bool, subjects ...string) *sessions.User {
	u := &sessions.User{ID: "c1f8f8c4-5e6b-4d0a-9d3b-0a4f1d6f2b11", Enabled: enabled}
	for _, s := range subjects {
		u.Identities = append(u.Identities, sessions.UserIdentity{Principal: gateward.Principal{Issuer: "https://op.example.com", Subject: s}})
	}
	return u
}

func TestUser_Emails(t *testing.T) {
	t.Parallel()
	u := person(true, "a", "b", "c", "d")
	for i, email := range []string{"b@example.com", "", "a@example.com", "b@example.com"} {
		u.Identities[i].Email = email
	}
	if got, want := u.Emails(), []string{"a@example.com", "b@example.com"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := person(true, "a").Emails(); len(got) != 0 {
		t.Errorf("without any: got %v", got)
	}
}

func TestUser_Keys(t *testing.T) {
	t.Parallel()
	u := person(true, "a", "b")
	want := []sessions.Key{
		sessions.KeyOfUser(u.ID), sessions.KeyOfPrincipal(u.Identities[0].Principal), sessions.KeyOfPrincipal(u.Identities[1].Principal),
	}
	if got := u.Keys(); !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

// TestKeys_AreDifferent: nothing that could be mistaken for another has its key.
func TestKeys_AreDifferent(t *testing.T) {
	t.Parallel()
	names := map[sessions.Key]string{}
	for name, k := range map[string]sessions.Key{
		"user":                   sessions.KeyOfUser("ab"),
		"no user":                sessions.KeyOfUser(""),
		"principal":              sessions.KeyOfPrincipal(gateward.Principal{Issuer: "a", Subject: "b"}),
		"moved":                  sessions.KeyOfPrincipal(gateward.Principal{Issuer: "ab"}),
		"moved the other way":    sessions.KeyOfPrincipal(gateward.Principal{Subject: "ab"}),
		"no principal":           sessions.KeyOfPrincipal(gateward.Principal{}),
		"a length in the issuer": sessions.KeyOfPrincipal(gateward.Principal{Issuer: "a\x01b"}),
		"client token":           sessions.KeyOf([]byte("ab")),
	} {
		if other, twice := names[k]; twice {
			t.Errorf("%s and %s have the same key", name, other)
		}
		names[k] = name
	}
}

func TestRevocationOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		before, after *sessions.User
		denied, users bool
	}{
		{"new and enabled", nil, person(true, "a"), false, false},
		{"new and disabled", nil, person(false, "a"), true, false},
		{"enabled before and after", person(true, "a"), person(true, "a"), false, false},
		{"disabled", person(true, "a"), person(false, "a"), true, false},
		{"disabled before and after", person(false, "a"), person(false, "a"), true, false},
		{"enabled", person(false, "a"), person(true, "a"), false, true},
		{"one identity more", person(true, "a"), person(true, "a", "b"), false, true},
		{"one identity less", person(true, "a", "b"), person(true, "b"), false, true},
		{"another identity", person(true, "a"), person(true, "b"), false, true},
		{"another order", person(true, "a", "b"), person(true, "b", "a"), false, false},
		{"disabled, one identity less", person(false, "a", "b"), person(false, "b"), true, true},
		{"disabled, one identity more", person(true, "a"), person(false, "a", "b"), true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := sessions.Revocation{Users: c.users}
			if c.denied {
				want.Denied = c.after.Keys()
			}
			if got := sessions.RevocationOf(c.before, c.after); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}
