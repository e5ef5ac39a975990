package loginsvc

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// An authentication is Flipt's message of that name in its JSON form: strings
// and maps that are empty are there, times that are unknown are not.
type authentication struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	ExpiresAt *timestamp        `json:"expiresAt,omitempty"`
	CreatedAt *timestamp        `json:"createdAt,omitempty"`
	UpdatedAt *timestamp        `json:"updatedAt,omitempty"`
	Metadata  map[string]string `json:"metadata"`
}

// authenticationOf is a session as its owner and administrators see it.
func authenticationOf(s *sessions.Session) authentication {
	return authentication{
		ID: s.ID, Method: methodName(s.Identity.Method),
		ExpiresAt: at(s.ExpiresAt), CreatedAt: at(s.CreatedAt), UpdatedAt: at(s.UpdatedAt),
		Metadata: metadataOf(&s.Identity),
	}
}

// authenticationWithout is an identity without a session: a static token is
// known by its configured id, anything else has none.
func authenticationWithout(id *gateward.Identity, started time.Time) authentication {
	a := authentication{Method: methodName(id.Method), Metadata: metadataOf(id)}
	if id.Method == "token" {
		a.ID, a.CreatedAt, a.UpdatedAt = id.Subject, at(started), at(started)
	}
	return a
}

func metadataOf(id *gateward.Identity) map[string]string {
	if id.Metadata == nil {
		return map[string]string{}
	}
	return id.Metadata
}

// methodName is a method in Flipt's enumeration.
func methodName(method string) string { return "METHOD_" + strings.ToUpper(method) }

// A timestamp is written as protobuf's JSON does: RFC 3339 in UTC with 0, 3, 6
// or 9 digits of a second.
type timestamp time.Time

func at(t time.Time) *timestamp {
	if t.IsZero() {
		return nil
	}
	return (*timestamp)(&t)
}

// MarshalJSON implements [json.Marshaler].
func (t timestamp) MarshalJSON() ([]byte, error) {
	u := time.Time(t).UTC()
	layout := "2006-01-02T15:04:05.000000000Z"
	switch ns := u.Nanosecond(); {
	case ns == 0:
		layout = "2006-01-02T15:04:05Z"
	case ns%int(time.Millisecond) == 0:
		layout = "2006-01-02T15:04:05.000Z"
	case ns%int(time.Microsecond) == 0:
		layout = "2006-01-02T15:04:05.000000Z"
	}
	return json.Marshal(u.Format(layout))
}
