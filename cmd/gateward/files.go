package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxFile is far above what a certificate or a configuration takes.
const maxFile = 8 << 20

var errNotRegular = errors.New("not a regular file")

// readFile reads a file that is looked at again and again: a regular one, since
// reading a pipe or a device may never end, and not without limit.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name) //nolint:gosec // the configuration names it
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", name, errNotRegular)
	}
	f, err := os.Open(name) //nolint:gosec // the configuration names it
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d MiB", name, maxFile>>20)
	}
	return b, nil
}
