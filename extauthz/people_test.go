package extauthz_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/extauthz"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// denylist is a [sessions.Denylist] that a test writes.
type denylist struct {
	mu      sync.Mutex
	unknown bool
	keys    map[sessions.Key]bool
	asked   int
}

func (d *denylist) Denies(k sessions.Key) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	return !d.unknown && d.keys[k]
}

func (d *denylist) Known() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.unknown
}

func (d *denylist) Empty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unknown || len(d.keys) == 0
}

func (d *denylist) deny(keys ...sessions.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys = map[sessions.Key]bool{}
	for _, k := range keys {
		d.keys[k] = true
	}
}

func (d *denylist) know(known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unknown = !known
}

// user is grace, whose record this is.
func user() gateward.Identity {
	id := grace()
	id.UserID = "5f0c1f7e-3a52-4d3b-9d3c-0d6f8f6c2b11"
	return id
}

func newPeopleEngine(t *testing.T, change func(*extauthz.Config)) (sessionEngine, *denylist) {
	t.Helper()
	cfg := sessionDefaults()
	cfg.UserIssuers = []string{"https://op.test"}
	if change != nil {
		change(&cfg)
	}
	list := &denylist{}
	e := sessionEngine{sessions: newFakeSessions()}
	e.sessions.create("s.grace", user())
	fake := newFake()
	fake.table["her-jwt"] = gateward.Identity{Principal: user().Principal, Method: "jwt"}
	fake.table["other-jwt"] = gateward.Identity{Principal: gateward.Principal{Issuer: "https://other.test", Subject: "grace"}, Method: "jwt"}
	fake.table["static"] = gateward.Identity{Principal: gateward.Principal{Subject: "grace"}, Method: "token"}
	o := options(t)
	o.Denylist = list
	inner, err := extauthz.New(cfg, []methods.Authenticator{e.sessions, fake}, o)
	if err != nil {
		t.Fatal(err)
	}
	inner.Hearing(true)
	e.engine = engine{inner, fake}
	return e, list
}

const (
	herJWT   = "authorization: Bearer her-jwt"
	otherJWT = "authorization: Bearer other-jwt"
	static   = "authorization: Bearer static"
)

// TestSEC_K07_DisablingBeatsTheCache: whoever is disabled is refused by the next
// check, whatever they present and whatever the cache holds, and let in again when
// enabled.
func TestSEC_K07_DisablingBeatsTheCache(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1000, 0} {
		e, list := newPeopleEngine(t, func(c *extauthz.Config) { c.Cache.Size = size })
		everybody := map[string]int{sessionCookie: 200, sessionBearer: 200, herJWT: 200, otherJWT: 200, static: 200, bearer: 200}
		checks := func(name string, want map[string]int) {
			t.Helper()
			for range 2 {
				for h, status := range want {
					if got := e.statusOf(t, h); got != status {
						t.Errorf("cache of %d, %s, %s: got %d, want %d", size, name, h, got, status)
					}
				}
			}
		}
		checks("nobody is disabled", everybody)
		list.deny(sessions.KeyOfUser(user().UserID), sessions.KeyOfPrincipal(user().Principal))
		checks("grace is", map[string]int{sessionCookie: 403, sessionBearer: 403, herJWT: 403, otherJWT: 200, static: 200, bearer: 200})
		// One key is enough: a session of an identity that was taken from the user
		// afterwards, an identity of a record that cannot be read.
		list.deny(sessions.KeyOfUser(user().UserID))
		checks("her record is", map[string]int{sessionCookie: 403, herJWT: 200})
		list.deny(sessions.KeyOfPrincipal(user().Principal))
		checks("her identity is", map[string]int{sessionCookie: 403, herJWT: 403, otherJWT: 200})
		list.deny(sessions.KeyOfUser("somebody else"))
		checks("somebody else is", everybody)
		list.deny()
		checks("she is not any longer", everybody)
	}
}

// TestSEC_K07_DisabledOnEveryRule: an optional rule does not make somebody of them
// who is nobody, and who needs no credential needs no standing.
func TestSEC_K07_DisabledOnEveryRule(t *testing.T) {
	t.Parallel()
	e, list := newPeopleEngine(t, siteRules)
	list.deny(sessions.KeyOfUser(user().UserID))
	for path, want := range map[string]struct {
		status int
		reason string
	}{
		"/":               {http.StatusForbidden, "user_disabled"},
		"/maybe":          {http.StatusForbidden, "user_disabled"},
		"/lenient":        {http.StatusForbidden, "user_disabled"},
		"/write":          {http.StatusForbidden, "user_disabled"},
		"/admin":          {http.StatusForbidden, "user_disabled"},
		"/closed/x":       {http.StatusForbidden, "rule_denies"},
		"/public/x":       {http.StatusOK, ""},
		"/auth/v1/whoami": {http.StatusOK, ""}, // the login service asks Identify
		"/public/a%2fmay": {http.StatusForbidden, "user_disabled"},
	} {
		for range 2 {
			got := e.check(t, req("GET app.test"+path, sessionCookie))
			if status(got) != want.status || reason(got) != want.reason || sent(got, "set-cookie") != "" {
				t.Errorf("%s: got %d %s, want %d %s", path, status(got), reason(got), want.status, want.reason)
			}
		}
	}
}

// TestSEC_K07_DisabledIsSaid: in the form that the client understands.
func TestSEC_K07_DisabledIsSaid(t *testing.T) {
	t.Parallel()
	e, list := newPeopleEngine(t, fixtureLogin)
	list.deny(sessions.KeyOfUser(user().UserID))
	page := e.check(t, req("GET app.test/", sessionCookie, html)).GetDeniedResponse().GetBody()
	for _, want := range []string{"has been disabled", "grace@example.com", "user_disabled", "Use another account"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
	script := e.check(t, req("GET app.test/", sessionCookie, "accept: application/json"))
	if body := script.GetDeniedResponse().GetBody(); !strings.HasPrefix(body, `{"code":7,"message":"Your account here has been disabled.`) ||
		sent(script, "content-type") != "application/json" || sent(script, "www-authenticate") != "" || sent(script, "location") != "" {
		t.Errorf("got %v", script)
	}
	grpc := e.check(t, req("POST app.test/x.Y/Z", sessionBearer, "content-type: application/grpc"))
	if grpc.GetDeniedResponse().GetBody() != "permission denied" || grpc.GetStatus().GetCode() != 7 {
		t.Errorf("got %v", grpc)
	}
}

// TestSEC_L02_StandingUnknown: while nobody can say who is disabled, whoever could
// be is let in nowhere, and everybody else is.
func TestSEC_L02_StandingUnknown(t *testing.T) {
	t.Parallel()
	e, list := newPeopleEngine(t, siteRules)
	list.know(false)
	for range 2 {
		for h, want := range map[string]int{sessionCookie: 503, herJWT: 503, otherJWT: 200, static: 200, bearer: 200, "x: y": 401} {
			if got := e.check(t, req("GET app.test/", h)); status(got) != want || want == 503 && reason(got) != "unavailable" {
				t.Errorf("%s: got %d %s, want %d", h, status(got), reason(got), want)
			}
		}
		for path, want := range map[string]int{"/maybe": 503, "/lenient": 503, "/public/x": 200, "/closed/x": 403} {
			if got := e.check(t, req("GET app.test"+path, sessionCookie)); status(got) != want {
				t.Errorf("%s: got %d, want %d", path, status(got), want)
			}
		}
		if id, _, err := e.identify(t.Context(), sessionCookie); !errors.Is(err, gateward.ErrUnavailable) || errors.Is(err, gateward.ErrNotAdmitted) {
			t.Errorf("got %+v, %v", id, err)
		}
	}
	// Somebody with a record and no issuer of ours is a person, too.
	e.sessions.set(func() {
		id := user()
		id.Issuer = "https://former.test"
		e.sessions.table["s.former"] = id
	})
	if got := e.statusOf(t, "authorization: Bearer s.former"); got != http.StatusServiceUnavailable {
		t.Errorf("got %d", got)
	}
	list.know(true)
	for _, h := range []string{sessionCookie, herJWT, "authorization: Bearer s.former"} {
		if got := e.statusOf(t, h); got != http.StatusOK {
			t.Errorf("%s: got %d when it is known", h, got)
		}
	}
}

// TestIdentify_Disabled: the login service hears who it is, and that they are out.
func TestIdentify_Disabled(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"", "true"} {
		e, list := newPeopleEngine(t, func(c *extauthz.Config) {
			c.Rules = []extauthz.Rule{{Name: "a", Require: extauthz.Require{When: when}}}
		})
		if _, _, err := e.identify(t.Context(), sessionCookie); err != nil {
			t.Fatal(err)
		}
		list.deny(sessions.KeyOfPrincipal(user().Principal))
		for _, h := range []string{sessionCookie, herJWT} {
			id, _, err := e.identify(t.Context(), h)
			var by *gateward.NotAdmittedError
			if !errors.As(err, &by) || by.Rule != gateward.RuleUserDisabled || id.Subject != "grace" || errors.Is(err, gateward.ErrInvalidCredential) {
				t.Errorf("%s: got %+v, %v", h, id, err)
			}
		}
		if _, _, err := e.identify(t.Context(), otherJWT); err != nil {
			t.Error(err)
		}
	}
}

// TestDenylist_OfNobody: it is not asked about keys while there is nobody on it,
// nor about who cannot be.
func TestDenylist_OfNobody(t *testing.T) {
	t.Parallel()
	e, list := newPeopleEngine(t, nil)
	e.statusOf(t, sessionCookie)
	if list.asked != 0 {
		t.Errorf("asked %d times", list.asked)
	}
	list.deny(sessions.KeyOfUser("somebody else"))
	if e.statusOf(t, static); list.asked != 0 {
		t.Errorf("asked %d times", list.asked)
	}
	if e.statusOf(t, sessionCookie); list.asked != 2 {
		t.Errorf("asked %d times, want once for the user and once for the principal", list.asked)
	}
}

// disabled are users of whom nothing but that is known.
type disabled struct {
	sessions.Users
	keys *atomic.Pointer[[]sessions.Key]
}

func (d disabled) DisabledKeys(context.Context) ([]sessions.Key, error) { return *d.keys.Load(), nil }

// TestSEC_K07_DisabledOnceItIsHeard: with the list as it is, from when on the bus
// has said it.
func TestSEC_K07_DisabledOnceItIsHeard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg, o := sessionDefaults(), options(t)
		users := disabled{keys: &atomic.Pointer[[]sessions.Key]{}}
		users.keys.Store(&[]sessions.Key{})
		list := sessions.NewDenylist(users, o.Logger)
		defer list.Close()
		o.Denylist = list
		store := newFakeSessions()
		store.create("s.grace", user())
		inner, err := extauthz.New(cfg, []methods.Authenticator{store}, o)
		if err != nil {
			t.Fatal(err)
		}
		inner.Hearing(true)
		e := sessionEngine{engine: engine{inner, nil}, sessions: store}
		synctest.Wait()
		if got := e.statusOf(t, sessionCookie); got != http.StatusOK {
			t.Fatalf("got %d", got)
		}
		u := sessions.User{ID: user().UserID, Identities: []sessions.UserIdentity{{Principal: user().Principal}}}
		keys := u.Keys()
		users.keys.Store(&keys)
		list.Revoked(sessions.Revocation{Denied: keys})
		if got := e.statusOf(t, sessionCookie); got != http.StatusForbidden {
			t.Errorf("got %d", got)
		}
		synctest.Wait()
		if got := e.statusOf(t, sessionCookie); got != http.StatusForbidden {
			t.Errorf("got %d once the list is read again", got)
		}
	})
}
