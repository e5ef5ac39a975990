package clienttoken

import (
	"context"
	"errors"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// A flight is one refresh on its way. Requests for the same session wait for the
// same one.
type flight struct {
	started  time.Time
	provider provider
	plan     schedule
	cancel   context.CancelFunc

	// done is closed when session and err are settled. The flight may go on: what
	// the provider gave has to be kept.
	done    chan struct{}
	session sessions.Session
	err     error
}

// settle tells those who wait what came of the flight. Only the first call
// counts; all are made by the flight itself.
func (f *flight) settle(s sessions.Session, err error) {
	if f.settled() {
		return
	}
	f.session, f.err = s, err
	close(f.done)
}

func (f *flight) settled() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// launch returns the flight for s, a new one if there is none. It returns nil if
// it may not begin one: limit flights are on their way to this provider, or one
// for this session has just failed, or the method is closed.
func (m *Method) launch(ctx context.Context, s *sessions.Session, plan schedule, limit int) *flight {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.flights[s.ID]; f != nil {
		return f
	}
	at := providerOf(s)
	if m.isClosing() || m.underway[at] >= limit || m.tries.lately(s.ID, now) {
		return nil
	}
	// The request that begins a flight may end before it does.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxFlightTime)
	f := &flight{started: now, provider: at, plan: plan, cancel: cancel, done: make(chan struct{})}
	m.flights[s.ID] = f
	m.underway[at]++
	session := *s
	m.running.Go(func() { m.fly(ctx, f, session) })
	return f
}

// wait waits for f to settle until it has been under way for limit, and reports
// whether it has. It leaves the request a little of its time, so that a slow
// provider does not become a timeout where the session may still be used.
func (m *Method) wait(ctx context.Context, f *flight, limit time.Duration) bool {
	if f.settled() {
		return true
	}
	left := min(limit, f.started.Add(limit).Sub(m.now()))
	if deadline, ok := ctx.Deadline(); ok {
		d := time.Until(deadline)
		left = min(left, d-min(deadlineMargin, d/4))
	}
	timer := time.NewTimer(max(left, 0))
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	return f.settled()
}

// isFinal reports whether the provider has refused: there is nothing to hope for
// from the session, should it still be there.
func isFinal(err error) bool {
	return errors.Is(err, gateward.ErrInvalidCredential) || errors.Is(err, gateward.ErrNotAdmitted)
}

// land ends a flight: whatever happened, nobody waits for it any longer.
func (m *Method) land(f *flight, id string) {
	f.settle(sessions.Session{}, errNoAttempt)
	f.cancel()
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.flights, id)
	if m.underway[f.provider]--; m.underway[f.provider] == 0 {
		delete(m.underway, f.provider)
	}
	switch {
	case f.err == nil && f.plan.fresh(&f.session, now), isFinal(f.err):
		m.tries.forget(id)
		m.doubts.forget(id)
	default:
		m.tries.note(id, now)
	}
}

// hasFailed reports whether the last refresh of a session, a while ago at most,
// ended without a fresh one.
func (m *Method) hasFailed(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tries.within(id, m.now(), failureMemory)
}

// tries remembers when a refresh of a session ended without a fresh one: for as
// long as that keeps the next one from being begun, and requests from waiting for
// it long.
type tries struct {
	at    map[string]time.Time // by session id
	swept time.Time
}

func (t *tries) lately(id string, now time.Time) bool { return t.within(id, now, retryInterval) }

func (t *tries) within(id string, now time.Time, some time.Duration) bool {
	at, ok := t.at[id]
	return ok && now.Sub(at) < some
}

func (t *tries) forget(id string) { delete(t.at, id) }

func (t *tries) note(id string, now time.Time) {
	if t.at == nil || len(t.at) >= maxTries {
		t.at = make(map[string]time.Time)
	}
	if now.Sub(t.swept) >= sweepInterval {
		t.swept = now
		for other := range t.at {
			if !t.within(other, now, failureMemory) {
				delete(t.at, other)
			}
		}
	}
	t.at[id] = now
}

// Close lets refreshes that are on their way finish for as long as a provider may
// take, since it may have replaced a token already, and ends them then; what a
// provider has given is kept all the same. Nothing new is begun, and nobody else
// is waited for. Sessions can be authenticated afterwards, and are not refreshed
// any more.
func (m *Method) Close() error {
	m.mu.Lock()
	if !m.isClosing() {
		close(m.closing)
	}
	m.mu.Unlock()
	landed := make(chan struct{})
	go func() {
		m.running.Wait()
		close(landed)
	}()
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-landed:
		return nil
	case <-timer.C:
	}
	m.mu.Lock()
	for _, f := range m.flights {
		f.cancel()
	}
	m.mu.Unlock()
	<-landed
	return nil
}

func (m *Method) isClosing() bool {
	select {
	case <-m.closing:
		return true
	default:
		return false
	}
}
