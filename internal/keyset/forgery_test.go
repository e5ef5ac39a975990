package keyset_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/keyset/keysettest"
)

// named returns k under the key id of other.
func named(k, other keysettest.Key) keysettest.Key {
	k.ID = other.ID
	return k
}

// A bad signature under a key id that is known, or an algorithm that the key of
// that id is not for, shares the cooldown of unknown keys.
func TestSEC_C09_ForgeriesShareTheCooldown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Serve(document(t, k[0]))
		r := remote(t, e)
		want(t, r, k[0], nil)
		for round := range 3 {
			for range 100 {
				want(t, r, named(k[1], k[0]), gateward.ErrInvalidCredential)
				want(t, r, named(k[2], k[0]), gateward.ErrInvalidCredential)
				want(t, r, k[1], gateward.ErrInvalidCredential)
			}
			wantFetches(t, e, 2+round)
			time.Sleep(30 * time.Second)
		}
		want(t, r, k[0], nil)
	})
}

// A provider that replaces a key under its id need not wait for the timer.
func TestSEC_C14_RotationUnderTheSameKeyID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Serve(document(t, k[0]))
		r := remote(t, e)
		want(t, r, k[0], nil)
		next := named(k[1], k[0])
		e.Serve(document(t, next))
		want(t, r, next, nil)
		want(t, r, k[0], gateward.ErrInvalidCredential)
		wantFetches(t, e, 2)

		// So does one that goes on to another type of key.
		last := named(k[2], k[0])
		e.Serve(document(t, last))
		want(t, r, last, gateward.ErrInvalidCredential)
		time.Sleep(30 * time.Second)
		want(t, r, last, nil)
		wantFetches(t, e, 3)
	})
}

// Under a key id that is known a forgery is the sender's fault, whatever the
// state of the source.
func TestSEC_K04_ForgeriesAreNeverUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, e := ecKeys(), &keysettest.Endpoint{}
		e.Serve(document(t, k[0]))
		r := remote(t, e)
		want(t, r, k[0], nil)
		forged := named(k[1], k[0])
		e.Block(make(chan struct{}))

		// The one that finds out that the source hangs, with less patience.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := r.Verify(ctx, parse(t, forged.Token(t, claims)))
		if !errors.Is(err, gateward.ErrInvalidCredential) || errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("caller gone: %v", err)
		}
		want(t, r, forged, gateward.ErrInvalidCredential)

		// From then on nobody waits for it.
		start := time.Now()
		for range 24 {
			begin := time.Now()
			want(t, r, forged, gateward.ErrInvalidCredential)
			if d := time.Since(begin); d != 0 {
				t.Fatalf("%s into the outage a forgery waited %s", begin.Sub(start), d)
			}
			time.Sleep(31 * time.Second)
		}
		r.Close()
		want(t, r, forged, gateward.ErrInvalidCredential)
	})
}
