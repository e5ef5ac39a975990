//go:build !linux

package main

import "syscall"

// processAttributes gives a child a process group of its own.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
