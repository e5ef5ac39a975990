package loginsvc_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/loginsvc"
	"github.com/gateward/gateward/sessions"
)

func TestAdmin_Person(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	root, ada := w.as("root"), w.as("ada")
	w.pass(time.Second)
	w.as("ada")
	u := w.user("ada")
	here := "/auth/admin/users/" + u.ID
	a := root.open(here)
	for _, want := range []string{"Ada Lovelace", "ada@example.com", u.ID, w.google.issuer(), "Google", "Enabled", "203.0.113.7", "Firefox on Linux", "Last used", "Ends <time", "Disable…", "End all sessions…"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	ids := a.lines("data-session")
	if len(ids) != 2 || strings.Contains(a.body, here+"/enable") {
		t.Fatalf("%d sessions: %s", len(ids), a.body)
	}
	if a := root.submit(here + "/sessions/" + ids[0] + "/revoke"); a.StatusCode != http.StatusSeeOther || a.location() != here+"?done=ended" {
		t.Errorf("revoke one: got %d to %q", a.StatusCode, a.location())
	}
	if a := ada.open("/auth/account"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the session that was ended: got %d", a.StatusCode)
	}
	if a := root.open(here + "?done=ended"); !strings.Contains(a.body, "The session has been ended") || len(a.lines("data-session")) != 1 {
		t.Errorf("got %s", a.body)
	}
	if a := root.submit(here + "/sessions/" + ids[0] + "/revoke"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("revoke it again: got %d", a.StatusCode)
	}
	if a := root.submit(here + "/sessions/revoke-all"); a.StatusCode != http.StatusSeeOther || a.location() != here+"?done=all" || len(w.sessions()) != 1 {
		t.Errorf("revoke all: got %d to %q", a.StatusCode, a.location())
	}
	if w.metrics.revocations["admin"] != 2 || !strings.Contains(w.logs.String(), "administrator changed") {
		t.Errorf("counted %v", w.metrics.revocations)
	}
	for _, missing := range []string{"x", u.ID[:35] + "x", strings.Repeat("a", 65), "%00"} {
		if a := root.open("/auth/admin/users/" + missing); a.StatusCode != http.StatusNotFound {
			t.Errorf("%q: got %d", missing, a.StatusCode)
		}
		if a := root.submit("/auth/admin/users/" + missing + "/disable"); a.StatusCode != http.StatusNotFound {
			t.Errorf("disable %q: got %d", missing, a.StatusCode)
		}
	}
}

func TestAdmin_DisableAndEnable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	root, ada, phone := w.as("root"), w.as("ada"), w.as("ada")
	here := "/auth/admin/users/" + w.user("ada").ID
	if a := root.submit(here + "/disable"); a.StatusCode != http.StatusSeeOther || a.location() != here+"?done=disabled" {
		t.Fatalf("got %d to %q", a.StatusCode, a.location())
	}
	for _, v := range []*visitor{ada, phone} {
		if a := v.open("/auth/account"); a.StatusCode == http.StatusOK {
			t.Errorf("a browser of hers: got %d", a.StatusCode)
		}
	}
	if w.user("ada").Enabled || len(w.sessions()) != 1 {
		t.Errorf("%d sessions are left", len(w.sessions()))
	}
	a := root.open(here + "?done=disabled")
	for _, want := range []string{"Disabled", here + "/enable", "There are no active sessions."} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q: %s", want, a.body)
		}
	}
	if a := root.submit(here + "/enable"); a.location() != here+"?done=enabled" || !w.user("ada").Enabled {
		t.Errorf("got %d to %q", a.StatusCode, a.location())
	}
	if a := w.as("ada").open("/auth/account"); a.StatusCode != http.StatusOK {
		t.Errorf("enabled again: got %d", a.StatusCode)
	}
}

func TestAdmin_EnablesWhoWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator, func(w *world) { w.config.SignUp = loginsvc.SignUpApproval })
	root, bob := w.as("root"), w.visitor()
	w.google.subject = "bob"
	code, state := w.google.code(bob.authorize(w.google, ""))
	if a := bob.open(w.google.callback(code, state)); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "Your account is waiting") {
		t.Fatalf("the first login: got %d %s", a.StatusCode, a.body)
	}
	a := root.open("/auth/admin?show=waiting")
	if got := a.lines("data-user"); !slices.Equal(got, []string{w.user("bob").ID}) {
		t.Fatalf("got %q: %s", got, a.body)
	}
	here := "/auth/admin/users/" + w.user("bob").ID
	if a := root.open(here); !strings.Contains(a.body, here+"/enable") || !strings.Contains(a.body, here+"/disable") || !strings.Contains(a.body, "Waiting") {
		t.Errorf("got %s", a.body)
	}
	root.submit(here + "/enable")
	if a := root.open("/auth/admin?show=waiting"); len(a.lines("data-user")) != 0 || !strings.Contains(a.body, "Nobody is waiting.") {
		t.Errorf("got %s", a.body)
	}
	bob.logIn(w.google, "")
}

// Nobody locks themselves out.
func TestAdmin_NotOneself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	root := w.as("root")
	here := "/auth/admin/users/" + w.user("root").ID
	a := root.open(here)
	for _, path := range []string{"/enable", "/disable", "/sessions/revoke-all", "/revoke\""} {
		if strings.Contains(a.body, here+path) || path == "/revoke\"" && strings.Contains(a.body, path) {
			t.Errorf("the page offers %s", path)
		}
	}
	if !strings.Contains(a.body, "This device") || !strings.Contains(a.body, ">You<") {
		t.Errorf("the page does not say who it is: %s", a.body)
	}
	for _, path := range []string{"/disable", "/sessions/revoke-all"} {
		if a := root.submit(here + path); a.StatusCode != http.StatusBadRequest || a.linkTo("<bdi>Your account</bdi>") != "/auth/account" {
			t.Errorf("%s: got %d %s", path, a.StatusCode, a.body)
		}
	}
	if !w.user("root").Enabled || len(w.sessions()) != 1 {
		t.Error("something was changed")
	}
	if a := root.open("/auth/account"); a.linkTo("Administration") != "/auth/admin" || !strings.Contains(a.body, "/auth/account/sessions/revoke-all") {
		t.Errorf("the account page: %s", a.body)
	}
	// It is possible all the same, and then one is logged out.
	if a := root.submit("/auth/admin/sessions/" + w.sessions()[0].ID + "/revoke"); a.location() != "/auth/login?logged_out=1" || root.token() != "" {
		t.Errorf("one's own session: got %d to %q", a.StatusCode, a.location())
	}
}

// One person with two identities sees both on the page of the account.
func TestAccount_NamesTheIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.as("ada")
	if a := v.open("/auth/account"); strings.Contains(a.body, "You can log in with") {
		t.Error("one identity is listed, which is said already")
	}
	u := w.user("ada")
	u.Identities = append(u.Identities, sessions.UserIdentity{
		Principal: gateward.Principal{Issuer: w.corp.issuer(), Subject: "internal-7"}, Method: "oidc", Provider: "corp", Email: "ada@corp.example",
	})
	if err := w.options.Store.ReplaceUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	a := v.open("/auth/account")
	for _, want := range []string{"You can log in with", "Example Corp", "ada@corp.example", "Logged in with <bdi>Google</bdi> <time"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q: %s", want, a.body)
		}
	}
	if strings.Contains(a.body, "internal-7") {
		t.Error("the page tells a person of subjects")
	}
}
