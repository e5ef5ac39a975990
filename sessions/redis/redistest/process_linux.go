package redistest

import "syscall"

// processAttributes puts a child into a process group of its own, out of reach
// of the terminal's Ctrl-C, and ends it when the test process dies.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// withoutForks runs f while this process starts no other: one that is being
// started holds every open socket for a moment, and keeps its port in use.
func withoutForks(f func() error) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return f()
}
