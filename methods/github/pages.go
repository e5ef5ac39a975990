package github

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gateward/gateward/internal/outbound"
)

// maxPages is how many pages of a hundred a list may have. Of a longer one the
// rest might be what counts, so that it is a failure.
const maxPages = 50

var (
	errTooManyPages = errors.New("the list has too many pages")
	errForeignPage  = errors.New("the next page is at another host")
	errNotList      = errors.New("the answer is not a list of what was asked for")
)

// listAll returns all entries of a list of so many pages at most, page by page, and
// the ids of organizations that GitHub has left out of it. Errors are those of
// [api.get] and, for further pages, of [api.more].
func listAll[T any](ctx context.Context, a *api, operation, path string, g granted, most int) ([]T, []string, error) {
	var all []T
	var withheld []string
	address := a.base + path
	for n := range most {
		get := a.get
		if n > 0 {
			get = a.more
		}
		got, err := get(ctx, operation, address, g)
		if err != nil {
			return nil, nil, err
		}
		var page []T
		if err := json.Unmarshal(got.body, &page); err != nil || page == nil {
			return nil, nil, unavailable(operation, errNotList) // the decoder's error quotes the text
		}
		all = append(all, page...)
		withheld = append(withheld, withheldIn(got.header)...)
		next := nextPage(got.header)
		if next == "" {
			slices.Sort(withheld)
			return all, slices.Compact(withheld), nil
		}
		if err := checkPage(a.base, next); err != nil {
			return nil, nil, unavailable(operation, err)
		}
		address = next
	}
	return nil, nil, unreadable(operation, errTooManyPages)
}

// checkPage makes sure that the token goes where it went before.
func checkPage(base, next string) error {
	from, err := url.Parse(base)
	if err != nil {
		return errForeignPage
	}
	to, err := url.Parse(next)
	if err != nil || to.Host == "" || !outbound.SameHost(from, to) {
		return errForeignPage
	}
	return nil
}

// nextPage returns the target of the link with the relation next (RFC 8288 §3), as
// it is written, or "".
func nextPage(h http.Header) string {
	for _, field := range h.Values("Link") {
		if target := nextLink(field); target != "" {
			return target
		}
	}
	return ""
}

// nextLink returns the target of the first link of one field whose relations
// include next, or "" if there is none or the field cannot be read.
func nextLink(field string) string {
	for {
		field = strings.TrimLeft(field, " \t,")
		if field == "" || field[0] != '<' {
			return ""
		}
		target, rest, closed := strings.Cut(field[1:], ">")
		if !closed {
			return ""
		}
		relation, rest := linkRelation(rest)
		for r := range strings.FieldsSeq(relation) {
			if strings.EqualFold(r, "next") {
				return target
			}
		}
		field = rest
	}
}

// linkRelation reads the parameters of a link up to the comma that ends them, and
// returns the value of the first rel (RFC 8288 §3.3) and what follows.
func linkRelation(s string) (relation, rest string) {
	found := false
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" || s[0] != ';' {
			_, rest, _ = strings.Cut(s, ",")
			return relation, rest
		}
		s = strings.TrimLeft(s[1:], " \t")
		end := strings.IndexAny(s, "=;,")
		if end < 0 {
			return relation, ""
		}
		name := strings.TrimSpace(s[:end])
		if s[end] != '=' {
			s = s[end:]
			continue
		}
		var value string
		value, s = linkValue(strings.TrimLeft(s[end+1:], " \t"))
		if strings.EqualFold(name, "rel") && !found {
			relation, found = value, true
		}
	}
}

// linkValue reads a token or a quoted string (RFC 9110 §5.6.4), whose escapes are
// left as they are: no relation has any.
func linkValue(s string) (value, rest string) {
	if s != "" && s[0] == '"' {
		for n := 1; n < len(s); n++ {
			switch s[n] {
			case '\\':
				n++
			case '"':
				return s[1:n], s[n+1:]
			}
		}
		return "", "" // it has no end
	}
	end := strings.IndexAny(s, ";,")
	if end < 0 {
		end = len(s)
	}
	return strings.TrimSpace(s[:end]), s[end:]
}

// withheldIn returns the ids of organizations that GitHub has left out of a list
// because they want a single sign-on first: "partial-results; organizations=1,2".
func withheldIn(h http.Header) []string {
	kind, parameters, _ := strings.Cut(h.Get(ssoHeader), ";")
	if strings.TrimSpace(kind) != "partial-results" {
		return nil
	}
	for part := range strings.SplitSeq(parameters, ";") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(part), "organizations="); ok {
			return slices.DeleteFunc(strings.Split(v, ","), func(id string) bool { return !isNumber(id) })
		}
	}
	return nil
}

func isNumber(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}
