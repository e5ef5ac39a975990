package redis

import (
	"errors"
	"strings"
	"testing"

	"github.com/gateward/gateward/sessions"
)

func TestEncode_Batches(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{0: 0, 1: 1, keysPerMessage: 1, keysPerMessage + 1: 2, 3 * keysPerMessage: 3} {
		keys := make([]sessions.Key, n)
		for i := range keys {
			keys[i][0], keys[i][1] = byte(i), byte(i>>8)
		}
		texts := encode(sessions.Revocation{Keys: keys})
		var got []sessions.Key
		for _, text := range texts {
			m, err := decode(text)
			if err != nil || m.All || m.beat != "" {
				t.Fatalf("%d keys: %+v, %v", n, m, err)
			}
			got = append(got, m.Keys...)
		}
		if len(texts) != want || len(got) != n || n > 0 && got[n-1] != keys[n-1] {
			t.Errorf("%d keys: got %d in %d messages, want %d", n, len(got), len(texts), want)
		}
	}
}

// FuzzDecode: what decodes is what encodes to the same text; nothing else is
// more than an error.
func FuzzDecode(f *testing.F) {
	f.Add("")
	f.Add("\x01a")
	f.Add(beatMessage("origin"))
	f.Add(keysMessage(sessions.Key{1}, sessions.Key{2}))
	f.Add(keysMessage() + "short")
	f.Add("\x02a")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := decode(text)
		if err != nil {
			if !errors.Is(err, errMalformed) || m.All || m.Keys != nil || m.beat != "" {
				t.Fatalf("got %+v, %v", m, err)
			}
			return
		}
		again := keysMessage(m.Keys...)
		switch {
		case m.beat != "":
			again = beatMessage(m.beat)
		case m.All:
			again = encode(m.Revocation)[0]
		}
		if again != text {
			t.Fatalf("%q is %q again", text, again)
		}
	})
}

// FuzzParseToken: a page token is the only one of its place.
func FuzzParseToken(f *testing.F) {
	id := sessions.IDOf(sessions.Key{1})
	f.Add("")
	f.Add(entry{1_700_000_000_000_000, id}.token())
	f.Add(entry{-1, id}.token())
	f.Add("MTowOg")
	f.Add(strings.Repeat("A", 100))
	f.Fuzz(func(t *testing.T, token string) {
		e, err := parseToken(token)
		if err != nil {
			if !errors.Is(err, sessions.ErrBadPage) {
				t.Fatal(err)
			}
			return
		}
		if token != "" && (e.token() != token || !isID(e.id)) {
			t.Fatalf("%q is %+v, whose token is %q", token, e, e.token())
		}
	})
}
