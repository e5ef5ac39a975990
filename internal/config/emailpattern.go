package config

import (
	"regexp"
	"strings"
)

// An emailPattern is a regular expression of email_matches, looked at for what
// its author most likely did not mean.
type emailPattern struct {
	// dots: it has a dot that stands for any character, and is not repeated.
	dots bool
	// open: an end of some alternative is not anchored.
	open bool
	// headless: it begins with the @, and so matches no whole address.
	headless bool
	// clear is the pattern as it was most likely meant. Unless the pattern is
	// headless, it matches nothing that the pattern does not.
	clear string
}

// readEmailPattern looks at an expression that compiles.
func readEmailPattern(text string) emailPattern {
	var e emailPattern
	tokens := regexpTokens(text)
	alternatives, depth := [][]string{nil}, 0
	for i, token := range tokens {
		switch token {
		case "(":
			depth++
		case ")":
			depth--
		case ".":
			if !repeats(tokens, i+1) {
				e.dots = true
				tokens[i] = `\.`
			}
		case "|":
			if depth == 0 {
				alternatives = append(alternatives, nil)
				continue
			}
		}
		last := len(alternatives) - 1
		alternatives[last] = append(alternatives[last], token)
	}
	var first, last bool // whether all begin, and all end, at an anchor
	first, last = true, true
	for _, a := range alternatives {
		for len(a) > 0 && strings.HasPrefix(a[0], "(?") { // flags
			a = a[1:]
		}
		first = first && len(a) > 0 && (a[0] == "^" || a[0] == `\A`) && !repeats(a, 1)
		last = last && len(a) > 0 && (a[len(a)-1] == "$" || a[len(a)-1] == `\z`)
	}
	e.clear, e.open = strings.Join(tokens, ""), !first || !last
	if e.headless = len(alternatives) == 1 && len(tokens) > 0 && tokens[0] == "@" && !repeats(tokens, 1); e.headless {
		e.clear = ".*" + e.clear
	}
	switch {
	case e.open && len(alternatives) > 1:
		e.clear = "^(?:" + e.clear + ")$"
	case e.open && !first && !last:
		e.clear = "^" + e.clear + "$"
	case e.open && !first:
		e.clear = "^" + e.clear
	case e.open:
		e.clear += "$"
	}
	return e
}

// repeats reports whether the tokens from i on begin with a repetition of what
// is before them.
func repeats(tokens []string, i int) bool {
	const longest = len("{1000,1000}")
	next := strings.Join(tokens[min(i, len(tokens)):min(i+longest, len(tokens))], "")
	return regexp.MustCompile(`^([*+?]|\{[0-9]+(,[0-9]*)?\})`).MatchString(next)
}

// regexpTokens splits an expression that compiles: escapes, classes, quotations
// (\Q…\E) and groups of flags stay whole, anything else is one character.
func regexpTokens(text string) []string {
	var tokens []string
	flags := regexp.MustCompile(`^\(\?[a-zA-Z-]+\)`)
	for text != "" {
		n := len(firstRune(text))
		switch {
		case strings.HasPrefix(text, `\Q`):
			end := strings.Index(text, `\E`)
			if end < 0 { // open to the end; close it, so that something can follow
				return append(tokens, text+`\E`)
			}
			n = end + 2
		case text[0] == '\\':
			n = 1 + len(firstRune(text[1:]))
		case text[0] == '[':
			n = classLength(text)
		case text[0] == '(':
			n = max(n, len(flags.FindString(text)))
		}
		tokens = append(tokens, text[:n])
		text = text[n:]
	}
	return tokens
}

func firstRune(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}

// classLength returns the length of the class that text begins with.
func classLength(text string) int {
	i := len("[")
	i += len(text[i:]) - len(strings.TrimPrefix(text[i:], "^"))
	i += len(text[i:]) - len(strings.TrimPrefix(text[i:], "]")) // the first one stands for itself
	for i < len(text) && text[i] != ']' {
		switch {
		case text[i] == '\\':
			i += 2
		case strings.HasPrefix(text[i:], "[:") && strings.Contains(text[i:], ":]"):
			i += strings.Index(text[i:], ":]") + 2
		default:
			i++
		}
	}
	return min(i+1, len(text))
}
