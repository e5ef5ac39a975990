//go:build !linux

package envoytest

import "syscall"

// processAttributes puts a child into a process group of its own, out of reach
// of the terminal's Ctrl-C.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
