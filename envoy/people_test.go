package envoy_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward/envoy/envoytest"
	"github.com/gateward/gateward/methods/github/githubtest"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// logInBy logs in by the method and provider of that path, for people who can
// choose, and returns what the callback was answered with. authorize does what the
// person does there.
func (v *visitor) logInBy(path string, authorize func(address string) string, header ...string) *answer {
	v.t.Helper()
	address := v.redirected("/auth/v1/method/"+path+"/authorize?rd=/orders", http.StatusFound)
	if header == nil {
		header = navigation()
	}
	return v.do(http.MethodGet, authorize(address), header...)
}

// byOP logs in as this person at the OpenID provider.
func (v *visitor) byOP(u oidctest.User) *answer {
	v.t.Helper()
	v.s.provider.SetUser(u)
	return v.logInBy("oidc/op", v.s.provider.Authorize)
}

// byGitHub logs in as the person of that name at GitHub.
func (v *visitor) byGitHub(login string, header ...string) *answer {
	v.t.Helper()
	return v.logInBy("github", func(address string) string {
		callback, err := v.s.github.Authorize(address, login)
		if err != nil {
			v.t.Fatal(err)
		}
		return callback
	}, header...)
}

// entered fails the test unless a login was successful, and returns the visitor.
func (v *visitor) entered(a *answer) *visitor {
	v.t.Helper()
	if a.status != http.StatusSeeOther || a.location() != "/orders" || v.token() == "" {
		v.t.Fatalf("login: got %d to %q\n%s\n%s", a.status, a.location(), a.text(), v.at.gateward.Log())
	}
	return v
}

// keptOut checks that a login ended with this status and a page that says all of
// want, and began no session.
func (v *visitor) keptOut(a *answer, status int, want ...string) {
	v.t.Helper()
	if a.status != status || !a.page() || v.token() != "" {
		v.t.Errorf("login: got %d, want a page with %d and no session\n%s", a.status, status, a.text())
	}
	for _, text := range append(want, a.header.Get("X-Request-Id")) {
		if !strings.Contains(html.UnescapeString(a.body), text) {
			v.t.Errorf("the page lacks %q\n%s", text, a.text())
		}
	}
}

// A user is an entry of the list of users.
type user struct {
	ID         string   `json:"id"`
	Enabled    bool     `json:"enabled"`
	Waiting    bool     `json:"waiting"`
	Emails     []string `json:"emails"`
	Identities []struct {
		Method  string `json:"method"`
		Issuer  string `json:"issuer"`
		Subject string `json:"subject"`
	} `json:"identities"`
}

// call sends a request with a body, which may be "", to a replica.
func (r *replica) call(t *testing.T, method, target, body string, header ...string) *envoytest.RawResponse {
	t.Helper()
	header = append(slices.Clone(header), fmt.Sprintf("Content-Length: %d", len(body)), "Connection: close")
	return envoytest.RawRequest(t, r.Address, append(envoytest.Message(method, target, header...), body...))
}

// users asks a replica for all users, as an administrator.
func (r *replica) users(t *testing.T) []user {
	t.Helper()
	got := r.call(t, "GET", "/auth/v1/users?limit=100", "", asBoss)
	var list struct {
		Users []user `json:"users"`
	}
	if err := json.Unmarshal(got.Body, &list); err != nil || got.Status != 200 {
		t.Fatalf("list users: got %d %s", got.Status, got.Body)
	}
	return list.Users
}

// userOf returns the user with this subject.
func (r *replica) userOf(t *testing.T, subject string) user {
	t.Helper()
	all := r.users(t)
	for _, u := range all {
		for _, id := range u.Identities {
			if id.Subject == subject {
				return u
			}
		}
	}
	t.Fatalf("nobody is %q: %+v", subject, all)
	return user{}
}

// enable lets a user in, or keeps one out, as an administrator.
func (r *replica) enable(t *testing.T, id string, enabled bool) {
	t.Helper()
	got := r.call(t, "PATCH", "/auth/v1/users/"+id, fmt.Sprintf(`{"enabled": %t}`, enabled), asBoss, "Content-Type: application/json")
	var u user
	if err := json.Unmarshal(got.Body, &u); err != nil || got.Status != 200 || u.ID != id || u.Enabled != enabled || u.Waiting {
		t.Fatalf("enable %t: got %d %s", enabled, got.Status, got.Body)
	}
}

// refuses checks that a script with this header is refused, now and again.
func (r *replica) refuses(t *testing.T, what, header string) {
	t.Helper()
	for range 2 {
		if got := r.status(t, header); got != 401 && got != 403 {
			t.Errorf("%s: got %d, want a refusal", what, got)
		}
	}
}

// admits checks the opposite.
func (r *replica) admits(t *testing.T, what, header string) {
	t.Helper()
	if got := r.status(t, header); got != 200 {
		t.Errorf("%s: got %d\n%s", what, got, r.gateward.Log())
	}
}

// boss is who administers, at the OpenID provider.
func boss() oidctest.User {
	return oidctest.User{Subject: "boss-1", Email: "boss@example.com", EmailVerified: true, Name: "The Boss"}
}

// jwtOfOP lets the OpenID provider's people come with tokens of theirs, too.
func jwtOfOP(s *site) string {
	return fmt.Sprintf(`issuers: {op: {jwks_url: %q, validate_claims: {issuer: %q, audiences: [app]}}}`, s.provider.Address(oidctest.Keys), s.provider.Issuer)
}

// jwt is the header with a token of the OpenID provider's for a subject.
func (s *site) jwt(subject string) string {
	return "Authorization: Bearer " + s.provider.Sign(nil, claims(map[string]any{"iss": s.provider.Issuer, "sub": subject}))
}

// believed makes both providers know the addresses of example.com best, and the
// OpenID provider those of example.org.
func believed(o siteOptions) siteOptions {
	o.op, o.github = "email_authority: [example.com, example.org]", "email_authority: [example.com]"
	o.matches = anyExample // of both
	return o
}

// person adds somebody to GitHub, with an address, and returns the subject.
func (s *site) person(login, address string, verified bool) string {
	return fmt.Sprint(s.github.AddUser(githubtest.User{Login: login, Name: login, Emails: []githubtest.Email{{Address: address, Primary: true, Verified: verified}}}))
}

// atOP is somebody at the OpenID provider.
func atOP(subject, address string) oidctest.User {
	return oidctest.User{Subject: subject, Email: address, EmailVerified: true, Name: subject}
}
