package loginsvc_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// linking makes one user of the same address, with both providers believed what
// ends with @example.com.
func linking(w *world) {
	w.config.LinkAccounts = true
	w.google.authority, w.corp.authority = "@example.com", "@example.com"
	w.corp.subject = "c-1"
	w.corp.change = func(id *gateward.Identity) { id.Email = "ADA@example.com" }
}

// crowd makes one of many users with the address, which nobody is believed.
func (w *world) crowd(i int) {
	as := googleIdentity(fmt.Sprint("crowd ", i))
	as.Email, as.Authoritative = "ada@example.com", false
	w.put(sessions.User{ID: fmt.Sprint("crowd ", i), Enabled: true, Identities: []sessions.UserIdentity{as}, CreatedAt: w.now()})
}

// Whose identities are one user's: those that are believed the same verified
// address, and no others.
func TestSignUp_Linking(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		change  func(*world)
		between func(*world) // after the first of the two logins
		users   int
		refused string // the title of the second login's page
	}{
		{name: "on", users: 1},
		{name: "off", change: func(w *world) { w.config.LinkAccounts = false }, users: 2},
		{name: "the first is not believed", change: func(w *world) { w.google.authority = "" }, users: 2},
		{name: "the second is not believed", change: func(w *world) { w.corp.authority = "" }, users: 2},
		{name: "neither is believed", change: func(w *world) { w.google.authority, w.corp.authority = "", "" }, users: 2},
		{name: "believed another domain", change: func(w *world) { w.corp.authority = "@example.org" }, users: 2},
		{name: "the first is not verified", change: func(w *world) { w.google.change = unverified }, users: 2},
		{name: "the second is not verified", change: func(w *world) { w.corp.change = unverified }, users: 2},
		{name: "neither is verified", change: func(w *world) { w.google.change, w.corp.change = unverified, unverified }, users: 2},
		{name: "no address", change: func(w *world) {
			none := func(id *gateward.Identity) { id.Email = "" }
			w.google.change, w.corp.change = none, none
		}, users: 2},
		{name: "another address", change: func(w *world) { w.corp.change = func(id *gateward.Identity) { id.Email = "bob@example.com" } }, users: 2},
		{name: "the first is not believed any longer", between: func(w *world) { w.google.authority = "" }, users: 2},
		{name: "the first is believed only now", change: func(w *world) { w.google.authority = "" }, between: func(w *world) { w.google.authority = "@example.com" }, users: 2},
		{name: "two have the address", between: func(w *world) { w.another("second", true) }, users: 3},
		{name: "more have the address than are told", between: func(w *world) {
			for i := range 99 {
				w.crowd(i)
			}
		}, users: 101},
		{name: "two have the address, one disabled", between: func(w *world) { w.another("second", false) }, users: 2, refused: "This account has been disabled"},
		{name: "disabled", between: func(w *world) {
			if a := w.visitor().patch("/auth/v1/users/"+w.users()[0].ID, `{"enabled":false}`); a.StatusCode != http.StatusOK {
				w.t.Errorf("disabling: got %d", a.StatusCode)
			}
		}, users: 1, refused: "This account has been disabled"},
		{name: "nobody new, but linked", between: func(w *world) { w.config.SignUp = "closed"; w.start() }, users: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, linking)
			if tt.change != nil {
				tt.change(w)
				w.start()
			}
			w.visitor().logIn(w.google, "")
			if tt.between != nil {
				tt.between(w)
			}
			before := w.users()
			v := w.visitor()
			a := v.comeBack(w.corp, "")
			if tt.refused != "" {
				if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, tt.refused) || v.token() != "" || len(w.users()[0].Identities) != 1 || w.users()[0].Revision != before[0].Revision {
					t.Errorf("got %d %s, %+v", a.StatusCode, a.body, w.users())
				}
			} else if a.StatusCode != http.StatusSeeOther {
				t.Errorf("got %d %s", a.StatusCode, a.body)
			}
			if got := w.users(); len(got) != tt.users {
				t.Fatalf("%d users, want %d: %+v", len(got), tt.users, got)
			}
			if tt.users == 1 && tt.refused == "" {
				u := w.users()[0]
				if len(u.Identities) != 2 || u.Identities[1].Subject != "c-1" || strings.Join(u.Emails(), " ") != "ada@example.com" {
					t.Errorf("got %+v", u)
				}
				for _, s := range w.sessions() {
					if s.Identity.UserID != u.ID {
						t.Errorf("a session is of user %q", s.Identity.UserID)
					}
				}
			}
		})
	}
}

func unverified(id *gateward.Identity) { id.Email, id.EmailVerified = "ada@example.com", false }

// another keeps a further user with ada's address.
func (w *world) another(id string, enabled bool) {
	as := googleIdentity("another " + id)
	as.Email, as.Authoritative = "ada@example.com", true
	w.put(sessions.User{ID: id, Enabled: enabled, Identities: []sessions.UserIdentity{as}, CreatedAt: w.now()})
}

// Two first logins of one person at once, by two providers, make one user.
func TestSignUp_LinkingAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linking)
	waits, once := make(chan struct{}), sync.Once{}
	acquired := 0
	var mu sync.Mutex
	w.store.before = func(ctx context.Context, operation, _ string) error {
		switch operation {
		case "acquire":
			mu.Lock()
			defer mu.Unlock()
			if acquired++; acquired == 3 { // the second one has tried, and tries again
				once.Do(func() { close(waits) })
			}
		case "create user":
			select {
			case <-waits:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	var wg sync.WaitGroup
	for _, p := range []*provider{w.google, w.corp} {
		v := w.visitor()
		code, state := p.code(v.authorize(p, ""))
		wg.Go(func() {
			if a := v.open(p.callback(code, state)); a.StatusCode != http.StatusSeeOther {
				t.Errorf("%s: got %d %s", p.name, a.StatusCode, a.body)
			}
		})
	}
	wg.Wait()
	if u := w.users(); len(u) != 1 || len(u[0].Identities) != 2 {
		t.Errorf("got %+v", u)
	}
	if lease, err := w.store.keeper.Acquire(t.Context(), "signup:x", time.Minute); err != nil || lease == nil {
		t.Errorf("got %v, %v", lease, err)
	}
}

// A person sees and ends the sessions of all identities.
func TestSEC_P04_SessionsOfAllIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t, linking)
	laptop, phone, bob := w.visitor(), w.visitor(), w.visitor()
	laptop.logIn(w.google, "")
	w.pass(time.Second)
	phone.logIn(w.corp, "")
	w.pass(time.Second)
	w.google.subject = "bob"
	bob.logIn(w.google, "")
	all := w.sessions()
	if a := laptop.fetch(http.MethodGet, "/auth/v1/tokens"); strings.Count(a.body, `"id"`) != 2 || strings.Contains(a.body, all[2].ID) {
		t.Errorf("tokens: %s", a.body)
	}
	if a := laptop.fetch(http.MethodGet, "/auth/v1/tokens?user="+all[2].Identity.UserID); strings.Contains(a.body, `"id"`) {
		t.Errorf("somebody else's tokens: %s", a.body)
	}
	if a := laptop.fetch(http.MethodGet, "/auth/v1/tokens?user="+all[0].Identity.UserID); strings.Count(a.body, `"id"`) != 2 {
		t.Errorf("one's own tokens: %s", a.body)
	}
	if a := w.asBoss(http.MethodGet, "/auth/v1/tokens?user="+all[2].Identity.UserID); strings.Count(a.body, `"id"`) != 1 || !strings.Contains(a.body, all[2].ID) {
		t.Errorf("the administrator: %s", a.body)
	}
	if a := laptop.open("/auth/account"); strings.Count(a.body, "data-session=") != 2 {
		t.Errorf("account: %s", a.body)
	}
	if a := laptop.submit("/auth/account/sessions/" + all[1].ID + "/revoke"); a.location() != "/auth/account?done=ended" {
		t.Errorf("revoke: got %d %s", a.StatusCode, a.body)
	}
	phone.logIn(w.corp, "")
	if a := phone.submit("/auth/account/sessions/revoke-others"); a.StatusCode != http.StatusSeeOther || len(w.sessions()) != 2 {
		t.Errorf("revoke others: got %d, %d sessions", a.StatusCode, len(w.sessions()))
	}
	if a := bob.fetch(http.MethodGet, "/auth/v1/self"); a.StatusCode != http.StatusOK {
		t.Errorf("bob: got %d", a.StatusCode)
	}
}

// Within one issuer another subject is another person, though the address is the same:
// it has been given to somebody new (OpenID Connect Core §5.7).
func TestSEC_C23_AnotherSubjectOfOneIssuerIsAnotherPerson(t *testing.T) {
	t.Parallel()
	recycled := func(w *world) {
		w.google.subject = "newcomer"
		w.google.change = func(id *gateward.Identity) { id.Email = "ada@example.com" }
	}
	t.Run("enabled", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, linking)
		w.visitor().logIn(w.google, "")
		recycled(w)
		v := w.visitor()
		v.logIn(w.google, "")
		if u := w.users(); len(u) != 2 || len(u[0].Identities) != 1 {
			t.Fatalf("got %+v", u)
		}
		if a := v.fetch(http.MethodGet, "/auth/v1/tokens"); strings.Count(a.body, `"id"`) != 1 {
			t.Errorf("sees the sessions of the other: %s", a.body)
		}
		w.visitor().logIn(w.corp, "") // nobody knows whose
		if u := w.users(); len(u) != 3 {
			t.Errorf("got %+v", u)
		}
	})
	t.Run("linked", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, linking)
		w.visitor().logIn(w.corp, "")
		w.visitor().logIn(w.google, "")
		recycled(w)
		w.visitor().logIn(w.google, "")
		if u := w.users(); len(u) != 2 || len(u[0].Identities) != 2 {
			t.Errorf("got %+v", u)
		}
	})
	t.Run("disabled", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, linking)
		w.visitor().logIn(w.google, "")
		w.visitor().patch("/auth/v1/users/"+w.users()[0].ID, `{"enabled":false}`)
		recycled(w)
		if a := w.visitor().comeBack(w.google, ""); a.StatusCode != http.StatusForbidden || len(w.users()) != 1 {
			t.Errorf("got %d, %d users", a.StatusCode, len(w.users()))
		}
	})
}

// silent is a provider that does not tell its issuer.
type silent struct {
	methods.Login
	methods.EmailAuthority
}

// A provider's name may come to mean another issuer: what the former one said of an
// address is not believed any longer.
func TestSEC_C23_ProviderNameOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, issuer string
		change       func(*world)
		users        int
	}{
		{name: "the same", issuer: "https://google.idp.test", users: 1},
		{name: "another", issuer: "https://former.idp.test", users: 2},
		{name: "not known which", issuer: "https://former.idp.test", users: 1, change: func(w *world) {
			w.options.Logins = []methods.Login{silent{w.google, w.google}, w.corp}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, linking)
			if tt.change != nil {
				tt.change(w)
				w.start()
			}
			as := googleIdentity("x")
			as.Issuer, as.Email, as.Authoritative = tt.issuer, "ada@example.com", true
			w.put(sessions.User{ID: "before", Enabled: true, Identities: []sessions.UserIdentity{as}, CreatedAt: w.now()})
			if w.visitor().logIn(w.corp, ""); len(w.users()) != tt.users {
				t.Errorf("got %+v", w.users())
			}
		})
	}
	t.Run("of the login itself", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, linking)
		w.google.change = func(id *gateward.Identity) { id.Issuer = "https://elsewhere.idp.test" }
		if w.visitor().logIn(w.google, ""); w.users()[0].Identities[0].Authoritative {
			t.Errorf("got %+v", w.users())
		}
	})
}

// Who withholds the address at a later login is still known by it, and kept out by it.
func TestSEC_C23_WithheldAddressIsRemembered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		later         func(*gateward.Identity)
		email         string
		authoritative bool
		refused       bool // at the other provider, once disabled
	}{
		{"none", func(id *gateward.Identity) { id.Email, id.EmailVerified = "", false }, "ada@example.com", true, true},
		{"not verified", func(id *gateward.Identity) { id.Email, id.EmailVerified = "bob@example.com", false }, "ada@example.com", true, true},
		{"too long", func(id *gateward.Identity) { id.Email = strings.Repeat("a", 400) + "@example.com" }, "ada@example.com", true, true},
		{"another", func(id *gateward.Identity) { id.Email = "bob@example.com" }, "bob@example.com", true, false},
		{"another that is not believed", func(id *gateward.Identity) { id.Email = "ada@example.org" }, "ada@example.org", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, linking)
			w.visitor().logIn(w.google, "")
			w.google.change = tt.later
			w.visitor().logIn(w.google, "")
			if as := w.users()[0].Identities[0]; as.Email != tt.email || as.Authoritative != tt.authoritative {
				t.Errorf("got %+v", as)
			}
			w.visitor().patch("/auth/v1/users/"+w.users()[0].ID, `{"enabled":false}`)
			v := w.visitor()
			if a := v.comeBack(w.corp, ""); (a.StatusCode == http.StatusForbidden) != tt.refused || (v.token() == "") != tt.refused {
				t.Errorf("got %d, token %q", a.StatusCode, v.token())
			}
		})
	}
}
