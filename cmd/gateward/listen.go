package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// socketMode lets the owner and the group of a UNIX socket connect: Envoy
// usually runs as another user of the same group.
const socketMode = 0o660

// splitAddress returns the network and the address that net.Listen and net.Dial
// want for "host:port" or "unix:///path".
func splitAddress(address string) (network, addr string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", strings.TrimPrefix(path, "//")
	}
	return "tcp", address
}

// displayAddress is how a bound listener is named in logs, in the form that
// configuration uses.
func displayAddress(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return "unix://" + l.Addr().String()
	}
	return l.Addr().String()
}

// listen opens the listener for address. A UNIX socket gets socketMode and is
// removed when the listener is closed; a stale one in its place is removed
// first, but only if it is a socket and nobody answers on it.
func listen(ctx context.Context, address string) (net.Listener, error) {
	network, addr := splitAddress(address)
	if network != "unix" {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, network, addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("%w; stop what listens there or choose another address", err)
		}
		return l, err
	}
	if err := removeStaleSocket(ctx, addr); err != nil {
		return nil, err
	}
	// The mode of the unbound socket becomes that of the file (less the umask)
	// on Linux, so that nobody gets in between bind and chmod. Elsewhere the
	// call fails and changes nothing.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), socketMode) })
	}}
	l, err := lc.Listen(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("%w; the directory must exist and be writable", err)
	}
	if err := os.Chmod(addr, socketMode); err != nil {
		return nil, errors.Join(fmt.Errorf("set mode of socket: %w", err), l.Close())
	}
	return l, nil
}

// removeStaleSocket makes room at path for a socket.
func removeStaleSocket(ctx context.Context, path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket; move it away or choose another path", path)
	}
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = c.Close() // it only had to be there
		return fmt.Errorf("another process answers on %s; stop it or choose another path", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove stale socket: %w", err)
		}
		return nil
	}
	return fmt.Errorf("cannot tell whether the socket at %s is in use: %w; remove it by hand if it is not", path, err)
}
