package browser_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gateward/gateward/internal/browser"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "Ada Lovelace", "Ada Lovelace"},
		{"white space", " \tAda\r\n\u2028 \u00a0Lovelace\n", "Ada Lovelace"},
		{"markup is for the escaper", "<b>&", "<b>&"},
		{"controls", "A\x00d\x1ba\x7f", "Ada"},
		{"direction", "\u202eA\u2066d\u200fa\u202c", "Ada"},
		{"not UTF-8", "A\xffd\xc3a", "Ada"},
		{"combining marks", "Z" + strings.Repeat("\u0316", 9) + "a\u0301", "Z" + strings.Repeat("\u0316", 4) + "a\u0301"},
		{"as long as may be", strings.Repeat("ä", 20), strings.Repeat("ä", 20)},
		{"too long", strings.Repeat("ä", 21), strings.Repeat("ä", 20) + "…"},
		{"cut at a space", strings.Repeat("a", 20) + " b", strings.Repeat("a", 20) + "…"},
		{"nothing", " \u200b ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := browser.Printable(tt.in, 20); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzPrintable: what comes out prints, is short, and comes out the same again.
func FuzzPrintable(f *testing.F) {
	f.Add(" a\u202e b\xff ", uint8(3))
	f.Add(strings.Repeat("e\u0301\u0301", 9), uint8(7))
	f.Fuzz(func(t *testing.T, s string, limit uint8) {
		got := browser.Printable(s, int(limit))
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > int(limit)+1 {
			t.Errorf("got %q", got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) || got != strings.Join(strings.Fields(got), " ") {
			t.Errorf("got %q", got)
		}
		if again := browser.Printable(got, int(limit)); again != got {
			t.Errorf("got %q, then %q", got, again)
		}
	})
}
