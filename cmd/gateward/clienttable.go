package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A table is what people and scripts read.
type table struct {
	head []string
	rows [][]string
}

// write prints the table: in columns under a head for people, or tab-separated
// without one. Whatever its cells hold, each is one cell, and moves no cursor.
func (t *table) write(w io.Writer, columns bool) error {
	var b bytes.Buffer
	line := func(cells []string) {
		for i, c := range cells {
			if i > 0 {
				b.WriteByte('\t')
			}
			if c = visible(c); c == "" && columns {
				c = "-"
			}
			b.WriteString(c)
		}
		b.WriteByte('\n')
	}
	if columns {
		line(t.head)
	}
	for _, r := range t.rows {
		line(r)
	}
	if !columns {
		_, err := w.Write(b.Bytes())
		return err
	}
	aligned := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	_, _ = aligned.Write(b.Bytes()) // Flush says what became of it
	return aligned.Flush()
}

// show prints a table as standard output can take it.
func (p *program) show(t *table) error { return t.write(p.stdout, isTerminal(p.stdout)) }

// isTerminal reports whether somebody may sit there.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// visible returns s with every rune that does not print as an escape of Go's
// strings.
func visible(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// document prints v as JSON. Runes that do not print are escaped, which means the
// same.
func (p *program) document(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range b.String() {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(p.stdout, out.String())
	return err
}

// moment writes a time of the API to the second, or "" where there is none.
func moment(raw string) string {
	t, err := time.Parse(time.RFC3339Nano, raw)
	if err != nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// shortMethod is the name that the command line takes for one of the API's.
func shortMethod(name string) string { return strings.ToLower(strings.TrimPrefix(name, methodPrefix)) }

// longMethod is the reverse; a long name stays as it is.
func longMethod(name string) string {
	if strings.HasPrefix(name, methodPrefix) {
		return name
	}
	return methodPrefix + strings.ToUpper(name)
}

const methodPrefix = "METHOD_"

// tellMore says that a list was not printed to its end.
func (p *program) tellMore(l listing, limit int) {
	if l.more {
		fmt.Fprintf(p.stderr, "gateward: there are more than %d; --limit sets how many are listed\n", limit)
	}
}
