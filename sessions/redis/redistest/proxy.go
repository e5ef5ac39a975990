package redistest

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A Traffic is what a Proxy does with connections of a kind.
type Traffic int

// The kinds of traffic.
const (
	// Open: everything passes.
	Open Traffic = iota
	// Paused: nothing passes, and nothing is closed.
	Paused
	// Cut: every connection is closed, new ones too.
	Cut
)

// A Proxy stands between a client and a server, and can fail. Its methods may be
// called from any goroutine.
type Proxy struct {
	// Addr is its host:port.
	Addr string

	target string
	mu     sync.Mutex
	// changed is closed when all or subscriptions change.
	changed            chan struct{}
	all, subscriptions Traffic
	links              map[*link]struct{}
	lose               string // see LoseAnswer
	lost               int
}

// A link is one connection, on both sides.
type link struct {
	client, server net.Conn
	subscription   bool
	lost           bool // the next answer
}

// NewProxy starts a proxy for a server's address. It ends with its test.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, changed: make(chan struct{}), links: map[*link]struct{}{}}
	ctx := context.WithoutCancel(tb.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(ctx, client) })
		}
	})
	tb.Cleanup(func() {
		l.Close()
		p.set(func() { p.all = Cut })
		running.Wait()
	})
	return p
}

// Set decides about all connections.
func (p *Proxy) Set(t Traffic) { p.set(func() { p.all = t }) }

// SetSubscriptions decides about connections that have subscribed to a channel.
func (p *Proxy) SetSubscriptions(t Traffic) { p.set(func() { p.subscriptions = t }) }

// MoveCommands has every connection go to another server, but for those that
// have subscribed, which stay where they are.
func (p *Proxy) MoveCommands(target string) {
	p.set(func() {
		p.target = target
		for l := range p.links {
			if !l.subscription {
				l.close()
			}
		}
	})
}

// LoseAnswer has the next request that contains text reach the server, and the
// connection cut before the answer.
func (p *Proxy) LoseAnswer(text string) { p.set(func() { p.lose = text }) }

// Lost is how many answers have been lost so.
func (p *Proxy) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
	for l := range p.links {
		if p.traffic(l) == Cut {
			l.close()
		}
	}
}

// traffic is what is done with l; p.mu is held.
func (p *Proxy) traffic(l *link) Traffic {
	if l.subscription {
		return max(p.all, p.subscriptions)
	}
	return p.all
}

func (l *link) close() {
	l.client.Close()
	l.server.Close()
}

func (p *Proxy) serve(ctx context.Context, client net.Conn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	dialer := net.Dialer{Timeout: time.Second}
	server, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		client.Close()
		return
	}
	l := &link{client: client, server: server}
	p.mu.Lock()
	p.links[l] = struct{}{}
	cut := p.traffic(l) == Cut
	p.mu.Unlock()
	defer func() {
		l.close()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	if cut {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(l, l.server, l.client, true) })
	both.Go(func() { p.copy(l, l.client, l.server, false) })
	both.Wait()
}

// copy passes on what it reads, as long as it may.
func (p *Proxy) copy(l *link, to io.Writer, from io.Reader, fromClient bool) {
	defer l.close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if fromClient {
				p.look(l, buffer[:n])
			}
			if !p.pass(l, fromClient) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// look notes what a client asks for.
func (p *Proxy) look(l *link, request []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes.Contains(bytes.ToLower(request), []byte("\r\nsubscribe\r\n")) {
		l.subscription = true
	}
	if p.lose != "" && bytes.Contains(request, []byte(p.lose)) {
		p.lose, l.lost = "", true
		p.lost++
	}
}

// pass waits until something may pass, and reports whether it ever may.
func (p *Proxy) pass(l *link, fromClient bool) bool {
	for {
		p.mu.Lock()
		traffic, changed, lost := p.traffic(l), p.changed, l.lost
		p.mu.Unlock()
		switch {
		case traffic == Cut, lost && !fromClient:
			return false
		case traffic == Open:
			return true
		}
		<-changed
	}
}
