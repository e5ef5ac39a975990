package envoytest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"strconv"
	"strings"
	"testing"
	"time"
)

// requestTimeout bounds one exchange of [RawRequest] and [H2Request].
const requestTimeout = 15 * time.Second

// A RawResponse is an HTTP/1.1 answer as it came over the wire.
type RawResponse struct {
	// Status is the status code, or 0 if the connection was closed without an
	// answer.
	Status int
	// Header has every line in order, names as they came.
	Header []Field
	Body   []byte
	// Wire is everything that was read.
	Wire []byte
}

// Values returns the values of all header lines with that name, without regard
// to case.
func (r *RawResponse) Values(name string) []string { return Request{Header: r.Header}.Values(name) }

// Get returns the first value of that name, or "".
func (r *RawResponse) Get(name string) string {
	if v := r.Values(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Message returns the bytes of an HTTP/1.1 request: the request line, each line
// of header as it is, an empty line. Host is app.example.test unless header has
// one.
func Message(method, target string, header ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, target)
	host := false
	for _, h := range header {
		host = host || strings.HasPrefix(strings.ToLower(h), "host:")
	}
	if !host {
		b.WriteString("Host: app.example.test\r\n")
	}
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

// RawRequest sends the bytes of one HTTP/1.1 request to address, and returns the
// answer. It fails the test if there is neither an answer nor a closed
// connection.
func RawRequest(tb testing.TB, address string, message []byte) *RawResponse {
	tb.Helper()
	resp, err := SendRaw(tb.Context(), address, message)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return resp
}

// SendRaw is [RawRequest] for goroutines that must not end the test.
func SendRaw(ctx context.Context, address string, message []byte) (*RawResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	conn, stop, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer stop()
	// A server that refuses early may close before it has read everything; its
	// answer counts, not the failed write.
	_, writeErr := conn.Write(message)
	var wire bytes.Buffer
	r := bufio.NewReader(io.TeeReader(conn, &wire))
	head := bytes.HasPrefix(message, []byte("HEAD "))
	for {
		resp, err := readResponse(r, head)
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("envoytest: no answer: %w", timedOut(ctx, err))
		case wire.Len() == 0:
			return &RawResponse{}, nil // closed, or reset, without an answer
		case err != nil:
			return nil, fmt.Errorf("envoytest: read answer: %w", errors.Join(err, writeErr))
		}
		if resp.Status/100 == 1 && resp.Status != 101 {
			continue
		}
		resp.Wire = wire.Bytes()
		return resp, nil
	}
}

// readResponse reads one answer; head says that it has no body.
func readResponse(r *bufio.Reader, head bool) (*RawResponse, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	parts := strings.SplitN(line, " ", 3)
	if len(parts) < 2 {
		return nil, fmt.Errorf("envoytest: status line %q", line)
	}
	resp := &RawResponse{}
	if resp.Status, err = strconv.Atoi(parts[1]); err != nil {
		return nil, fmt.Errorf("envoytest: status line %q", line)
	}
	if resp.Header, err = readFields(r); err != nil {
		return nil, err
	}
	if head || resp.Status/100 == 1 || resp.Status == 204 || resp.Status == 304 {
		return resp, nil
	}
	resp.Body, err = readBody(r, resp)
	return resp, err
}

func readBody(r *bufio.Reader, resp *RawResponse) ([]byte, error) {
	switch {
	case resp.Get("transfer-encoding") != "":
		return io.ReadAll(httputil.NewChunkedReader(r))
	case resp.Get("content-length") != "":
		n, err := strconv.Atoi(resp.Get("content-length"))
		if err != nil {
			return nil, fmt.Errorf("envoytest: content-length: %w", err)
		}
		body := make([]byte, n)
		_, err = io.ReadFull(r, body)
		return body, err
	}
	return io.ReadAll(r)
}
