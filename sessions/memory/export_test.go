package memory

// Sweep removes what is over, as the Store does every minute.
func (s *Store) Sweep() { s.sweep() }

// Sizes returns the number of entries, used names and leases.
func (s *Store) Sizes() (kept, used, held int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.table.len(), len(s.used), s.leases.Len()
}
