package loginsvc

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gateward/gateward/methods"
)

// The steps of a login that are counted apart.
const (
	stepAuthorize = "authorize"
	stepCallback  = "callback"
	stepLogout    = "logout" // at the provider, by this browser
)

var errFlood = errors.New("loginsvc: too many logins from this address")

// flooded reports whether this client address has come too often to this step of
// logins with l, and answers then: 429, and nothing else is done. Where the address
// is not known nobody is refused for what others do.
func (s *Service) flooded(x *exchange, l methods.Login, step string) bool {
	address := neighbourhood(s.peer(x))
	if address == "" {
		return false
	}
	wait, first := s.limit.take(limitKey{step, loginPath(l.Method(), l.Name()), address}, x.now)
	if wait <= 0 {
		return false
	}
	s.metrics.Login(label(l), resultLimited)
	level := slog.LevelDebug // one line for all of a flood: the others would be a flood, too
	if first {
		level = slog.LevelWarn
	}
	attrs := append(s.loginAttrs(x, l), slog.String("outcome", "deny"), slog.String("reason", resultLimited), slog.String("step", step), errAttr(errFlood))
	s.log.LogAttrs(x.r.Context(), level, "login", attrs...)
	s.refuse(x, failure{
		status: http.StatusTooManyRequests, message: step + ": too many logins", retryAfter: wait,
		title: "That was too often", text: "There were too many logins from your network in a short time. Please wait a minute and try again.",
		actions: s.startAction(),
	})
	return true
}

// roomForNote counts a logout at l by this client address, and reports whether
// there may be one more. Those whose address is not known count as one.
func (s *Service) roomForNote(x *exchange, l methods.Login) bool {
	wait, _ := s.limit.take(limitKey{stepLogout, loginPath(l.Method(), l.Name()), neighbourhood(s.peer(x))}, x.now)
	return wait <= 0
}

// seconds is a duration for the header Retry-After: whole seconds, at least one.
func seconds(d time.Duration) int {
	return int(max((d+time.Second-1)/time.Second, 1))
}
