package credential

// StripCookies appends the Cookie header that may go upstream to dst: every
// cookie but ours, in order, joined by "; ". When none of ours is present it
// returns dst as it is and false, and the request's own header may stay; when
// nothing but ours was present it appends nothing, and the caller removes the
// header. dst must not overlap cookie. It allocates only to grow dst.
//
// Ours are the cookies of all accepted names; our own name with either prefix
// and without, since one that a browser kept from an earlier configuration
// still holds a client token; and the cookies of login attempts, in the same
// three forms.
//
// It removes more than that, namely whatever a common parser behind us reads as
// one of these names, so that nobody reads there what was not judged here.
// Beside the plain form these are
//
//   - a name that ends at a space, tab or control before "=" (as net/http reads
//     it), or has bytes beyond ASCII around it, which may decode to spaces;
//   - a pair after a comma (RFC 2109 §4.3.4) or after white space alone;
//   - a name without "=", which net/http reads as an empty cookie;
//   - a name with ".", " " or "[" for "_", or followed by "[", since PHP makes
//     names of variables of them; and a percent-encoded one.
//
// Names that only begin or end like a token's (gateward_client_token2) stay. A pair
// with one of ours inside it, after white space, goes as a whole.
func (f *Finder) StripCookies(dst []byte, cookie [][]byte) (rest []byte, found bool) {
	for _, line := range cookie {
		if _, end := f.lookalike(line, 0); end >= 0 {
			found = true
			break
		}
	}
	if !found {
		return dst, false
	}
	base := len(dst)
	for _, line := range cookie {
		for from := 0; from < len(line); {
			start, end := f.lookalike(line, from)
			if end < 0 {
				dst = appendPairs(dst, base, line[from:])
				break
			}
			dst = appendPairs(dst, base, line[from:start])
			from = end + 1
		}
	}
	return dst, true
}

// lookalike returns where the next stretch of line[from:] stands in which
// somebody may read one of our names. line[from:start] is what comes before it,
// without the separator; line[end], if it exists, is the separator after it.
// end is -1 if there is none. Quotes are not honoured: only some parsers do.
//
// The stretch begins after a ";" or ",", even if the name comes later, after
// white space: what would be left of the pair could be one of our names again.
func (f *Finder) lookalike(line []byte, from int) (start, end int) {
	start = from
	for i := from; i < len(line); {
		for i < len(line) && (endsPair(line[i]) || isNoise(line[i])) {
			if !isNoise(line[i]) {
				start = i
			}
			i++
		}
		if i < len(line) && f.strip.begins[line[i]] {
			if n := f.strip.match(line[i:]); n >= 0 {
				return start, valueEnd(line, i+n)
			}
		}
		for i < len(line) && !endsPair(line[i]) && line[i] > ' ' {
			i++
		}
	}
	return 0, -1
}

// matchLoosely returns how many bytes of b some parser reads as exactly name,
// noise after it included, or -1.
func matchLoosely(b []byte, name string) int {
	n := matchPrefix(b, name)
	if n < 0 {
		return -1
	}
	for n < len(b) && b[n] != '=' && !endsPair(b[n]) {
		c, width := decoded(b[n:])
		if c == '[' || c == 0 { // an element of an array; the end of a C string
			return n
		}
		if !isNoise(c) {
			return -1
		}
		n += width
	}
	return n
}

// matchPrefix returns how many bytes of b some parser reads as prefix, or -1.
func matchPrefix(b []byte, prefix string) int {
	n := 0
	for i := range len(prefix) {
		if n < len(b) && b[n] == prefix[i] { // before decoding: a name may contain "%"
			n++
			continue
		}
		c, width := decoded(b[n:])
		if width == 0 || (c != prefix[i] && (prefix[i] != '_' || !becomesUnderscore(c))) {
			return -1
		}
		n += width
	}
	return n
}

// decoded returns the first byte of b, percent-decoded, and how many bytes of b
// it takes: 0 at the end.
func decoded(b []byte) (c byte, width int) {
	if len(b) == 0 {
		return 0, 0
	}
	if b[0] == '%' && len(b) >= 3 {
		hi, ok1 := unhex(b[1])
		lo, ok2 := unhex(b[2])
		if ok1 && ok2 {
			return hi<<4 | lo, 3
		}
	}
	return b[0], 1
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// becomesUnderscore reports whether c becomes "_" in the name of a variable in
// PHP; "+" is a space once decoded.
func becomesUnderscore(c byte) bool {
	return c == '.' || c == ' ' || c == '+' || c == '['
}

func endsPair(c byte) bool { return c == ';' || c == ',' }

// isNoise reports whether some parser trims c from the ends of a name: white
// space of every alphabet, in Latin-1 or UTF-8, and controls.
func isNoise(c byte) bool { return c <= ' ' || c >= 0x7f }

// appendPairs appends the pairs of text to dst, where dst[base:] holds those
// already there.
func appendPairs(dst []byte, base int, text []byte) []byte {
	for len(text) > 0 {
		i := 0
		for i < len(text) && text[i] != ';' {
			i++
		}
		pair := trim(text[:i])
		text = text[min(i+1, len(text)):]
		if len(pair) == 0 {
			continue
		}
		if len(dst) > base {
			dst = append(dst, "; "...)
		}
		dst = append(dst, pair...)
	}
	return dst
}
