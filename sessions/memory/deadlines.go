package memory

// The entries form a heap by deadline in table.endings, the earliest first. An
// entry knows its position, so that a change of one deadline costs little.

// beginEnding puts a new entry into the heap.
func (t *table) beginEnding(i uint32) {
	t.endings = append(t.endings, none)
	t.settle(len(t.endings)-1, i)
}

// endEnding takes an entry out of the heap.
func (t *table) endEnding(i uint32) {
	n, last := int(t.at(i).ending), len(t.endings)-1
	other := t.endings[last]
	t.endings = t.endings[:last]
	if n != last {
		t.settle(n, other)
	}
}

// rescheduled is called when an entry's deadline has changed.
func (t *table) rescheduled(i uint32) { t.settle(int(t.at(i).ending), i) }

// settle puts an entry where it belongs, n being free for it: as far towards the
// root or away from it as its deadline asks.
func (t *table) settle(n int, i uint32) {
	end := t.at(i).deadline()
	for n > 0 {
		parent := (n - 1) / 2
		if t.deadlineAt(parent) <= end {
			break
		}
		t.ends(n, t.endings[parent])
		n = parent
	}
	for {
		child := 2*n + 1
		if child+1 < len(t.endings) && t.deadlineAt(child+1) < t.deadlineAt(child) {
			child++
		}
		if child >= len(t.endings) || end <= t.deadlineAt(child) {
			break
		}
		t.ends(n, t.endings[child])
		n = child
	}
	t.ends(n, i)
}

func (t *table) deadlineAt(n int) int64 { return t.at(t.endings[n]).deadline() }

// ends enters an entry at a position of the heap.
func (t *table) ends(n int, i uint32) {
	t.endings[n] = i
	t.at(i).ending = uint32(n) //nolint:gosec // the cap is far below
}
