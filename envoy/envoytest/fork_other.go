//go:build !linux

package envoytest

// withoutForks runs f. Elsewhere than on Linux, opening a socket takes the lock
// that would be needed.
func withoutForks(f func() error) error { return f() }
