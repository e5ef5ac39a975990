package loginsvc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

const (
	// maxAttempts is how many logins one browser can have under way; beginning
	// another drops the oldest.
	maxAttempts = 5
	// secretBytes is the entropy of state, nonce and verifier: 256 bits, of which
	// base64url makes 43 characters.
	secretBytes = 32
	// maxOld bounds the sessions that an attempt's cookie has room for. A browser
	// has one; more are somebody's games.
	maxOld = 8
	// clockSkew is how far the clocks of two replicas may differ.
	clockSkew = time.Minute
)

// An attempt is a login in flight, as its cookie keeps it. The cookie is called
// by the hash of the state and sealed together with that name: it can be
// neither read nor changed by who holds it, nor be put in another's place.
type attempt struct {
	// Login is the [loginPath] of the provider that the attempt belongs to.
	Login    string `json:"l"`
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	// Target is the checked return target, or "".
	Target string `json:"t,omitempty"`
	// Created is in seconds since the epoch.
	Created int64 `json:"c"`
	// MaxAge is in seconds.
	MaxAge *int64 `json:"a,omitempty"`
	Prompt string `json:"p,omitempty"`
	// Old are ids of sessions that this browser had when the attempt began. A
	// cookie that is Strict does not come along with the callback, to which the
	// provider, another site, sends the browser.
	Old []string `json:"o,omitempty"`
	// Others: the browser had cookies beside ours that a client token would be
	// read from. Those of Flipt are Strict, and do not come along either.
	Others bool `json:"b,omitempty"`
}

// errNoAttempt: the browser has no such attempt, or not an authentic one.
var errNoAttempt = errors.New("loginsvc: no such attempt")

// newAttempt begins an attempt.
func (s *Service) newAttempt(l methods.Login, w wish, now time.Time) (attempt, error) {
	a := attempt{
		Login: loginPath(l.Method(), l.Name()), Target: w.target, Created: now.Unix(), Prompt: w.prompt,
	}
	if w.maxAge != nil {
		seconds := int64(*w.maxAge / time.Second)
		a.MaxAge = &seconds
	}
	for _, p := range []*string{&a.State, &a.Nonce, &a.Verifier} {
		var b [secretBytes]byte
		if _, err := io.ReadFull(s.random, b[:]); err != nil {
			return attempt{}, fmt.Errorf("loginsvc: make attempt: %w", err)
		}
		*p = base64.RawURLEncoding.EncodeToString(b[:])
	}
	return a, nil
}

// contract is the attempt as the provider's package sees it.
func (a *attempt) contract() methods.Attempt {
	c := methods.Attempt{State: a.State, Nonce: a.Nonce, Verifier: gateward.NewSecret(a.Verifier), Prompt: a.Prompt}
	if a.MaxAge != nil {
		age := time.Duration(*a.MaxAge) * time.Second
		c.MaxAge = &age
	}
	return c
}

// over is when the attempt ends.
func (a *attempt) over(lifetime time.Duration) time.Time {
	return time.Unix(a.Created, 0).Add(lifetime)
}

// live reports whether the attempt can be finished at now.
func (a *attempt) live(now time.Time, lifetime time.Duration) bool {
	return now.Before(a.over(lifetime)) && time.Unix(a.Created, 0).Before(now.Add(clockSkew))
}

// attemptID names the attempt with this state.
func attemptID(state string) string {
	sum := sha256.Sum256([]byte("gateward attempt id\x00" + state))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// attemptIDLength is that of an [attemptID].
const attemptIDLength = 22

// seal makes the cookie of an attempt.
func (s *Service) seal(ctx context.Context, a *attempt) (*http.Cookie, error) {
	plain, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("loginsvc: encode attempt: %w", err)
	}
	id := attemptID(a.State)
	sealed, err := s.sealer.Seal(ctx, nil, plain, []byte(id))
	if err != nil {
		return nil, fmt.Errorf("loginsvc: seal attempt: %w", err)
	}
	return s.cookies.State(id, base64.RawURLEncoding.EncodeToString(sealed), a.over(s.cfg.StateLifetime))
}

// open returns what the attempt cookie with this id and value holds, or
// [errNoAttempt]; any other error says that it cannot be told now.
func (s *Service) open(ctx context.Context, id, value string) (attempt, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return attempt{}, errNoAttempt
	}
	plain, err := s.sealer.Open(ctx, sealed, []byte(id))
	if errors.Is(err, sessions.ErrTampered) {
		return attempt{}, errNoAttempt
	}
	if err != nil {
		return attempt{}, fmt.Errorf("loginsvc: open attempt: %w", err)
	}
	var a attempt
	if json.Unmarshal(plain, &a) != nil {
		return attempt{}, errNoAttempt
	}
	return a, nil
}

// attemptOf returns the attempt of this browser with this state, or
// [errNoAttempt]. Of several cookies with its name, whoever set them, only one
// that we sealed opens.
func (s *Service) attemptOf(x *exchange, state string) (attempt, error) {
	id := attemptID(state)
	for _, value := range s.cookies.StateValues(x.r, id) {
		a, err := s.open(x.r.Context(), id, value)
		if errors.Is(err, errNoAttempt) {
			continue
		}
		if err != nil {
			return attempt{}, err
		}
		if subtle.ConstantTimeCompare([]byte(a.State), []byte(state)) == 1 {
			return a, nil
		}
	}
	return attempt{}, errNoAttempt
}

// dropOld removes the attempts of this browser that are over or not ours, and
// as many of the oldest as make room for one more.
func (s *Service) dropOld(x *exchange) error {
	type pending struct {
		id      string
		created int64
	}
	var live []pending
	for _, c := range s.cookies.States(x.r) {
		if len(c.ID) != attemptIDLength {
			continue // the bounce counter
		}
		a, err := s.open(x.r.Context(), c.ID, c.Value)
		switch {
		case errors.Is(err, errNoAttempt) || err == nil && !a.live(x.now, s.cfg.StateLifetime):
			http.SetCookie(x.w, s.cookies.ClearState(c.ID))
		case err != nil:
			return err
		default:
			live = append(live, pending{c.ID, a.Created})
		}
	}
	slices.SortStableFunc(live, func(a, b pending) int { return int(a.created - b.created) })
	for len(live) >= maxAttempts {
		http.SetCookie(x.w, s.cookies.ClearState(live[0].id))
		live = live[1:]
	}
	return nil
}
