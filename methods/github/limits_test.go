package github_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/github"
	"github.com/gateward/gateward/methods/github/githubtest"
)

// apiRequests returns how many requests the API has had.
func (w *world) apiRequests() int {
	n := 0
	for _, path := range []string{"/user", "/user/emails", "/user/memberships/orgs", "/user/teams"} {
		n += w.hub.Requests(path)
	}
	return n
}

func TestPrimaryRateLimitIsOnesOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.hub.AddUser(githubtest.User{ID: 102, Login: "bob"})
	id, tokens := w.mustLogin("Ada")
	w.hub.LimitRate("Ada", 0)
	_, _, err := w.method.Refresh(t.Context(), id, tokens)
	w.refused(gateward.Identity{}, gateward.Tokens{}, err, gateward.ErrUnavailable)
	if d := retryAfter(err); d != time.Hour {
		t.Errorf("retry after %v", d)
	}
	before := w.apiRequests()
	w.pass(time.Hour - time.Second)
	_, _, err = w.method.Refresh(t.Context(), id, tokens)
	wantKind(t, err, gateward.ErrUnavailable)
	if w.apiRequests() != before || retryAfter(err) != time.Second {
		t.Errorf("asked again before the limit ended, or retry after %v", retryAfter(err))
	}
	w.mustLogin("bob")
	w.pass(time.Second)
	if _, _, err = w.method.Refresh(t.Context(), id, tokens); err != nil {
		t.Errorf("after the limit: %v", err)
	}
}

// TestSecondaryRateLimitIsEverybodys once a second person meets one: until then it
// may be the first one's own, who must not keep others waiting.
func TestSecondaryRateLimitIsEverybodys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.hub.AddUser(githubtest.User{ID: 102, Login: "bob"})
	w.hub.AddUser(githubtest.User{ID: 103, Login: "carol"})
	ada, adas := w.mustLogin("Ada")
	bob, bobs := w.mustLogin("bob")
	limit := func(id gateward.Identity, tokens gateward.Tokens) {
		t.Helper()
		w.hub.LimitSecondary(90 * time.Second)
		_, _, err := w.method.Refresh(t.Context(), id, tokens)
		wantKind(t, err, gateward.ErrUnavailable)
		if d := retryAfter(err); d != 90*time.Second {
			t.Errorf("retry after %v", d)
		}
		w.hub.LimitSecondary(0)
	}
	held := func(id gateward.Identity, tokens gateward.Tokens, want bool) {
		t.Helper()
		before := w.apiRequests()
		_, _, err := w.method.Refresh(t.Context(), id, tokens)
		if got := w.apiRequests() == before; got != want || (err != nil) != want {
			t.Errorf("held back: %v, want %v: %v", got, want, err)
		}
	}
	limit(ada, adas)
	held(ada, adas, true)
	held(bob, bobs, false)
	carol, carols := w.mustLogin("carol")
	limit(bob, bobs)
	before := w.apiRequests()
	held(carol, carols, true)
	// A configuration that is loaded meanwhile changes nothing of that.
	w.method = w.build(nil, w.method)
	held(ada, adas, true)
	if w.apiRequests() != before {
		t.Error("asked again before the limit ended")
	}
	w.pass(90 * time.Second)
	held(carol, carols, false)
}

func TestLimitsAsGitHubWritesThem(t *testing.T) {
	t.Parallel()
	reset := strconv.FormatInt(start().Add(20*time.Minute).Unix(), 10)
	past := strconv.FormatInt(start().Add(-20*time.Minute).Unix(), 10)
	far := strconv.FormatInt(start().Add(2000*time.Hour).Unix(), 10)
	tests := map[string]struct {
		status int
		header http.Header
		body   string
		want   time.Duration // -1: no limit
	}{
		"403 and reset":        {403, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {reset}}, `{}`, 20 * time.Minute},
		"429 and reset":        {429, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {reset}}, `{}`, 20 * time.Minute},
		"reset in the past":    {403, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {past}}, `{}`, time.Second},
		"reset far away":       {403, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {far}}, `{}`, time.Hour},
		"no reset":             {403, http.Header{"X-Ratelimit-Remaining": {"0"}}, `{}`, time.Minute},
		"retry-after":          {403, http.Header{"Retry-After": {"33"}, "X-Ratelimit-Remaining": {"4000"}}, `{}`, 33 * time.Second},
		"retry-after far away": {429, http.Header{"Retry-After": {"99999999999"}}, `{}`, time.Hour},
		"429 alone":            {429, nil, `{}`, time.Minute},
		"only the message":     {403, nil, `{"message":"You have exceeded a secondary rate limit. Please wait"}`, time.Minute},
		"lockout":              {403, nil, `{"message":"Maximum number of login attempts exceeded. Please try again later."}`, time.Minute},
		"another 403":          {403, http.Header{"X-Ratelimit-Remaining": {"12"}}, `{"message":"Forbidden"}`, 0},
		"500":                  {500, http.Header{"X-Ratelimit-Remaining": {"0"}}, `{}`, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			id, tokens := w.mustLogin("Ada")
			w.hub.Fail("/user", githubtest.Failure{Status: tt.status, Header: tt.header, Body: tt.body})
			_, _, err := w.method.Refresh(t.Context(), id, tokens)
			wantKind(t, err, gateward.ErrUnavailable)
			if d := retryAfter(err); d != tt.want {
				t.Errorf("retry after %v, want %v", d, tt.want)
			}
			before := w.hub.Requests("/user")
			_, _, _ = w.method.Refresh(t.Context(), id, tokens)
			if asked := w.hub.Requests("/user") > before; asked != (tt.want == 0) {
				t.Errorf("asked again: %v", asked)
			}
		})
	}
}

// TestRepeatedSecondaryLimitsDouble where GitHub does not say how long to wait.
func TestRepeatedSecondaryLimitsDouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id, tokens := w.mustLogin("Ada")
	w.hub.Fail("/user", githubtest.Failure{Status: http.StatusTooManyRequests, Body: `{}`})
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
		_, _, err := w.method.Refresh(t.Context(), id, tokens)
		if d := retryAfter(err); d != want {
			t.Errorf("retry after %v, want %v", d, want)
		}
		w.pass(want)
	}
	w.hub.Recover()
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); err != nil {
		t.Fatal(err)
	}
	w.hub.Fail("/user", githubtest.Failure{Status: http.StatusTooManyRequests, Body: `{}`})
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); retryAfter(err) != time.Minute {
		t.Errorf("after a success: %v", err)
	}
}

func TestTokenEndpointLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.hub.Fail("/login/oauth/access_token", githubtest.Failure{Status: 429, Header: http.Header{"Retry-After": {"7"}}, Body: `{}`})
	id, tokens, err := w.login("Ada")
	w.refused(id, tokens, err, gateward.ErrUnavailable)
	if retryAfter(err) != 7*time.Second {
		t.Errorf("retry after %v", retryAfter(err))
	}
}

// TestWhatHasNotChangedIsNotCounted: asking again costs nothing of the rate limit.
func TestWhatHasNotChangedIsNotCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allow("my-org"))
	w.organizations("my-org")
	w.organizations(names(101)...)
	id, tokens := w.mustLogin("Ada")
	w.hub.LimitRate("Ada", 1)
	for range 5 {
		if _, _, err := w.method.Refresh(t.Context(), id, tokens); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.hub.Unchanged("/user"); n != 5 {
		t.Errorf("%d of 5 answers about the person were 304", n)
	}
	// A change is seen, and so is what a 304 cannot say.
	w.hub.Recover()
	w.hub.SetMembership("my-org", "Ada", "")
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); rule(err) != "allowed_organizations" {
		t.Errorf("removed: %v", err)
	}
	w.hub.RevokeTokens("Ada")
	_, _, err := w.method.Refresh(t.Context(), id, tokens)
	wantKind(t, err, gateward.ErrInvalidCredential)
}

// TestPreviousIsTakenOver: a configuration that is loaded anew knows the answers of
// the same server, and nothing of another's.
func TestPreviousIsTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id, tokens := w.mustLogin("Ada")
	old := w.method
	w.method = w.build(allow("my-org"), old)
	old.Close()
	w.organizations("my-org")
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); err != nil {
		t.Fatal(err)
	}
	if n := w.hub.Unchanged("/user"); n != 1 {
		t.Errorf("%d answers were known", n)
	}
	w.method = w.build(func(c *github.Config) { c.APIURL += "/" }, w.method)
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); err != nil || w.hub.Unchanged("/user") != 2 {
		t.Errorf("the same address with a slash: %v", err)
	}
	w.method = w.build(func(c *github.Config) { c.APIURL += "/another" }, w.method)
	if _, _, err := w.method.Refresh(t.Context(), id, tokens); err == nil || w.hub.Unchanged("/user") != 2 {
		t.Errorf("another API: %v", err)
	}
}
