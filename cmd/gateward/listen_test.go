package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSEC_Q05_SocketMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gw.sock")
	l, err := listen(t.Context(), "unix://"+path)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.Mode(); got != os.ModeSocket|0o660 {
		t.Errorf("mode %v, want a socket with 0660", got)
	}
	if got, want := displayAddress(l), "unix://"+path; got != want {
		t.Errorf("address %q, want %q", got, want)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after close: %v, want the socket gone", err)
	}
}

func TestSEC_Q05_StaleSocketIsReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gw.sock")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("no stale socket to begin with: %v", err)
	}
	l, err := listen(t.Context(), "unix://"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestSEC_Q05_NothingElseIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	live, err := net.Listen("unix", filepath.Join(dir, "live"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	// A link to a socket is not a socket: removing it would be somebody else's business.
	if err := os.Symlink(filepath.Join(dir, "gone"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"live":        "another process answers",
		"file":        "is not a socket",
		"directory":   "is not a socket",
		"link":        "is not a socket",
		"none/socket": "the directory must exist",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			l, err := listen(t.Context(), "unix://"+path)
			if err == nil {
				l.Close()
				t.Fatal("listens")
			}
			if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %q, want one with %q that names the path", err, want)
			}
			if name != "none/socket" {
				if _, err := os.Lstat(path); err != nil {
					t.Errorf("it is gone: %v", err)
				}
			}
		})
	}
}

func TestListenTaken(t *testing.T) {
	t.Parallel()
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := listen(t.Context(), displayAddress(l)); err == nil || !strings.Contains(err.Error(), "choose another address") {
		t.Errorf("error %v, want one that says what to do", err)
	}
}
