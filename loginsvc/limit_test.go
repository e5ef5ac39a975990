package loginsvc

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// However many addresses come, what is remembered of them is bounded, and who keeps
// coming is not forgotten.
func TestSEC_L12_MemoryIsBounded(t *testing.T) {
	t.Parallel()
	l, now := newLimiter(2), time.Unix(1e9, 0)
	flood := limitKey{address: "flood"}
	l.take(flood, now)
	l.take(flood, now)
	for i := range 3 * maxLimited {
		l.take(limitKey{address: strconv.Itoa(i)}, now)
		if i%1000 == 0 {
			if wait, _ := l.take(flood, now); wait <= 0 {
				t.Fatalf("forgotten after %d others", i)
			}
		}
	}
	if len(l.known) != maxLimited || l.order.Len() != maxLimited {
		t.Errorf("%d and %d are remembered", len(l.known), l.order.Len())
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	l, now, k := newLimiter(3), time.Unix(1e9, 0), limitKey{}
	for _, step := range []struct {
		pass, wait time.Duration
		first      bool
	}{
		{}, // three at once
		{},
		{},
		{wait: 20 * time.Second, first: true},
		{pass: 5 * time.Second, wait: 15 * time.Second},
		{pass: 15 * time.Second},
		{wait: 20 * time.Second, first: true},
		{pass: time.Hour}, // no more than three are saved up
		{},
		{},
		{wait: 20 * time.Second, first: true},
		{pass: -24 * time.Hour, wait: 20 * time.Second},  // the clock is put back
		{pass: 20 * time.Second, wait: 20 * time.Second}, // which is forgotten only by what is allowed
	} {
		now = now.Add(step.pass)
		if wait, first := l.take(k, now); wait != step.wait || first != step.first {
			t.Fatalf("%+v: got %v, %v", step, wait, first)
		}
	}
	if newLimiter(0) != nil || newLimiter(-1) != nil {
		t.Error("off is not off")
	}
}

// FuzzLimiter: in no minute is more allowed than twice what a bucket holds, and who
// waits as long as is said gets in.
func FuzzLimiter(f *testing.F) {
	f.Add(3, []byte{0, 0, 0, 0, 20, 60, 0})
	f.Add(30, []byte{1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, perMinute int, pauses []byte) {
		if perMinute <= 0 || perMinute > 10_000 {
			return
		}
		l, now := newLimiter(perMinute), time.Unix(1e9, 0)
		start, allowed := now, 0
		for _, p := range pauses {
			now = now.Add(time.Duration(p) * 100 * time.Millisecond)
			wait, _ := l.take(limitKey{}, now)
			if wait <= 0 {
				allowed++
				continue
			}
			if wait > l.every {
				t.Fatalf("has to wait for %v, and one comes back after %v", wait, l.every)
			}
			now = now.Add(wait)
			if again, _ := l.take(limitKey{}, now); again > 0 {
				t.Fatalf("refused after the time that was named, for another %v", again)
			}
			allowed++
		}
		if most := perMinute + int(now.Sub(start)/l.every); allowed > most {
			t.Errorf("%d were allowed in %v, want at most %d", allowed, now.Sub(start), most)
		}
	})
}

// FuzzSelection: what is understood selects something less than everything, in no
// more than one way.
func FuzzSelection(f *testing.F) {
	for _, q := range []string{"user=a", "subject=oidc/google:1", "method=METHOD_OIDC&before=2026-01-01T00:00:00Z", "", "pretty", "user=&x", "subject=token:a:b/c", "before=0001-01-01T00:00:00Z"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		sel, problem := selectionOf(query)
		if problem != "" {
			return
		}
		if sel.Zero() {
			t.Errorf("%q selects everything", query)
		}
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatalf("%q: %v", query, err)
		}
		for name, values := range q {
			if len(values) != 1 && name != "pretty" {
				t.Errorf("%q has %s %d times", query, name, len(values))
			}
		}
		if want := q.Get("subject"); want != "" && !strings.HasSuffix(want, ":"+sel.subject) {
			t.Errorf("%q: subject %q", query, sel.subject)
		}
	})
}

// FuzzEnabledIn: what is understood, every reader of JSON understands the same.
func FuzzEnabledIn(f *testing.F) {
	for _, body := range []string{`{"enabled":true}`, ` { "enabled" : false } `, `{"enabled":true,"enabled":false}`, `{"\u0065nabled":true}`, `{}`, `[`, `{"enabled":true}x`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		enabled, ok := enabledIn(strings.NewReader(body))
		if !ok {
			if enabled {
				t.Errorf("%q: true, and not understood", body)
			}
			return
		}
		var all map[string]any
		if err := json.Unmarshal([]byte(body), &all); err != nil || len(all) != 1 || all["enabled"] != enabled {
			t.Errorf("%q: got %v, is %v (%v)", body, enabled, all, err)
		}
	})
}
