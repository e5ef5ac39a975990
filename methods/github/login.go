package github

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods"
)

// exchangeTimeout bounds the whole of a login, however many pages there are.
const exchangeTimeout = 15 * time.Second

// promptSelectAccount is the only prompt that GitHub knows.
const promptSelectAccount = "select_account"

// AuthCodeURL implements [methods.Login]. GitHub is not asked, and knows nothing
// of the attempt's nonce and maximal age.
func (m *Method) AuthCodeURL(_ context.Context, a methods.Attempt) (string, error) {
	if a.State == "" || m.config.pkce && !present(a.Verifier) {
		return "", errors.New("github: the attempt lacks state or verifier")
	}
	v := url.Values{
		"response_type": {"code"},
		"client_id":     {m.config.ClientID},
		"redirect_uri":  {m.config.redirectURI},
		"scope":         {strings.Join(m.config.scopes, " ")},
		"state":         {a.State},
	}
	if m.config.pkce {
		challenge := sha256.Sum256([]byte(a.Verifier.Reveal()))
		v.Set("code_challenge", base64.RawURLEncoding.EncodeToString(challenge[:]))
		v.Set("code_challenge_method", "S256")
	}
	if slices.Contains(strings.Fields(a.Prompt), promptSelectAccount) {
		v.Set("prompt", promptSelectAccount)
	}
	if a.LoginHint != "" {
		v.Set("login", a.LoginHint)
	}
	return m.config.server + "/login/oauth/authorize?" + v.Encode(), nil
}

// Exchange implements [methods.Login]. It takes fifteen seconds at most. GitHub
// does not say when the person authenticated.
func (m *Method) Exchange(ctx context.Context, c methods.Callback, a methods.Attempt) (gateward.Identity, gateward.Tokens, error) {
	fail := func(err error) (gateward.Identity, gateward.Tokens, error) {
		return gateward.Identity{}, gateward.Tokens{}, err
	}
	switch {
	case c.Issuer != nil && !m.isOwnIssuer(*c.Issuer):
		return fail(invalid("the callback's iss is another issuer"))
	case !present(c.Code):
		return fail(invalid("the callback has no code"))
	case m.config.pkce && !present(a.Verifier):
		return fail(errors.New("github: the attempt lacks the verifier"))
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	g, err := m.redeem(ctx, c.Code, a.Verifier)
	if err != nil {
		return fail(err)
	}
	id, err := m.establish(ctx, g)
	if err != nil {
		return id, gateward.Tokens{}, err
	}
	return id, g.Tokens, nil
}

// isOwnIssuer is the defence against mix-up (RFC 9207 §2.4), should GitHub send the
// parameter iss: whatever it calls itself is at the server's address.
func (m *Method) isOwnIssuer(iss string) bool {
	return iss == m.config.server || strings.HasPrefix(iss, m.config.server+"/")
}

// invalid is the error for what GitHub or a browser sent and we refuse. The reason
// is a constant: nothing of a token gets into an error.
func invalid(reason string) error {
	return fmt.Errorf("github: %s: %w", reason, gateward.ErrInvalidCredential)
}
