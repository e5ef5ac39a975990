package github

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward"
)

func TestNextLink(t *testing.T) {
	t.Parallel()
	tests := []struct{ field, want string }{
		{``, ""},
		{`<https://api.github.com/user/1/orgs?page=2>; rel="next", <https://api.github.com/user/1/orgs?page=9>; rel="last"`, "https://api.github.com/user/1/orgs?page=2"},
		{`<https://a/?page=1>; rel="prev", <https://a/?page=3>; rel="next"`, "https://a/?page=3"},
		{`<https://a/?page=1>; rel="prev", <https://a/?page=1>; rel="first"`, ""},
		{`<https://a/?x=1,2;3>; rel=next`, "https://a/?x=1,2;3"},
		{`<https://a/>;title="a, <https://evil>; rel=\"next\"";REL="Next"`, "https://a/"},
		{`<https://a/>; title="rel=next"`, ""},
		{`<https://a/>; rel="prev"; rel="next"`, ""}, // the first counts
		{`<https://a/>; rel="up next"`, "https://a/"},
		{`<https://a/>; rel="nextish"`, ""},
		{`<https://a/>; flag; rel=next`, "https://a/"},
		{`<https://a/`, ""},
		{`https://a/; rel="next"`, ""},
		{`<https://a/>; rel="next`, ""},
		{` , <https://a/> ; rel = next`, "https://a/"},
	}
	for _, tt := range tests {
		if got := nextLink(tt.field); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.field, got, tt.want)
		}
	}
}

// FuzzNextLink: what is found is written between < and > in the field, and a link
// behind another is found however that one looks, as long as it is one.
func FuzzNextLink(f *testing.F) {
	f.Add(`<https://a/?page=2>; rel="next", <https://a/?page=9>; rel="last"`, "https://a/?page=3")
	f.Add(`<a>;title="\">, <b>;rel=next"`, "x")
	f.Add(`,,,<>;;;=;"`, "")
	f.Fuzz(func(t *testing.T, field, target string) {
		if got := nextLink(field); got != "" && !strings.Contains(field, "<"+got+">") {
			t.Errorf("%q is not a target in %q", got, field)
		}
		if strings.Contains(target, ">") || target == "" {
			return
		}
		if got := nextLink(`<https://a/?page=1>; rel="prev", <` + target + `>; rel="next"`); got != target {
			t.Errorf("%q instead of %q", got, target)
		}
	})
}

// FuzzScopes: nothing is granted that is not written, and what is written, however
// it is separated, is.
func FuzzScopes(f *testing.F) {
	f.Add("repo,gist", "user:email")
	f.Add("admin:org, repo, user", "read:org")
	f.Add(" , ,,", "")
	f.Fuzz(func(t *testing.T, text, scope string) {
		for _, one := range parseScopes(text).list {
			if one == "" || !strings.Contains(text, one) || strings.ContainsAny(one, ", ") {
				t.Errorf("%q of %q", one, text)
			}
		}
		for _, needed := range []string{scopeEmail, scopeOrganizations} {
			if parseScopes(text).has(needed) && !strings.Contains(text, "user") && !strings.Contains(text, ":org") {
				t.Errorf("%q grants %s", text, needed)
			}
		}
		if !isScope(scope) {
			return
		}
		for _, separator := range []string{",", ", ", " "} {
			if !parseScopes("repo" + separator + scope + separator + "gist").has(scope) {
				t.Errorf("%q is lost", scope)
			}
		}
	})
}

func TestScopesImplyOthers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		granted, scope string
		want           bool
	}{
		{"user", scopeEmail, true},
		{"read:user", scopeEmail, false},
		{"user:follow", scopeEmail, false},
		{"write:org", scopeOrganizations, true},
		{"admin:org", scopeOrganizations, true},
		{"admin:org_hook", scopeOrganizations, false},
		{"repo", scopeOrganizations, false},
		{"user", scopeOrganizations, false},
		{"", scopeEmail, false},
		{"read:org2", scopeOrganizations, false},
	}
	for _, tt := range tests {
		if got := parseScopes(tt.granted).has(tt.scope); got != tt.want {
			t.Errorf("%q has %s: %v", tt.granted, tt.scope, got)
		}
	}
}

func TestWithheld(t *testing.T) {
	t.Parallel()
	for header, want := range map[string][]string{
		"partial-results; organizations=21955855,20582480": {"21955855", "20582480"},
		"partial-results;organizations=1,<script>,2,":      {"1", "2"},
		"partial-results":                          nil,
		"required; url=https://x/?organizations=1": nil,
		"": nil,
	} {
		if got := withheldIn(http.Header{ssoHeader: {header}}); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	tagged := func(body string) *answer {
		return &answer{header: http.Header{"Etag": {`"1"`}}, body: []byte(body)}
	}
	key := func(n int) digest { return answerKey(gateward.NewSecret("t"), fmt.Sprint(n)) }
	a := newAnswers()
	for n := range maxAnswers + 10 {
		a.put(key(n), tagged("{}"))
		a.get(key(0)) // is used, and so stays
	}
	if len(a.byKey) != maxAnswers || a.order.Len() != maxAnswers || a.get(key(0)) == nil || a.get(key(1)) != nil {
		t.Errorf("%d answers", len(a.byKey))
	}
	big := strings.Repeat("x", maxAnswerBytes/4)
	for n := range 20 {
		a.put(key(n), tagged(big))
		if a.bytes > maxAnswerBytes {
			t.Fatalf("%d bytes", a.bytes)
		}
	}
	if len(a.byKey) != 3 {
		t.Errorf("%d big answers", len(a.byKey))
	}
	a.put(key(19), tagged("{}"))
	total := 0
	for e := a.order.Front(); e != nil; e = e.Next() {
		total += rememberedIn(e).size()
	}
	if total != a.bytes {
		t.Errorf("%d bytes counted, there are %d", a.bytes, total)
	}
	if a.put(key(77), &answer{header: http.Header{}, body: []byte("x")}); a.get(key(77)) != nil {
		t.Error("an answer without an entity tag is of no use")
	}
}

func TestLimitsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := newLimits(func() time.Time { return now })
	for n := range maxLimited + 100 {
		l.hold(fmt.Sprint("u", n), time.Minute)
	}
	if len(l.people) != maxLimited {
		t.Errorf("%d people", len(l.people))
	}
	now = now.Add(time.Minute)
	l.hold("", time.Minute) // who is not known
	l.hold("u", time.Minute)
	if wait, own := l.left(opUser, "u", true); len(l.people) != 1 || wait != time.Minute || !own {
		t.Errorf("%d people after the others' time", len(l.people))
	}
}
