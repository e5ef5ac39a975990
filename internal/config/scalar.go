package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Durations of which more can be said than that they are none.
var (
	errBareNumber = errors.New("has no unit")
	errNegative   = errors.New("is negative")
)

// parseDuration reads a duration such as 90s, 1h30m or 7d. A day is 24 hours.
// Negative durations are refused: none of our keys has a use for one.
func parseDuration(text string) (time.Duration, error) {
	var total time.Duration
	if text == "" {
		return 0, errors.New("is empty")
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return 0, errBareNumber
	}
	if text[0] == '-' {
		return 0, errNegative
	}
	for rest := text; rest != ""; {
		end := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if end <= 0 {
			return 0, errors.New("is not a duration")
		}
		number := rest[:end]
		rest = rest[end:]
		end = strings.IndexAny(rest, "0123456789.")
		if end < 0 {
			end = len(rest)
		}
		part, err := durationPart(number, rest[:end])
		if err != nil {
			return 0, err
		}
		rest = rest[end:]
		if total > math.MaxInt64-part {
			return 0, errors.New("is too long")
		}
		total += part
	}
	return total, nil
}

func durationPart(number, unit string) (time.Duration, error) {
	days := unit == "d"
	if days {
		unit = "h"
	}
	if _, err := time.ParseDuration("1" + unit); err != nil {
		return 0, errors.New("has the unknown unit " + quote(unit))
	}
	if strings.Trim(number, ".") == "" || strings.Count(number, ".") > 1 {
		return 0, errors.New("is not a duration")
	}
	part, err := time.ParseDuration(number + unit)
	if err != nil || days && part > math.MaxInt64/24 {
		return 0, errors.New("is too long")
	}
	if days {
		part *= 24
	}
	return part, nil
}

// formatDuration writes a duration as an operator would.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parseInt reads a whole decimal number, with underscores between its digits
// as YAML and TOML allow.
func parseInt(text string) (int, error) {
	digits := strings.TrimLeft(strings.ReplaceAll(text, "_", ""), "+-")
	if len(digits) > 1 && digits[0] == '0' {
		return 0, errors.New("has a leading zero") // octal to some, decimal to others
	}
	return strconv.Atoi(strings.ReplaceAll(text, "_", ""))
}

// splitList splits a list that is written as one string.
func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

// nearest returns the candidate that a misspelled word most likely stands for,
// or "".
func nearest(word string, candidates []string) string {
	best, at := "", 1+max(1, min(len(word)/3, 3))
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < at {
			best, at = c, d
		}
	}
	return best
}

// distance is the optimal string alignment distance: insertions, deletions,
// replacements, and neighbours swapped. It stops counting for long words.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
