// Package telemetry owns the metrics: their names, labels and registry, and
// the handler that serves them. Nothing else imports the Prometheus client.
// What is counted, and when, lives with the code that does it.
//
// No label takes a value from a request: rules, methods, outcomes and reasons
// come from the configuration and from closed sets in the code.
package telemetry

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A Counter goes up.
type Counter interface{ Inc() }

// A Histogram takes observations, in the unit of its name.
type Histogram interface{ Observe(v float64) }

// Metrics are all metrics of one process. Its methods are safe for concurrent
// use.
type Metrics struct {
	registry *prometheus.Registry

	checks        *prometheus.CounterVec
	shadowChecks  *prometheus.CounterVec
	checkDuration *prometheus.HistogramVec
	panics        prometheus.Counter
	cacheRequests *prometheus.CounterVec
	cacheEntries  func(read func() float64)
	jwksRefreshes *prometheus.CounterVec
	jwksSuccess   *prometheus.GaugeVec
	reloadSuccess prometheus.Gauge
	reloadTime    prometheus.Gauge
	login         loginMetrics
}

// Build describes the running program.
type Build struct{ Version, Revision, GoVersion string }

// New returns the metrics of a process, with the Go and process collectors.
func New(b Build) *Metrics {
	r := prometheus.NewRegistry()
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	m := &Metrics{
		registry: r,
		login:    newLoginMetrics(r),
		checks: counter("gateward_checks_total",
			"Checks by the rule that decided, the method that established the identity, outcome and reason.",
			"rule", "method", "outcome", "reason"),
		shadowChecks: counter("gateward_shadow_checks_total",
			"What rules in shadow mode would have decided.", "rule", "outcome", "reason"),
		cacheRequests: counter("gateward_cache_requests_total",
			"Look-ups in the decision cache by result.", "result"),
		jwksRefreshes: counter("gateward_jwks_refreshes_total",
			"Fetches of a key set by result.", "issuer", "result"),
		checkDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateward_check_duration_seconds",
			Help: "Time from the arrival of a check to its answer.",
			Buckets: []float64{
				5e-6, 10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6,
				1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5,
			},
		}, []string{"outcome"}),
		jwksSuccess: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateward_jwks_last_success_timestamp_seconds",
			Help: "When the key set was last fetched, in seconds since the epoch.",
		}, []string{"issuer"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateward_panics_total", Help: "Panics that were recovered and answered with a fault.",
		}),
		reloadSuccess: gauge("gateward_config_reload_success", "Whether the last reading of the configuration was taken into use."),
		reloadTime:    gauge("gateward_config_reload_timestamp_seconds", "When a configuration was last taken into use, in seconds since the epoch."),
	}
	m.cacheEntries = func(read func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gateward_cache_entries", Help: "Entries in the decision cache.",
		}, read))
	}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gateward_build_info", Help: "The running build; always 1.",
	}, []string{"version", "revision", "goversion"})
	info.WithLabelValues(b.Version, b.Revision, b.GoVersion).Set(1)
	r.MustRegister(m.checkDuration, m.jwksSuccess, m.panics, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Checks is the counter of checks with these labels. It costs a look-up under
// a lock: keep it.
func (m *Metrics) Checks(rule, method, outcome, reason string) Counter {
	return m.checks.WithLabelValues(rule, method, outcome, reason)
}

// ShadowChecks is the counter of what a rule in shadow mode would have decided.
func (m *Metrics) ShadowChecks(rule, outcome, reason string) Counter {
	return m.shadowChecks.WithLabelValues(rule, outcome, reason)
}

// CheckDuration is the histogram, in seconds, of checks with this outcome.
func (m *Metrics) CheckDuration(outcome string) Histogram {
	return m.checkDuration.WithLabelValues(outcome)
}

// Panics counts recovered panics.
func (m *Metrics) Panics() Counter { return m.panics }

// CacheRequests is the counter of cache look-ups with this result.
func (m *Metrics) CacheRequests(result string) Counter {
	return m.cacheRequests.WithLabelValues(result)
}

// CacheEntries registers where the number of cache entries is read from. It is
// called once.
func (m *Metrics) CacheEntries(read func() float64) { m.cacheEntries(read) }

// JWKSRefresh records the end of a fetch of an issuer's key set.
func (m *Metrics) JWKSRefresh(issuer string, ok bool, at time.Time) {
	result := "error"
	if ok {
		result = "success"
		m.jwksSuccess.WithLabelValues(issuer).Set(float64(at.UnixNano()) / 1e9)
	}
	m.jwksRefreshes.WithLabelValues(issuer, result).Inc()
}

// ConfigReload records that a configuration was read, and whether it was taken
// into use.
func (m *Metrics) ConfigReload(ok bool, at time.Time) {
	if !ok {
		m.reloadSuccess.Set(0)
		return
	}
	m.reloadSuccess.Set(1)
	m.reloadTime.Set(float64(at.UnixNano()) / 1e9)
}

// Handler serves the metrics in the text and OpenMetrics formats.
func (m *Metrics) Handler(logger *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelError),
		EnableOpenMetrics: true,
	})
}
