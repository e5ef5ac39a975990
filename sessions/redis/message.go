package redis

import (
	"errors"
	"strings"

	"github.com/gateward/gateward/sessions"
)

// A message on the channel is a version, a kind, and what that kind has. Who does
// not know a kind ignores the message.
const (
	messageVersion = 1

	kindKeys   = 'k' // keys, one after the other: they are revoked
	kindAll    = 'a' // nothing: all are
	kindDenied = 'd' // keys, one after the other: they are denied from now on
	kindUsers  = 'u' // nothing: which users are disabled has changed
	kindBeat   = 'b' // the origin of a heartbeat

	// keysPerMessage bounds a message to 32 KiB.
	keysPerMessage = 1000
)

var errMalformed = errors.New("redis: malformed message")

// A message is a part of a revocation, or a heartbeat if beat is not empty.
type message struct {
	sessions.Revocation
	beat string
}

// keysMessage returns a message that revokes keys; without any, what such a
// message begins with.
func keysMessage(keys ...sessions.Key) string { return bare(kindKeys) + string(joinKeys(keys)) }

func deniedMessage(keys ...sessions.Key) string { return bare(kindDenied) + string(joinKeys(keys)) }

func beatMessage(origin string) string { return bare(kindBeat) + origin }

func bare(kind byte) string { return string([]byte{messageVersion, kind}) }

// encode returns the messages of a revocation. Who is denied comes first.
func encode(r sessions.Revocation) []string {
	all := inBatches(deniedMessage, r.Denied)
	if r.Users {
		all = append(all, bare(kindUsers))
	}
	if r.All {
		return append(all, bare(kindAll))
	}
	return append(all, inBatches(keysMessage, r.Keys)...)
}

func inBatches(message func(...sessions.Key) string, keys []sessions.Key) []string {
	var all []string
	for len(keys) > 0 {
		n := min(len(keys), keysPerMessage)
		all = append(all, message(keys[:n]...))
		keys = keys[n:]
	}
	return all
}

func decode(text string) (message, error) {
	if len(text) < 2 || text[0] != messageVersion {
		return message{}, errMalformed
	}
	kind, rest := text[1], text[2:]
	var r sessions.Revocation
	switch {
	case kind == kindAll && rest == "":
		r.All = true
	case kind == kindUsers && rest == "":
		r.Users = true
	case kind == kindBeat && rest != "":
		return message{beat: strings.Clone(rest)}, nil
	case kind == kindKeys && areKeys(rest):
		r.Keys = splitKeys(rest)
	case kind == kindDenied && areKeys(rest):
		r.Denied = splitKeys(rest)
	default:
		return message{}, errMalformed
	}
	return message{Revocation: r}, nil
}

// areKeys reports whether rest is keys, one at least, and nothing else.
func areKeys(rest string) bool { return rest != "" && len(rest)%len(sessions.Key{}) == 0 }

func joinKeys(keys []sessions.Key) []byte {
	var b []byte
	for i := range keys {
		b = append(b, keys[i][:]...)
	}
	return b
}

// splitKeys returns keys that lie one after the other, and nothing for a rest.
func splitKeys(text string) []sessions.Key {
	const size = len(sessions.Key{})
	var all []sessions.Key
	for ; len(text) >= size; text = text[size:] {
		all = append(all, sessions.Key([]byte(text[:size])))
	}
	return all
}
