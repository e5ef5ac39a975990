package target

import (
	"bytes"

	"golang.org/x/text/unicode/norm"
)

// Limits of the search for readings. Honest targets need a handful of texts;
// whatever reaches a limit is hostile.
const (
	maxTexts = 256
	// maxWork bounds the bytes read and written, weighted by what they cost:
	// some milliseconds at the very most.
	maxWork = 512 << 10
	// maxKept is the capacity in bytes beyond which a buffer is not reused.
	maxKept = 64 << 10
)

// A closure is the set of texts that follow from a raw path when every step is
// applied to every text, over and over, and the readings that they stand for.
type closure struct {
	arena    []byte // the texts, one behind the other
	texts    []text
	work     int
	out      []byte // the readings, likewise
	ends     []int
	readings [][]byte
}

// A text is one member of a closure.
type text struct {
	from, to int // in the arena
	traits   trait
	// decoded: all of it has been decoded at least once, so that a percent
	// sign may be just that.
	decoded bool
}

func (c *closure) reset() {
	if cap(c.arena) > maxKept {
		c.arena = nil
	}
	if cap(c.out) > maxKept {
		c.out = nil
	}
	c.arena, c.texts, c.work = c.arena[:0], c.texts[:0], 0
	c.out, c.ends, c.readings = c.out[:0], c.ends[:0], c.readings[:0]
}

// read finds the readings of a raw path, or says why there are none.
func (c *closure) read(path []byte) (why string) {
	c.arena = append(c.arena, path...)
	if why := c.add(0, false); why != "" {
		return why
	}
	for i := 0; i < len(c.texts); i++ {
		t := c.texts[i]
		for s := range steps {
			if t.traits&s.needs() == 0 {
				continue
			}
			from := len(c.arena)
			c.arena = s.apply(c.arena, c.arena[t.from:t.to])
			c.work += s.cost() * (t.to - t.from + len(c.arena) - from)
			if why := c.add(from, t.decoded || s == decodeAll); why != "" {
				return why
			}
		}
	}
	for _, t := range c.texts {
		text := c.arena[t.from:t.to]
		c.keep(appendCanonical(c.out, text, true))
		if t.decoded && bytes.IndexByte(text, '%') >= 0 {
			c.keep(appendCanonical(c.out, text, false))
		}
	}
	if len(c.ends) > MaxReadings {
		return whyReadings
	}
	from := 0
	for _, to := range c.ends { // only now, because c.out no longer moves
		c.readings = append(c.readings, c.out[from:to:to])
		from = to
	}
	return ""
}

// add makes a text of the end of the arena, unless it is one already.
func (c *closure) add(from int, decoded bool) (why string) {
	added := c.arena[from:]
	for _, t := range c.texts {
		if t.decoded == decoded && bytes.Equal(c.arena[t.from:t.to], added) {
			c.arena = c.arena[:from]
			return ""
		}
	}
	traits, why := inspect(added)
	if why != "" {
		return why
	}
	c.work += len(added)
	if traits&wide != 0 {
		c.work += costOfWide * len(added)
	}
	if c.work > maxWork || len(c.texts) == maxTexts {
		return whyReadings
	}
	c.texts = append(c.texts, text{from: from, to: len(c.arena), traits: traits, decoded: decoded})
	return ""
}

// keep takes out, which is c.out with one more reading, unless it is known.
func (c *closure) keep(out []byte) {
	added, from := out[len(c.out):], 0
	for _, to := range c.ends {
		if bytes.Equal(out[from:to], added) {
			return
		}
		from = to
	}
	c.out = out
	c.ends = append(c.ends, len(out))
}

// appendCanonical appends the canonical form of a text whose full decoding is
// valid UTF-8. With triplets, a triplet in it stands for a character;
// otherwise every percent sign stands for itself.
func appendCanonical(dst, text []byte, triplets bool) []byte {
	const hex = "0123456789ABCDEF"
	start, isWide := len(dst), false
	for i := 0; i < len(text); i++ {
		b := text[i]
		kept := b == '\\' || b == '#' || b == '?' || b == '%'
		if b == '%' && triplets {
			if d, ok := triplet(text[i:]); ok {
				b, i = d, i+2
				kept = kept && (b == '/' || b == '\\' || b == '#' || b == '?' || b == '%')
			}
		}
		isWide = isWide || b >= 0x80
		if kept {
			dst = append(dst, '%', hex[b>>4], hex[b&0xf])
		} else {
			dst = append(dst, b)
		}
	}
	if isWide && !norm.NFC.IsNormal(dst[start:]) {
		dst = append(dst[:start], norm.NFC.Bytes(dst[start:])...)
	}
	return dst
}
