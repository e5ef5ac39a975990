package telemetry_test

import (
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/gateward/gateward/internal/telemetry"
)

var update = flag.Bool("update", false, "write testdata/metrics.golden")

var (
	ourLine   = regexp.MustCompile(`^(# \w+ )?gateward_`)
	labelName = regexp.MustCompile(`[{,](\w+)="`)
)

// newMetrics returns metrics in which every family has a child.
func newMetrics(t *testing.T) *telemetry.Metrics {
	t.Helper()
	m := telemetry.New(telemetry.Build{Version: "v1.2.3", Revision: "abc", GoVersion: "go1.26"})
	at := time.Unix(1700000000, 500e6)
	m.Checks("api", "jwt", "allow", "ok").Inc()
	m.ShadowChecks("next", "deny", "no_credential").Inc()
	m.CheckDuration("allow").Observe(0.0002)
	m.Panics().Inc()
	m.CacheRequests("hit").Inc()
	m.CacheEntries(func() float64 { return 7 })
	m.JWKSRefresh("https://issuer.example.com", true, at)
	m.JWKSRefresh("https://other.example.com", false, at)
	m.ConfigReload(true, at)
	m.Login("google", "success")
	m.Revocations("logout", 2)
	m.StoreOperation("redis", "get", "success", 700*time.Microsecond)
	m.ProviderRequest("google", "token", true)
	m.ProviderRequest("google", "refresh", false)
	m.SessionsActive(func() map[string]int { return map[string]int{"oidc": 3} })
	return m
}

// scrape returns what Handler answers to a client that asks for accept.
func scrape(t *testing.T, m *telemetry.Metrics, accept string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.NewTextHandler(t.Output(), nil))).ServeHTTP(w, r)
	return w
}

// text returns the metrics in the text format.
func text(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	return scrape(t, m, "text/plain").Body.String()
}

// ours returns the lines of our own metrics: those of the Go and process
// collectors differ from machine to machine.
func ours(exposition string) []string {
	var lines []string
	for line := range strings.Lines(exposition) {
		if ourLine.MatchString(line) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// TestMetricsGolden makes the change of a name, a type, a label or a bucket a
// visible one: dashboards and alerts depend on them.
func TestMetricsGolden(t *testing.T) {
	t.Parallel()
	const golden = "testdata/metrics.golden"
	got := strings.Join(ours(text(t, newMetrics(t))), "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the metrics differ from %s; go test -update writes it.\ngot:\n%s\nwant:\n%s", golden, got, want)
	}
}

// TestNamesFollowConventions lints what is served, so that the collectors of
// the runtime are judged with the rest.
func TestNamesFollowConventions(t *testing.T) {
	t.Parallel()
	problems, err := promlint.New(strings.NewReader(text(t, newMetrics(t)))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestSEC_N08_LabelsComeFromClosedSets allows only labels whose values come from
// the configuration, the build, or a closed set in the code. A label from a
// request would let any client create time series without end.
func TestSEC_N08_LabelsComeFromClosedSets(t *testing.T) {
	t.Parallel()
	allowed := map[string]string{
		"rule": "configuration", "method": "configuration", "issuer": "configuration",
		"provider": "configuration", "store": "closed set", "operation": "closed set", "cause": "closed set",
		"outcome": "closed set", "reason": "closed set", "result": "closed set",
		"version": "build", "revision": "build", "goversion": "build",
		"le": "bucket",
	}
	seen := map[string]bool{}
	for _, line := range ours(text(t, newMetrics(t))) {
		for _, m := range labelName.FindAllStringSubmatch(line, -1) {
			seen[m[1]] = true
			if allowed[m[1]] == "" {
				t.Errorf("label %q: is its value bounded, and not taken from a request? %s", m[1], line)
			}
		}
	}
	for name := range allowed {
		if !seen[name] {
			t.Errorf("label %q is allowed and not used", name)
		}
	}
}

func TestCounting(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	m.Checks("api", "jwt", "allow", "ok").Inc()
	m.Checks("api", "", "deny", "no_credential").Inc()
	m.CheckDuration("allow").Observe(6e-6)
	m.CheckDuration("allow").Observe(60)

	got := ours(text(t, m))
	for _, want := range []string{
		`gateward_checks_total{method="jwt",outcome="allow",reason="ok",rule="api"} 2`,
		`gateward_checks_total{method="",outcome="deny",reason="no_credential",rule="api"} 1`,
		`gateward_check_duration_seconds_bucket{outcome="allow",le="5e-06"} 0`,
		`gateward_check_duration_seconds_bucket{outcome="allow",le="1e-05"} 1`,
		`gateward_check_duration_seconds_bucket{outcome="allow",le="2.5"} 2`,
		`gateward_check_duration_seconds_bucket{outcome="allow",le="+Inf"} 3`,
		`gateward_cache_entries 7`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

func TestMetrics_CacheEntriesIsReadAtEachScrape(t *testing.T) {
	t.Parallel()
	m := telemetry.New(telemetry.Build{})
	entries := 1.0
	m.CacheEntries(func() float64 { return entries })
	for _, want := range []string{"gateward_cache_entries 1", "gateward_cache_entries 2"} {
		if got := ours(text(t, m)); !slices.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, strings.Join(got, "\n"))
		}
		entries++
	}
}

// TestFailuresKeepTheLastSuccess: the age of what is in use is what an alert
// looks at, so a failure must not refresh it.
func TestFailuresKeepTheLastSuccess(t *testing.T) {
	t.Parallel()
	m := telemetry.New(telemetry.Build{})
	at := time.Unix(1700000000, 500e6)
	m.JWKSRefresh("a", true, at)
	m.JWKSRefresh("a", false, at.Add(time.Hour))
	m.JWKSRefresh("b", false, at)
	m.ConfigReload(true, at)
	m.ConfigReload(false, at.Add(time.Hour))

	got := ours(text(t, m))
	for _, want := range []string{
		`gateward_jwks_refreshes_total{issuer="a",result="success"} 1`,
		`gateward_jwks_refreshes_total{issuer="a",result="error"} 1`,
		`gateward_jwks_refreshes_total{issuer="b",result="error"} 1`,
		`gateward_jwks_last_success_timestamp_seconds{issuer="a"} 1.7000000005e+09`,
		`gateward_config_reload_success 0`,
		`gateward_config_reload_timestamp_seconds 1.7000000005e+09`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
	for _, line := range got {
		if strings.HasPrefix(line, `gateward_jwks_last_success_timestamp_seconds{issuer="b"}`) {
			t.Errorf("issuer b never succeeded, got %s", line)
		}
	}

	m.ConfigReload(true, at.Add(2*time.Hour))
	if got := ours(text(t, m)); !slices.Contains(got, "gateward_config_reload_success 1") {
		t.Errorf("a reload after a failure does not count as success:\n%s", strings.Join(got, "\n"))
	}
}

func TestMetrics_Handler(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		accept, contentType, end string
	}{
		"text":       {"text/plain", "text/plain", ""},
		"no wish":    {"", "text/plain", ""},
		"prometheus": {"application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2", "application/openmetrics-text", "# EOF\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := scrape(t, newMetrics(t), tt.accept)
			body := res.Body.String()
			if res.Code != http.StatusOK {
				t.Errorf("got status %d, want 200", res.Code)
			}
			if got := res.Header().Get("Content-Type"); !strings.HasPrefix(got, tt.contentType+";") {
				t.Errorf("got Content-Type %q, want %s", got, tt.contentType)
			}
			if !strings.HasSuffix(body, tt.end) {
				t.Errorf("the body does not end with %q", tt.end)
			}
			for _, want := range []string{"gateward_build_info{", "go_goroutines ", "process_cpu_seconds_total "} {
				if !strings.Contains(body, "\n"+want) {
					t.Errorf("no %s in the body", want)
				}
			}
		})
	}
}
