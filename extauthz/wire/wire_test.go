package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gateward/gateward/extauthz/wire"
)

func message(t testing.TB, http *authv3.AttributeContext_HttpRequest) []byte {
	t.Helper()
	b, err := proto.Marshal(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
				Address: "10.1.2.3", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 4711},
			}}},
			Principal: "spiffe://cluster.local/ns/a/sa/b",
		},
		Destination:       &authv3.AttributeContext_Peer{Principal: "not this one"},
		Request:           &authv3.AttributeContext_Request{Http: http},
		ContextExtensions: map[string]string{"gateward.rule": "reports", "other": "x"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestScan(t *testing.T) {
	t.Parallel()
	inMap := &authv3.AttributeContext_HttpRequest{
		Id: "42", Method: "GET", Path: "/a?b", Host: "app.test", Scheme: "https",
		Headers: map[string]string{":path": "/a?b", "authorization": "Bearer x", "empty": ""},
	}
	inList := &authv3.AttributeContext_HttpRequest{
		Id: "42", Method: "GET", Path: "/a?b", Host: "app.test", Scheme: "https",
		HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{
			{Key: ":path", RawValue: []byte("/a?b")},
			{Key: "authorization", RawValue: []byte("Bearer x")},
			{Key: "empty"},
		}},
	}
	for name, http := range map[string]*authv3.AttributeContext_HttpRequest{"headers": inMap, "header_map": inList} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var v wire.View
			if err := wire.Scan(message(t, http), &v); err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%s %s %s %s %s %s %s %s %v", v.StreamID, v.Method, v.Path, v.Host, v.Scheme, v.SourceAddress, v.Principal, v.Rule, v.RuleNamed)
			if want := "42 GET /a?b app.test https 10.1.2.3 spiffe://cluster.local/ns/a/sa/b reports true"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if len(v.Headers) != 2 {
				t.Errorf("got %d headers, want 2: pseudo-headers are left out", len(v.Headers))
			}
			if a, ok := v.Get("authorization"); !ok || string(a) != "Bearer x" {
				t.Errorf("authorization: got %q, %v", a, ok)
			}
			if a, ok := v.Get("empty"); !ok || len(a) != 0 {
				t.Errorf("empty: got %q, %v", a, ok)
			}
			if _, ok := v.Get("absent"); ok {
				t.Error("absent: got a header")
			}
		})
	}
}

func TestScanKeepsDuplicates(t *testing.T) {
	t.Parallel()
	b := message(t, &authv3.AttributeContext_HttpRequest{Method: "GET", HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{
		{Key: "cookie", RawValue: []byte("a=1")}, {Key: "Cookie", Value: "b=2"},
	}}})
	var v wire.View
	if err := wire.Scan(b, &v); err != nil {
		t.Fatal(err)
	}
	got := v.Values(nil, "cookie")
	if len(got) != 2 || string(got[0]) != "a=1" || string(got[1]) != "b=2" {
		t.Errorf("got %q", got)
	}
}

func TestScanRefusesWhatIsNoHTTPCheck(t *testing.T) {
	t.Parallel()
	tcp, err := proto.Marshal(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{Source: &authv3.AttributeContext_Peer{Principal: "p"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"empty":            {nil, wire.ErrNoHTTP},
		"no attributes":    {[]byte{0x0a, 0}, wire.ErrNoHTTP},
		"tcp filter":       {tcp, wire.ErrNoHTTP},
		"truncated length": {[]byte{0x0a}, wire.ErrMalformed},
		"length too long":  {[]byte{0x0a, 5, 1}, wire.ErrMalformed},
		"field zero":       {[]byte{0x02, 0}, wire.ErrMalformed},
		"group":            {[]byte{0x0b, 0x0c}, wire.ErrMalformed},
		"endless varint":   {bytes.Repeat([]byte{0xff}, 11), wire.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var v wire.View
			if err := wire.Scan(c.in, &v); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestSEC_A19_HeadersAreBounded holds the limits, and that reaching them costs
// no memory in proportion to the message.
func TestSEC_A19_HeadersAreBounded(t *testing.T) {
	many := &corev3.HeaderMap{}
	for i := range wire.MaxHeaders + 1 {
		many.Headers = append(many.Headers, &corev3.HeaderValue{Key: fmt.Sprint("h", i)})
	}
	for name, http := range map[string]*authv3.AttributeContext_HttpRequest{
		"bytes": {Method: "GET", Headers: map[string]string{"a": string(make([]byte, 4<<20))}},
		"count": {Method: "GET", HeaderMap: many},
	} {
		b := message(t, http)
		var v wire.View
		if err := wire.Scan(b, &v); !errors.Is(err, wire.ErrTooLarge) {
			t.Errorf("%s: got %v, want %v", name, err, wire.ErrTooLarge)
		}
		if n := testing.AllocsPerRun(10, func() { _ = wire.Scan(b, &v) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	b := message(t, &authv3.AttributeContext_HttpRequest{Method: "GET", Path: "/", Host: "h", Headers: map[string]string{"a": "b", "c": "d"}})
	var v wire.View
	if n := testing.AllocsPerRun(100, func() { _ = wire.Scan(b, &v) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

// FuzzScan holds the scan against the generated message: whatever protobuf
// reads, the scan reads the same.
func FuzzScan(f *testing.F) {
	f.Add(message(f, &authv3.AttributeContext_HttpRequest{Method: "GET", Path: "/x", Host: "h", Headers: map[string]string{"cookie": "a=b"}}))
	f.Add(message(f, &authv3.AttributeContext_HttpRequest{HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: "k", RawValue: []byte{0xff}}}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v wire.View
		scanErr := wire.Scan(b, &v)
		var m authv3.CheckRequest
		if proto.Unmarshal(b, &m) != nil || errors.Is(scanErr, wire.ErrTooLarge) {
			return // the scan may be laxer about what it skips
		}
		http := m.GetAttributes().GetRequest().GetHttp()
		if scanErr != nil {
			if errors.Is(scanErr, wire.ErrNoHTTP) && http != nil {
				t.Fatalf("no http attributes found in %v", &m)
			}
			return // stricter: groups are malformed
		}
		a := m.GetAttributes()
		for name, pair := range map[string][2]string{
			"id": {string(v.StreamID), http.GetId()}, "method": {string(v.Method), http.GetMethod()},
			"path": {string(v.Path), http.GetPath()}, "host": {string(v.Host), http.GetHost()},
			"scheme": {string(v.Scheme), http.GetScheme()}, "principal": {string(v.Principal), a.GetSource().GetPrincipal()},
			"rule": {string(v.Rule), a.GetContextExtensions()[wire.RuleKey]},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: scanned %q, want %q", name, pair[0], pair[1])
			}
		}
		for k, want := range http.GetHeaders() {
			if len(k) > 0 && k[0] == ':' {
				continue
			}
			found := false
			for _, h := range v.Headers {
				found = found || string(h.Name) == k && string(h.Value) == want
			}
			if !found {
				t.Errorf("header %q=%q was not scanned", k, want)
			}
		}
	})
}

func header(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}

func decode(t testing.TB, b wire.Encoded) *authv3.CheckResponse {
	t.Helper()
	var got authv3.CheckResponse
	if err := proto.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	return &got
}

// TestSEC_J10_HeadersOverwrite holds the portable form of a header: value, not
// raw_value; overwrite; append unset.
func TestSEC_J10_HeadersOverwrite(t *testing.T) {
	t.Parallel()
	long := string(bytes.Repeat([]byte("v"), 300)) // lengths of two bytes
	fields := wire.AppendHeader(nil, "x-user", long)
	fields = wire.AppendHeaderBytes(fields, "cookie", []byte("a=1"))
	more := wire.AppendRemoval(nil, "x-gone")
	more = wire.AppendRemoval(more, []byte("X_User"))
	meta := wire.AppendMetadataString(nil, "subject", "ada")
	meta = wire.AppendMetadataList(meta, "scopes", []string{"read", ""})
	meta = wire.AppendMetadataStruct(nil, "gateward", wire.AppendMetadataString(nil, "rule", "r"), meta)

	want := &authv3.CheckResponse{
		Status: &statuspb.Status{},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{
			Headers:         []*corev3.HeaderValueOption{header("x-user", long), header("cookie", "a=1")},
			HeadersToRemove: []string{"x-gone", "X_User"},
		}},
		DynamicMetadata: &structpb.Struct{Fields: map[string]*structpb.Value{"gateward": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
			"rule": structpb.NewStringValue("r"), "subject": structpb.NewStringValue("ada"),
			"scopes": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("read"), structpb.NewStringValue("")}}),
		}})}},
	}
	if got := decode(t, wire.AppendAllow(nil, meta, fields, more)); !proto.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	for _, isError := range []bool{false, true} {
		denied := &authv3.DeniedHttpResponse{
			Status: &typev3.HttpStatus{Code: typev3.StatusCode_Unauthorized}, Body: "no",
			Headers: []*corev3.HeaderValueOption{header("a", "b")},
		}
		want := &authv3.CheckResponse{Status: &statuspb.Status{Code: 16}, HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: denied}}
		if isError {
			want.HttpResponse = &authv3.CheckResponse_ErrorResponse{ErrorResponse: denied}
		}
		got := decode(t, wire.AppendRefusal(nil, wire.Refusal{Code: 16, Status: 401, Error: isError}, nil, []byte("no"), wire.AppendHeader(nil, "a", "b")))
		if !proto.Equal(got, want) {
			t.Errorf("error %v: got %v\nwant %v", isError, got, want)
		}
	}
}

// TestSEC_A01_RefusalNeverAllows: a refusal that would let a request pass
// cannot be made.
func TestSEC_A01_RefusalNeverAllows(t *testing.T) {
	t.Parallel()
	for _, r := range []wire.Refusal{{}, {Code: 16}, {Status: 401}, {Code: 16, Status: 200}, {Code: -1, Status: 403}, {Code: 7, Status: 100}, {Code: 7, Status: 304}, {Code: 7, Status: 600}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was encoded", r)
				}
			}()
			wire.AppendRefusal(nil, r, nil, nil)
		}()
	}
}

func TestCodec(t *testing.T) {
	t.Parallel()
	c := wire.NewCodec()
	b := message(t, &authv3.AttributeContext_HttpRequest{Method: "PUT", Path: "/", Host: "h"})
	for name, data := range map[string]mem.BufferSlice{
		"one buffer":      {mem.SliceBuffer(b)},
		"several buffers": {mem.SliceBuffer(b[:7]), mem.SliceBuffer(b[7:])},
	} {
		var raw wire.Raw
		if err := c.Unmarshal(data, &raw); err != nil || raw.Err != nil {
			t.Fatalf("%s: %v, %v", name, err, raw.Err)
		}
		if string(raw.View.Method) != "PUT" {
			t.Errorf("%s: got method %q", name, raw.View.Method)
		}
		raw.Free()
		if raw.View.Method != nil {
			t.Errorf("%s: the view outlives its bytes", name)
		}
	}
	var raw wire.Raw
	if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer([]byte{0x0a})}, &raw); err != nil {
		t.Errorf("a malformed message must not fail the call: %v", err)
	}
	if !errors.Is(raw.Err, wire.ErrMalformed) {
		t.Errorf("got %v, want %v", raw.Err, wire.ErrMalformed)
	}
	out, err := c.Marshal(wire.Encoded("as it is"))
	if err != nil || string(out.Materialize()) != "as it is" {
		t.Errorf("got %q, %v", out.Materialize(), err)
	}
	if _, err := c.Marshal(&statuspb.Status{Code: 1}); err != nil {
		t.Errorf("an ordinary message: %v", err)
	}
}

func BenchmarkScan(b *testing.B) {
	headers := map[string]string{}
	for i := range 26 {
		headers[fmt.Sprintf("x-header-%d", i)] = "some value of an ordinary length"
	}
	headers["authorization"] = "Bearer " + string(bytes.Repeat([]byte("x"), 1100))
	m := message(b, &authv3.AttributeContext_HttpRequest{Method: "GET", Path: "/api/v1/orders/1", Host: "shop.example.org", Headers: headers})
	var v wire.View
	b.ReportAllocs()
	for b.Loop() {
		if err := wire.Scan(m, &v); err != nil {
			b.Fatal(err)
		}
	}
}
