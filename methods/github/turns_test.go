package github_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/methods/github"
)

// A slowGitHub takes its time for every answer, with so many pages of some lists.
type slowGitHub struct {
	took, membershipTook time.Duration
	pages                map[string]int // by path; one unless it is said
	accounts             map[string]int // by token
}

func (s slowGitHub) RoundTrip(r *http.Request) (*http.Response, error) {
	took := s.took
	single := strings.HasPrefix(r.URL.Path, "/user/memberships/orgs/")
	if single {
		took = s.membershipTook
	}
	select {
	case <-time.After(took):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	header := http.Header{"Content-Type": {"application/json"}}
	switch {
	case single:
		return answerWith(http.StatusNotFound, header, `{"message":"Not Found"}`), nil
	case r.URL.Path == "/login/oauth/access_token":
		return answerWith(http.StatusOK, header, `{"access_token":"gho_stranger","token_type":"bearer","scope":"read:org"}`), nil
	case r.URL.Path == "/user":
		who := s.accounts[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		return answerWith(http.StatusOK, header, fmt.Sprintf(`{"id":%d,"login":"account%[1]d"}`, who)), nil
	}
	page := 1
	_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
	who := r.Header.Get("Authorization")
	if page < s.pages[strings.TrimPrefix(who, "Bearer ")+" "+r.URL.Path] {
		header.Set("Link", fmt.Sprintf(`<https://api.github.com%s?page=%d>; rel="next"`, r.URL.Path, page+1))
	}
	return answerWith(http.StatusOK, header, `[]`), nil
}

// slowly runs a test with a method that asks s.
func slowly(t *testing.T, s slowGitHub, test func(*testing.T, *github.Method)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, log: &syncBuffer{}, counts: map[string]int{}}
		o := w.options(nil)
		o.Transport = s
		m, err := github.New(github.Config{
			ClientID: "a", ClientSecret: gateward.NewSecret("b"), RedirectAddress: "https://app.example.com",
			Scopes: []string{"read:org"}, AllowedOrganizations: []string{"my-org"},
		}, o)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		test(t, m)
	})
}

// recheck asks about the person of an account, who has that token.
func recheck(t *testing.T, m *github.Method, account int, token string) error {
	t.Helper()
	id := gateward.Identity{Principal: gateward.Principal{Issuer: "https://github.com", Subject: fmt.Sprint(account)}}
	_, _, err := m.Refresh(t.Context(), id, gateward.Tokens{AccessToken: gateward.NewSecret(token)})
	return err
}

// TestSEC_E08_MembershipsThatAreNotReached: there is no time left for single
// organizations because of a list that is too long, or they hang.
func TestSEC_E08_MembershipsThatAreNotReached(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		took, membership time.Duration
		want             bool
	}{
		"no time left":            {670 * time.Millisecond, 670 * time.Millisecond, true},
		"an outage":               {100 * time.Millisecond, time.Hour, false},
		"an outage in the middle": {300 * time.Millisecond, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := slowGitHub{
				took: tt.took, membershipTook: tt.membership,
				pages: map[string]int{"gho_1 /user/memberships/orgs": 11}, accounts: map[string]int{"gho_1": 1},
			}
			slowly(t, s, func(t *testing.T, m *github.Method) {
				err := recheck(t, m, 1, "gho_1")
				if wantKind(t, err, gateward.ErrUnavailable); personal(err) != tt.want {
					t.Errorf("personal is not %v: %v", tt.want, err)
				}
			})
		})
	}
}

// TestSEC_E08_StrangersLoginsTakeNoTurns: members are asked about in time however
// many logins there are, and whatever they ask for.
func TestSEC_E08_StrangersLoginsTakeNoTurns(t *testing.T) {
	t.Parallel()
	s := slowGitHub{
		took: 400 * time.Millisecond, membershipTook: 400 * time.Millisecond,
		pages:    map[string]int{"gho_stranger /user/teams": 100},
		accounts: map[string]int{"gho_stranger": 666, "gho_1": 1},
	}
	slowly(t, s, func(t *testing.T, m *github.Method) {
		const logins = 200
		done := make(chan error, logins)
		for range logins {
			go func() {
				a := newAttempt()
				_, _, err := m.Exchange(t.Context(), methods.Callback{Code: gateward.NewSecret("code")}, a)
				done <- err
			}()
		}
		time.Sleep(2 * time.Second) // by the clock of the bubble
		for range 3 {
			if err := recheck(t, m, 1, "gho_1"); rule(err) != "allowed_organizations" {
				t.Errorf("removed: %v", err)
			}
		}
		for range logins {
			if err := <-done; err == nil {
				t.Error("a stranger enters")
			}
		}
	})
}

// TestSEC_E08_OwnSessionsTakeTurns: nobody makes an outage of their own sessions,
// for themselves or for others.
func TestSEC_E08_OwnSessionsTakeTurns(t *testing.T) {
	t.Parallel()
	s := slowGitHub{
		took: 400 * time.Millisecond, membershipTook: 400 * time.Millisecond,
		pages: map[string]int{}, accounts: map[string]int{"gho_1": 1},
	}
	const own = 40
	for n := range own {
		token := fmt.Sprint("gho_own", n)
		s.accounts[token], s.pages[token+" /user/teams"] = 666, 100
	}
	slowly(t, s, func(t *testing.T, m *github.Method) {
		done := make(chan error, own)
		for n := range own {
			go func() { done <- recheck(t, m, 666, fmt.Sprint("gho_own", n)) }()
		}
		time.Sleep(time.Second) // by the clock of the bubble
		if err := recheck(t, m, 1, "gho_1"); rule(err) != "allowed_organizations" {
			t.Errorf("somebody else: %v", err)
		}
		for range own {
			if err := <-done; errors.Is(err, gateward.ErrUnavailable) && !personal(err) {
				t.Errorf("an outage: %v", err)
			}
		}
	})
}
