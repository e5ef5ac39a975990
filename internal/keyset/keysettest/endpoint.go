package keysettest

import (
	"net/http"
	"net/http/httptest"
	"sync"
)

// An Endpoint is a key set's address whose answers a test changes as it goes; the
// zero value answers 404. It is an [http.Handler], and an [http.RoundTripper] for tests without a network.
type Endpoint struct {
	mu       sync.Mutex
	document []byte
	status   int
	header   http.Header
	block    <-chan struct{}
	fetches  int
}

// Serve makes the endpoint answer 200 with document.
func (e *Endpoint) Serve(document []byte) { e.set(http.StatusOK, document) }

// Fail makes the endpoint answer with status and no document.
func (e *Endpoint) Fail(status int) { e.set(status, nil) }

func (e *Endpoint) set(status int, document []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status, e.document = status, document
}

// SetHeader makes the endpoint add a header field to its answers.
func (e *Endpoint) SetHeader(name, value string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.header == nil {
		e.header = http.Header{}
	}
	e.header.Set(name, value)
}

// Block makes the endpoint answer only when c is closed or the request is
// cancelled; nil ends that.
func (e *Endpoint) Block(c <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.block = c
}

// Fetches returns how many requests have arrived.
func (e *Endpoint) Fetches() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fetches
}

// ServeHTTP implements [http.Handler].
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	e.fetches++
	status, document, header, block := e.status, e.document, e.header.Clone(), e.block
	e.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-r.Context().Done():
			return
		}
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	if status == 0 {
		status = http.StatusNotFound
	}
	w.WriteHeader(status)
	_, _ = w.Write(document)
}

// RoundTrip implements [http.RoundTripper].
func (e *Endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}
