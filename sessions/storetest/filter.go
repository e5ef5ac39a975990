package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

func filterChecks() []check {
	return []check{
		{name: "FilterFieldsAloneAndTogether", run: filterFields},
		{name: "FilterPages", run: filterPages},
		{name: "FilterIsNoPattern", run: filterIsNoPattern},
		{name: "FilterUserID", run: filterUserID},
		{name: "DeleteWhereDeletesJustThose", run: deleteWhereJustThose},
		{name: "DeleteWhereExpiredOnesToo", run: deleteWhereExpired},
		{name: "DeleteWhereNoFilter", run: deleteWhereNoFilter},
		{name: "DeleteWhereMany", run: deleteWhereMany},
	}
}

// variety keeps two sessions of every kind that a filter can tell apart.
func (f *fixture) variety(t *testing.T) []sessions.Session {
	t.Helper()
	var all []sessions.Session
	start := f.clock.now()
	for i := range 32 {
		bit := func(n int, a, b string) string {
			if i>>n&1 == 0 {
				return a
			}
			return b
		}
		all = append(all, f.create(t, func(s *sessions.Session) {
			s.CreatedAt = start.Add(time.Duration(i) * time.Second)
			s.Identity.Principal = gateward.Principal{
				Issuer: bit(0, "https://a.example.com", "https://b.example.com"), Subject: bit(1, "ada", "grace"),
			}
			s.Identity.Method, s.Identity.Provider = bit(2, "oidc", "github"), bit(3, "one", "two")
			s.Tokens.SID = bit(4, "", "sid")
			if i>>0&1 == i>>2&1 { // over principals and methods, and not of all
				s.Identity.UserID = "user"
			}
		}))
	}
	f.clock.advance(time.Minute)
	return all
}

// filters returns every combination of fields, the zero Filter apart.
func (f *fixture) filters(all []sessions.Session) []sessions.Filter {
	last := all[len(all)-1]
	var filters []sessions.Filter
	for i := 1; i < 64; i++ {
		var filter sessions.Filter
		if i&1 != 0 {
			filter.Principal = last.Identity.Principal
		}
		if i&2 != 0 {
			filter.Method = last.Identity.Method
		}
		if i&4 != 0 {
			filter.Provider = last.Identity.Provider
		}
		if i&8 != 0 {
			filter.SID = last.Tokens.SID
		}
		if i&16 != 0 {
			filter.CreatedBefore = all[len(all)-2].CreatedAt // exclusive
		}
		if i&32 != 0 {
			filter.UserID = last.Identity.UserID
		}
		filters = append(filters, filter)
	}
	return append(filters,
		sessions.Filter{Principal: gateward.Principal{Issuer: "https://a.example.com", Subject: "nobody"}},
		sessions.Filter{Principal: gateward.Principal{Subject: "ada"}}, sessions.Filter{SID: "other"},
		sessions.Filter{Method: "one"}, sessions.Filter{Provider: "oidc"}, sessions.Filter{CreatedBefore: all[0].CreatedAt},
		sessions.Filter{CreatedBefore: all[0].CreatedAt.Add(time.Microsecond)},
		sessions.Filter{UserID: "other"}, sessions.Filter{UserID: "ada"}, sessions.Filter{UserID: "sid"},
	)
}

func selected(filter sessions.Filter, all []sessions.Session) []string {
	var want []string
	for i := range all {
		if filter.Selects(&all[i]) {
			want = append(want, all[i].ID)
		}
	}
	return want
}

func filterFields(t *testing.T, f *fixture) {
	all := f.variety(t)
	for _, filter := range append(f.filters(all), sessions.Filter{}) {
		want := selected(filter, all)
		for _, limit := range []int{3, 1000} {
			if got := ids(f.all(t, filter, limit)); !slices.Equal(got, want) {
				t.Errorf("list %+v in pages of %d: got %d sessions, want %d: %v, %v", filter, limit, len(got), len(want), got, want)
			}
		}
	}
}

// filterPages has what is selected far apart.
func filterPages(t *testing.T, f *fixture) {
	var want []string
	for i := range 40 {
		who := of("ada")
		if i%13 == 12 {
			who = of("grace")
		}
		s := f.create(t, who, created(f.clock.now().Add(time.Duration(i)*time.Second)))
		if i%13 == 12 {
			want = append(want, s.ID)
		}
	}
	grace := gateward.Principal{Issuer: "https://op.example.com", Subject: "grace"}
	for _, filter := range []sessions.Filter{{Principal: grace}, {Principal: grace, Expired: true}, {Principal: grace, Method: "oidc"}} {
		for _, limit := range []int{1, 2, 3, 1000} {
			if got := ids(f.all(t, filter, limit)); !slices.Equal(got, want) {
				t.Errorf("list %+v in pages of %d: got %v, want %v", filter, limit, got, want)
			}
		}
	}
}

// filterIsNoPattern has principals that would be one if put together carelessly.
func filterIsNoPattern(t *testing.T, f *fixture) {
	principals := []gateward.Principal{
		{Issuer: "a", Subject: "b:c"},
		{Issuer: "a:b", Subject: "c"},
		{Issuer: "a", Subject: "b"},
		{Issuer: "", Subject: "a:b"},
		{Issuer: "a\x00b", Subject: "c"},
		{Issuer: "a", Subject: "\x00b"},
		{Issuer: "a*", Subject: "*"},
		{Issuer: "a", Subject: "B"},
		{Issuer: "{a}", Subject: "[b]"},
		{Issuer: "a/", Subject: "/b"},
	}
	want := map[gateward.Principal]string{}
	for _, p := range principals {
		want[p] = f.create(t, func(s *sessions.Session) { s.Identity.Principal = p }).ID
	}
	for _, p := range principals {
		f.set(t, sessions.Filter{Principal: p}, want[p])
	}
	for _, p := range principals {
		if n, err := f.DeleteWhere(t.Context(), sessions.Filter{Principal: p}); n != 1 || err != nil {
			t.Errorf("delete where %q: got %d, %v, want 1", p, n, err)
		}
		f.gone(t, want[p])
	}
}

// filterUserID has users that would be one if looked up carelessly.
func filterUserID(t *testing.T, f *fixture) {
	e := listen(t, f.Backend)
	users := []string{"a", "A", "a*", "*", "a\x00", "a:b", "{a}", "", "c1f8f8c4-5e6b-4d0a-9d3b-0a4f1d6f2b11"}
	want := map[string][]sessions.Session{}
	for _, user := range users {
		for _, who := range []string{"ada", "grace"} {
			want[user] = append(want[user], f.create(t, of(who), func(s *sessions.Session) { s.Identity.UserID = user }))
		}
	}
	for _, user := range users {
		if user != "" {
			f.set(t, sessions.Filter{UserID: user}, ids(want[user])...)
		}
	}
	for _, user := range users {
		if user == "" { // selects everything
			continue
		}
		if n, err := f.DeleteWhere(t.Context(), sessions.Filter{UserID: user}); n != 2 || err != nil {
			t.Errorf("delete where user %q: got %d, %v, want 2", user, n, err)
		}
		e.heard(t, "delete where", want[user]...)
		f.none(t, sessions.Filter{UserID: user})
	}
	f.set(t, sessions.Filter{}, ids(want[""])...)
}

func deleteWhereJustThose(t *testing.T, f *fixture) {
	all := f.variety(t)
	for _, filter := range f.filters(all) {
		want := selected(filter, all)
		n, err := f.DeleteWhere(t.Context(), filter)
		if n != len(want) || err != nil {
			t.Errorf("delete where %+v: got %d, %v, want %d", filter, n, err, len(want))
		}
		all = slices.DeleteFunc(all, func(s sessions.Session) bool { return filter.Selects(&s) })
		f.set(t, sessions.Filter{Expired: true}, ids(all)...)
		for i := range want {
			f.gone(t, want[i])
		}
		if len(all) < 12 { // enough of each kind for the next filter
			for i := range all {
				is(t, "delete", f.Delete(t.Context(), all[i].ID), nil)
			}
			all = f.variety(t)
		}
	}
}

func deleteWhereExpired(t *testing.T, f *fixture) {
	over, live := f.create(t, of("grace"), lasting(time.Hour)), f.create(t, of("grace"))
	other := f.create(t, lasting(time.Hour))
	f.clock.advance(time.Hour)
	for _, expired := range []bool{false, true} { // it makes no difference
		f.set(t, sessions.Filter{Expired: true}, over.ID, live.ID, other.ID)
		n, err := f.DeleteWhere(t.Context(), sessions.Filter{Principal: live.Identity.Principal, Expired: expired})
		if n != 1 || err != nil {
			t.Errorf("delete where: got %d, %v, want the one that was live", n, err)
		}
		f.set(t, sessions.Filter{Expired: true}, other.ID)
		over, live = f.create(t, of("grace"), lasting(0)), f.create(t, of("grace"))
	}
}

func deleteWhereNoFilter(t *testing.T, f *fixture) {
	s := f.create(t)
	for _, filter := range []sessions.Filter{{}, {Expired: true}} {
		n, err := f.DeleteWhere(t.Context(), filter)
		is(t, "delete where", err, sessions.ErrNoFilter)
		if n != 0 {
			t.Errorf("delete where: got %d, want 0", n)
		}
	}
	f.get(t, s.ID)
}

func deleteWhereMany(t *testing.T, f *fixture) {
	const each = 130
	keep := make([]string, each)
	together(each, func(i int) {
		theirs, other := f.session(of("grace")), f.session()
		is(t, "create", errors.Join(f.Create(t.Context(), theirs), f.Create(t.Context(), other)), nil)
		keep[i] = other.ID
	})
	n, err := f.DeleteWhere(t.Context(), sessions.Filter{Principal: gateward.Principal{Issuer: "https://op.example.com", Subject: "grace"}})
	if n != each || err != nil {
		t.Errorf("delete where: got %d, %v, want %d", n, err, each)
	}
	f.set(t, sessions.Filter{Expired: true}, keep...)
}
