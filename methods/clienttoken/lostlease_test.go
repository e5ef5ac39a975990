package clienttoken_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// TestSEC_D18_LostLeaseEndsNothing: a replica has fresh tokens which the store did
// not take, and has lost its lease. Another one is refused.
func TestSEC_D18_LostLeaseEndsNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		after time.Duration // the token expired
		want  string
	}{
		{name: "within the grace", after: 0, want: "dev"},
		{name: "beyond it", after: time.Hour, want: "fresh-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, outage := range []time.Duration{300 * time.Millisecond, 1700 * time.Millisecond, 12350 * time.Millisecond, 40 * time.Second} {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					a, b := w.replica(), w.replica()
					c, s := w.begin(expiring(time.Hour))
					time.Sleep(time.Hour + tt.after)
					w.store.set("replace", errDown)
					must(t, a, c)
					time.Sleep(outage)
					w.store.lost = true
					w.store.set("replace", nil)
					begun := time.Now()
					id := must(t, b, c)
					if took := time.Since(begun); id.Groups[0] != tt.want && id.Groups[0] != "fresh-1" || tt.want == "dev" && took > 500*time.Millisecond {
						t.Errorf("%v: got %v after %v", outage, id.Groups, took)
					}
					time.Sleep(time.Minute)
					kept, err := w.store.Get(t.Context(), s.ID)
					if err != nil || kept.Revision != 2 {
						t.Errorf("%v: got %v, revision %d: the session was ended though its fresh tokens were there", outage, err, kept.Revision)
					}
					for _, m := range []gateward.Identity{must(t, a, c), must(t, b, c)} {
						if m.Groups[0] != "fresh-1" {
							t.Errorf("%v: got %v", outage, m.Groups)
						}
					}
				})
			}
		})
	}
}

func TestSEC_D18_RefusalIsSlowButSure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		w.op.set(func(p *provider) { clear(p.valid) })
		begun := time.Now()
		for time.Since(begun) < 1500*time.Millisecond {
			if id := must(t, m, c); id.Groups[0] != "dev" || time.Until(id.FreshUntil) > time.Second {
				t.Errorf("got %v, fresh for %v", id.Groups, time.Until(id.FreshUntil))
			}
			if _, err := w.store.Get(t.Context(), s.ID); err != nil {
				t.Errorf("after %v: got %v", time.Since(begun), err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2*time.Second - time.Since(begun))
		wantErr(t, m, c, gateward.ErrInvalidCredential)
		if _, err := w.store.Get(t.Context(), s.ID); !errors.Is(err, sessions.ErrNotFound) {
			t.Errorf("got %v, want it gone", err)
		}
		if n := w.op.count(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestSEC_D18_RefusalWithoutAStoreEndsNothing: nobody knows what is kept.
func TestSEC_D18_RefusalWithoutAStoreEndsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.replica()
		c, s := w.begin(expiring(time.Hour))
		time.Sleep(time.Hour)
		w.op.set(func(p *provider) {
			clear(p.valid)
			p.during = func() { w.store.set("get", errDown) }
		})
		must(t, m, c)
		time.Sleep(10 * time.Second)
		w.store.set("get", nil)
		if _, err := w.store.Get(t.Context(), s.ID); err != nil {
			t.Errorf("got %v, want it there", err)
		}
	})
}

// TestSEC_D18_LostLeaseAndAStoreThatHangs: the one that has the fresh tokens may
// be waiting for a save in vain when the other is refused.
func TestSEC_D18_LostLeaseAndAStoreThatHangs(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{"refuses": errDown, "hangs": errHangs} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for outage := 11 * time.Second; outage < 16*time.Second; outage += 50 * time.Millisecond {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					a, b := w.replica(), w.replica()
					c, s := w.begin(expiring(time.Hour))
					time.Sleep(time.Hour)
					w.store.set("replace", fault)
					begun := time.Now()
					must(t, a, c)
					time.Sleep(outage - time.Since(begun))
					w.store.lost = true
					w.store.set("replace", nil)
					must(t, b, c)
					time.Sleep(time.Minute)
					if kept, err := w.store.Get(t.Context(), s.ID); err != nil || kept.Revision == 0 {
						t.Errorf("%v: got %v: the session was ended though its fresh tokens were there", outage, err)
					}
				})
			}
		})
	}
}
