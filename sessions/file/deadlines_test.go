package file_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/file"
)

// TestSEC_G07_OneDeadlineForEachSession: whatever happens to a session, the file
// keeps one deadline for it, and none when it is gone.
func TestSEC_G07_OneDeadlineForEachSession(t *testing.T) {
	t.Parallel()
	const n = 20
	for _, grace := range []time.Duration{0, 30 * time.Minute} {
		t.Run(grace.String(), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			var passed atomic.Int64
			clock := func() time.Time { return start.Add(time.Duration(passed.Load())) }
			s := open(t, filepath.Join(t.TempDir(), "sessions.db"), file.Options{Now: clock, GracePeriod: grace})
			var all []sessions.Session
			for range n {
				all = append(all, create(t, s, "ada"))
			}
			want := func(when string, n int) {
				t.Helper()
				if got := s.Kept()["deadlines"]; got != n {
					t.Errorf("%s: got %d deadlines, want %d", when, got, n)
				}
			}
			touch := func() {
				t.Helper()
				for i := range all {
					wantErr(t, "touch", s.Touch(ctx, all[i].ID, clock()), nil)
				}
			}
			for range 60 {
				passed.Add(int64(time.Minute))
				touch()
				s.Flush()
			}
			want("after an hour of use", n)

			// The deadline that is noted is over, and it is only known in memory that
			// the session was used since.
			passed.Add(int64(59 * time.Minute))
			touch()
			passed.Add(int64(time.Minute + grace))
			s.Sweep()
			want("swept between use and writing", n)
			passed.Add(int64(time.Minute))
			if grace == 0 { // otherwise they are over
				touch()
			}
			s.Flush()
			want("used again", n)
			if grace > 0 {
				return
			}

			for i := range all {
				all[i].Revision = 1
				all[i].ExpiresAt = start.Add(6 * time.Hour)
				wantErr(t, "replace", s.Replace(ctx, all[i]), nil)
				wantErr(t, "expire", s.Expire(ctx, all[i].ID, start.Add(5*time.Hour)), nil)
			}
			want("replaced and expired", n)
			passed.Add(int64(time.Minute))
			touch() // what is removed has another deadline than is written
			for i := range n / 2 {
				wantErr(t, "delete", s.Delete(ctx, all[i].ID), nil)
			}
			want("half deleted", n/2)
			_, err := s.DeleteWhere(ctx, sessions.Filter{Method: "oidc"})
			wantErr(t, "delete where", err, nil)
			want("all deleted", 0)
		})
	}
}
