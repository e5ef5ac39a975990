package memory

import (
	"strconv"
	"time"
)

// Sweep removes what is over, as the Store does every minute.
func (s *Store) Sweep() { s.sweep() }

// Sizes returns the number of entries, used names and leases.
func (s *Store) Sizes() (kept, used, held int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.table.len(), s.names(), s.leases.Len()
}

// Marks returns the number of marks.
func (s *Store) Marks() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.marks)
}

// MarkAll fills the memory of marks with ones that last until then.
func (s *Store) MarkAll(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.marks); i < maxMarks; i++ {
		s.marks[strconv.Itoa(i)] = mark{until: until}
	}
}

// names counts the used names.
func (s *Store) names() (n int) {
	for _, used := range s.used {
		n += len(used)
	}
	return n
}

// UseUp fills the memory of used names of a kind with ones that last until then.
func (s *Store) UseUp(kind string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := map[string]time.Time{}
	for i := range maxUsed {
		used[kind+":"+strconv.Itoa(i)] = until
	}
	s.used[kind] = used
}
