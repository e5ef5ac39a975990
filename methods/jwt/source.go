package jwt

import (
	"context"
	"sync"

	"github.com/gateward/gateward/internal/keyset"
)

// origin is all that makes one remote key set differ from another. The issuer's
// name is part of it because refreshes are reported under that name.
type origin struct {
	issuer, url, algorithms string
	authorities             string // content of the CA file, "" without one
}

// remote is a key set that an issuer of several methods uses: of the one that is
// in use, of the one that replaces it, of one that never gets into use. It ends
// with its last user.
type remote struct {
	*keyset.Remote
	origin origin
	ended  func() error // non-nil when the context that it was made with is done

	mu    sync.Mutex
	users int
}

// sharedSource is one use of a remote. It implements keyset.Source.
type sharedSource struct {
	*remote
	closing sync.Once
}

// newSharedSource returns the first use of a new remote.
func newSharedSource(ctx context.Context, o origin, c keyset.RemoteConfig) (*sharedSource, error) {
	r, err := keyset.NewRemote(ctx, c)
	if err != nil {
		return nil, err
	}
	return &sharedSource{remote: &remote{Remote: r, origin: o, ended: ctx.Err, users: 1}}, nil
}

// share returns one more use of the method's remote of that origin, or nil if it
// has none that goes on. The method may be nil.
func (m *Method) share(o origin) *sharedSource {
	if m == nil {
		return nil
	}
	for _, i := range m.all {
		s, ok := i.source.(*sharedSource)
		if ok && s.origin == o && s.acquire() {
			return &sharedSource{remote: s.remote}
		}
	}
	return nil
}

// acquire adds a user, unless the remote has ended.
func (r *remote) acquire() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users == 0 || r.ended() != nil {
		return false
	}
	r.users++
	return true
}

// release takes a user away and reports whether it was the last.
func (r *remote) release() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users--
	return r.users == 0
}

// Close ends this use, and the remote with its last use.
func (s *sharedSource) Close() {
	s.closing.Do(func() {
		if s.release() {
			s.Remote.Close()
		}
	})
}
