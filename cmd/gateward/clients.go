package main

import (
	"crypto/tls"
	"net"
	"sync"
)

// clients are the open connections of a TLS listener, with what their clients
// showed, so that those who may not ask any longer can be sent away.
type clients struct {
	mu   sync.Mutex
	open map[*clientConn]tls.ConnectionState
}

// A clientConn leaves its clients when it is closed.
type clientConn struct {
	net.Conn
	of *clients
}

// Close implements [net.Conn].
func (c *clientConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// add makes conn one of c.
func (c *clients) add(conn net.Conn, s tls.ConnectionState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[*clientConn]tls.ConnectionState{}
	}
	tracked := &clientConn{conn, c}
	c.open[tracked] = s
	return tracked
}

// dismiss closes the connections that admitted is not for, and returns their
// number. A check in flight on one fails, and Envoy asks another replica or
// refuses: whoever may not ask gets no answer.
func (c *clients) dismiss(admitted func(tls.ConnectionState) bool) int {
	var leaving []*clientConn
	c.mu.Lock()
	for conn, s := range c.open {
		if !admitted(s) {
			leaving = append(leaving, conn)
		}
	}
	c.mu.Unlock()
	for _, conn := range leaving {
		_ = conn.Close() // it is to be gone, however it goes
	}
	return len(leaving)
}
