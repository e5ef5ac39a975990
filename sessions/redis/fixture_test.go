package redis_test

import (
	"crypto/rand"
	"fmt"
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
	subject      = "ada-lovelace"
	userID       = "5d2c7a0e-93b4-4e6f-8a11-7c0f4b9d2e63"
)

// newUser returns an enabled user with two identities of their own, and an
// address that others have, too.
func newUser(edit ...func(*sessions.User)) sessions.User {
	now := time.Now().UTC().Truncate(time.Microsecond)
	u := sessions.User{
		ID: newUserID(), Enabled: true, CreatedAt: now, UpdatedAt: now, LastLoginAt: now,
		Identities: []sessions.UserIdentity{
			{
				Principal: gateward.Principal{Issuer: "https://op.example.com", Subject: subject + rand.Text()},
				Method:    "oidc", Provider: "example", Email: email, Authoritative: true, Name: "Ada Lovelace",
			},
			{Principal: gateward.Principal{Issuer: "https://github.com", Subject: rand.Text()}, Method: "github"},
		},
	}
	for _, e := range edit {
		e(&u)
	}
	return u
}

func newUserID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func disabled(u *sessions.User) { u.Enabled = false }

func newSession(edit ...func(*sessions.Session)) (sessions.Session, string) {
	var random [32]byte
	rand.Read(random[:])
	token := sessions.ClientToken(random).Reveal()
	key := sessions.KeyOf([]byte(token))
	now := time.Now().UTC().Truncate(time.Microsecond)
	s := sessions.Session{
		ID: sessions.IDOf(key), Key: key, Revision: 1,
		Identity: gateward.Identity{
			Principal: gateward.Principal{Issuer: "https://op.example.com", Subject: subject},
			Method:    "oidc", Provider: "example", Email: email, UserID: userID,
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
