package main

import "syscall"

// processAttributes gives a child a process group of its own, and ends it when
// the demo dies without ending it.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
