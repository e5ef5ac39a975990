package file_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gateward/gateward/sessions"
	"github.com/gateward/gateward/sessions/file"
)

// filled returns a store with n sessions, of n principals.
func filled(b *testing.B, n int) (*file.Store, []sessions.Session) {
	b.Helper()
	s := open(b, filepath.Join(b.TempDir(), "sessions.db"), file.Options{})
	all := make([]sessions.Session, n)
	var wait sync.WaitGroup
	for worker := range 256 {
		wait.Go(func() {
			for i := worker; i < n; i += 256 {
				all[i] = create(b, s, fmt.Sprintf("subject-%d", i))
			}
		})
	}
	wait.Wait()
	return s, all
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, all := filled(b, n)
			i := 0
			for b.Loop() {
				if _, err := s.Get(b.Context(), all[i*7919%n].ID); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkLogout ends sessions by their SID, as a provider asks for it.
func BenchmarkLogout(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, _ := filled(b, n)
			for b.Loop() {
				one := create(b, s, "ada")
				if n, err := s.DeleteWhere(b.Context(), sessions.Filter{Method: "oidc", Provider: "example", SID: one.Tokens.SID}); n != 1 || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkCreate has many logins at once.
func BenchmarkCreate(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "sessions.db"), file.Options{})
	b.SetParallelism(64)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			create(b, s, "ada")
		}
	})
}
