//go:build !linux

package redistest

import "syscall"

// processAttributes puts a child into a process group of its own, out of reach
// of the terminal's Ctrl-C.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

func withoutForks(f func() error) error { return f() }
