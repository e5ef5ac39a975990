package loginsvc_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/loginsvc"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// comeBack goes through a login whatever its end is, and returns the callback's
// answer.
func (v *visitor) comeBack(p *provider, query string) *answer {
	v.w.t.Helper()
	code, state := p.code(v.authorize(p, query))
	return v.open(p.callback(code, state))
}

// users returns all users, in the order of creation.
func (w *world) users() []sessions.User {
	w.t.Helper()
	p, err := w.store.keeper.ListUsers(w.t.Context(), sessions.UserFilter{}, 1000, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return p.Users
}

// put keeps a user with these facts.
func (w *world) put(u sessions.User) {
	w.t.Helper()
	if err := w.store.keeper.CreateUser(w.t.Context(), u); err != nil {
		w.t.Fatal(err)
	}
}

// signUpAs sets [loginsvc.Config.SignUp], and makes ada an administrator or not.
func signUpAs(mode string, admin bool) func(*world) {
	return func(w *world) {
		w.config.SignUp = mode
		if admin {
			people, err := admit.CompilePeople(admit.PeopleConfig{Emails: []string{"ada@example.com"}, Subjects: []string{"token:boss"}})
			if err != nil {
				w.t.Fatal(err)
			}
			w.options.Admins = people
		}
	}
}

// google is ada's identity with the provider of that name, as users keep it.
func googleIdentity(subject string) sessions.UserIdentity {
	return sessions.UserIdentity{
		Principal: gateward.Principal{Issuer: "https://google.idp.test", Subject: subject}, Method: "oidc", Provider: "google",
	}
}

func TestSignUp_FirstAndLaterLogins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.google.change = func(id *gateward.Identity) { id.Email = "Ada@Example.COM" }
	w.visitor().logIn(w.google, "")
	first := w.users()
	if len(first) != 1 {
		t.Fatalf("%d users", len(first))
	}
	u, now := first[0], w.now()
	as := googleIdentity("ada")
	as.Email, as.Name, as.LastLoginAt = "ada@example.com", "Ada Lovelace", now
	if !u.Enabled || u.Waiting || len(u.Identities) != 1 || u.Identities[0] != as || !u.CreatedAt.Equal(now) || !u.UpdatedAt.Equal(now) || !u.LastLoginAt.Equal(now) {
		t.Errorf("got %+v", u)
	}
	if len(u.ID) != 36 || u.ID[14] != '4' || !strings.ContainsRune("89ab", rune(u.ID[19])) {
		t.Errorf("%q is no UUID of version 4", u.ID)
	}
	session := w.sessions()[0]
	if session.Identity.UserID != u.ID || !session.Identity.ConfirmedAt.Equal(now) {
		t.Errorf("the session is of user %q, confirmed at %v", session.Identity.UserID, session.Identity.ConfirmedAt)
	}

	w.pass(59 * time.Second)
	w.visitor().logIn(w.google, "")
	if got := w.users(); got[0].Revision != u.Revision {
		t.Error("written again within a minute")
	}
	w.pass(time.Second)
	w.visitor().logIn(w.google, "")
	if got := w.users()[0]; !got.LastLoginAt.Equal(w.now()) || !got.Identities[0].LastLoginAt.Equal(w.now()) || !got.UpdatedAt.Equal(now) {
		t.Errorf("a minute later: %+v", got)
	}
	w.google.change = func(id *gateward.Identity) {
		id.Email, id.EmailVerified, id.Name = "new@example.com", false, "Ada King"
	}
	w.pass(time.Second)
	w.visitor().logIn(w.google, "")
	got := w.users()
	if len(got) != 1 || got[0].ID != u.ID || got[0].Identities[0].Name != "Ada King" || got[0].Identities[0].Email != "ada@example.com" || !got[0].UpdatedAt.Equal(w.now()) {
		t.Errorf("changed: %+v", got)
	}
}

// Who may enter for the first time, and what they are told otherwise.
func TestSignUp_Modes(t *testing.T) {
	t.Parallel()
	disabled := &sessions.User{Identities: []sessions.UserIdentity{googleIdentity("ada")}}
	waiting := &sessions.User{Waiting: true, Identities: disabled.Identities}
	enabled := &sessions.User{Enabled: true, Identities: disabled.Identities}
	for _, tt := range []struct {
		name, mode string
		admin      bool
		known      *sessions.User
		title      string // "" for one who enters
		message    string
		result     string
		users      int
		writes     bool // beside the attempt's
	}{
		{name: "default", users: 1},
		{name: "open", mode: loginsvc.SignUpOpen, users: 1},
		{name: "open, disabled", mode: loginsvc.SignUpOpen, known: disabled, title: "This account has been disabled", message: "account is disabled", result: "disabled", users: 1},
		{name: "open, waiting since before", mode: loginsvc.SignUpOpen, known: waiting, title: "Your account is waiting", message: "account is waiting for an administrator to enable it", result: "waiting", users: 1},
		{name: "approval", mode: loginsvc.SignUpApproval, title: "Your account is waiting", message: "account is waiting for an administrator to enable it", result: "waiting", users: 1, writes: true},
		{name: "approval, again", mode: loginsvc.SignUpApproval, known: waiting, title: "Your account is waiting", message: "account is waiting for an administrator to enable it", result: "waiting", users: 1},
		{name: "approval, enabled", mode: loginsvc.SignUpApproval, known: enabled, users: 1},
		{name: "approval, administrator", mode: loginsvc.SignUpApproval, admin: true, users: 1},
		{name: "approval, administrator since", mode: loginsvc.SignUpApproval, admin: true, known: waiting, users: 1},
		{name: "approval, disabled administrator", mode: loginsvc.SignUpApproval, admin: true, known: disabled, title: "This account has been disabled", message: "account is disabled", result: "disabled", users: 1},
		{name: "closed", mode: loginsvc.SignUpClosed, title: "This account is not known here", message: "nobody new may enter", result: "not_admitted"},
		{name: "closed, known", mode: loginsvc.SignUpClosed, known: enabled, users: 1},
		{name: "closed, administrator", mode: loginsvc.SignUpClosed, admin: true, users: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, signUpAs(tt.mode, tt.admin))
			if tt.known != nil {
				u := *tt.known
				u.ID = "known"
				w.put(u)
			}
			v := w.visitor()
			a := v.comeBack(w.google, "?rd=/deep")
			if got := len(w.users()); got != tt.users {
				t.Errorf("%d users", got)
			}
			if tt.title == "" {
				if a.StatusCode != http.StatusSeeOther || a.location() != "/deep" || len(w.sessions()) != 1 || !w.users()[0].Enabled || w.users()[0].Waiting {
					t.Errorf("got %d %s, %+v", a.StatusCode, a.body, w.users())
				}
				return
			}
			if a.StatusCode != http.StatusForbidden || v.token() != "" || len(w.sessions()) != 0 || w.metrics.last() != "google "+tt.result {
				t.Errorf("got %d, token %q, counted %q", a.StatusCode, v.token(), w.metrics.last())
			}
			for _, want := range []string{"<h1>" + tt.title + "</h1>", "You came as", "ada@example.com", a.Header.Get("X-Request-Id"), "Use another account", "prompt=select_account&amp;rd=%2Fdeep"} {
				if !strings.Contains(a.body, want) {
					t.Errorf("the page lacks %q: %s", want, a.body)
				}
			}
			if got := w.store.writes.Load() > 1; got != tt.writes {
				t.Errorf("%d writes", w.store.writes.Load())
			}
			if len(v.states()) != 0 {
				t.Error("the attempt's cookie stays")
			}
			code, state := w.google.code(v.authorize(w.google, ""))
			if a := v.fetch(http.MethodGet, w.google.callback(code, state)); a.StatusCode != http.StatusForbidden || a.body != `{"code":7,"message":"`+tt.message+`","details":[]}` {
				t.Errorf("a script: got %d %s", a.StatusCode, a.body)
			}
		})
	}
}

// An administrator enables who waits: the same login then works.
func TestSignUp_ApprovalThenEnabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, signUpAs(loginsvc.SignUpApproval, false))
	v := w.visitor()
	v.comeBack(w.google, "")
	id := w.users()[0].ID
	if a := w.visitor().patch("/auth/v1/users/"+id, `{"enabled":true}`); a.StatusCode != http.StatusOK {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	if v.logIn(w.google, ""); w.users()[0].ID != id || len(w.sessions()) != 1 {
		t.Errorf("%d sessions of %+v", len(w.sessions()), w.users())
	}
}

type refuseAll struct{ err error }

func (r refuseAll) Admit(*gateward.Identity) error { return r.err }

// Who is not admitted, by the rules for everybody or by the provider's, is told
// which rule it is, why, and what to do; and leaves nothing behind, whatever is
// recorded of them.
func TestSEC_D11_WhoIsNotAdmittedLeavesNothing(t *testing.T) {
	t.Parallel()
	refused := &gateward.NotAdmittedError{Rule: "allowed_domains", Reason: "Join the organization & log in again.", URL: "https://provider.test/join"}
	for name, change := range map[string]func(*world){
		"by the rules for everybody": func(w *world) { w.options.Admission = refuseAll{fmt.Errorf("test: %w", refused)} },
		"by the provider's":          func(w *world) { w.google.exchange = refused },
	} {
		for _, mode := range []string{loginsvc.SignUpOpen, loginsvc.SignUpApproval, loginsvc.SignUpClosed} {
			t.Run(name+", "+mode, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, change, signUpAs(mode, true))
				v := w.visitor()
				a := v.comeBack(w.google, "?rd=/deep")
				if a.StatusCode != http.StatusForbidden || a.cookie(tokenCookie) != nil || w.metrics.last() != "google not_admitted" {
					t.Errorf("got %d, counted %q", a.StatusCode, w.metrics.last())
				}
				if len(w.users()) != 0 || len(w.sessions()) != 0 || w.store.writes.Load() != 1 {
					t.Errorf("%d users, %d sessions, %d writes", len(w.users()), len(w.sessions()), w.store.writes.Load())
				}
				for _, want := range []string{
					"This account does not have access", "ada@example.com", "allowed_domains", "Join the organization &amp; log in again.",
					`href="https://provider.test/join"`, a.Header.Get("X-Request-Id"), "prompt=select_account&amp;rd=%2Fdeep",
				} {
					if !strings.Contains(a.body, want) {
						t.Errorf("the page lacks %q: %s", want, a.body)
					}
				}
				code, state := w.google.code(v.authorize(w.google, ""))
				a = v.fetch(http.MethodGet, w.google.callback(code, state))
				if want := `"message":"Join the organization \u0026 log in again."`; a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, want) {
					t.Errorf("a script: got %d %s", a.StatusCode, a.body)
				}
			})
		}
	}
}

// A fault says what does not work, and when it may work again.
func TestSEC_E05_FaultsSayWhatDoesNotWork(t *testing.T) {
	t.Parallel()
	fault := fmt.Errorf("test: %w", &gateward.UnavailableError{Reason: "GitHub answers no more questions for now.", RetryAfter: 89*time.Second + 1})
	for name, do := range map[string]func(w *world, v *visitor) *answer{
		"callback": func(w *world, v *visitor) *answer {
			w.google.exchange = fault
			return v.comeBack(w.google, "")
		},
		"authorize": func(w *world, v *visitor) *answer {
			w.google.authErr = fault
			return v.open("/auth/v1/method/oidc/google/authorize")
		},
	} {
		w := newWorld(t)
		a := do(w, w.visitor())
		if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") != "90" || !strings.Contains(a.body, "GitHub answers no more questions") {
			t.Errorf("%s: got %d, Retry-After %q: %s", name, a.StatusCode, a.Header.Get("Retry-After"), a.body)
		}
		if len(w.users()) != 0 || len(w.sessions()) != 0 {
			t.Errorf("%s: something is left", name)
		}
	}
}

// The user is disabled while the login is under way, at whatever moment: no session
// outlives it.
func TestSignUp_DisabledMeanwhile(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"user of", "replace user", "create", "user"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			v := w.visitor()
			v.logIn(w.google, "")
			w.pass(time.Hour)
			u, done := w.users()[0], false
			w.store.before = func(_ context.Context, operation, _ string) error {
				if operation == when && !done {
					done = true
					if a := w.visitor().patch("/auth/v1/users/"+u.ID, `{"enabled":false}`); a.StatusCode != http.StatusOK {
						t.Errorf("disabling: got %d %s", a.StatusCode, a.body)
					}
				}
				return nil
			}
			a := v.comeBack(w.google, "")
			if !done || a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "This account has been disabled") {
				t.Errorf("got %d %s", a.StatusCode, a.body)
			}
			if len(w.sessions()) != 0 || w.users()[0].Enabled {
				t.Errorf("%d sessions, user %+v", len(w.sessions()), w.users()[0])
			}
		})
	}
}

// Somebody else changes the user at the same time: both changes stay. Whoever keeps
// doing so does not keep a login busy for ever.
func TestSignUp_Conflicts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.visitor().logIn(w.google, "")
	w.pass(time.Hour)
	n, always := 0, false
	w.store.before = func(ctx context.Context, operation, id string) error {
		if operation == "replace user" {
			if n++; n == 1 || always {
				u, err := w.store.keeper.User(ctx, id)
				if err != nil {
					return err
				}
				u.Identities = append(slices.Clone(u.Identities), sessions.UserIdentity{
					Principal: gateward.Principal{Issuer: "https://other.test", Subject: fmt.Sprint(n)}, Method: "oidc", Provider: "other",
				})
				return w.store.keeper.ReplaceUser(ctx, u)
			}
		}
		return nil
	}
	w.visitor().logIn(w.google, "")
	if u := w.users()[0]; len(u.Identities) != 2 || !u.LastLoginAt.Equal(w.now()) {
		t.Errorf("got %+v", u)
	}
	w.pass(time.Hour)
	n, always = 0, true
	if a := w.visitor().comeBack(w.google, ""); a.StatusCode != http.StatusServiceUnavailable || n > 20 {
		t.Errorf("got %d after %d attempts", a.StatusCode, n)
	}
}

func TestSignUp_Full(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store.before = func(_ context.Context, operation, _ string) error {
		if operation == "create user" {
			return sessions.ErrTooMany
		}
		return nil
	}
	a := w.visitor().comeBack(w.google, "")
	if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, "no room for anybody new") || len(w.sessions()) != 0 {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

func TestSignUp_UnknownMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.SignUp = "maybe"
	if _, err := loginsvc.New(w.config, w.options); err == nil || !strings.Contains(err.Error(), "SignUp") {
		t.Errorf("got %v", err)
	}
}

// github is a provider that is the only one of its method.
type github struct{ *provider }

func (github) Method() string { return "github" }
func (github) Name() string   { return "" }

func (g github) Exchange(ctx context.Context, c methods.Callback, a methods.Attempt) (gateward.Identity, gateward.Tokens, error) {
	id, tokens, err := g.provider.Exchange(ctx, c, a)
	id.Method, id.Provider = "github", ""
	return id, tokens, err
}

func TestSignUp_GitHub(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hub := newProvider(w, "hub", "GitHub")
	hub.subject = "101"
	w.options.Logins = append(w.options.Logins, github{hub})
	w.start()
	v := w.visitor()
	code, state := hub.code(v.open("/auth/v1/method/github/authorize?rd=/x").location())
	a := v.open(strings.Replace(hub.callback(code, state), "oidc/hub", "github", 1))
	if a.StatusCode != http.StatusSeeOther || w.metrics.last() != "github success" {
		t.Fatalf("got %d %s, counted %q", a.StatusCode, a.body, w.metrics.last())
	}
	if u := w.users()[0]; u.Identities[0].Method != "github" || u.Identities[0].Subject != "101" {
		t.Errorf("got %+v", u)
	}
	if a := w.asBoss(http.MethodDelete, "/auth/v1/tokens?subject=github:101"); a.body != `{"revoked":1}` || len(w.sessions()) != 0 {
		t.Errorf("revoking: got %d %s", a.StatusCode, a.body)
	}
}
