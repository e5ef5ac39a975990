package redis_test

import (
	"crypto/rand"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// Secrets that must not be found in Redis.
const (
	accessToken  = "access-token-of-the-provider"
	refreshToken = "refresh-token-of-the-provider"
	idToken      = "id-token-of-the-provider"
	email        = "ada@example.com"
)

func newSession(edit ...func(*sessions.Session)) (sessions.Session, string) {
	var random [32]byte
	rand.Read(random[:])
	token := sessions.ClientToken(random).Reveal()
	key := sessions.KeyOf([]byte(token))
	now := time.Now().UTC().Truncate(time.Microsecond)
	s := sessions.Session{
		ID: sessions.IDOf(key), Key: key, Revision: 1,
		Identity: gateward.Identity{
			Principal: gateward.Principal{Issuer: "https://op.example.com", Subject: "ada"},
			Method:    "oidc", Provider: "example", Email: email,
		},
		Tokens: gateward.Tokens{
			AccessToken: gateward.NewSecret(accessToken), RefreshToken: gateward.NewSecret(refreshToken),
			IDToken: gateward.NewSecret(idToken), SID: "sid-1",
		},
		CreatedAt: now, UpdatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(time.Hour), IdleTimeout: 30 * time.Minute,
	}
	for _, e := range edit {
		e(&s)
	}
	return s, token
}
