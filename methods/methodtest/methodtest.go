// Package methodtest is the conformance suite of methods.Authenticator: what the
// check path relies on whatever the method. What a method makes of a good
// credential is for its own tests.
package methodtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
)

// canary is part of every credential that the suite makes up, so that a leak
// into an error shows.
const canary = "canary-51f2c9"

// A Case is a method with credentials to try on it.
type Case struct {
	Method methods.Authenticator
	// Good are credentials that the method accepts, at least one.
	Good []gateward.Credential
	// Bad are credentials that it refuses as the client's fault, at least one.
	Bad []gateward.Credential
	// Foreign are credentials that it leaves to other methods.
	Foreign []gateward.Credential
}

// Run checks the method that newCase makes; each check gets one of its own. It
// counts allocations, and so cannot run in a parallel test.
func Run(t *testing.T, newCase func(t *testing.T) Case) {
	t.Helper()
	checks := []struct {
		name  string
		check func(*testing.T, Case)
	}{
		{"Name", checkName},
		{"ClaimsIsCheapAndRight", checkClaims},
		{"GoodIsAccepted", checkGood},
		{"BadIsTheClientsFault", checkBad},
		{"AnythingIsSurvived", checkAnything},
		{"CancelledIsNotTheClientsFault", checkCancelled},
		{"IdentityIsImmutable", checkImmutable},
		{"ConcurrentUse", checkConcurrent},
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			cs := newCase(t)
			if len(cs.Good) == 0 || len(cs.Bad) == 0 {
				t.Fatal("methodtest: the case has no good or no bad credential")
			}
			c.check(t, cs)
		})
	}
}

func checkName(t *testing.T, c Case) {
	name := c.Method.Name()
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
		t.Errorf("name %q is not fit for a metric label: want lower-case letters and _", name)
	}
}

// checkClaims allows a few allocations for decoding, and none per byte.
func checkClaims(t *testing.T, c Case) {
	const most = 4
	for i, cred := range c.Good {
		if !c.Method.Claims(cred) {
			t.Errorf("good[%d] is not claimed", i)
		}
		if n := testing.AllocsPerRun(20, func() { c.Method.Claims(cred) }); n > most {
			t.Errorf("good[%d]: Claims allocates %v times, want at most %d", i, n, most)
		}
	}
	for i, cred := range c.Foreign {
		if c.Method.Claims(cred) {
			t.Errorf("foreign[%d] is claimed", i)
		}
	}
	for _, s := range schemes() {
		if c.Method.Claims(gateward.Credential{Scheme: s}) && s != gateward.SchemeJWT {
			t.Errorf("an empty credential is claimed under scheme %s", s)
		}
	}
}

func checkGood(t *testing.T, c Case) {
	for i, cred := range c.Good {
		id, err := c.Method.Authenticate(t.Context(), cred)
		if err != nil {
			t.Errorf("good[%d]: %v", i, err)
			continue
		}
		if id.Subject == "" || id.Method != c.Method.Name() {
			t.Errorf("good[%d]: subject %q, method %q, want a subject and %q", i, id.Subject, id.Method, c.Method.Name())
		}
		leaks(t, fmt.Sprintf("good[%d]: identity", i), fmt.Sprintf("%+v", id), cred)
	}
}

func checkBad(t *testing.T, c Case) {
	for i, cred := range c.Bad {
		id, err := c.Method.Authenticate(t.Context(), cred)
		refused(t, fmt.Sprintf("bad[%d]", i), id, err)
		if err != nil {
			leaks(t, fmt.Sprintf("bad[%d]: error", i), err.Error(), cred)
		}
	}
}

// checkAnything feeds what no client in good faith sends, and every mutilation of
// a good credential.
func checkAnything(t *testing.T, c Case) {
	good := c.Good[0].Value.Reveal()
	values := []string{
		"", canary, canary + ".", "." + canary, canary + ".a.b", canary + ".a.b.c.d", "\x00" + canary, canary + "\xff\xfe",
		strings.Repeat(".", 60<<10) + canary, strings.Repeat(canary, 8<<10), "eyJ" + canary + "..", canary + "\r\nx: y",
		good + canary, canary + good, good + " ", " " + good, good + "\n", good + "=", good[:len(good)-1], good[:len(good)/2],
		strings.ToUpper(good) + canary, good + "." + good, good + "," + good,
	}
	for _, s := range schemes() {
		for i, v := range values {
			cred := gateward.Credential{Scheme: s, Value: gateward.NewSecret(v)}
			id, err := c.Method.Authenticate(t.Context(), cred)
			what := fmt.Sprintf("scheme %s, value %d", s, i)
			refused(t, what, id, err)
			if err != nil {
				leaks(t, what, err.Error(), cred)
			}
		}
	}
}

// checkCancelled: a method without I/O may answer all the same, but nothing that
// ran out of time is a verdict on the client.
func checkCancelled(t *testing.T, c Case) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i, cred := range c.Good {
		if _, err := c.Method.Authenticate(ctx, cred); errors.Is(err, gateward.ErrInvalidCredential) || errors.Is(err, gateward.ErrNotAdmitted) {
			t.Errorf("good[%d] with a cancelled context: %v", i, err)
		}
	}
}

// checkImmutable: an identity that has been handed out does not change with what
// comes later, and the same credential makes the same identity.
func checkImmutable(t *testing.T, c Case) {
	authenticate := func() []gateward.Identity {
		all := make([]gateward.Identity, len(c.Good))
		for i, cred := range c.Good {
			id, err := c.Method.Authenticate(t.Context(), cred)
			if err != nil {
				t.Fatalf("good[%d]: %v", i, err)
			}
			all[i] = id
		}
		return all
	}
	first := authenticate()
	before := fmt.Sprintf("%#v", first)
	for _, cred := range c.Bad {
		_, _ = c.Method.Authenticate(t.Context(), cred)
	}
	second := authenticate()
	if after := fmt.Sprintf("%#v", first); after != before {
		t.Errorf("an identity has changed:\n%s\n%s", before, after)
	}
	if !reflect.DeepEqual(first, second) {
		t.Errorf("the same credentials make other identities:\n%+v\n%+v", first, second)
	}
}

// checkConcurrent is for the race detector.
func checkConcurrent(t *testing.T, c Case) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				for i, cred := range c.Good {
					c.Method.Claims(cred)
					id, err := c.Method.Authenticate(t.Context(), cred)
					if err != nil {
						t.Errorf("good[%d]: %v", i, err)
					}
					for range id.Metadata { // reading is everyone's right
					}
				}
				for i, cred := range c.Bad {
					if _, err := c.Method.Authenticate(t.Context(), cred); err == nil {
						t.Errorf("bad[%d] is accepted", i)
					}
				}
			}
		})
	}
	wg.Wait()
}

func refused(t *testing.T, what string, id gateward.Identity, err error) {
	t.Helper()
	if !errors.Is(err, gateward.ErrInvalidCredential) {
		t.Errorf("%s: error %v, want %v", what, err, gateward.ErrInvalidCredential)
	}
	if !reflect.DeepEqual(id, gateward.Identity{}) {
		t.Errorf("%s: an identity beside an error", what)
	}
}

// leaks reports a credential, or a long part of it, in a text.
func leaks(t *testing.T, what, text string, c gateward.Credential) {
	t.Helper()
	if strings.Contains(text, canary) {
		t.Errorf("%s holds the credential", what)
	}
	for part := range strings.SplitSeq(c.Value.Reveal(), ".") {
		if len(part) >= 12 && strings.Contains(text, part) {
			t.Errorf("%s holds part of the credential", what)
		}
	}
}

func schemes() []gateward.Scheme {
	return []gateward.Scheme{
		gateward.SchemeNone, gateward.SchemeBearer, gateward.SchemeJWT, gateward.SchemeBasic, gateward.SchemeCookie,
		gateward.SchemeAcceptedCookie,
	}
}
