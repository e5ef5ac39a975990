package redis

import (
	"errors"
	"strings"

	"github.com/gateward/gateward/sessions"
)

// A message on the channel is a version, a kind, and what that kind has.
const (
	messageVersion = 1

	kindKeys = 'k' // keys, one after the other: they are revoked
	kindAll  = 'a' // nothing: all are
	kindBeat = 'b' // the origin of a heartbeat

	// keysPerMessage bounds a message to 32 KiB.
	keysPerMessage = 1000
)

var errMalformed = errors.New("redis: malformed message")

// A message is a revocation, or a heartbeat if beat is not empty.
type message struct {
	sessions.Revocation
	beat string
}

// keysMessage returns a message that revokes keys; without any, what such a
// message begins with.
func keysMessage(keys ...sessions.Key) string {
	b := []byte{messageVersion, kindKeys}
	for i := range keys {
		b = append(b, keys[i][:]...)
	}
	return string(b)
}

func beatMessage(origin string) string {
	return string([]byte{messageVersion, kindBeat}) + origin
}

// encode returns the messages of a revocation.
func encode(r sessions.Revocation) []string {
	if r.All {
		return []string{string([]byte{messageVersion, kindAll})}
	}
	var all []string
	for keys := r.Keys; len(keys) > 0; {
		n := min(len(keys), keysPerMessage)
		all = append(all, keysMessage(keys[:n]...))
		keys = keys[n:]
	}
	return all
}

func decode(text string) (message, error) {
	if len(text) < 2 || text[0] != messageVersion {
		return message{}, errMalformed
	}
	kind, rest := text[1], text[2:]
	switch {
	case kind == kindAll && rest == "":
		return message{Revocation: sessions.Revocation{All: true}}, nil
	case kind == kindBeat && rest != "":
		return message{beat: strings.Clone(rest)}, nil
	case kind == kindKeys && rest != "" && len(rest)%len(sessions.Key{}) == 0:
		var m message
		for ; rest != ""; rest = rest[len(sessions.Key{}):] {
			m.Keys = append(m.Keys, sessions.Key([]byte(rest[:len(sessions.Key{})])))
		}
		return m, nil
	}
	return message{}, errMalformed
}
