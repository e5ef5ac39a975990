package loginsvc

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// The results of a login, as in [Metrics].
const (
	resultSuccess     = "success"
	resultDenied      = "denied"       // the person, or the provider, said no
	resultNotAdmitted = "not_admitted" // known, and kept out by a rule
	resultWaiting     = "waiting"      // known, and not enabled yet
	resultDisabled    = "disabled"     // known, and disabled
	resultLimited     = "limited"      // too often from one address
	resultInvalid     = "invalid"      // what came back is no good
	resultReplayed    = "replayed"     // the state was used before
	resultLate        = "late"         // the attempt was over
	resultUnavailable = "unavailable"
)

// The causes of a revocation, as in [Metrics].
const (
	causeLogout       = "logout"
	causeAccount      = "account"
	causeAPI          = "api"
	causeAdmin        = "admin"    // an administrator, one or many
	causeDisabled     = "disabled" // with the user
	causeBackChannel  = "back_channel"
	causeFrontChannel = "front_channel"
)

// maxLogged bounds the text of an error in the log, in bytes.
const maxLogged = 512

// label names a provider in metrics.
func label(l methods.Login) string { return cmp.Or(l.Name(), l.Method()) }

func (s *Service) loginAttrs(x *exchange, l methods.Login) []slog.Attr {
	return append(s.attrs(x), slog.String("auth_method", l.Method()), slog.String("provider", l.Name()))
}

func (s *Service) attrs(x *exchange) []slog.Attr {
	return []slog.Attr{
		slog.String("request_id", x.requestID), slog.String("decision_id", x.decisionID),
		slog.String("peer", s.peer(x)),
	}
}

// loginSucceeded counts and logs a login.
func (s *Service) loginSucceeded(x *exchange, l methods.Login, session *sessions.Session) {
	s.metrics.Login(label(l), resultSuccess)
	attrs := append(s.loginAttrs(x, l), slog.String("outcome", "allow"), slog.String("reason", resultSuccess))
	s.log.LogAttrs(x.r.Context(), slog.LevelInfo, "login", append(attrs, sessionAttrs(session)...)...)
}

// loginFailed counts and logs a login that did not come to a session.
func (s *Service) loginFailed(x *exchange, l methods.Login, result string, err error) {
	s.metrics.Login(label(l), result)
	level, outcome := slog.LevelInfo, "deny"
	if result == resultUnavailable {
		level, outcome = slog.LevelError, "fault"
	}
	attrs := append(s.loginAttrs(x, l), slog.String("outcome", outcome), slog.String("reason", result), errAttr(err))
	s.log.LogAttrs(x.r.Context(), level, "login", attrs...)
}

// ended counts and logs sessions that a person, a provider or a program ended.
// session is the one, or nil where there are several or none.
func (s *Service) ended(x *exchange, cause string, n int, session *sessions.Session, more ...slog.Attr) {
	s.metrics.Revocations(cause, n)
	attrs := append(s.attrs(x), slog.String("outcome", "allow"), slog.String("reason", cause), slog.Int("sessions", n))
	if session != nil {
		attrs = append(attrs, sessionAttrs(session)...)
		attrs = append(attrs, slog.String("auth_method", session.Identity.Method), slog.String("provider", session.Identity.Provider))
	}
	s.log.LogAttrs(x.r.Context(), slog.LevelInfo, "sessions revoked", append(attrs, more...)...)
}

// logFailure logs what the client is told nothing of.
func (s *Service) logFailure(x *exchange, status int, err error) {
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	attrs := append(s.attrs(x), slog.String("http_method", clip(x.r.Method, 32)),
		slog.String("path", clip(x.r.URL.EscapedPath(), 256)), slog.Int("status", status), errAttr(err))
	s.log.LogAttrs(x.r.Context(), level, "request failed", attrs...)
}

func sessionAttrs(session *sessions.Session) []slog.Attr {
	return append([]slog.Attr{slog.String("session_id", session.ID)}, personAttrs(&session.Identity)...)
}

func personAttrs(id *gateward.Identity) []slog.Attr {
	return []slog.Attr{
		slog.String("issuer", id.Issuer), slog.String("subject_hash", subjectHash(id.Principal)), slog.String("user_id", id.UserID),
	}
}

func errAttr(err error) slog.Attr { return slog.String("err", clip(err.Error(), maxLogged)) }

// subjectHash names a principal in the log without saying who it is.
func subjectHash(p gateward.Principal) string {
	sum := sha256.Sum256([]byte(p.Issuer + "\x00" + p.Subject))
	return hex.EncodeToString(sum[:8])
}

// clip is at most n bytes of s.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}
