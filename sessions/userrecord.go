package sessions

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/gateward/gateward"
)

// userVersion begins every encoded user.
const userVersion = 1

// userRecord is the kept form of a user.
type userRecord struct {
	ID         string           `json:"id"`
	Revision   uint64           `json:"r"`
	Enabled    bool             `json:"on,omitempty"`
	Waiting    bool             `json:"w,omitempty"`
	Identities []identityRecord `json:"i"`
	CreatedAt  int64            `json:"tc"`
	UpdatedAt  int64            `json:"tu"`
	LastLogin  int64            `json:"tl,omitempty"`
}

type identityRecord struct {
	Issuer        string `json:"iss,omitempty"`
	Subject       string `json:"sub"`
	Method        string `json:"m"`
	Provider      string `json:"p,omitempty"`
	Email         string `json:"e,omitempty"`
	Authoritative bool   `json:"a,omitempty"`
	Name          string `json:"n,omitempty"`
	LastLogin     int64  `json:"tl,omitempty"`
}

// EncodeUser appends the kept form of u to dst: a backend whose records outlive
// the process seals it. What DecodeUser would not take, or give back as something
// else, is an error: a text that is not UTF-8. Only in a Name, which nothing is
// decided by, U+FFFD takes the place of what is not.
func EncodeUser(dst []byte, u *User) ([]byte, error) {
	switch {
	case u.ID == "":
		return nil, errors.New("sessions: encode user: it has no id")
	case len(u.Identities) == 0:
		return nil, errors.New("sessions: encode user: it has no identity")
	case u.Enabled && u.Waiting:
		return nil, errors.New("sessions: encode user: it is enabled and waits to be")
	case !u.isUTF8():
		return nil, errors.New("sessions: encode user: its id, or an issuer, a subject, a method, a provider or an address, is not UTF-8")
	}
	r := userRecord{
		ID: u.ID, Revision: u.Revision, Enabled: u.Enabled, Waiting: u.Waiting,
		CreatedAt: micro(u.CreatedAt), UpdatedAt: micro(u.UpdatedAt), LastLogin: micro(u.LastLoginAt),
	}
	for i := range u.Identities {
		id := &u.Identities[i]
		r.Identities = append(r.Identities, identityRecord{
			Issuer: id.Issuer, Subject: id.Subject, Method: id.Method, Provider: id.Provider,
			Email: id.Email, Authoritative: id.Authoritative, Name: id.Name, LastLogin: micro(id.LastLoginAt),
		})
	}
	b, err := json.Marshal(&r)
	if err != nil {
		return nil, fmt.Errorf("sessions: encode user: %w", err)
	}
	return append(append(dst, userVersion), b...), nil
}

// isUTF8 reports whether all that users are told apart by is.
func (u *User) isUTF8() bool {
	ok := utf8.ValidString(u.ID)
	for i := range u.Identities {
		id := &u.Identities[i]
		for _, text := range []string{id.Issuer, id.Subject, id.Method, id.Provider, id.Email} {
			ok = ok && utf8.ValidString(text)
		}
	}
	return ok
}

// DecodeUser returns the user that [EncodeUser] made b of. Anything else is
// [ErrTampered].
func DecodeUser(b []byte) (User, error) {
	var r userRecord
	if len(b) == 0 || b[0] != userVersion || json.Unmarshal(b[1:], &r) != nil ||
		r.ID == "" || len(r.Identities) == 0 || r.Enabled && r.Waiting {
		return User{}, ErrTampered
	}
	u := User{
		ID: r.ID, Revision: r.Revision, Enabled: r.Enabled, Waiting: r.Waiting,
		CreatedAt: date(r.CreatedAt), UpdatedAt: date(r.UpdatedAt), LastLoginAt: date(r.LastLogin),
	}
	for i := range r.Identities {
		id := &r.Identities[i]
		u.Identities = append(u.Identities, UserIdentity{
			Principal: gateward.Principal{Issuer: id.Issuer, Subject: id.Subject},
			Method:    id.Method, Provider: id.Provider, Email: id.Email,
			Authoritative: id.Authoritative, Name: id.Name, LastLoginAt: date(id.LastLogin),
		})
	}
	return u, nil
}
