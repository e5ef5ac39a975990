package loginsvc_test

import (
	"context"
	"fmt"
	"html"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/loginsvc"
	"github.com/gateward/gateward/sessions"
)

// withAdministrator makes root, at google, an administrator.
func withAdministrator(w *world) {
	admins, err := admit.CompilePeople(admit.PeopleConfig{Subjects: []string{"oidc/google:root"}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.options.Admins = admins
}

// as is a browser in which somebody has logged in at google.
func (w *world) as(subject string) *visitor {
	w.t.Helper()
	v, before := w.visitor(), w.google.subject
	w.google.subject = subject
	v.logIn(w.google, "")
	w.google.subject = before
	return v
}

// user returns the one with this identity at google.
func (w *world) user(subject string) sessions.User {
	w.t.Helper()
	u, err := w.options.Store.UserOf(w.t.Context(), gateward.Principal{Issuer: w.google.issuer(), Subject: subject})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// addUsers makes users n0 … of whom every tenth waits and every tenth is disabled.
func (w *world) addUsers(n int) {
	w.t.Helper()
	for i := range n {
		name := fmt.Sprint("n", i)
		u := sessions.User{
			ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), Enabled: i%10 > 1, Waiting: i%10 == 0,
			CreatedAt: w.now(), UpdatedAt: w.now(), LastLoginAt: w.now(),
			Identities: []sessions.UserIdentity{{
				Principal: gateward.Principal{Issuer: w.google.issuer(), Subject: name}, Method: "oidc", Provider: "google",
				Email: name + "@example.org", Name: "Number " + name, LastLoginAt: w.now(),
			}},
		}
		if err := w.options.Store.CreateUser(w.t.Context(), u); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A countingStore counts listings.
type countingStore struct {
	loginsvc.Store
	lists, userLists atomic.Int64
}

func (s *countingStore) List(ctx context.Context, f sessions.Filter, limit int, token string) (sessions.Page, error) {
	s.lists.Add(1)
	return s.Store.List(ctx, f, limit, token)
}

func (s *countingStore) ListUsers(ctx context.Context, f sessions.UserFilter, limit int, token string) (sessions.UserPage, error) {
	s.userLists.Add(1)
	return s.Store.ListUsers(ctx, f, limit, token)
}

func counting(w *world) { w.options.Store = &countingStore{Store: w.options.Store} }

// lines returns the values of an attribute of the lines of a list.
func (a *answer) lines(attribute string) []string {
	var all []string
	for _, m := range regexp.MustCompile(attribute+`="([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
		all = append(all, html.UnescapeString(m[1]))
	}
	return all
}

// linkTo returns where a link with this text leads, or "".
func (a *answer) linkTo(text string) string {
	m := regexp.MustCompile(`href="([^"]*)"[^>]*>` + regexp.QuoteMeta(text) + `</a>`).FindStringSubmatch(a.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// addSessions makes sessions of p0 …, by github and google in turn.
func (w *world) addSessions(n int) {
	w.t.Helper()
	for i := range n {
		key := sessions.KeyOf(fmt.Append(nil, i))
		s := sessions.Session{
			ID: sessions.IDOf(key), Key: key, CreatedAt: w.now(), UpdatedAt: w.now(), LastSeenAt: w.now(), ExpiresAt: w.now().Add(time.Hour),
			Address: fmt.Sprintf("192.0.2.%d", i),
			Identity: gateward.Identity{
				Principal: gateward.Principal{Issuer: "https://github.com", Subject: fmt.Sprint(i)}, Method: "github",
				Name: fmt.Sprint("Person ", i), Email: fmt.Sprintf("p%d@example.org", i),
			},
			Tokens: gateward.Tokens{AccessToken: gateward.NewSecret("access-canary"), SID: "sid-canary"},
		}
		if i%2 == 1 {
			s.Identity.Method, s.Identity.Provider = "oidc", "google"
		}
		if err := w.options.Store.Create(w.t.Context(), s); err != nil {
			w.t.Fatal(err)
		}
	}
}
