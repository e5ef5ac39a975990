package loginsvc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

const (
	// maxLogoutToken bounds a logout token, maxLogoutBody what it comes in.
	maxLogoutToken = 4 << 10
	maxLogoutBody  = 8 << 10
	// maxSID bounds a provider's session id, in bytes.
	maxSID = 255
	// deleteAttempts is how often the end of a provider's sessions is tried: the
	// logout token is used up by then, and the provider will not come again with
	// another.
	deleteAttempts = 3
	deleteTimeout  = 5 * time.Second
)

// A frontChannel is a provider that may end sessions through the browser
// (OpenID Connect Front-Channel Logout 1.0). It is found by type assertion on
// [methods.Login].
type frontChannel interface {
	// FrontChannel reports whether the configuration allows it, and the issuer
	// that the provider then names.
	FrontChannel() (allowed bool, issuer string)
}

// backChannel ends what a provider's logout token names (OpenID Connect
// Back-Channel Logout 1.0, §2.5 to §2.8).
func (s *Service) backChannel(x *exchange) {
	l := s.loginOf(x)
	if l == nil {
		s.unknownProvider(x, "revoke")
		return
	}
	v, ok := l.(methods.LogoutTokenVerifier)
	if !ok {
		s.refuse(x, failure{status: http.StatusBadRequest, message: "revoke: operation disabled"})
		return
	}
	invalid := failure{status: http.StatusBadRequest, message: "revoke: invalid logout token"}
	raw, ok := logoutTokenIn(x.r)
	if !ok {
		s.refuse(x, invalid)
		return
	}
	ctx := x.r.Context()
	token, err := v.VerifyLogoutToken(ctx, raw)
	switch {
	case err == nil:
	case errors.Is(err, gateward.ErrInvalidCredential) && !errors.Is(err, gateward.ErrUnavailable):
		invalid.err = err
		s.refuse(x, invalid)
		return
	default:
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	if token.JTI == "" || token.SID == "" && token.Subject == "" {
		invalid.err = errors.New("loginsvc: logout token names nothing")
		s.refuse(x, invalid)
		return
	}
	first, err := s.store.Use(ctx, "logout:"+loginPath(l.Method(), l.Name())+":"+digest(token.JTI), token.Expiry)
	switch {
	case err != nil:
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
	case !first:
		invalid.err = errors.New("loginsvc: logout token was used before")
		s.refuse(x, invalid)
	default:
		s.endAt(x, l, causeBackChannel, func(ctx context.Context) (int, error) { return s.endNamed(ctx, l, token) })
	}
}

// endNamed ends what a logout token names, and notes it for logins under way. A
// token with both names means the session of that sid; of the subject's others
// it may mean those of which no sid is known. What fails of this keeps nothing else
// of it from being done.
func (s *Service) endNamed(ctx context.Context, l methods.Login, token methods.LogoutToken) (n int, err error) {
	noted := s.noteEnd(ctx, loginPath(l.Method(), l.Name()), token)
	f := sessions.Filter{Method: l.Method(), Provider: l.Name(), SID: token.SID}
	if token.SID == "" {
		f.Principal = token.Principal
	}
	n, err = s.store.DeleteWhere(ctx, f)
	err = errors.Join(noted, err)
	if token.SID == "" || token.Subject == "" {
		return n, err
	}
	f.SID, f.Principal = "", token.Principal
	more, unnamed := s.endChosen(ctx, f, func(o *sessions.Session) bool { return o.Tokens.SID == "" })
	return n + more, errors.Join(err, unnamed)
}

// frontChannel ends the session that the provider's logout page, in this
// browser, names by its sid. The cookie is left: it names nothing any longer,
// and whoever calls this is not known. That is also why the end is noted for logins
// under way only as often as this address may come: a note is a write, whether
// there is such a session or not.
func (s *Service) frontChannel(x *exchange) {
	l := s.loginOf(x)
	if l == nil {
		s.unknownProvider(x, "revoke")
		return
	}
	f, ok := l.(frontChannel)
	if !ok {
		s.refuse(x, failure{status: http.StatusBadRequest, message: "revoke: operation disabled"})
		return
	}
	allowed, issuer := f.FrontChannel()
	q, err := url.ParseQuery(x.r.URL.RawQuery)
	iss, sid := q["iss"], q["sid"]
	message := ""
	switch {
	case !allowed || issuer == "":
		message = "revoke: operation disabled"
	case err != nil || len(iss) > 1 || len(sid) != 1 || sid[0] == "" || len(sid[0]) > maxSID:
		message = "revoke: operation requires sid or sub"
	case len(iss) == 0 || iss[0] != issuer:
		message = "revoke: issuer mismatch"
	}
	if message != "" {
		s.refuse(x, failure{status: http.StatusBadRequest, message: message})
		return
	}
	note := s.roomForNote(x, l)
	s.endAt(x, l, causeFrontChannel, func(ctx context.Context) (int, error) {
		if note {
			return s.endNamed(ctx, l, methods.LogoutToken{SID: sid[0]})
		}
		return s.store.DeleteWhere(ctx, sessions.Filter{Method: l.Method(), Provider: l.Name(), SID: sid[0]})
	})
}

// endAt does what ends sessions, and answers. The provider's connection may end
// before that is done.
func (s *Service) endAt(x *exchange, l methods.Login, cause string, end func(context.Context) (int, error)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), deleteTimeout)
	defer cancel()
	n, err := end(ctx)
	for i := 1; err != nil && i < deleteAttempts && ctx.Err() == nil; i++ {
		var more int
		more, err = end(ctx)
		n += more
	}
	if err == nil || n > 0 {
		s.ended(x, cause, n, nil, slog.String("auth_method", l.Method()), slog.String("provider", l.Name()))
	}
	if err != nil {
		s.refuse(x, failure{status: http.StatusServiceUnavailable, err: err})
		return
	}
	s.json(x, http.StatusOK, empty{})
}

// logoutTokenIn reads a logout token: from a form, as the specification says, or
// from JSON, as Flipt takes it too. Never from the query, which ends up in logs.
func logoutTokenIn(r *http.Request) (gateward.Secret, bool) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return gateward.Secret{}, false
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxLogoutBody+1))
	if err != nil || len(body) > maxLogoutBody {
		return gateward.Secret{}, false
	}
	raw := ""
	switch kind {
	case "application/x-www-form-urlencoded":
		q, err := url.ParseQuery(string(body))
		if err != nil || len(q["logout_token"]) != 1 {
			return gateward.Secret{}, false
		}
		raw = q.Get("logout_token")
	case "application/json":
		var v struct {
			LogoutToken string `json:"logout_token"`
		}
		if json.Unmarshal(body, &v) != nil {
			return gateward.Secret{}, false
		}
		raw = v.LogoutToken
	}
	return gateward.NewSecret(raw), raw != "" && len(raw) <= maxLogoutToken
}

// digest is a short name for what a provider may make as long as it likes.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
