package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/outbound"
)

const (
	// maxTokenLifetime bounds what the server says of an access token, which is
	// eight hours.
	maxTokenLifetime = 24 * time.Hour
	// defaultTokenLifetime is assumed where there is a refresh token and no lifetime.
	defaultTokenLifetime = time.Hour
)

// Rules of this package that are no keys of the configuration.
const (
	// ruleScopes: the person did not grant what the rules need.
	ruleScopes = "scopes"
	// ruleVerifiedEmail: GitHub gives no token to who has no verified address.
	ruleVerifiedEmail = "unverified_user_email"
	// ruleSuspended: GitHub has suspended the account.
	ruleSuspended = "suspended_account"
)

// granted are tokens and what they are good for.
type granted struct {
	gateward.Tokens
	scopes scopeSet
	said   bool // GitHub has said which scopes
	// subject is whose they are, or "" as long as that is not known.
	subject string
	// session: they are those of a session, and so of somebody who may enter.
	session bool
	// late, of a session, is set once other requests about the same person have taken
	// time that there would have been for these.
	late *atomic.Bool
}

// of returns what was granted to the session of a subject.
func (g granted) of(subject string, late *atomic.Bool) granted {
	g.subject, g.session, g.late = subject, true, late
	return g
}

func (g granted) setLate() {
	if g.late != nil {
		g.late.Store(true)
	}
}

func (g granted) isLate() bool { return g.late != nil && g.late.Load() }

// grantedBy returns what is known of tokens that were granted some time ago.
func grantedBy(t gateward.Tokens) granted {
	app := strings.HasPrefix(t.AccessToken.Reveal(), appTokenPrefix)
	return granted{Tokens: t, scopes: scopeSet{all: app}, said: app}
}

// redeem exchanges a code for tokens (RFC 6749 §4.1.3).
func (m *Method) redeem(ctx context.Context, code, verifier gateward.Secret) (granted, error) {
	form := url.Values{
		"grant_type":   {"authorization_code"},
		"code":         {code.Reveal()},
		"redirect_uri": {m.config.redirectURI},
	}
	if m.config.pkce {
		form.Set("code_verifier", verifier.Reveal())
	}
	return m.requestTokens(ctx, opToken, form)
}

// renew exchanges a refresh token for tokens (RFC 6749 §6). Both it and the access
// token that came with it are of no use afterwards.
func (m *Method) renew(ctx context.Context, t gateward.Tokens) (granted, error) {
	g, err := m.requestTokens(ctx, opRefresh, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {t.RefreshToken.Reveal()},
	})
	if err == nil && g.RefreshToken.Reveal() == "" {
		g.RefreshToken = t.RefreshToken
	}
	return g, err
}

// tokenAnswer is what the token endpoint says, be it tokens or an error: both come
// with status 200.
type tokenAnswer struct {
	AccessToken  string      `json:"access_token"`
	TokenType    string      `json:"token_type"`
	Scope        *string     `json:"scope"`
	RefreshToken string      `json:"refresh_token"`
	ExpiresIn    json.Number `json:"expires_in"`
	Error        string      `json:"error"`
}

// requestTokens makes one request to the token endpoint.
func (m *Method) requestTokens(ctx context.Context, operation string, form url.Values) (granted, error) {
	form.Set("client_id", m.config.ClientID)
	form.Set("client_secret", m.config.ClientSecret.Reveal())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.config.server+"/login/oauth/access_token", strings.NewReader(form.Encode()))
	if err != nil {
		return granted{}, unavailable(operation, errors.New("the address is not a URL"))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json") // otherwise the answer is a form
	req.Header.Set("User-Agent", "gateward")
	res, err := m.tokens.Do(req)
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) { // that is nobody's failure
			m.report(operation, false)
		}
		return granted{}, unavailable(operation, outbound.WithoutAddress(err))
	}
	defer func() { _ = res.Body.Close() }()
	var said tokenAnswer
	body, err := outbound.ReadJSON(res, maxBodySize)
	if err == nil && json.Unmarshal(body, &said) != nil {
		err = errors.New("the answer is not that of a token endpoint") // the decoder's error quotes it
	}
	g, err := m.judgeTokens(ctx, operation, res, said, err)
	m.report(operation, err == nil || errors.Is(err, gateward.ErrInvalidCredential) || errors.Is(err, gateward.ErrNotAdmitted))
	return g, err
}

// judgeTokens makes tokens or an error of an answer. unread says why the body is
// not known, if it is not.
func (m *Method) judgeTokens(ctx context.Context, operation string, res *http.Response, said tokenAnswer, unread error) (granted, error) {
	wait, _, tooOften := limited(res.StatusCode, res.Header, "", m.now())
	switch {
	case tooOften:
		return granted{}, tooMany(operation, max(wait, time.Second), false)
	case res.StatusCode == http.StatusNotFound:
		return granted{}, m.misconfigured(ctx, operation, "there is no such application",
			"compare client_id and server_url with the application's settings at GitHub")
	case unread != nil:
		return granted{}, unavailable(operation, fmt.Errorf("%w (status %d)", unread, res.StatusCode))
	case said.Error != "":
		return granted{}, m.tokenError(ctx, operation, said.Error)
	case res.StatusCode != http.StatusOK:
		return granted{}, unavailable(operation, &refusal{status: res.StatusCode})
	case said.AccessToken == "" || !strings.EqualFold(said.TokenType, "bearer"):
		return granted{}, unavailable(operation, errors.New("the answer has no bearer token"))
	}
	g := granted{Tokens: gateward.Tokens{AccessToken: gateward.NewSecret(said.AccessToken)}}
	if said.RefreshToken != "" {
		g.RefreshToken = gateward.NewSecret(said.RefreshToken)
	}
	switch lifetime, err := said.ExpiresIn.Int64(); {
	case err == nil && lifetime > 0:
		g.Expiry = m.now().Add(min(time.Duration(min(lifetime, int64(maxTokenLifetime/time.Second)))*time.Second, maxTokenLifetime))
	case said.RefreshToken != "":
		g.Expiry = m.now().Add(defaultTokenLifetime)
	}
	switch {
	case strings.HasPrefix(said.AccessToken, appTokenPrefix):
		g.scopes, g.said = scopeSet{all: true}, true
	case said.Scope != nil:
		g.scopes, g.said = parseScopes(*said.Scope), true
	}
	return g, nil
}

// tokenError makes an error of one that GitHub documents for token requests.
func (m *Method) tokenError(ctx context.Context, operation, code string) error {
	switch code {
	case "bad_verification_code", "bad_code_verifier", "bad_refresh_token", "invalid_grant":
		return fmt.Errorf("github: ask for %s: GitHub answered %s: %w", operation, code, gateward.ErrInvalidCredential)
	case ruleVerifiedEmail:
		return fmt.Errorf("github: ask for %s: %w", operation, &gateward.NotAdmittedError{
			Rule:   ruleVerifiedEmail,
			Reason: "GitHub lets only those log in here whose primary e-mail address is verified. Verify yours in GitHub's settings and log in again.",
			URL:    m.config.page("/settings/emails"),
		})
	case "incorrect_client_credentials", "invalid_client":
		return m.misconfigured(ctx, operation, "GitHub does not accept the client secret",
			"compare client_id and client_secret with the application's settings at GitHub")
	case "redirect_uri_mismatch":
		return m.misconfigured(ctx, operation, "GitHub does not accept the redirect URI",
			"register "+m.config.redirectURI+" as the callback URL of the application at GitHub")
	case "application_suspended":
		return m.misconfigured(ctx, operation, "GitHub has suspended the application", "ask GitHub's support")
	}
	if !isErrorCode(code) {
		code = "with an error"
	}
	return unavailable(operation, errors.New("GitHub answered "+code))
}

// isErrorCode reports whether s may be read by an operator as it is.
func isErrorCode(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_0123456789") == ""
}

// misconfigured is the error for what only the operator can put right.
func (m *Method) misconfigured(ctx context.Context, operation, problem, remedy string) error {
	m.logger.LogAttrs(ctx, slog.LevelError, "github login is misconfigured",
		slog.String("operation", operation), slog.String("problem", problem), slog.String("remedy", remedy))
	return fmt.Errorf("github: ask for %s: %s: %w", operation, problem, &gateward.UnavailableError{
		Reason: "The login with GitHub is not set up correctly here. Tell whoever operates this site.",
	})
}
