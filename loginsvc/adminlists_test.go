package loginsvc_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestAdmin_People(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator, counting)
	w.addUsers(120)
	root := w.as("root")
	a := root.open("/auth/admin")
	for _, want := range []string{"Number n0", "n0@example.org", "Google", "Waiting", "Disabled", "Enabled", "/auth/admin/users/00000000-0000-4000-8000-000000000000"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for show, want := range map[string]int{"": 121, "?show=waiting": 12, "?show=disabled": 12} {
		lists := w.options.Store.(*countingStore)
		seen, pages := map[string]bool{}, 0
		for next := "/auth/admin" + show; next != ""; pages++ {
			before := lists.userLists.Load()
			a := root.open(next)
			all := a.lines("data-user")
			for _, id := range all {
				if seen[id] {
					t.Errorf("%q: %s is there twice", show, id)
				}
				seen[id] = true
			}
			if len(all) > 50 || lists.userLists.Load()-before != 1 {
				t.Errorf("%q: %d people after %d listings", show, len(all), lists.userLists.Load()-before)
			}
			if next = a.linkTo("Next page"); pages > 0 && a.linkTo("First page") != "/auth/admin"+show {
				t.Errorf("%q: first page at %q", show, a.linkTo("First page"))
			}
		}
		if len(seen) != want || pages != (want+49)/50 {
			t.Errorf("%q: got %d people on %d pages, want %d", show, len(seen), pages, want)
		}
	}
	if a := root.open("/auth/admin?page=nonsense"); a.StatusCode != http.StatusBadRequest || a.linkTo("<bdi>First page</bdi>") != "/auth/admin" {
		t.Errorf("a page that is not there: got %d %s", a.StatusCode, a.body)
	}
}

func TestAdmin_SearchPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	w.addUsers(130)
	root := w.as("root")
	id := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"q=N12%40EXAMPLE.org&by=email", []string{id(12)}},
		{"q=12%40example.org&by=email", nil},
		{"q=" + id(7) + "&by=id", []string{id(7)}},
		{"q=x&by=id", nil},
		{"q=n12&by=subject", []string{id(12)}},
		{"q=number+N12", []string{id(12), id(120), id(121), id(122), id(123), id(124), id(125), id(126), id(127), id(128), id(129)}},
		{"q=++n12%40+", []string{id(12)}},
		{"q=number+n12&show=waiting", []string{id(120)}},
		{"q=n121%40example.org&by=email&show=waiting", nil},
		{"q=n121%40example.org&by=email&show=disabled", []string{id(121)}},
		{"q=000000000129", []string{id(129)}},
		{"q=" + strings.Repeat("%C3%BC", 1000), nil},
		{"q=%ff%00&by=nonsense&show=nonsense", nil},
	} {
		a := root.open("/auth/admin?" + tt.query)
		if got := a.lines("data-user"); a.StatusCode != http.StatusOK || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %d, %q, want %q", tt.query, a.StatusCode, got, tt.want)
		}
		if len(tt.want) == 0 && !strings.Contains(a.body, "Nobody was found.") {
			t.Errorf("%s: nothing is said", tt.query)
		}
	}
}

// A search reads 5,000 records, and goes on from there when it is asked to.
func TestAdmin_SearchIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator, counting)
	w.addUsers(5200)
	root := w.as("root")
	lists := w.options.Store.(*countingStore)
	a := root.open("/auth/admin?q=n5150")
	if n := lists.userLists.Load(); n != 10 || len(a.lines("data-user")) != 0 || !strings.Contains(a.body, "5000 were searched") || !strings.Contains(a.body, "so far") {
		t.Fatalf("after %d listings: %s", n, a.body)
	}
	a = root.open(a.linkTo("Search further"))
	if got := a.lines("data-user"); len(got) != 1 || !strings.Contains(a.body, "Number n5150") || a.linkTo("Search further") != "" {
		t.Errorf("got %q: %s", got, a.body)
	}
}

func TestAdmin_Sessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator, counting)
	root := w.as("root")
	w.addSessions(140)
	lists := w.options.Store.(*countingStore)
	seen, pages := map[string]bool{}, 0
	for next := "/auth/admin/sessions"; next != ""; pages++ {
		before := lists.lists.Load()
		a := root.open(next)
		for _, id := range a.lines("data-session") {
			seen[id] = true
		}
		if n := lists.lists.Load() - before; n != 1 || len(a.lines("data-session")) > 50 {
			t.Errorf("page %d: %d sessions after %d listings", pages, len(a.lines("data-session")), n)
		}
		next = a.linkTo("Next page")
	}
	if len(seen) != 141 || pages != 3 {
		t.Errorf("got %d sessions on %d pages", len(seen), pages)
	}
	for query, want := range map[string]int{
		"?method=github": 70, "?method=oidc": 71, "?method=nonsense": 141, "?q=person+7": 11, "?q=P7%40EXAMPLE": 1,
		"?q=192.0.2.13": 11, "?q=person+7&method=github": 5, "?q=nobody": 0,
	} {
		n := 0
		for next := "/auth/admin/sessions" + query; next != ""; {
			a := root.open(next)
			n += len(a.lines("data-session"))
			next = a.linkTo("Next page")
		}
		if n != want {
			t.Errorf("%s: got %d sessions, want %d", query, n, want)
		}
	}
	if a := root.open("/auth/admin/sessions?page=nonsense"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a page that is not there: got %d", a.StatusCode)
	}
}

func TestAdmin_RevokeGoesBackToTheList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	root, ada := w.as("root"), w.as("ada")
	a := root.open("/auth/admin/sessions?method=oidc&q=ada%40")
	ids := a.lines("data-session")
	if len(ids) != 1 {
		t.Fatalf("got %q: %s", ids, a.body)
	}
	target := ""
	for _, action := range a.lines("action") {
		if strings.Contains(action, ids[0]) {
			target = action
		}
	}
	r := root.submit(target)
	back, err := url.Parse(r.location())
	if err != nil || r.StatusCode != http.StatusSeeOther || back.Path != "/auth/admin/sessions" || back.Query().Encode() != "done=ended&method=oidc&q=ada%40" {
		t.Errorf("%s: got %d to %q", target, r.StatusCode, r.location())
	}
	if a := root.open(r.location()); !strings.Contains(a.body, "The session has been ended") || len(a.lines("data-session")) != 0 {
		t.Errorf("got %s", a.body)
	}
	if a := ada.open("/auth/account"); a.StatusCode != http.StatusSeeOther || w.metrics.revocations["admin"] != 1 {
		t.Errorf("the session: got %d", a.StatusCode)
	}
	if a := root.submit("/auth/admin/sessions/" + strings.Repeat("a", 65) + "/revoke"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a long id: got %d", a.StatusCode)
	}
}

// TestAdmin_UnverifiedAddress: an administrator must not take somebody for the
// person whose address they entered.
func TestAdmin_UnverifiedAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withAdministrator)
	root := w.as("root")
	w.google.change = unverified
	mallory := w.as("mallory")
	const want = "ada@example.com (not verified)"
	if a := root.open("/auth/admin/sessions"); !strings.Contains(a.body, want) {
		t.Errorf("all sessions lack %q: %s", want, a.body)
	}
	if a := mallory.open("/auth/account"); !strings.Contains(a.body, want) {
		t.Errorf("the account page lacks %q", want)
	}
	if a := mallory.open("/auth/admin"); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, want) {
		t.Errorf("the refusal lacks %q: %s", want, a.body)
	}
}
