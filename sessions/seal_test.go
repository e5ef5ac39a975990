package sessions_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

var (
	oldMaster = gateward.NewSecret("an old secret of thirty-two byte")
	newMaster = gateward.NewSecret("a new secret of thirty-two bytes")
)

func sealer(purpose string, current gateward.Secret, previous ...gateward.Secret) *sessions.Sealer {
	return sessions.NewSealer(purpose, sessions.ConfiguredMasters(current, previous), rand.Reader)
}

func seal(t testing.TB, s *sessions.Sealer, plain, bound string) []byte {
	t.Helper()
	b, err := s.Seal(t.Context(), nil, []byte(plain), []byte(bound))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// opens requires what a sealer makes of something sealed.
func opens(t testing.TB, s *sessions.Sealer, sealed []byte, bound, want string, wantErr error) {
	t.Helper()
	got, err := s.Open(t.Context(), sealed, []byte(bound))
	if !errors.Is(err, wantErr) || wantErr == nil && err != nil || string(got) != want {
		t.Errorf("open: got %q, %v, want %q, %v", got, err, want, wantErr)
	}
}

func TestSealer_RoundTrip(t *testing.T) {
	t.Parallel()
	s := sealer("session", newMaster)
	for _, plain := range []string{"", "x", "refresh-token", string(make([]byte, 100_000))} {
		for _, bound := range []string{"", "id"} {
			sealed := seal(t, s, plain, bound)
			opens(t, s, sealed, bound, plain, nil)
			opens(t, sealer("session", newMaster), sealed, bound, plain, nil)
			if len(plain) > 4 && bytes.Contains(sealed, []byte(plain[:4])) && plain[0] != 0 {
				t.Error("something sealed can be read")
			}
			if bytes.Equal(sealed, seal(t, s, plain, bound)) {
				t.Error("sealed the same way twice")
			}
		}
	}
	prefix, err := s.Seal(t.Context(), []byte("prefix"), []byte("x"), nil)
	if err != nil || !bytes.HasPrefix(prefix, []byte("prefix")) {
		t.Errorf("seal does not append: %q, %v", prefix, err)
	}
	opens(t, s, prefix[len("prefix"):], "", "x", nil)
}

func TestSEC_G15_SealerRotation(t *testing.T) {
	t.Parallel()
	before, during, after := sealer("session", oldMaster), sealer("session", newMaster, oldMaster), sealer("session", newMaster)
	early := seal(t, before, "early", "id")
	late := seal(t, during, "late", "id")
	opens(t, during, early, "id", "early", nil)
	opens(t, during, late, "id", "late", nil)
	opens(t, after, late, "id", "late", nil)
	opens(t, after, early, "id", "", sessions.ErrTampered)
	opens(t, before, late, "id", "", sessions.ErrTampered)
}

func TestSEC_G15_SealerTampered(t *testing.T) {
	t.Parallel()
	s := sealer("session", newMaster, oldMaster)
	sealed := seal(t, s, "refresh-token", "id")
	for i := range sealed {
		for bit := range 8 {
			b := bytes.Clone(sealed)
			b[i] ^= 1 << bit
			opens(t, s, b, "id", "", sessions.ErrTampered)
		}
		opens(t, s, sealed[:i], "id", "", sessions.ErrTampered)
	}
	opens(t, s, append(bytes.Clone(sealed), 0), "id", "", sessions.ErrTampered)
	opens(t, s, sealed, "id", "refresh-token", nil)
}

func TestSEC_G16_SealerBinds(t *testing.T) {
	t.Parallel()
	s := sealer("session", newMaster)
	sealed := seal(t, s, "refresh-token", "id")
	for _, bound := range []string{"", "ie", "id ", "i", "id\x00"} {
		opens(t, s, sealed, bound, "", sessions.ErrTampered)
	}
	for _, purpose := range []string{"", "attempt", "session "} {
		opens(t, sealer(purpose, newMaster), sealed, "id", "", sessions.ErrTampered)
	}
}

// TestSealer_MastersErrorIsAskedAgain has a store that is not there at first.
func TestSealer_MastersErrorIsAskedAgain(t *testing.T) {
	t.Parallel()
	away, asked := errors.New("away"), 0
	err := away
	s := sessions.NewSealer("session", func(context.Context) ([][]byte, error) {
		asked++
		return [][]byte{[]byte(newMaster.Reveal())}, err
	}, rand.Reader)
	sealed := seal(t, sealer("session", newMaster), "x", "id")
	for range 2 {
		if _, got := s.Seal(t.Context(), nil, nil, nil); !errors.Is(got, away) || errors.Is(got, sessions.ErrTampered) {
			t.Errorf("seal: got error %v, want %v", got, away)
		}
		if _, got := s.Open(t.Context(), sealed, []byte("id")); !errors.Is(got, away) || errors.Is(got, sessions.ErrTampered) {
			t.Errorf("open: got error %v, want %v", got, away)
		}
	}
	err = nil
	for range 3 {
		opens(t, s, sealed, "id", "x", nil)
	}
	if asked != 5 {
		t.Errorf("asked %d times, want 4 in vain and once more", asked)
	}
}

func TestSealer_RefusesToSealWithNothing(t *testing.T) {
	t.Parallel()
	for name, masters := range map[string]sessions.Masters{
		"none":           func(context.Context) ([][]byte, error) { return nil, nil },
		"empty":          sessions.ConfiguredMasters(gateward.Secret{}, nil),
		"empty previous": sessions.ConfiguredMasters(newMaster, []gateward.Secret{{}}),
	} {
		if b, err := sessions.NewSealer("session", masters, rand.Reader).Seal(t.Context(), nil, []byte("x"), nil); err == nil {
			t.Errorf("%s: sealed %d bytes, want an error", name, len(b))
		}
	}
	dry := sessions.NewSealer("session", sessions.ConfiguredMasters(newMaster, nil), bytes.NewReader(make([]byte, 23)))
	if _, err := dry.Seal(t.Context(), nil, []byte("x"), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("without randomness: got error %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

type keptKeys map[string][]byte

func (k keptKeys) Key(_ context.Context, name string) ([]byte, error) {
	if k[name] == nil {
		return nil, errors.New("no " + name)
	}
	return k[name], nil
}

func TestKeptMasters(t *testing.T) {
	t.Parallel()
	kept := keptKeys{"a": []byte(newMaster.Reveal())}
	s := sessions.NewSealer("session", sessions.KeptMasters(kept, "a", []gateward.Secret{oldMaster}), rand.Reader)
	opens(t, s, seal(t, sealer("session", oldMaster), "early", "id"), "id", "early", nil)
	opens(t, sealer("session", newMaster), seal(t, s, "late", "id"), "id", "late", nil)
	if _, err := sessions.KeptMasters(kept, "b", nil)(t.Context()); err == nil {
		t.Error("no error for a key that cannot be had")
	}
}

func TestSealer_Concurrent(t *testing.T) {
	t.Parallel()
	s := sealer("session", newMaster)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			b, err := s.Seal(t.Context(), nil, []byte("x"), nil)
			if err != nil {
				t.Error(err)
				return
			}
			opens(t, s, b, "", "x", nil)
		})
	}
	wait.Wait()
}

// FuzzSealer: nothing opens that was not sealed.
func FuzzSealer(f *testing.F) {
	// The nonce is the same in every process of the fuzzer.
	s := sessions.NewSealer("session", sessions.ConfiguredMasters(newMaster, nil), bytes.NewReader(make([]byte, 24)))
	sealed := seal(f, s, "refresh-token", "id")
	f.Add(sealed, []byte("id"))
	f.Add(sealed[:29], []byte("id"))
	f.Add([]byte{1}, []byte(nil))
	f.Fuzz(func(t *testing.T, b, bound []byte) {
		plain, err := s.Open(t.Context(), b, bound)
		if err == nil && !(bytes.Equal(b, sealed) && string(bound) == "id" && string(plain) == "refresh-token") {
			t.Errorf("opened %x", b)
		}
		if err != nil && !errors.Is(err, sessions.ErrTampered) {
			t.Errorf("got error %v, want %v", err, sessions.ErrTampered)
		}
	})
}
