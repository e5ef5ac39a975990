package keyset

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a header or a claims set.
const maxDepth = 32

var (
	errNotObject = errors.New("keyset: not a JSON object")
	errRepeated  = errors.New("keyset: repeated member")
	errTooDeep   = errors.New("keyset: nested too deeply")
)

// DecodeObject decodes one JSON object in which no member is repeated, at any
// depth: two readers of {"sub":"a","sub":"b"} need not agree on who that is
// (RFC 7519 §4). Numbers become float64, and one that does not fit is an error.
// Text that is not UTF-8 is refused. Errors hold nothing of the text.
func DecodeObject(raw []byte) (map[string]any, error) {
	written, depth := survey(raw)
	if depth > maxDepth {
		return nil, errTooDeep
	}
	if !utf8.Valid(raw) {
		return nil, errNotObject
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		return nil, errNotObject // the decoder's error quotes the text
	}
	// Of a repeated member the decoder keeps one, so that fewer come out than
	// were written.
	if countMembers(object) != written {
		return nil, errRepeated
	}
	return object, nil
}

// survey counts the members that are written in raw and its depth. In valid JSON
// a colon outside of a string is a member; of anything else nothing is promised.
func survey(raw []byte) (written, depth int) {
	inString, open := false, 0
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			inString = !inString
		case inString:
			if c == '\\' {
				i++
			}
		case c == ':':
			written++
		case c == '{', c == '[':
			open++
			depth = max(depth, open)
		case c == '}', c == ']':
			open--
		}
	}
	return written, depth
}

// countMembers returns the number of members at every depth of v.
func countMembers(v any) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		n = len(v)
		for _, child := range v {
			n += countMembers(child)
		}
	case []any:
		for _, child := range v {
			n += countMembers(child)
		}
	}
	return n
}
