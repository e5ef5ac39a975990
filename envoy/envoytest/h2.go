package envoytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// streamID is the one stream of an exchange.
const streamID = 1

// An H2Response is an HTTP/2 answer.
type H2Response struct {
	// Status is :status, or 0 if there was none.
	Status int
	// Header and Trailer have every field in order.
	Header, Trailer []Field
	Body            []byte
	// Reset is the code with which the server ended the stream or the
	// connection instead of answering; nil when it has not.
	Reset *http2.ErrCode
	// Closed says that the server closed the connection before the answer was
	// complete.
	Closed bool
}

// Values returns the values of all header fields with that name.
func (r *H2Response) Values(name string) []string { return Request{Header: r.Header}.Values(name) }

// Get returns the first value of that name in Header, then Trailer, or "".
func (r *H2Response) Get(name string) string {
	for _, f := range append(r.Header[:len(r.Header):len(r.Header)], r.Trailer...) {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// H2Fields returns the pseudo-header fields of a request to app.example.test,
// followed by header as it is.
func H2Fields(method, path string, header ...Field) []Field {
	return append([]Field{
		{":method", method}, {":scheme", "http"}, {":authority", "app.example.test"}, {":path", path},
	}, header...)
}

// H2Request sends one HTTP/2 request without TLS (prior knowledge) to address:
// the fields exactly as they are and in their order, valid or not, and body if
// it is not empty. It fails the test if the server neither answers nor ends the
// stream.
func H2Request(tb testing.TB, address string, fields []Field, body []byte) *H2Response {
	tb.Helper()
	resp, err := SendH2(tb.Context(), address, fields, body)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return resp
}

// SendH2 is [H2Request] for goroutines that must not end the test.
func SendH2(ctx context.Context, address string, fields []Field, body []byte) (*H2Response, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	conn, stop, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer stop()
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := sendH2(conn, framer, fields, body); err != nil {
		return nil, fmt.Errorf("envoytest: send request: %w", timedOut(ctx, err))
	}
	resp := &H2Response{}
	for done := false; !done; {
		frame, err := framer.ReadFrame()
		if err != nil {
			if ctx.Err() == nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
				resp.Closed = true
				return resp, nil
			}
			return nil, fmt.Errorf("envoytest: read answer: %w", timedOut(ctx, err))
		}
		if done, err = resp.add(framer, frame); err != nil {
			return nil, fmt.Errorf("envoytest: read answer: %w", timedOut(ctx, err))
		}
	}
	return resp, nil
}

func sendH2(conn net.Conn, framer *http2.Framer, fields []Field, body []byte) error {
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return err
	}
	if err := framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}); err != nil {
		return err
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		if err := encoder.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value}); err != nil {
			return err
		}
	}
	if err := writeHeaders(framer, block.Bytes(), len(body) == 0); err != nil {
		return err
	}
	const maxFrame = 16384 // what every peer accepts (RFC 9113 §4.2)
	for len(body) > 0 {
		n := min(len(body), maxFrame)
		if err := framer.WriteData(streamID, n == len(body), body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

func writeHeaders(framer *http2.Framer, block []byte, end bool) error {
	const maxFrame = 16384
	n := min(len(block), maxFrame)
	err := framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: streamID, BlockFragment: block[:n], EndStream: end, EndHeaders: n == len(block),
	})
	for block = block[n:]; err == nil && len(block) > 0; block = block[n:] {
		n = min(len(block), maxFrame)
		err = framer.WriteContinuation(streamID, n == len(block), block[:n])
	}
	return err
}

// add takes in one frame and reports whether the exchange is over.
func (r *H2Response) add(framer *http2.Framer, frame http2.Frame) (bool, error) {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return false, framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return false, framer.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		if f.ErrCode != http2.ErrCodeNo || f.LastStreamID < streamID {
			code := f.ErrCode
			r.Reset = &code
			return true, nil
		}
	case *http2.RSTStreamFrame:
		// After a full answer it only says that the rest of the request is not wanted.
		if f.StreamID == streamID {
			code := f.ErrCode
			r.Reset = &code
			return true, nil
		}
	case *http2.DataFrame:
		r.Body = append(r.Body, f.Data()...)
		return f.StreamEnded(), nil
	case *http2.MetaHeadersFrame:
		fields := make([]Field, len(f.Fields))
		for i, h := range f.Fields {
			fields[i] = Field{h.Name, h.Value}
		}
		switch status, err := strconv.Atoi(f.PseudoValue("status")); {
		case err == nil && status/100 == 1:
		case r.Status == 0:
			r.Status, r.Header = status, fields
		default:
			r.Trailer = fields
		}
		return f.StreamEnded(), nil
	}
	return false, nil
}
