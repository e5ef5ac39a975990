package keyset

import (
	"encoding/base64"
	"strings"
)

// MaxTokenSize is the longest compact JWS, in bytes, that [Parse] looks at.
const MaxTokenSize = 16 << 10

const (
	maxKeyIDSize = 256
	// maxHeaderSize bounds the encoded header: with an embedded certificate
	// chain, which is ignored, it is still below this.
	maxHeaderSize = 8 << 10
)

// A Header is what a JWS header says of its signature, unverified. Nothing in it
// ever chooses where a key comes from: jku, jwk, x5u and x5c are ignored.
type Header struct {
	// Algorithm is alg, never empty, and EdDSA where that is Ed25519.
	Algorithm string
	// KeyID is kid, an opaque name of at most 256 bytes, or "".
	KeyID string
	// Type is typ as sent, or "".
	Type string
}

// A JWS is a compact JWS that is well formed. Nothing of it is trustworthy until
// a [Source] has verified it. It is immutable.
type JWS struct {
	Header Header

	payload      []byte
	signingInput []byte
	signature    []byte
}

// UnverifiedPayload returns the decoded payload, which must not be modified. It
// is to be trusted only after [Source] Verify has returned nil for the JWS;
// before, it serves to choose the source.
func (j *JWS) UnverifiedPayload() []byte { return j.payload }

// Parse reads the compact serialization (RFC 7515 §3.1) strictly: at most
// [MaxTokenSize] bytes, three parts, base64url without padding, line breaks or
// stray bits, a header that is a JSON object without repeated members. Headers
// that change what a signature means (crit, b64) and those of encryption (enc,
// zip) are refused. Errors wrap gateward.ErrInvalidCredential and hold nothing
// of the token.
func Parse(token string) (*JWS, error) {
	if len(token) > MaxTokenSize {
		return nil, invalid("token too long")
	}
	first, second, ok := split(token)
	if !ok {
		return nil, invalid("not a compact JWS")
	}
	if first > maxHeaderSize {
		return nil, invalid("header too long")
	}
	raw := []byte(token)
	header, err := decodeSegment(raw[:first])
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	payload, err := decodeSegment(raw[first+1 : second])
	if err != nil {
		return nil, err
	}
	signature, err := decodeSegment(raw[second+1:])
	if err != nil {
		return nil, err
	}
	if len(signature) == 0 {
		return nil, invalid("no signature")
	}
	return &JWS{Header: h, payload: payload, signingInput: raw[:second], signature: signature}, nil
}

// split finds the two dots. It stops at a third one, so that a flood of dots
// costs nothing.
func split(token string) (first, second int, ok bool) {
	first = strings.IndexByte(token, '.')
	if first < 0 {
		return 0, 0, false
	}
	n := strings.IndexByte(token[first+1:], '.')
	if n < 0 {
		return 0, 0, false
	}
	second = first + 1 + n
	return first, second, strings.IndexByte(token[second+1:], '.') < 0
}

// decodeSegment decodes base64url as RFC 7515 §2 has it. The decoder refuses
// padding, other alphabets and non-zero trailing bits, but skips line breaks.
func decodeSegment(segment []byte) ([]byte, error) {
	for _, c := range segment {
		if c == '\n' || c == '\r' {
			return nil, invalid("segment is not base64url")
		}
	}
	out := make([]byte, base64.RawURLEncoding.DecodedLen(len(segment)))
	n, err := base64.RawURLEncoding.Strict().Decode(out, segment)
	if err != nil {
		return nil, invalid("segment is not base64url")
	}
	return out[:n], nil
}

func parseHeader(raw []byte) (Header, error) {
	members, err := DecodeObject(raw)
	if err != nil {
		return Header{}, invalid("header is not an unambiguous JSON object")
	}
	for _, name := range []string{"crit", "b64", "enc", "zip"} {
		if _, ok := members[name]; ok {
			return Header{}, invalid("header holds " + name)
		}
	}
	h, ok := Header{}, [3]bool{}
	h.Algorithm, ok[0] = text(members, "alg")
	h.Algorithm = canonicalAlgorithm(h.Algorithm)
	h.KeyID, ok[1] = text(members, "kid")
	h.Type, ok[2] = text(members, "typ")
	if ok != [3]bool{true, true, true} {
		return Header{}, invalid("alg, kid or typ is not a string")
	}
	switch {
	case h.Algorithm == "":
		return Header{}, invalid("header names no algorithm")
	case len(h.KeyID) > maxKeyIDSize:
		return Header{}, invalid("key id too long")
	}
	return h, nil
}

// text returns a member that must be a string if it is there.
func text(members map[string]any, name string) (string, bool) {
	v, ok := members[name]
	if !ok {
		return "", true
	}
	s, ok := v.(string)
	return s, ok
}
