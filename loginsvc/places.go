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
// only, so that it cannot keep everybody else out. Nor can a few together: where too
// many wait, those give way of whom there are most.

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
	// done is closed once the waiter is not in the queue any longer; before that
	// placed is set if it has its place.
	done   chan struct{}
	placed bool
}

func newPlaces() *places {
	return &places{held: map[string]int{}, queued: map[string]int{}}
}

// enter takes a place for a callback from this address, and returns how to give
// it back, which is to be called once. Where there is none it waits, until
// placeTimeout or the end of ctx; false: there was none in that time, or too many
// wait.
func (p *places) enter(ctx context.Context, address string) (leave func(), ok bool) {
	leave = func() { p.leave(address) }
	p.mu.Lock()
	if p.free(address) {
		p.take(address)
		p.mu.Unlock()
		return leave, true
	}
	if p.queued[address] >= maxWaitingOfAddress || len(p.waiting) >= maxWaiting && !p.displace(address) {
		p.mu.Unlock()
		return nil, false
	}
	w := &waiter{address: address, done: make(chan struct{})}
	p.waiting = append(p.waiting, w)
	p.queued[address]++
	p.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, placeTimeout)
	defer cancel()
	select {
	case <-w.done:
	case <-ctx.Done():
		p.giveUp(w)
	}
	if !w.placed {
		return nil, false
	}
	return leave, true
}

// giveUp takes w out of the queue, unless it was at the last moment.
func (p *places) giveUp(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.dequeue(i)
	}
}

// displace sends away the last waiter of the address that has most of them, if it
// has at least two more than address: so the one who comes does not have more than
// those who go, and nobody is sent away in turns.
func (p *places) displace(address string) bool {
	last, most := -1, p.queued[address]+2
	for i, w := range p.waiting {
		if n := p.queued[w.address]; n >= most {
			last, most = i, n
		}
	}
	if last < 0 {
		return false
	}
	p.dequeue(last)
	return true
}

// leave gives a place back, and on to who waits.
func (p *places) leave(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	decrease(p.held, address)
	if i := p.next(); i >= 0 {
		w := p.waiting[i]
		w.placed = true
		p.take(w.address)
		p.dequeue(i)
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
	close(p.waiting[i].done)
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
