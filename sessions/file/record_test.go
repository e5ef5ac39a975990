package file

import (
	"bytes"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// FuzzParseRecord: no bytes are too strange, and what is read is what was
// written, no more.
func FuzzParseRecord(f *testing.F) {
	s := sessions.Session{
		Key: sessions.Key{1, 2, 3}, CreatedAt: time.UnixMicro(1), ExpiresAt: time.UnixMicro(-1), LastSeenAt: time.UnixMicro(1 << 50), IdleTimeout: time.Hour,
		Identity: gateward.Identity{Principal: gateward.Principal{Issuer: "i", Subject: "s"}, Method: "oidc", Provider: "example"},
		Tokens:   gateward.Tokens{SID: "sid"},
	}
	known := factsOf(&s)
	whole := append(known.bytes(), "sealed"...)
	f.Add(whole)
	known.user = hashUser("user")
	ofUser := append(known.bytes(), "sealed"...)
	for i := range ofUser {
		f.Add(whole[:min(i, len(whole))])
		f.Add(ofUser[:i])
	}
	f.Add([]byte{recordVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, head, sealed, err := parseRecord(b)
		if err != nil {
			return
		}
		if !bytes.Equal(append(bytes.Clone(head), sealed...), b) {
			t.Error("bytes were lost")
		}
		again, _, _, err := parseRecord(got.bytes())
		if err != nil || again != got {
			t.Errorf("got %+v, %v, want %+v", again, err, got)
		}
	})
}

// TestRecord_WithoutUser: a session without a user is kept as it was before there
// were any, so that older files can be read, and a newer one by an older process.
func TestRecord_WithoutUser(t *testing.T) {
	t.Parallel()
	known := facts{key: sessions.Key{1}, created: 2, expires: 3, seen: 4, idle: 5, principal: hash{6}, sid: hash{7}, method: "m", provider: "p"}
	var want []byte
	want = append(want, 1, 32+4*8+2*16+3)
	want = append(append(want, 1), make([]byte, 31)...)
	for _, n := range []byte{2, 3, 4, 5} {
		want = append(append(want, make([]byte, 7)...), n)
	}
	for _, n := range []byte{6, 7} {
		want = append(append(want, n), make([]byte, 15)...)
	}
	want = append(want, "m\x00p"...)
	if got := known.bytes(); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	if got, _, sealed, err := parseRecord(append(want, "sealed"...)); err != nil || got != known || string(sealed) != "sealed" {
		t.Errorf("got %+v, %q, %v, want %+v", got, sealed, err, known)
	}
}

// FuzzParseUserToken: a token that is taken is the one that is made of what it
// means.
func FuzzParseUserToken(f *testing.F) {
	f.Add("")
	f.Add("x")
	f.Add(userToken([]byte{0, 0, 0, 0, 0, 0, 0, 9}))
	f.Add(userToken([]byte{1, 2, 3}))
	f.Fuzz(func(t *testing.T, token string) {
		after, err := parseUserToken(token)
		if err != nil || token == "" {
			return
		}
		if again := userToken(after); again != token || len(after) != len(number{}) {
			t.Errorf("%q: got %x, which is %q", token, after, again)
		}
	})
}
