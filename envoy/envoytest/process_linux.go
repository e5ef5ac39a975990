package envoytest

import "syscall"

// processAttributes puts a child into a process group of its own, out of reach
// of the terminal's Ctrl-C, and ends it when the test process dies.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
