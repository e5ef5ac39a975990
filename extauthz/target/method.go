package target

import (
	"bytes"
	"strings"
)

// A MethodPattern matches request methods. They are compared as they are, case
// included (RFC 9110 §9.1): "get" is not GET, and no header overrides a method.
// The zero value matches nothing. Patterns can be compared with ==.
type MethodPattern struct {
	name string
}

// CompileMethod compiles the pattern of a method: its name. GET stands for GET
// and HEAD, every other for itself. TRACE and CONNECT are refused, since no
// request with them passes (see [RefusedMethod]). The error is a
// [*gateward.ConfigError] without a key.
func CompileMethod(s string) (MethodPattern, error) {
	switch {
	case s == "*":
		return MethodPattern{}, patternError("method", s, "matches every method", "leave methods out")
	case s != strings.ToUpper(s):
		return MethodPattern{}, patternError("method", s, "is not in upper case, as methods are",
			"write "+strings.ToUpper(s))
	case !isMethod([]byte(s)):
		return MethodPattern{}, patternError("method", s, "is not the name of a method",
			`write one name of letters, digits, "-" and "_"`)
	case RefusedMethod([]byte(s)):
		return MethodPattern{}, patternError("method", s, "can never match, requests with it are refused", "leave it out")
	}
	return MethodPattern{name: s}, nil
}

// Match reports whether p matches a method. It does not allocate.
func (p MethodPattern) Match(method []byte) bool {
	if len(method) == 0 {
		return false
	}
	return string(method) == p.name || p.name == "GET" && string(method) == "HEAD"
}

// Covers reports whether p matches every method that q matches.
func (p MethodPattern) Covers(q MethodPattern) bool {
	return q.name == "" || p.Match([]byte(q.name))
}

// String returns the name that CompileMethod took.
func (p MethodPattern) String() string { return p.name }

// RefusedMethod reports whether no request with this method may pass, whatever
// the rule: TRACE returns the credentials of a request to who sent it, CONNECT
// makes a tunnel through which nothing more is checked. Case does not matter,
// since an upstream may ignore it.
func RefusedMethod(method []byte) bool {
	return bytes.EqualFold(method, []byte("TRACE")) || bytes.EqualFold(method, []byte("CONNECT"))
}

// isMethod reports whether s can be the name of a method in a pattern.
func isMethod(s []byte) bool {
	for _, c := range s {
		if !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return len(s) > 0
}
