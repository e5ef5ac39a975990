package extauthz_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gateward/gateward/extauthz"
)

var update = flag.Bool("update", false, "rewrite golden files")

// fixtureRules give the recorded requests something to be judged by: what is
// below /public is open, /a is optional, the rest wants a credential.
func fixtureRules(c *extauthz.Config) {
	c.Rules = []extauthz.Rule{
		{Name: "public", Match: extauthz.Match{Paths: []string{"/public/**"}}, Access: extauthz.AccessAnonymous},
		{Name: "optional", Match: extauthz.Match{Paths: []string{"/a", "/a/**"}}, Access: extauthz.AccessOptional},
		{Name: "admin", Match: extauthz.Match{Paths: []string{"/admin", "/admin/**"}}, Require: extauthz.Require{Groups: []string{"admin"}}},
	}
}

// recorded returns a CheckRequest that a real Envoy sent. What was recorded
// from its HTTP mode (httpsvc_*), which is another protocol, is turned into the
// form of the gRPC mode.
func recorded(tb testing.TB, name string) *authv3.CheckRequest {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "checkrequests", name))
	if err != nil {
		tb.Fatal(err)
	}
	out := &authv3.CheckRequest{}
	if !strings.HasPrefix(name, "httpsvc_") {
		if err := protojson.Unmarshal(text, out); err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		return out
	}
	var r struct {
		Headers      [][2]string
		Host, Method string
		RequestURI   string `json:"request_uri"`
	}
	if err := json.Unmarshal(text, &r); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	list := &corev3.HeaderMap{}
	for _, h := range r.Headers {
		list.Headers = append(list.Headers, &corev3.HeaderValue{Key: strings.ToLower(h[0]), RawValue: []byte(h[1])})
	}
	out.Attributes = &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
		Method: r.Method, Host: r.Host, Path: r.RequestURI, HeaderMap: list,
	}}}
	return out
}

func recordings(tb testing.TB) []string {
	tb.Helper()
	files, err := os.ReadDir(filepath.Join("testdata", "checkrequests"))
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if f.Name() != "index.json" {
			names = append(names, f.Name())
		}
	}
	if len(names) < 190 {
		tb.Fatalf("only %d recorded requests", len(names))
	}
	return names
}

// TestRecordedRequests replays what a real Envoy sent, and holds every answer.
func TestRecordedRequests(t *testing.T) {
	t.Parallel()
	e := newEngine(t, fixtureRules)
	var b strings.Builder
	for _, name := range recordings(t) {
		r := recorded(t, name)
		without := e.check(t, r)
		fmt.Fprintf(&b, "%-40s %-8s %-44q %d %s\n", name, r.GetAttributes().GetRequest().GetHttp().GetMethod(),
			r.GetAttributes().GetRequest().GetHttp().GetPath(), status(without), reason(without))
	}
	golden(t, "recorded.golden", b.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for i := range max(len(gotLines), len(wantLines)) {
			g, w := "", ""
			if i < len(gotLines) {
				g = gotLines[i]
			}
			if i < len(wantLines) {
				w = wantLines[i]
			}
			if g != w {
				t.Errorf("%s:%d\n got %s\nwant %s", file, i+1, g, w)
			}
		}
	}
}

// TestSEC_A06_RecordedPathTricks: no path that Envoy let through as it was is
// anonymous, but for the honest one.
func TestSEC_A06_RecordedPathTricks(t *testing.T) {
	t.Parallel()
	e := newEngine(t, fixtureRules)
	for _, name := range recordings(t) {
		if !strings.HasPrefix(name, "path_") {
			continue
		}
		r := recorded(t, name)
		r.Attributes.Request.Http.Path = "/public" + r.Attributes.Request.Http.Path
		path, _, _ := strings.Cut(r.Attributes.Request.Http.Path, "?")
		odd := strings.ContainsAny(path, "%;\\#") || strings.Contains(path, "//") || strings.Contains(path, "/.") || strings.HasSuffix(path, ".")
		// A letter in percent-encoding is the letter, for everybody.
		odd = odd && !strings.Contains(path, "/%41dmin") && !strings.Contains(path, "/%70ublic")
		got := e.check(t, r)
		if odd == allowed(got) {
			t.Errorf("%s: %s: got %d", name, path, status(got))
		}
	}
}

// TestSEC_A16_BothFormsDecideAlike: a request is judged the same from headers
// and from header_map.
func TestSEC_A16_BothFormsDecideAlike(t *testing.T) {
	t.Parallel()
	e := newEngine(t, fixtureRules)
	pairs := 0
	for _, name := range recordings(t) {
		base, ok := strings.CutSuffix(name, "_raw.json")
		if !ok {
			continue
		}
		pairs++
		raw, joined := e.check(t, recorded(t, name)), e.check(t, recorded(t, base+".json"))
		if status(raw) != status(joined) || reason(raw) != reason(joined) {
			t.Errorf("%s: header_map %d %s, headers %d %s", base, status(raw), reason(raw), status(joined), reason(joined))
		}
	}
	if pairs < 6 {
		t.Errorf("only %d pairs", pairs)
	}
	for _, name := range recordings(t) { // and every other one, converted
		r := recorded(t, name)
		http := r.GetAttributes().GetRequest().GetHttp()
		if len(http.GetHeaders()) == 0 {
			continue
		}
		converted := proto.CloneOf(r)
		list := &corev3.HeaderMap{}
		for k, v := range http.GetHeaders() {
			list.Headers = append(list.Headers, &corev3.HeaderValue{Key: k, RawValue: []byte(v)})
		}
		converted.Attributes.Request.Http.Headers, converted.Attributes.Request.Http.HeaderMap = nil, list
		a, b := e.check(t, r), e.check(t, converted)
		if status(a) != status(b) || reason(a) != reason(b) {
			t.Errorf("%s: headers %d %s, header_map %d %s", name, status(a), reason(a), status(b), reason(b))
		}
	}
}

// FuzzCheck sends anything at all: the answer is sound, and is no allow unless
// a rule says so.
func FuzzCheck(f *testing.F) {
	for _, name := range recordings(f) {
		b, err := proto.Marshal(recorded(f, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	b, err := proto.Marshal(req("GET app.test/public/x", bearer))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	e := newEngine(f, fixtureRules)
	f.Fuzz(func(t *testing.T, b []byte) {
		got := e.checkBytes(t.Context(), t, b)
		if !allowed(got) {
			return
		}
		switch rule := metadata(got, "rule"); rule {
		case "public", "optional", "builtin:login":
		default:
			if sent(got, "x-auth-request-user") == "" {
				t.Errorf("allowed by %q without an identity", rule)
			}
		}
	})
}
