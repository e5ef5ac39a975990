package envoytest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
)

// A Field is one header line, as on the wire.
type Field struct{ Name, Value string }

// A Request is what reached the upstream.
type Request struct {
	// Proto is HTTP/1.1 or HTTP/2.0.
	Proto string
	// Method and Target are those of the request line: nothing is decoded.
	Method, Target string
	// Header has every line in order, names as they came. For HTTP/2 it has :authority
	// as host, lines in order of their names and cookies joined into one.
	Header []Field
	Body   []byte
}

// Values returns the values of all lines with that name, without regard to case.
func (r Request) Values(name string) []string {
	var v []string
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, name) {
			v = append(v, f.Value)
		}
	}
	return v
}

// Names returns the names of all lines, lower case, in order.
func (r Request) Names() []string {
	names := make([]string, len(r.Header))
	for i, f := range r.Header {
		names[i] = strings.ToLower(f.Name)
	}
	return names
}

// A Response is what the upstream answers.
type Response struct {
	Status int
	Header []Field
	Body   string
}

// Upstream is an application that records every request: HTTP/1.1, HTTP/2 and
// gRPC (see [Say]) on one port. To a WebSocket upgrade it answers 101 and then
// echoes bytes.
type Upstream struct {
	// Address is where it listens.
	Address string

	h2   chan net.Conn
	done chan struct{} // closed at the end

	mu       sync.Mutex
	requests []Request
	respond  func(Request) Response
	conns    map[net.Conn]bool // nil at the end
}

// StartUpstream starts an upstream that answers 200 and "upstream" until
// [Upstream.Respond] says otherwise.
func StartUpstream(tb testing.TB) *Upstream {
	tb.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	u := &Upstream{
		Address: l.Addr().String(),
		h2:      make(chan net.Conn),
		done:    make(chan struct{}),
		respond: func(Request) Response { return Response{Status: http.StatusOK, Body: "upstream"} },
		conns:   map[net.Conn]bool{},
	}
	echo := newEchoServer()
	server := &http.Server{Handler: u.handler(echo), Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(&connListener{l.Addr(), u.h2, u.done}) })
	wg.Go(func() { u.accept(l, &wg) })
	tb.Cleanup(func() {
		l.Close()
		u.closeAll()
		server.Close()
		echo.Stop()
		wg.Wait()
	})
	return u
}

// Respond changes how requests are answered; f is called from many goroutines.
func (u *Upstream) Respond(f func(Request) Response) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.respond = f
}

// Requests returns what has arrived since the last call of Requests.
func (u *Upstream) Requests() []Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.requests
	u.requests = nil
	return r
}

func (u *Upstream) record(r Request) Response {
	u.mu.Lock()
	u.requests = append(u.requests, r)
	respond := u.respond
	u.mu.Unlock()
	return respond(r)
}

func (u *Upstream) accept(l net.Listener, wg *sync.WaitGroup) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if !u.track(conn) {
			conn.Close()
			continue
		}
		wg.Go(func() { u.serve(conn) })
	}
}

// track remembers conn for closeAll; false when it is too late.
func (u *Upstream) track(conn net.Conn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conns == nil {
		return false
	}
	u.conns[conn] = true
	return true
}

func (u *Upstream) closeAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	close(u.done)
	for c := range u.conns {
		c.Close()
	}
	u.conns = nil
}

// serve tells HTTP/2 from HTTP/1.1 by the first bytes (RFC 9113 §3.4).
func (u *Upstream) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	if start, err := r.Peek(4); err == nil && string(start) == "PRI " {
		select {
		case u.h2 <- &bufferedConn{conn, r}:
		case <-u.done:
		}
		return
	}
	defer conn.Close()
	for {
		req, err := readRequest(r)
		if err != nil {
			return
		}
		resp := u.record(req)
		if slices.ContainsFunc(req.Values("upgrade"), func(v string) bool { return strings.EqualFold(v, "websocket") }) {
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_, _ = io.Copy(conn, r)
			return
		}
		if err := writeResponse(conn, req.Method, resp); err != nil {
			return
		}
	}
}

// readRequest reads one HTTP/1.1 request without changing anything of it.
func readRequest(r *bufio.Reader) (Request, error) {
	line, err := readLine(r)
	if err != nil {
		return Request{}, err
	}
	parts := strings.SplitN(line, " ", 3)
	if len(parts) != 3 {
		return Request{}, fmt.Errorf("envoytest: request line %q", line)
	}
	req := Request{Method: parts[0], Target: parts[1], Proto: parts[2]}
	if req.Header, err = readFields(r); err != nil {
		return Request{}, err
	}
	var body io.Reader
	if len(req.Values("transfer-encoding")) > 0 {
		body = httputil.NewChunkedReader(r)
	} else if n := req.Values("content-length"); len(n) > 0 {
		size, err := strconv.ParseInt(n[0], 10, 64)
		if err != nil {
			return Request{}, fmt.Errorf("envoytest: content-length: %w", err)
		}
		body = io.LimitReader(r, size)
	}
	if body != nil {
		if req.Body, err = io.ReadAll(body); err != nil {
			return Request{}, err
		}
	}
	if len(req.Values("transfer-encoding")) > 0 {
		_, err = readFields(r) // trailers
	}
	return req, err
}

func readFields(r *bufio.Reader) ([]Field, error) {
	var fields []Field
	for {
		line, err := readLine(r)
		if err != nil {
			return nil, err
		}
		if line == "" {
			return fields, nil
		}
		name, value, _ := strings.Cut(line, ":")
		fields = append(fields, Field{name, strings.TrimLeft(value, " ")})
	}
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

func writeResponse(w io.Writer, method string, resp Response) error {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", resp.Status, http.StatusText(resp.Status))
	for _, f := range resp.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(resp.Body))
	if method != http.MethodHead {
		b.WriteString(resp.Body)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// handler serves HTTP/2.
func (u *Upstream) handler(echo *grpc.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := Request{Proto: r.Proto, Method: r.Method, Target: r.RequestURI, Header: []Field{{"host", r.Host}}}
		names := make([]string, 0, len(r.Header))
		for name := range r.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			for _, v := range r.Header[name] {
				req.Header = append(req.Header, Field{strings.ToLower(name), v})
			}
		}
		if strings.HasPrefix(r.Header.Get("content-type"), "application/grpc") {
			u.record(req)
			echo.ServeHTTP(w, r)
			return
		}
		req.Body, _ = io.ReadAll(r.Body)
		resp := u.record(req)
		for _, f := range resp.Header {
			w.Header().Add(f.Name, f.Value)
		}
		w.WriteHeader(resp.Status)
		_, _ = io.WriteString(w, resp.Body)
	})
}

// bufferedConn is a connection of which some bytes have been read already.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

// Read implements [net.Conn].
func (c *bufferedConn) Read(b []byte) (int, error) { return c.r.Read(b) }

// connListener hands out the connections of a channel until done.
type connListener struct {
	addr  net.Addr
	conns <-chan net.Conn
	done  <-chan struct{}
}

// Accept implements [net.Listener].
func (l *connListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (*connListener) Close() error { return nil }

// Addr implements [net.Listener].
func (l *connListener) Addr() net.Addr { return l.addr }

// dial connects to address and closes the connection with ctx.
func dial(ctx context.Context, address string) (conn net.Conn, stop func(), err error) {
	var d net.Dialer
	conn, err = d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, nil, fmt.Errorf("envoytest: connect: %w", err)
	}
	end := context.AfterFunc(ctx, func() { conn.Close() })
	return conn, func() { end(); conn.Close() }, nil
}

// timedOut replaces the error of a connection that ctx has closed.
func timedOut(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	return err
}
