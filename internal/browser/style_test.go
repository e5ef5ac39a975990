package browser_test

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gateward/gateward/internal/browser"
)

// palettes returns the colours of the light and the dark scheme.
func palettes(t *testing.T) map[string]map[string]string {
	t.Helper()
	light, rest, _ := strings.Cut(browser.Style(), "\n")
	dark, _, _ := strings.Cut(rest, "\n")
	if !strings.HasPrefix(light, ":root{color-scheme:light dark;") || !strings.HasPrefix(dark, "@media(prefers-color-scheme:dark){:root{") {
		t.Fatalf("the style does not begin with its two palettes: %s", browser.Style())
	}
	colours := regexp.MustCompile(`--([a-z-]+):(#[0-9a-f]{6})[;}]`)
	found := map[string]map[string]string{"light": {}, "dark": {}}
	for scheme, source := range map[string]string{"light": light, "dark": dark} {
		for _, m := range colours.FindAllStringSubmatch(source, -1) {
			found[scheme][m[1]] = m[2]
		}
	}
	return found
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 32)
	if err != nil {
		t.Fatalf("no colour: %q", colour)
	}
	linear := func(channel uint64) float64 {
		c := float64(channel&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}

func contrast(t *testing.T, one, other string) float64 {
	t.Helper()
	a, b := luminance(t, one), luminance(t, other)
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

func TestContrast_KnowsTheExtremes(t *testing.T) {
	t.Parallel()
	if got := contrast(t, "#ffffff", "#000000"); math.Abs(got-21) > 0.001 {
		t.Errorf("white and black: got %v, want 21", got)
	}
	if got := contrast(t, "#777777", "#ffffff"); math.Abs(got-4.48) > 0.01 {
		t.Errorf("grey and white: got %v, want 4.48", got)
	}
}

// TestStyle_Contrast holds both schemes to WCAG 2.2 AA: 4.5 for text (1.4.3),
// 3 for what shows where a control is and has the focus (1.4.11).
func TestStyle_Contrast(t *testing.T) {
	t.Parallel()
	const words, shapes = 4.5, 3
	for scheme, colours := range palettes(t) {
		for _, tt := range []struct {
			front, back string
			least       float64
		}{
			{"text", "card", words},
			{"text", "ground", words},
			{"text", "tint", words},
			{"text", "alert-tint", words},
			{"muted", "card", words},
			{"muted", "ground", words},
			{"accent", "card", words},
			{"accent", "tint", words},
			{"accent", "ground", shapes},
			{"on-accent", "accent", words},
			{"on-accent", "accent-strong", words},
			{"alert", "alert-tint", words},
			{"edge", "card", shapes},
		} {
			if got := contrast(t, colours[tt.front], colours[tt.back]); got < tt.least {
				t.Errorf("%s: %s on %s: got %.2f, want at least %.1f", scheme, tt.front, tt.back, got, tt.least)
			}
		}
	}
}

func TestStyle_PalettesAreComplete(t *testing.T) {
	t.Parallel()
	p := palettes(t)
	light, dark := slices.Sorted(maps.Keys(p["light"])), slices.Sorted(maps.Keys(p["dark"]))
	if len(light) < 10 || !slices.Equal(light, dark) {
		t.Errorf("light has %q, dark has %q", light, dark)
	}
}

// TestStyle_NeedsNoEscaping: the style goes into its element, and under its
// hash, as it is.
func TestStyle_NeedsNoEscaping(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"<", "/*", "@import", "url(", "\r", "\\"} {
		if strings.Contains(browser.Style(), bad) {
			t.Errorf("the style holds %q", bad)
		}
	}
}
