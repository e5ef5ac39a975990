package clienttoken

import (
	"errors"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

// doubtMemory is for how long it is remembered that an answer is doubted.
const doubtMemory = 24 * time.Hour

// doubts remembers why answers about people are old: because nobody has any, which
// is nothing against anybody; or because of the person, who could keep access by
// that after it was taken away. A doubt lasts until there is another answer, whatever
// fails in the meantime.
type doubts struct {
	of      map[string]doubt       // by session id
	outages map[provider]time.Time // when one was last met
	swept   time.Time
}

type doubt struct {
	answer time.Time // when the provider gave the one that is doubted
	at     time.Time
}

// has reports whether the answer that s lives on is doubted.
func (d *doubts) has(s *sessions.Session) bool {
	known, ok := d.of[s.ID]
	return ok && known.answer.Equal(confirmedAt(s))
}

func (d *doubts) note(s *sessions.Session, now time.Time) {
	if d.of == nil || len(d.of) >= maxTries {
		d.of = make(map[string]doubt)
	}
	if now.Sub(d.swept) >= sweepInterval {
		d.swept = now
		for id, other := range d.of {
			if now.Sub(other.at) >= doubtMemory {
				delete(d.of, id)
			}
		}
	}
	d.of[s.ID] = doubt{answer: confirmedAt(s), at: now}
}

func (d *doubts) forget(id string) { delete(d.of, id) }

func (d *doubts) noteOutage(at provider, now time.Time) {
	if d.outages == nil {
		d.outages = make(map[provider]time.Time)
	}
	d.outages[at] = now
}

// lately reports whether a provider had an outage a while ago at most.
func (d *doubts) lately(at provider, now time.Time) bool {
	last, ok := d.outages[at]
	return ok && now.Sub(last) < failureMemory
}

// learn notes why s, as it was when the provider was asked, could not be refreshed.
// It is to be called before anybody is told.
func (m *Method) learn(s *sessions.Session, why error) {
	personal := (*gateward.UnavailableError)(nil)
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if errors.As(why, &personal) && personal.Personal {
		m.doubts.note(s, now)
		return
	}
	m.doubts.noteOutage(providerOf(s), now)
}

// usable reports whether s may be used although its refresh is due, and could not
// be had for that reason. After [schedule.usableUntil] an answer about a person
// counts only while the reason is known here, and is none of the person's; or while
// the first question that could tell is on its way, for as long as that may take. A replica that cannot begin one,
// or that left it to another one and has heard nothing, knows no reason.
func (m *Method) usable(s *sessions.Session, plan schedule, why error) bool {
	now := m.now()
	switch {
	case now.Before(plan.usableUntil(s, now)):
		return true
	case plan.recheck == 0:
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.doubts.has(s):
		return false
	case m.doubts.lately(providerOf(s), now), m.isClosing():
		return true
	}
	f := m.flights[s.ID]
	return errors.Is(why, errSlow) && !m.tries.within(s.ID, now, failureMemory) &&
		(f == nil || now.Sub(f.started) < awaitFor+providerTime)
}
