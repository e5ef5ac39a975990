package loginsvc

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Anybody can begin a login, come back with a code that is none, and so have the
// store write and the provider asked. So only so many callbacks of a provider are
// under way at once. Who comes beyond that waits a little for a place, in which
// time nothing is written; and one client address can have a part of the places
// only, so that it cannot keep everybody else out.

const (
	// maxExchanges bounds the callbacks of one provider under way, and
	// maxOfAddress those of them from one client address.
	maxExchanges = 32
	maxOfAddress = 8
	// maxWaiting bounds the callbacks of one provider that wait for a place, and
	// maxWaitingOfAddress those of them from one client address.
	maxWaiting          = 256
	maxWaitingOfAddress = 64
	// placeTimeout is how long a callback waits for a place.
	placeTimeout = 3 * time.Second
)

// places are those for the callbacks of one provider. Safe for concurrent use.
//
// Whenever nobody holds mu, no waiter could have a place: every place that is
// given back is given on at once.
type places struct {
	mu    sync.Mutex
	taken int
	// held and queued are counts by address, without zeros.
	held, queued map[string]int
	waiting      []*waiter // in the order in which they came
}

// A waiter is a callback that waits for a place.
type waiter struct {
	address string
	// placed is closed once the waiter has its place, and is not in the queue.
	placed chan struct{}
}

func newPlaces() *places {
	return &places{held: map[string]int{}, queued: map[string]int{}}
}

// enter takes a place for a callback from this address, and returns how to give
// it back, which is to be called once. Where there is none it waits, until
// placeTimeout or the end of ctx; false: there was none in that time, or too many
// wait already.
func (p *places) enter(ctx context.Context, address string) (leave func(), ok bool) {
	leave = func() { p.leave(address) }
	p.mu.Lock()
	if p.free(address) {
		p.take(address)
		p.mu.Unlock()
		return leave, true
	}
	if len(p.waiting) >= maxWaiting || p.queued[address] >= maxWaitingOfAddress {
		p.mu.Unlock()
		return nil, false
	}
	w := &waiter{address: address, placed: make(chan struct{})}
	p.waiting = append(p.waiting, w)
	p.queued[address]++
	p.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, placeTimeout)
	defer cancel()
	select {
	case <-w.placed:
		return leave, true
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, w)
	if i < 0 { // placed at the last moment
		return leave, true
	}
	p.dequeue(i)
	return nil, false
}

// leave gives a place back, and on to who waits.
func (p *places) leave(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	decrease(p.held, address)
	if i := p.next(); i >= 0 {
		w := p.waiting[i]
		p.dequeue(i)
		p.take(w.address)
		close(w.placed)
	}
}

// next returns the index of the waiter whose turn it is, or -1: of those whose
// addresses hold the fewest places, the one that came first.
func (p *places) next() int {
	found := -1
	for i, w := range p.waiting {
		if p.free(w.address) && (found < 0 || p.held[w.address] < p.held[p.waiting[found].address]) {
			found = i
		}
	}
	return found
}

func (p *places) free(address string) bool {
	return p.taken < maxExchanges && p.held[address] < maxOfAddress
}

func (p *places) take(address string) {
	p.taken++
	p.held[address]++
}

func (p *places) dequeue(i int) {
	decrease(p.queued, p.waiting[i].address)
	p.waiting = slices.Delete(p.waiting, i, i+1)
}

func decrease(counts map[string]int, name string) {
	if counts[name]--; counts[name] == 0 {
		delete(counts, name)
	}
}

// neighbourhood is what counts as one client address: of IPv6 the first 64 bits,
// as the rest is the client's to choose.
func neighbourhood(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4() {
		return address
	}
	net, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return net.String()
}
