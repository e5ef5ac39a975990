package loginsvc

import (
	"errors"
	"slices"
	"strconv"
	"testing"
)

// numbers lists 0 to n-1, and counts how often it is asked.
func numbers(n int, calls *int) lister[int] {
	return func(limit int, token string) ([]int, string, error) {
		*calls++
		from, err := strconv.Atoi(token)
		if token == "" {
			from, err = 0, nil
		}
		if err != nil {
			return nil, "", err
		}
		end := min(from+limit, n)
		var all []int
		for i := from; i < end; i++ {
			all = append(all, i)
		}
		if end == n {
			return all, "", nil
		}
		return all, strconv.Itoa(end), nil
	}
}

// checkScan goes through all pages and requires what is promised of them.
func checkScan(t *testing.T, n int, keep func(*int) bool) {
	t.Helper()
	var got, want []int
	for i := range n {
		if keep == nil || keep(&i) {
			want = append(want, i)
		}
	}
	token, calls, pages := "", 0, 0
	for {
		pages++
		before := calls
		l, err := scan(numbers(n, &calls), adminPage, token, keep)
		if err != nil {
			t.Fatal(err)
		}
		most := 1
		if keep != nil {
			most = maxScan/scanChunk + 1
		}
		if calls-before > most || len(l.found) > adminPage {
			t.Fatalf("%d calls for %d entries", calls-before, len(l.found))
		}
		if (l.searched > 0) != (l.next != "" && len(l.found) < adminPage) {
			t.Errorf("page of %d, next %q: searched %d", len(l.found), l.next, l.searched)
		}
		got = append(got, l.found...)
		if token = l.next; token == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d entries on %d pages, want %d", len(got), pages, len(want))
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		n    int
		keep func(*int) bool
	}{
		{"nothing", 0, nil},
		{"everything", 120, nil},
		{"a whole page", 50, nil},
		{"nobody of none", 0, func(*int) bool { return true }},
		{"everybody", 1234, func(*int) bool { return true }},
		{"some", 3000, func(i *int) bool { return *i%7 == 0 }},
		{"the last", 20_001, func(i *int) bool { return *i == 20_000 }},
		{"nobody", 12_000, func(*int) bool { return false }},
		{"exactly a page", 6000, func(i *int) bool { return *i < adminPage }},
		{"a page and one", 500, func(i *int) bool { return *i <= adminPage }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkScan(t, tt.n, tt.keep)
		})
	}
}

func TestScan_Errors(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for failing := 1; failing <= 2; failing++ {
		calls, asked := 0, 0
		l, err := scan(func(limit int, token string) ([]int, string, error) {
			if asked++; asked == failing {
				return nil, "", away
			}
			return numbers(1000, &calls)(limit, token)
		}, adminPage, "", func(*int) bool { return true })
		if !errors.Is(err, away) || len(l.found) != 0 {
			t.Errorf("call %d: got %d entries and %v", failing, len(l.found), err)
		}
	}
}

// FuzzScan: whatever is selected, every page holds to its bounds, and all pages
// together hold each entry once.
func FuzzScan(f *testing.F) {
	f.Add(uint16(1000), uint8(3), uint8(1))
	f.Add(uint16(6000), uint8(255), uint8(254))
	f.Add(uint16(51), uint8(1), uint8(0))
	f.Fuzz(func(t *testing.T, n uint16, modulus, rest uint8) {
		checkScan(t, int(n)%8000, func(i *int) bool { return *i%(int(modulus)+1) == int(rest) })
	})
}
