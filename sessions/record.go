package sessions

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/gateward/gateward"
)

// recordVersion begins every encoded session, so that a later form can be told
// from this one.
const recordVersion = 1

// claimsMetadata is the metadata key under which Flipt keeps all claims as JSON.
// Where it is there, the claims are not kept a second time.
const claimsMetadata = "io.flipt.auth.claims"

// record is the kept form of a session. Its names are short, because there may
// be a million of them.
type record struct {
	Key           []byte            `json:"k"`
	Revision      uint64            `json:"r,omitempty"`
	Issuer        string            `json:"iss,omitempty"`
	Subject       string            `json:"sub,omitempty"`
	Method        string            `json:"m,omitempty"`
	Provider      string            `json:"p,omitempty"`
	Email         string            `json:"e,omitempty"`
	EmailVerified bool              `json:"ev,omitempty"`
	Name          string            `json:"n,omitempty"`
	Groups        []string          `json:"g,omitempty"`
	Organizations []string          `json:"o,omitempty"`
	Teams         []string          `json:"t,omitempty"`
	Scopes        []string          `json:"s,omitempty"`
	AllScopes     bool              `json:"as,omitempty"`
	Claims        map[string]any    `json:"c,omitempty"`
	Metadata      map[string]string `json:"md,omitempty"`
	AuthTime      int64             `json:"at,omitempty"`
	ConfirmedAt   int64             `json:"ac,omitempty"`
	UserID        string            `json:"u,omitempty"`

	AccessToken  string `json:"ta,omitempty"`
	RefreshToken string `json:"tr,omitempty"`
	IDToken      string `json:"ti,omitempty"`
	TokenExpiry  int64  `json:"te,omitempty"`
	SID          string `json:"sid,omitempty"`

	CreatedAt  int64 `json:"tc"`
	UpdatedAt  int64 `json:"tu"`
	LastSeenAt int64 `json:"ts"`
	ExpiresAt  int64 `json:"tx"`
	// Idle is in microseconds, as times are.
	Idle int64 `json:"i,omitempty"`

	UserAgent string `json:"ua,omitempty"`
	Address   string `json:"a,omitempty"`
}

// Encode appends the kept form of s, provider tokens in the clear, to dst: a
// backend whose records outlive the process seals it.
func Encode(dst []byte, s *Session) ([]byte, error) {
	id := &s.Identity
	r := record{
		Key: s.Key[:], Revision: s.Revision,
		Issuer: id.Issuer, Subject: id.Subject, Method: id.Method, Provider: id.Provider,
		Email: id.Email, EmailVerified: id.EmailVerified, Name: id.Name,
		Groups: id.Groups, Organizations: id.Organizations, Teams: id.Teams,
		Scopes: id.Scopes, AllScopes: id.AllScopes,
		Claims: id.Claims, Metadata: id.Metadata, AuthTime: micro(id.AuthTime),
		ConfirmedAt: micro(id.ConfirmedAt), UserID: id.UserID,
		AccessToken: s.Tokens.AccessToken.Reveal(), RefreshToken: s.Tokens.RefreshToken.Reveal(),
		IDToken: s.Tokens.IDToken.Reveal(), TokenExpiry: micro(s.Tokens.Expiry), SID: s.Tokens.SID,
		CreatedAt: micro(s.CreatedAt), UpdatedAt: micro(s.UpdatedAt), LastSeenAt: micro(s.LastSeenAt),
		ExpiresAt: micro(s.ExpiresAt), Idle: s.IdleTimeout.Microseconds(),
		UserAgent: s.UserAgent, Address: s.Address,
	}
	if text, twice := id.Metadata[claimsMetadata]; twice {
		if !isObject(text) {
			return nil, fmt.Errorf("sessions: encode: metadata %s is not a JSON object", claimsMetadata)
		}
		r.Claims = nil
	}
	b, err := json.Marshal(&r) //nolint:gosec // G117: keeping the tokens is the point; who keeps them seals this
	if err != nil {
		return nil, fmt.Errorf("sessions: encode: %w", err)
	}
	return append(append(dst, recordVersion), b...), nil
}

// isObject reports whether text is a JSON object.
func isObject(text string) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal([]byte(text), &object) == nil && object != nil
}

// Decode returns the session that [Encode] made b of. Anything else is
// [ErrTampered].
func Decode(b []byte) (Session, error) {
	var r record
	if len(b) == 0 || b[0] != recordVersion || json.Unmarshal(b[1:], &r) != nil || len(r.Key) != len(Key{}) {
		return Session{}, ErrTampered
	}
	s := Session{
		Key: Key(r.Key), Revision: r.Revision,
		Identity: gateward.Identity{
			Principal: gateward.Principal{Issuer: r.Issuer, Subject: r.Subject},
			Method:    r.Method, Provider: r.Provider,
			Email: r.Email, EmailVerified: r.EmailVerified, Name: r.Name,
			Groups: r.Groups, Organizations: r.Organizations, Teams: r.Teams,
			Scopes: r.Scopes, AllScopes: r.AllScopes,
			Claims: r.Claims, Metadata: r.Metadata, AuthTime: date(r.AuthTime),
			ConfirmedAt: date(r.ConfirmedAt), UserID: r.UserID,
		},
		Tokens: gateward.Tokens{
			AccessToken: secret(r.AccessToken), RefreshToken: secret(r.RefreshToken), IDToken: secret(r.IDToken),
			Expiry: date(r.TokenExpiry), SID: r.SID,
		},
		CreatedAt: date(r.CreatedAt), UpdatedAt: date(r.UpdatedAt), LastSeenAt: date(r.LastSeenAt),
		ExpiresAt: date(r.ExpiresAt), IdleTimeout: time.Duration(r.Idle) * time.Microsecond,
		UserAgent: r.UserAgent, Address: r.Address,
	}
	s.ID = IDOf(s.Key)
	if text, ok := r.Metadata[claimsMetadata]; ok && json.Unmarshal([]byte(text), &s.Identity.Claims) != nil {
		return Session{}, ErrTampered
	}
	return s, nil
}

// Merge returns the session that [Store.Replace] makes of kept and its argument
// at now.
func Merge(kept, with *Session, now time.Time) Session {
	s := *kept
	s.Identity, s.Tokens = with.Identity, with.Tokens
	s.Identity.UserID = kept.Identity.UserID
	s.Identity.Metadata = maps.Clone(with.Identity.Metadata)
	if with.ExpiresAt.Before(s.ExpiresAt) {
		s.ExpiresAt = with.ExpiresAt
	}
	s.Revision++
	s.UpdatedAt = now
	return s
}

// micro is a time in microseconds since the epoch, 0 for the zero time.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func date(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func secret(v string) gateward.Secret {
	if v == "" {
		return gateward.Secret{}
	}
	return gateward.NewSecret(v)
}
