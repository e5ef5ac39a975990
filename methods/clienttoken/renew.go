package clienttoken

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

const (
	// leaseTime is how long one replica has the right to refresh a session; it is
	// renewed while the provider thinks.
	leaseTime = 10 * time.Second
	// providerTime is what a [methods.Refresher] takes at most. providerTimeout
	// bounds one that does not keep to it, storeTimeout an answer of the store,
	// and maxFlightTime everything together.
	providerTime    = 8 * time.Second
	providerTimeout = 30 * time.Second
	storeTimeout    = 3 * time.Second
	maxFlightTime   = 2 * time.Minute
	// saveFor is for how long it is tried to keep tokens that a provider has
	// given and the store did not take.
	saveFor = time.Minute
	// awaitFor is how long another replica's refresh is waited for, and refusedFor
	// for how long one that has lost its lease may still come up with what the
	// provider gave it, when we are refused: it may just have begun to wait for a
	// store that hangs, pauses then, and has saveMargin for the save that succeeds.
	// It is less than patience: who comes back to a session that is over is to be
	// sent to the login, and not to be told of an outage.
	awaitFor    = patience
	refusedFor  = saveTimeout + saveLast + saveMargin
	saveTimeout = time.Second
	saveMargin  = 500 * time.Millisecond
	// The store is asked again after pollFirst, and ever less often until
	// pollLast; to save after saveFirst until saveLast.
	pollFirst, pollLast = 50 * time.Millisecond, 200 * time.Millisecond
	saveFirst, saveLast = 50 * time.Millisecond, 250 * time.Millisecond
	// closeGrace is how long Close waits for flights to end by themselves.
	closeGrace = providerTime + time.Second
)

// fly refreshes s unless another replica does: then it waits for that.
func (m *Method) fly(ctx context.Context, f *flight, s sessions.Session) {
	defer m.land(f, s.ID)
	defer func() {
		// Nobody above would catch it, and the process would end.
		if p := recover(); p != nil {
			m.logger.LogAttrs(ctx, slog.LevelError, "refresh of session panicked",
				slog.String("session_id", s.ID), slog.Any("panic", p))
		}
	}()
	lease, err := m.acquire(ctx, s.ID)
	if err == nil && lease == nil {
		now, failed := m.await(ctx, &s, awaitFor)
		if failed != nil || now.Revision != s.Revision {
			f.settle(now, failed)
		} else {
			lease, err = m.acquire(ctx, s.ID) // it had no answer, and does not tell why
		}
	}
	switch {
	case f.settled():
	case err != nil:
		m.learn(&s, err)
		f.settle(sessions.Session{}, unavailable(err))
	case lease == nil:
		f.settle(sessions.Session{}, fmt.Errorf("clienttoken: another replica has not refreshed the session: %w", gateward.ErrUnavailable))
	default:
		stop := m.hold(ctx, lease)
		defer stop()
		m.refresh(ctx, f, &s)
	}
	if f.err != nil && !isFinal(f.err) && m.mayLog(s.Identity.Method+"/"+s.Identity.Provider) {
		m.logger.LogAttrs(ctx, slog.LevelWarn, "session cannot be refreshed", failure(&s, f.err)...)
	}
}

func (m *Method) acquire(ctx context.Context, id string) (sessions.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	lease, err := m.leaser.Acquire(ctx, "refresh:"+id, leaseTime)
	if err != nil {
		return nil, fmt.Errorf("clienttoken: acquire lease: %w", err)
	}
	return lease, nil
}

// hold renews the lease until stop is called, which gives it up.
func (m *Method) hold(ctx context.Context, lease sessions.Lease) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for m.sleep(ctx, leaseTime/3) {
			// Should it be lost, the request is on its way all the same, and
			// Replace tells who was first.
			if held, err := lease.Renew(ctx, leaseTime); err == nil && !held {
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		if err := lease.Release(ctx); err != nil {
			m.logger.LogAttrs(ctx, slog.LevelDebug, "lease cannot be released; it ends by itself", slog.String("err", err.Error()))
		}
	}
}

// await gives another replica some time to put fresh tokens in place. It returns
// the session as it is kept then, changed or not.
func (m *Method) await(ctx context.Context, s *sessions.Session, some time.Duration) (sessions.Session, error) {
	until, pause := m.now().Add(some), pollFirst
	for {
		now, err := m.reread(ctx, s)
		if err == nil && now.Revision != s.Revision || errors.Is(err, gateward.ErrInvalidCredential) || m.now().Add(pause).After(until) {
			return now, err
		}
		if !m.pause(ctx, pause) {
			return sessions.Session{}, errClosed // it cannot be told what comes of it
		}
		pause = min(pause*2, pollLast)
	}
}

// refresh has the provider refresh the session, under the lease.
func (m *Method) refresh(ctx context.Context, f *flight, seen *sessions.Session) {
	// Somebody may have been here between the look at the session and the lease.
	s, err := m.reread(ctx, seen)
	if err != nil && !isFinal(err) {
		m.learn(seen, err)
	}
	if err != nil || (s.Revision != seen.Revision && f.plan.fresh(&s, m.now())) {
		f.settle(s, err)
		return
	}
	if m.isClosing() { // the answer might come too late to be kept
		f.settle(sessions.Session{}, errClosed)
		return
	}
	id, tokens, err := m.ask(ctx, &s, f.plan.by)
	switch {
	case err == nil && id.Principal != s.Identity.Principal:
		m.refused(ctx, f, &s, 0, errors.New("provider names another person"))
	case err == nil:
		with := s
		with.Identity, with.Tokens = renewed(&s, id), complete(tokens, &s.Tokens)
		with.Identity.ConfirmedAt = m.now()
		m.keep(ctx, f, &s, with, nil)
	case errors.Is(err, gateward.ErrInvalidCredential):
		m.refused(ctx, f, &s, othersTime(&s), err)
	case errors.Is(err, gateward.ErrNotAdmitted):
		if id.Subject != "" {
			s.Identity = renewed(&s, id)
		}
		f.settle(s, fmt.Errorf("clienttoken: refresh: %w", err))
		m.end(ctx, &s, "person may not enter any longer", err)
	default:
		m.learn(&s, err)
		err = fmt.Errorf("clienttoken: refresh: %w", unavailable(err))
		if tokens == (gateward.Tokens{}) {
			f.settle(sessions.Session{}, err)
			return
		}
		m.keep(ctx, f, &s, f.plan.halfRenewed(s, tokens, m.now()), err)
	}
}

func (m *Method) ask(ctx context.Context, s *sessions.Session, r methods.Refresher) (gateward.Identity, gateward.Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	return r.Refresh(ctx, s.Identity, s.Tokens)
}

// othersTime is for how long another replica may come up with what the provider
// gave it for s. Without a refresh token there is nothing that it may have
// replaced.
func othersTime(s *sessions.Session) time.Duration {
	if s.Tokens.RefreshToken.Reveal() == "" {
		return 0
	}
	return refusedFor
}

// refused ends a session that the provider refuses to refresh; unless somebody
// else has refreshed it in the meantime, or does so soon, and it is our token that
// is too old.
func (m *Method) refused(ctx context.Context, f *flight, s *sessions.Session, soon time.Duration, why error) {
	now, err := m.await(ctx, s, soon)
	if err != nil || now.Revision != s.Revision {
		f.settle(now, err)
		return
	}
	f.settle(sessions.Session{}, fmt.Errorf("clienttoken: refresh: provider refuses: %w", gateward.ErrInvalidCredential))
	m.end(ctx, s, "provider refuses to refresh it", why)
}

// end deletes a session. As long as that cannot be done, the flight goes on, and
// tells whoever comes what the provider said; if it cannot be done at all, the
// next look comes to the same end.
func (m *Method) end(ctx context.Context, s *sessions.Session, reason string, why error) {
	attrs := append(failure(s, why), slog.String("reason", reason))
	until, pause := m.now().Add(saveFor), saveFirst
	for {
		err := m.remove(ctx, s.ID)
		if err == nil {
			m.logger.LogAttrs(ctx, slog.LevelInfo, "session ended", attrs...)
			return
		}
		if m.now().Add(pause).After(until) || !m.pause(ctx, pause) {
			m.logger.LogAttrs(ctx, slog.LevelWarn, "session cannot be ended", append(attrs, slog.String("delete_err", err.Error()))...)
			return
		}
		pause = min(pause*2, saveLast)
	}
}

func (m *Method) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return m.store.Delete(ctx, id)
}

// keep puts with, which has what the provider gave, in the place of s. If the
// store does not take it now, those who wait go on all the same, and it is tried
// again: the provider may have replaced the refresh token, and the old one be of
// no use. What they are told is why the refresh has failed, nil if it has not.
func (m *Method) keep(ctx context.Context, f *flight, s *sessions.Session, with sessions.Session, why error) {
	merged := sessions.Merge(s, &with, m.now())
	until, pause := m.now().Add(saveFor), saveFirst
	for last := false; ; {
		err := m.replace(ctx, with)
		switch {
		case err == nil:
			f.settle(merged, why)
			return
		case errors.Is(err, sessions.ErrConflict) && f.settled():
			return
		case errors.Is(err, sessions.ErrConflict):
			f.settle(m.reread(ctx, s))
			return
		case errors.Is(err, sessions.ErrNotFound), errors.Is(err, sessions.ErrTampered):
			f.settle(sessions.Session{}, fmt.Errorf("clienttoken: session ended while it was refreshed: %w", gateward.ErrInvalidCredential))
			return
		}
		f.settle(merged, why)
		if last || m.now().Add(pause).After(until) {
			m.logger.LogAttrs(ctx, slog.LevelError, "refreshed tokens are lost, the store does not take them",
				failure(s, err)...)
			return
		}
		last = !m.sleep(ctx, pause)
		pause = min(pause*2, saveLast)
	}
}

// replace does not end with the flight: nobody else has what is to be kept.
func (m *Method) replace(ctx context.Context, s sessions.Session) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	return m.store.Replace(ctx, s)
}

// reread returns the session as it is kept now.
func (m *Method) reread(ctx context.Context, s *sessions.Session) (sessions.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return m.read(ctx, s.Key)
}

// sleep waits for d, and reports whether ctx has not ended before.
func (*Method) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pause is a sleep that Close ends, too: for what can be left to somebody else.
func (m *Method) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-m.closing:
	}
	return false
}

// renewed returns the identity that a refresh gave, with what only the login can
// have settled: where it took place, when, and whose it is. The scopes are not
// among that, see Options.Grants.
func renewed(s *sessions.Session, id gateward.Identity) gateward.Identity {
	was := &s.Identity
	id.Method, id.Provider, id.UserID, id.ConfirmedAt = was.Method, was.Provider, was.UserID, was.ConfirmedAt
	if id.AuthTime.IsZero() {
		id.AuthTime = was.AuthTime
	}
	return id
}

// halfRenewed returns s with tokens whose person the provider has not confirmed.
// They are to be refreshed again at once, and do not make the identity that is
// known last any longer: the time that it may be used without the provider still
// runs from the end of the old access token, or from now if that is earlier. Where
// the tokens do not decide about that, they are what they are.
func (c schedule) halfRenewed(s sessions.Session, t gateward.Tokens, now time.Time) sessions.Session {
	end := earliest(s.Tokens.Expiry, now)
	s.Tokens = complete(t, &s.Tokens)
	if c.recheck == 0 {
		s.Tokens.Expiry = end
	}
	return s
}

// complete returns t with what the provider did not send again.
func complete(t gateward.Tokens, old *gateward.Tokens) gateward.Tokens {
	if t.AccessToken.Reveal() == "" {
		t.AccessToken, t.Expiry = old.AccessToken, old.Expiry
	}
	if t.RefreshToken.Reveal() == "" {
		t.RefreshToken = old.RefreshToken
	}
	if t.IDToken.Reveal() == "" {
		t.IDToken = old.IDToken
	}
	if t.SID == "" {
		t.SID = old.SID
	}
	return t
}
