package envoytest

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Ports come from below the range that systems use for outgoing connections:
// otherwise a load generator could take a port between its choice and its use.
const (
	firstPort = 18000
	lastPort  = 31999
)

// taken holds the ports given out by this process, so that none is given twice.
var taken struct {
	sync.Mutex
	ports map[uint16]bool
}

// FreeAddress returns 127.0.0.1 with a port that nothing listens on, and that no
// other call in this process has returned.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	taken.Lock()
	defer taken.Unlock()
	if taken.ports == nil {
		taken.ports = map[uint16]bool{}
	}
	for range 1000 {
		var b [2]byte
		if _, err := rand.Read(b[:]); err != nil {
			tb.Fatal(err)
		}
		port := firstPort + binary.BigEndian.Uint16(b[:])%(lastPort-firstPort+1)
		if taken.ports[port] {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
		if err := tryListen(tb, address); err != nil {
			continue
		}
		taken.ports[port] = true
		return address
	}
	tb.Fatal("envoytest: no free port")
	return ""
}

func tryListen(tb testing.TB, address string) error {
	return withoutForks(func() error {
		var lc net.ListenConfig
		l, err := lc.Listen(tb.Context(), "tcp", address)
		if err != nil {
			return fmt.Errorf("envoytest: listen: %w", err)
		}
		return l.Close()
	})
}
