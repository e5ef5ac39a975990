package loginsvc

const (
	// adminPage is how many entries a list on a page for administrators has.
	adminPage = 50
	// scanChunk is how many records a search reads at once, maxScan how many one
	// request reads at most.
	scanChunk = 500
	maxScan   = 5000
)

// A lister returns at most limit records from where token says, and the token of
// what follows them, "" at the end.
type lister[T any] func(limit int, token string) (all []T, next string, err error)

// A listing is a page of a list.
type listing[T any] struct {
	found []T
	// next is the token of what follows, "" at the end.
	next string
	// searched is how many records were read when the search stopped before it had
	// found a whole page, otherwise 0.
	searched int
}

// scan returns the page of at most size entries that begins where token says, of
// what keep selects. With a nil keep, which selects everything, it lists once.
func scan[T any](list lister[T], size int, token string, keep func(*T) bool) (listing[T], error) {
	if keep == nil {
		found, next, err := list(size, token)
		return listing[T]{found: found, next: next}, err
	}
	var l listing[T]
	for range maxScan / scanChunk {
		all, next, err := list(scanChunk, token)
		if err != nil {
			return listing[T]{}, err
		}
		kept := selected(all, keep)
		if room := size - len(l.found); len(kept) > room {
			// The page ends among these: where the next one begins, only a list that
			// ends there can tell.
			if all, next, err = list(kept[room-1]+1, token); err != nil {
				return listing[T]{}, err
			}
			kept = selected(all, keep)
		}
		for _, i := range kept {
			l.found = append(l.found, all[i])
		}
		if token = next; token == "" || len(l.found) >= size {
			l.next = token
			return l, nil
		}
	}
	l.next, l.searched = token, maxScan
	return l, nil
}

// selected returns the indexes of what keep selects.
func selected[T any](all []T, keep func(*T) bool) []int {
	var kept []int
	for i := range all {
		if keep(&all[i]) {
			kept = append(kept, i)
		}
	}
	return kept
}
