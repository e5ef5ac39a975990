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
	whole := append(known.append(nil), "sealed"...)
	f.Add(whole)
	for i := range whole {
		f.Add(whole[:i])
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
		again, _, _, err := parseRecord(got.append(nil))
		if err != nil || again != got {
			t.Errorf("got %+v, %v, want %+v", again, err, got)
		}
	})
}
