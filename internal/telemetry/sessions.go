package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// sessionCounter is a collector of numbers that somebody else keeps.
type sessionCounter struct {
	desc *prometheus.Desc
	read atomic.Pointer[func() map[string]int]
}

func (c *sessionCounter) set(read func() map[string]int) { c.read.Store(&read) }

// Describe sends the one description.
func (c *sessionCounter) Describe(out chan<- *prometheus.Desc) { out <- c.desc }

// Collect sends the numbers as they are now.
func (c *sessionCounter) Collect(out chan<- prometheus.Metric) {
	read := c.read.Load()
	if read == nil {
		return
	}
	for method, n := range (*read)() {
		out <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(n), method) //nolint:promlinter // it cannot read a description that stands elsewhere
	}
}
