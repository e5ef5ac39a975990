package keyset

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
)

// checkEd25519 refuses keys under which anybody can sign: the eight points of
// small order, in whichever way they are written. It refuses other encodings
// that RFC 8032 §5.1.3 does not have too: what issuer would publish one? A point
// that is not on the curve verifies nothing.
func checkEd25519(k ed25519.PublicKey) error {
	if len(k) != ed25519.PublicKeySize {
		return errors.New("an Ed25519 key of the wrong length")
	}
	// The y coordinate, little endian. The sign of x in the last bit makes no
	// difference to the order.
	y := bytes.Clone(k)
	y[31] &= 0x7f
	// At least p = 2^255 - 19.
	if y[0] >= 0xed && y[31] == 0x7f && bytes.Count(y[1:31], []byte{0xff}) == 30 {
		return errors.New("an Ed25519 key that is not in canonical form")
	}
	switch hex.EncodeToString(y) {
	case "0100000000000000000000000000000000000000000000000000000000000000", // order 1
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
		"0000000000000000000000000000000000000000000000000000000000000000", // order 4
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a": // order 8
		return errors.New("an Ed25519 key of small order, under which anybody can sign")
	}
	return nil
}
