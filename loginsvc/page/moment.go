package page

import (
	"strconv"
	"time"
)

// A moment is a time as a page shows it: in words, the exact time beside them.
type moment struct{ UTC, Exact, Phrase string }

// momentOf returns t as seen at now, and nil for no time.
func momentOf(t, now time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &moment{UTC: t.Format(time.RFC3339), Exact: t.Format("2 January 2006, 15:04:05 UTC"), Phrase: phrase(t, now)}
}

// phrase says how far t is from now, rounded down, or the date when that is
// further than 30 days, or when there is no now.
func phrase(t, now time.Time) string {
	distance := t.Sub(now)
	future := distance > 0
	distance = distance.Abs()
	const day = 24 * time.Hour
	var n time.Duration
	var unit string
	switch {
	case now.IsZero() || distance > 30*day:
		return "on " + t.Format("2 January 2006")
	case distance < time.Minute && future:
		return "within a minute"
	case distance < time.Minute:
		return "just now"
	case distance < time.Hour:
		n, unit = distance/time.Minute, "minute"
	case distance < day:
		n, unit = distance/time.Hour, "hour"
	default:
		n, unit = distance/day, "day"
	}
	words := strconv.FormatInt(int64(n), 10) + " " + unit
	if n != 1 {
		words += "s"
	}
	if future {
		return "in " + words
	}
	return words + " ago"
}
