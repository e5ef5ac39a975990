package sessions_test

import (
	"crypto/rand"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// TestIDOf_Golden: the ids are in logs, in records and in what clients keep.
func TestIDOf_Golden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		token, want string
	}{
		{"", "ff5954cf-566c-88d1-abb8-82219768d7cc"},
		{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "a79b04cd-2527-84b3-8dac-e8bec2862fb2"},
	} {
		if got := sessions.IDOf(sessions.KeyOf([]byte(c.token))); got != c.want {
			t.Errorf("%q: got %s, want %s", c.token, got, c.want)
		}
	}
}

func TestIDOf_IsAUUIDOfVersion8(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for i := range 5000 {
		id := sessions.IDOf(sessions.Key{byte(i), byte(i >> 8)})
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("key %d: got %s, seen before: %v", i, id, seen[id])
		}
		seen[id] = true
	}
}

func TestSEC_G01_ClientTokenIsRandom(t *testing.T) {
	t.Parallel()
	const n = 100_000
	seen := make(map[sessions.Key]bool, n)
	for range n {
		var random [32]byte
		rand.Read(random[:])
		token := sessions.ClientToken(random)
		if b, err := base64.URLEncoding.DecodeString(token.Reveal()); err != nil || [32]byte(b) != random {
			t.Fatal("a token does not have all of its 256 bits")
		}
		if !sessions.IsClientToken(token.Reveal()) {
			t.Fatal("a client token is not taken for one")
		}
		key := sessions.KeyOf([]byte(token.Reveal()))
		if seen[key] {
			t.Fatal("two tokens have one key")
		}
		seen[key] = true
		if strings.Contains(token.String(), token.Reveal()) {
			t.Fatal("a token prints itself")
		}
	}
}

// FuzzIsClientToken: whatever is taken for a client token is the only text of
// its 32 bytes, so that one session has one token.
func FuzzIsClientToken(f *testing.F) {
	good := sessions.ClientToken([32]byte{1, 2, 3, 250, 251, 252, 253, 254, 255}).Reveal()
	f.Add(good)
	for _, s := range []string{
		"", "=", good[:43], good + "=", " " + good, good + "\n", good[:42] + "\n=", good[:42] + "B=", strings.ReplaceAll(good, "_", "/"),
		strings.ReplaceAll(good, "-", "+"), good[:20] + "\r\n" + good[22:], good[:42] + "==", strings.Repeat("A", 44), strings.Repeat("=", 44), "eyJhbGciOiJub25lIn0.e30.",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := base64.URLEncoding.DecodeString(s)
		want := err == nil && len(b) == 32 && sessions.ClientToken([32]byte(b)).Reveal() == s
		if got := sessions.IsClientToken(s); got != want {
			t.Errorf("%q: got %v, want %v", s, got, want)
		}
	})
}

func TestSEC_G07_DeadlineIsTheEarlierOfBoth(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name       string
		seen, idle time.Duration
		want       time.Duration
	}{
		{"no idle timeout", 0, 0, time.Hour},
		{"idle", 0, 10 * time.Minute, 10 * time.Minute},
		{"used", 20 * time.Minute, 10 * time.Minute, 30 * time.Minute},
		{"used late", 55 * time.Minute, 10 * time.Minute, time.Hour},
		{"idle longer than the session", 0, 2 * time.Hour, time.Hour},
	} {
		s := sessions.Session{LastSeenAt: at.Add(c.seen), ExpiresAt: at.Add(time.Hour), IdleTimeout: c.idle}
		if got := s.Deadline().Sub(at); got != c.want {
			t.Errorf("%s: got a deadline after %v, want %v", c.name, got, c.want)
		}
		if end := at.Add(c.want); s.Live(end) || !s.Live(end.Add(-1)) {
			t.Errorf("%s: live at the deadline %v, before %v", c.name, s.Live(end), s.Live(end.Add(-1)))
		}
	}
}

func TestFilter_Zero(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		filter sessions.Filter
		want   bool
	}{
		{"nothing", sessions.Filter{}, true},
		{"expired", sessions.Filter{Expired: true}, true},
		{"principal", sessions.Filter{Principal: gateward.Principal{Subject: "ada"}}, false},
		{"method", sessions.Filter{Method: "oidc"}, false},
		{"provider", sessions.Filter{Provider: "example"}, false},
		{"sid", sessions.Filter{SID: "sid"}, false},
		{"before", sessions.Filter{CreatedBefore: time.Unix(1, 0)}, false},
	} {
		if got := c.filter.Zero(); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
