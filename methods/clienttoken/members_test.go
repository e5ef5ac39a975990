package clienttoken_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

var _ methods.Rechecker = (*members)(nil)

// members is a login whose provider is asked who still belongs.
type members struct {
	plain
	interval time.Duration

	mu     sync.Mutex
	calls  int
	active int
	peak   int
	delay  time.Duration
	err    error
	tokens gateward.Tokens // what comes with every answer, an error included
}

func (m *members) RecheckInterval() time.Duration { return m.interval }

func (m *members) set(f func(*members)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

func (m *members) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

func (m *members) Refresh(ctx context.Context, id gateward.Identity, _ gateward.Tokens) (gateward.Identity, gateward.Tokens, error) {
	m.mu.Lock()
	m.calls++
	m.active++
	m.peak = max(m.peak, m.active)
	n, delay := m.calls, m.delay
	m.mu.Unlock()
	defer m.set(func(m *members) { m.active-- })
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return gateward.Identity{}, gateward.Tokens{}, fmt.Errorf("op: %w: %w", gateward.ErrUnavailable, ctx.Err())
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// What only we know is not the provider's to say.
	if m.err != nil {
		return gateward.Identity{Principal: id.Principal}, m.tokens, m.err
	}
	id = gateward.Identity{Principal: id.Principal, Organizations: []string{fmt.Sprintf("answer-%d", n)}, ConfirmedAt: time.Now().Add(99 * time.Hour)}
	return id, m.tokens, nil
}

func newMembers(t *testing.T) (*world, *members) {
	t.Helper()
	w := newWorld(t)
	hub := &members{interval: quarter}
	w.login = hub
	return w, hub
}

// member is a session of somebody who belongs, whose token does not expire.
func member(s *sessions.Session) {
	s.Tokens = gateward.Tokens{AccessToken: gateward.NewSecret("access-0")}
	s.Identity.Organizations = []string{"answer-0"}
	s.Identity.ConfirmedAt = s.CreatedAt
	s.Identity.UserID = "user-1"
}
