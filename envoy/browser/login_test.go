package browser_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// cookieName is that of the client token on a site whose session.domain is its
// public host.
const cookieName = "__Host-gateward_client_token"

// TestLogin: the way in, from a deep link and back to it.
func TestLogin(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	c := startChromium(t, s.spki)
	ada := c.person(t)

	tab := ada.open(s.origin + "/reports/7?from=a%20mail&b=1")
	if !strings.HasPrefix(tab.address(), s.provider.issuer) {
		t.Fatalf("not at the provider but at %s:\n%s", tab.address(), tab.text())
	}
	tab.logInAs("ada")
	if got, want := tab.address(), s.origin+"/reports/7?from=a%20mail&b=1"; got != want {
		t.Fatalf("came back to %s, want %s:\n%s", got, want, tab.text())
	}
	tab.shows("GET /reports/7?from=a%20mail&b=1", "x-auth-request-user: ada", "x-auth-request-email: ada@example.com",
		"x-auth-request-groups: staff,admins", "x-auth-request-method: oidc")
	if text := tab.text(); strings.Contains(text, "client_token") || strings.Contains(text, "client_state") {
		t.Errorf("a cookie of ours reached the application:\n%s", text)
	}

	// The browser's own view of the cookie: nobody else can set it or read it.
	var names []string
	for _, cookie := range tab.page.MustCookies(s.origin) {
		names = append(names, cookie.Name)
		if cookie.Name != cookieName {
			continue
		}
		if !cookie.HTTPOnly || !cookie.Secure || cookie.Domain != host || cookie.Path != "/" || cookie.SameSite != "Lax" {
			t.Errorf("client-token cookie: %+v", cookie)
		}
	}
	// The other one counts how often a browser comes back from a login, against
	// loops; of the login itself nothing is left.
	slices.Sort(names)
	if want := []string{"__Host-gateward_client_state_bounces", cookieName}; !slices.Equal(names, want) {
		t.Errorf("cookies: got %q, want %q", names, want)
	}

	tab.visit(s.origin + "/auth/account")
	tab.shows("Ada", "ada@example.com", "Test provider")
}

// TestSEC_D25_TabsThatLogInAtOnce: each tab has a login of its own.
func TestSEC_D25_TabsThatLogInAtOnce(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	ada := startChromium(t, s.spki).person(t)
	targets := []string{"/one?tab=1", "/two", "/three#part"}
	var tabs []*tab
	for _, target := range targets {
		tabs = append(tabs, ada.open(s.origin+target))
	}
	// The middle one first. Once it is logged in at the provider, the others need
	// no password, but their pages are open and ask for one.
	for _, i := range []int{1, 0, 2} {
		tabs[i].logInAs("ada")
		want := s.origin + strings.TrimSuffix(targets[i], "#part")
		if got := strings.TrimSuffix(tabs[i].address(), "#part"); got != want {
			t.Errorf("tab %d came back to %s, want %s:\n%s", i, got, want, tabs[i].text())
		}
		tabs[i].shows("x-auth-request-user: ada")
	}
}

// TestSessionsAreSeenAndEnded: one browser sees both sessions and ends the
// other's, which has to log in on its next request.
func TestSessionsAreSeenAndEnded(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	c := startChromium(t, s.spki)
	here, there := c.person(t), c.person(t)
	tab, other := here.open(s.origin+"/"), there.open(s.origin+"/")
	tab.logInAs("ada")
	other.logInAs("ada")
	other.visit(s.origin + "/again") // its identity is cached now
	other.shows("x-auth-request-user: ada")

	tab.visit(s.origin + "/auth/account")
	if n := len(tab.page.MustElements("form[action*='/revoke']")); n < 1 {
		t.Fatalf("no session can be ended:\n%s", tab.text())
	}
	tab.click("form[action*='/auth/account/sessions/'][action$='/revoke'] button")
	if !strings.HasPrefix(tab.address(), s.origin+"/auth/account") {
		t.Errorf("ending a session led to %s:\n%s", tab.address(), tab.text())
	}
	tab.visit(s.origin + "/")
	tab.shows("x-auth-request-user: ada") // this one is still there

	// The provider still knows this browser and sends it straight back, with a new
	// session: the old one is worth nothing on the very next request.
	before := other.clientToken(s.origin)
	if status, _ := s.fetch(t, "/again", map[string]string{"Cookie": cookieName + "=" + before}); status != http.StatusUnauthorized {
		t.Errorf("the ended session: got %d, want 401", status)
	}
	other.visit(s.origin + "/again?now=1")
	other.shows("GET /again?now=1", "x-auth-request-user: ada")
	if after := other.clientToken(s.origin); after == before {
		t.Error("the other browser did not have to log in")
	}
}

// TestSEC_D22_LogoutAtTheProviderToo: after a logout the old cookie is worth
// nothing, and the provider asks for the password again.
func TestSEC_D22_LogoutAtTheProviderToo(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	ada := startChromium(t, s.spki).person(t)
	tab := ada.open(s.origin + "/")
	tab.logInAs("ada")
	old := tab.clientToken(s.origin)

	tab.visit(s.origin + "/auth/logout")
	tab.click("form[method=post] button")
	// The provider asks, as it should.
	if !strings.HasPrefix(tab.address(), s.provider.issuer+"/session/end") {
		t.Fatalf("not at the provider's logout but at %s:\n%s", tab.address(), tab.text())
	}
	tab.clickText("button", "Yes, sign me out")
	if got := tab.address(); !strings.HasPrefix(got, s.origin) && !strings.HasPrefix(got, s.provider.issuer) {
		t.Errorf("after the logout at %s", got)
	}

	if status, _ := s.fetch(t, "/", map[string]string{"Cookie": cookieName + "=" + old}); status != http.StatusUnauthorized {
		t.Errorf("the old cookie: got %d, want 401", status)
	}
	tab.visit(s.origin + "/")
	tab.shows("You are logged out") // and not straight in again
	tab.clickText("a", "Login with Test provider")
	if !tab.page.MustHas("input[name=password]") {
		t.Errorf("no password is asked for at %s:\n%s", tab.address(), tab.text())
	}
}

// TestSEC_D02_ReplayedCallback: a callback that somebody opens again, or in
// another browser, leads to a page that helps.
func TestSEC_D02_ReplayedCallback(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{})
	c := startChromium(t, s.spki)
	ada, mallory := c.person(t), c.person(t)
	tab := ada.open(s.origin + "/report")
	var callback string
	go tab.page.EachEvent(func(e *requestEvent) {
		if u, err := url.Parse(e.Request.URL); err == nil && strings.HasSuffix(u.Path, "/callback") {
			callback = e.Request.URL
		}
	})()
	tab.logInAs("ada")
	tab.shows("x-auth-request-user: ada")
	if callback == "" {
		t.Fatal("no callback seen")
	}
	// In Ada's own browser, with a live session: she is where she wanted to be.
	again := ada.open(callback)
	if strings.HasPrefix(again.address(), s.provider.issuer) {
		t.Errorf("a second callback with a live session led to %s", again.address())
	}
	// In another browser: refused, with a way on, and no cookie.
	planted := mallory.open(callback)
	if !strings.HasPrefix(planted.address(), s.origin+"/auth/") {
		t.Errorf("in another browser it led to %s", planted.address())
	}
	if cookies := planted.page.MustCookies(s.origin); len(cookies) != 0 {
		t.Errorf("in another browser it left %v", cookies)
	}
	if !planted.page.MustHas("a[href*='/auth/login']") && !planted.page.MustHas("a[href*='authorize']") {
		t.Errorf("no way on:\n%s", planted.text())
	}
}
