package envoytest

import "syscall"

// withoutForks runs f while this process starts no other. A program that is
// being started holds every open socket for a moment, also those that are
// closed here meanwhile, and so keeps their ports in use. Opening a socket takes
// no lock of its own on Linux.
func withoutForks(f func() error) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return f()
}
