package storetest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gateward/gateward/sessions"
)

func registryChecks() []check {
	return []check{
		{name: "ListOldestFirst", run: listOldestFirst},
		{name: "ListIsWhatGetIs", run: listIsWhatGetIs},
		{name: "ListPages", run: listPages},
		{name: "ListPagesOfTheSameTime", run: listPagesOfTheSameTime},
		{name: "ListPagesWhileThingsChange", run: listWhileThingsChange},
		{name: "ListFromWhereItWasDeleted", run: listFromDeleted},
		{name: "ListBadPage", run: listBadPage},
		{name: "ListEmpty", run: func(t *testing.T, f *fixture) { f.none(t, sessions.Filter{Expired: true}) }},
		{name: "CountByMethod", run: countByMethod},
	}
}

// all returns every session that filter selects, read in pages.
func (f *fixture) all(t *testing.T, filter sessions.Filter, limit int) []sessions.Session {
	t.Helper()
	var all []sessions.Session
	token := ""
	for range 10_000 {
		page, err := f.List(t.Context(), filter, limit, token)
		if err != nil {
			t.Fatalf("list %+v: %v", filter, err)
		}
		if len(page.Sessions) > limit {
			t.Fatalf("list: %d sessions on a page of at most %d", len(page.Sessions), limit)
		}
		all = append(all, page.Sessions...)
		if token = page.Next; token == "" {
			return all
		}
	}
	t.Fatal("list: there is no end to the pages")
	return nil
}

// set requires that filter selects just these, in whichever order.
func (f *fixture) set(t *testing.T, filter sessions.Filter, want ...string) {
	t.Helper()
	got := ids(f.all(t, filter, 1000))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("list %+v: got %d sessions %v, want %d %v", filter, len(got), got, len(want), want)
	}
}

func (f *fixture) none(t *testing.T, filter sessions.Filter) {
	t.Helper()
	f.set(t, filter)
}

// one returns the only session that filter selects, but for some.
func (f *fixture) one(t *testing.T, filter sessions.Filter, except ...string) sessions.Session {
	t.Helper()
	all := slices.DeleteFunc(f.all(t, filter, 1000), func(s sessions.Session) bool { return slices.Contains(except, s.ID) })
	if len(all) != 1 {
		t.Fatalf("list %+v: got %d sessions, want 1", filter, len(all))
	}
	return all[0]
}

// many keeps n sessions, each a second older than the one before, and returns
// their ids, the oldest first.
func (f *fixture) many(t *testing.T, n int) []string {
	t.Helper()
	want := make([]string, n)
	for i := range n {
		s := f.create(t, created(f.clock.now().Add(-time.Duration(i)*time.Second)))
		want[n-1-i] = s.ID
	}
	return want
}

func listOldestFirst(t *testing.T, f *fixture) {
	want := f.many(t, 12)
	for _, limit := range []int{1000, 12} {
		page, err := f.List(t.Context(), sessions.Filter{}, limit, "")
		if got := ids(page.Sessions); err != nil || !slices.Equal(got, want) {
			t.Errorf("list: got %v, %v, want %v", got, err, want)
		}
	}
}

func listIsWhatGetIs(t *testing.T, f *fixture) {
	s := f.create(t, full)
	same(t, "list", f.one(t, sessions.Filter{}), s)
	f.clock.advance(time.Minute)
	is(t, "touch", f.Touch(t.Context(), s.ID, f.clock.now()), nil)
	same(t, "list after a touch", f.one(t, sessions.Filter{}), f.get(t, s.ID))
	is(t, "replace", f.Replace(t.Context(), s), nil)
	same(t, "list after a replacement", f.one(t, sessions.Filter{}), f.get(t, s.ID))
}

func listPages(t *testing.T, f *fixture) {
	want := f.many(t, 23)
	for _, limit := range []int{1, 2, 7, 22, 23, 24, 1000} {
		if got := ids(f.all(t, sessions.Filter{}, limit)); !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %d sessions %v, want %d %v", limit, len(got), got, len(want), want)
		}
	}
}

func listPagesOfTheSameTime(t *testing.T, f *fixture) {
	at := f.clock.now()
	var want []string
	for range 9 {
		want = append(want, f.create(t, created(at)).ID)
	}
	slices.Sort(want)
	for _, limit := range []int{1, 4, 1000} {
		got := ids(f.all(t, sessions.Filter{}, limit))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %d sessions, want each of %d once", limit, len(got), len(want))
		}
	}
}

// listWhileThingsChange deletes what was listed and what was not, and creates
// newer and older ones, between the pages.
func listWhileThingsChange(t *testing.T, f *fixture) {
	kept := f.many(t, 30)
	seen := map[string]int{}
	token, deleted := "", map[string]bool{}
	for range 1000 {
		page, err := f.List(t.Context(), sessions.Filter{}, 3, token)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		for i := range page.Sessions {
			seen[page.Sessions[i].ID]++
		}
		if token = page.Next; token == "" {
			break
		}
		if n := len(deleted); n < 8 {
			for _, id := range []string{kept[n], kept[len(kept)-1-n]} {
				deleted[id] = true
				is(t, "delete", f.Delete(t.Context(), id), nil)
			}
			f.create(t, created(f.clock.now().Add(-time.Hour)))
			f.create(t, created(f.clock.now().Add(-10*time.Second)))
			f.clock.advance(time.Second)
		}
	}
	for _, id := range kept {
		if n := seen[id]; n > 1 || n == 0 && !deleted[id] {
			t.Errorf("a session was listed %d times (deleted on the way: %v)", n, deleted[id])
		}
	}
}

func listFromDeleted(t *testing.T, f *fixture) {
	want := f.many(t, 6)
	page, err := f.List(t.Context(), sessions.Filter{}, 3, "")
	is(t, "list", err, nil)
	for _, id := range want[2:4] {
		is(t, "delete", f.Delete(t.Context(), id), nil)
	}
	rest, err := f.List(t.Context(), sessions.Filter{}, 1000, page.Next)
	if got := ids(rest.Sessions); err != nil || !slices.Equal(got, want[4:]) {
		t.Errorf("list: got %v, %v, want %v", got, err, want[4:])
	}
	for _, id := range want {
		is(t, "delete", f.Delete(t.Context(), id), nil)
	}
	if rest, err = f.List(t.Context(), sessions.Filter{}, 1000, page.Next); err != nil || len(rest.Sessions) != 0 || rest.Next != "" {
		t.Errorf("list beyond the end: got %+v, %v, want an empty last page", rest, err)
	}
}

func listBadPage(t *testing.T, f *fixture) {
	f.many(t, 6)
	page, err := f.List(t.Context(), sessions.Filter{}, 2, "")
	is(t, "list", err, nil)
	if page.Next == "" {
		t.Fatal("there is no second page")
	}
	for _, token := range []string{
		"x", "0", "-1", "*", " ", "\x00", "\xff\xfe", "null", "{}", strings.Repeat("A", 1<<16), page.Sessions[0].ID,
		base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 40))), "99999999999999999999", "(1", "[", "+inf",
	} {
		got, err := f.List(t.Context(), sessions.Filter{}, 2, token)
		if (err != nil || len(got.Sessions) != 0) && !errors.Is(err, sessions.ErrBadPage) {
			t.Errorf("page %.40q: got %d sessions and %v, want none or %v", token, len(got.Sessions), err, sessions.ErrBadPage)
		}
	}
	for i := range page.Next {
		token := []byte(page.Next)
		token[i] ^= 1
		for _, bad := range []string{string(token), page.Next[:i], page.Next[i:] + "A"} {
			if _, err := f.List(t.Context(), sessions.Filter{}, 2, bad); err != nil && !errors.Is(err, sessions.ErrBadPage) {
				t.Errorf("page %q: got error %v, want none or %v", bad, err, sessions.ErrBadPage)
			}
		}
	}
}

func countByMethod(t *testing.T, f *fixture) {
	count := func(want map[string]int) {
		t.Helper()
		got, err := f.Count(t.Context())
		for method, n := range got {
			if n == 0 {
				delete(got, method)
			}
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("count: got %v, %v, want %v", got, err, want)
		}
	}
	count(map[string]int{})
	first := f.create(t)
	second := f.create(t)
	third := f.create(t, func(s *sessions.Session) { s.Identity.Method = "github" })
	count(map[string]int{"oidc": 2, "github": 1})
	is(t, "replace", f.Replace(t.Context(), first), nil)
	is(t, "touch", f.Touch(t.Context(), first.ID, f.clock.now()), nil)
	count(map[string]int{"oidc": 2, "github": 1})
	is(t, "delete", f.Delete(t.Context(), first.ID), nil)
	is(t, "delete", f.Delete(t.Context(), first.ID), nil)
	count(map[string]int{"oidc": 1, "github": 1})
	third.Identity.Method = "oidc"
	is(t, "replace", f.Replace(t.Context(), third), nil)
	count(map[string]int{"oidc": 2})
	if _, err := f.DeleteWhere(t.Context(), sessions.Filter{Method: "oidc"}); err != nil {
		t.Errorf("delete where: %v", err)
	}
	count(map[string]int{})
	f.gone(t, second.ID)
}
