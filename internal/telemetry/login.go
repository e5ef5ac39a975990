package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// loginMetrics are those of logins, sessions and the backend that keeps them.
type loginMetrics struct {
	logins           *prometheus.CounterVec
	revocations      *prometheus.CounterVec
	storeOperations  *prometheus.CounterVec
	storeDuration    *prometheus.HistogramVec
	providerRequests *prometheus.CounterVec
	sessions         *sessionCounter
}

func newLoginMetrics(r prometheus.Registerer) loginMetrics {
	m := loginMetrics{
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateward_logins_total", Help: "Logins that came to an end, by provider and result.",
		}, []string{"provider", "result"}),
		revocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateward_revocations_total", Help: "Sessions that were ended before their time, by cause.",
		}, []string{"cause"}),
		storeOperations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateward_session_store_operations_total", Help: "Operations of the session store by result.",
		}, []string{"store", "operation", "result"}),
		storeDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gateward_session_store_operation_duration_seconds",
			Help:    "Time that operations of the session store took.",
			Buckets: []float64{25e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1, 5},
		}, []string{"store", "operation"}),
		providerRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateward_provider_requests_total", Help: "Requests to providers by result.",
		}, []string{"provider", "operation", "result"}),
		sessions: &sessionCounter{desc: prometheus.NewDesc("gateward_sessions_active",
			"Sessions that are kept, by the method that established them.", []string{"method"}, nil)},
	}
	r.MustRegister(m.logins, m.revocations, m.storeOperations, m.storeDuration, m.providerRequests, m.sessions)
	return m
}

// Login counts a login that came to an end.
func (m *Metrics) Login(provider, result string) {
	m.login.logins.WithLabelValues(provider, result).Inc()
}

// Revocations counts n sessions that were ended for this cause.
func (m *Metrics) Revocations(cause string, n int) {
	m.login.revocations.WithLabelValues(cause).Add(float64(n))
}

// StoreOperation records an operation of the session store.
func (m *Metrics) StoreOperation(store, operation, result string, d time.Duration) {
	m.login.storeOperations.WithLabelValues(store, operation, result).Inc()
	m.login.storeDuration.WithLabelValues(store, operation).Observe(d.Seconds())
}

// ProviderRequest counts a request to a provider.
func (m *Metrics) ProviderRequest(provider, operation string, ok bool) {
	result := "error"
	if ok {
		result = "success"
	}
	m.login.providerRequests.WithLabelValues(provider, operation, result).Inc()
}

// SessionsActive registers where the numbers of sessions by method are read from,
// at each scrape. It returns nil when they cannot be had: none are served then.
func (m *Metrics) SessionsActive(read func() map[string]int) { m.login.sessions.set(read) }
