package oidc_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

// slow asks a provider without a network, so that synctest's clock counts.
type slow struct {
	op     *oidctest.Provider
	delays map[oidctest.Endpoint]time.Duration // before the answer
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(s.delays[oidctest.Endpoint(r.URL.Path)]):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	w := httptest.NewRecorder()
	s.op.ServeHTTP(w, r)
	return w.Result(), nil
}

// TestSEC_D18_RefreshIsBounded: however slow each request is, the answer is there
// within the eight seconds that methods.Refresher promises, the token request has
// its full five, and what it gave is not lost.
func TestSEC_D18_RefreshIsBounded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		delays map[oidctest.Endpoint]time.Duration
		want   time.Duration
		kept   bool
	}{
		"userinfo hangs": {map[oidctest.Endpoint]time.Duration{
			oidctest.Discovery: time.Hour, oidctest.Token: 4900 * time.Millisecond, oidctest.Userinfo: time.Hour,
		}, 8 * time.Second, true},
		"tokens hang": {map[oidctest.Endpoint]time.Duration{
			oidctest.Discovery: time.Hour, oidctest.Token: time.Hour,
		}, 8 * time.Second, false},
		"metadata hangs": {map[oidctest.Endpoint]time.Duration{oidctest.Discovery: time.Hour}, 5 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			op := oidctest.Start(t, oidctest.WithClock(time.Now))
			synctest.Test(t, func(t *testing.T) {
				transport := &slow{op: op}
				pc := configOf(op)
				pc.FetchExtraUserInfo = true
				m, err := oidc.New(t.Context(), oidc.Config{Providers: map[string]oidc.ProviderConfig{"op": pc}},
					oidc.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now, Transport: transport})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				f := &fixture{t: t, op: op, login: m.Providers()[0]}
				a := newAttempt()
				address, err := f.login.AuthCodeURL(t.Context(), a)
				if err != nil {
					t.Fatal(err)
				}
				w := httptest.NewRecorder()
				op.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil))
				id, tokens, err := f.login.Exchange(t.Context(), f.callback(w.Header().Get("Location"), a), a)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour) // the metadata is old
				synctest.Wait()
				transport.delays = tt.delays
				begun := time.Now()
				_, next, err := f.login.Refresh(t.Context(), id, tokens)
				if took := time.Since(begun); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
				if kept := next.RefreshToken.Reveal() != ""; kept != tt.kept {
					t.Errorf("tokens: %v, want %v", kept, tt.kept)
				}
				if tt.want == 8*time.Second {
					wantKind(t, err, gateward.ErrUnavailable)
				} else if err != nil {
					t.Error(err)
				}
			})
		})
	}
}
