package storetest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward/sessions"
)

func userEmailChecks() []userCheck {
	return []userCheck{
		{"UsersByEmail", usersByEmail},
		{"UsersByEmailFollowsTheAddress", usersByEmailFollows},
		{"UsersByEmailAreBounded", usersByEmailBounded},
	}
}

// found requires that the users with this address are as they should be.
func (f *people) found(t *testing.T, email string, ok func([]sessions.User) bool) {
	t.Helper()
	all, err := f.UsersByEmail(t.Context(), email)
	is(t, "users by email", err, nil)
	if !ok(all) {
		t.Errorf("users by email %s: got %+v", email, all)
	}
}

// emails requires that just these have this address, the oldest first.
func (f *people) emails(t *testing.T, email string, want ...string) {
	t.Helper()
	all, err := f.UsersByEmail(t.Context(), email)
	is(t, "users by email", err, nil)
	if got := userIDs(all); !slices.Equal(got, want) {
		t.Errorf("users by email %s: got %v, want %v", email, got, want)
	}
}

// reachable has an address in one more identity.
func reachable(email string, authoritative bool) func(*sessions.User) {
	return func(u *sessions.User) {
		id := identity()
		id.Email, id.Authoritative = email, authoritative
		u.Identities = append(u.Identities, id)
	}
}

func usersByEmail(t *testing.T, f *people) {
	ada := f.signUp(t, reachable("ada@example.com", true), reachable("ada@example.org", false))
	twice := f.signUp(t, disabled, reachable("ada@example.com", false), reachable("ada@example.com", true))
	f.signUp(t, reachable("grace@example.com", true))
	f.emails(t, "ada@example.com", ada.ID, twice.ID)
	f.emails(t, "ada@example.org", ada.ID)
	for _, none := range []string{"", "*", "ada", "ada@example", "@example.com", "*@example.com", "ada@example.com ", "ada@example.com\x00"} {
		f.emails(t, none)
	}
	f.kept(t, "user", ada)
	f.kept(t, "user", twice)
}

func usersByEmailFollows(t *testing.T, f *people) {
	other := f.signUp(t, reachable("b@example.com", true))
	u := f.signUp(t, reachable("a@example.com", true), reachable("a@example.com", false))
	u = f.replaced(t, u, func(u *sessions.User) { u.Identities[1].Email = "b@example.com" })
	f.emails(t, "a@example.com", u.ID) // by the other identity
	f.emails(t, "b@example.com", other.ID, u.ID)
	u = f.replaced(t, u, func(u *sessions.User) { u.Identities = u.Identities[:2] })
	f.emails(t, "a@example.com")
	f.emails(t, "b@example.com", other.ID, u.ID)
	other = f.replaced(t, other)
	f.emails(t, "b@example.com", other.ID, u.ID)
	f.replaced(t, other, func(u *sessions.User) { u.Identities[1].Email = "" })
	f.emails(t, "b@example.com", u.ID)
	u = f.replaced(t, u, func(u *sessions.User) { u.Identities[0].Email, u.Identities[1].Email = "a@example.com", "" })
	f.emails(t, "a@example.com", u.ID)
	f.emails(t, "b@example.com")
	f.kept(t, "user", u)
}

func usersByEmailBounded(t *testing.T, f *people) {
	var want []string
	for range 103 {
		want = append(want, f.signUp(t, reachable("all@example.com", false)).ID)
	}
	all, err := f.UsersByEmail(t.Context(), "all@example.com")
	is(t, "users by email", err, nil)
	got := userIDs(all)
	if len(got) != 100 {
		t.Errorf("users by email: got %d, want 100", len(got))
	}
	from := 0
	for _, id := range got {
		n := slices.Index(want[from:], id)
		if n < 0 {
			t.Fatal("users by email: not in the order of creation")
		}
		from += n + 1
	}
}

func userListChecks() []userCheck {
	return []userCheck{
		{"UserListEmpty", func(t *testing.T, f *people) {
			f.listed(t, sessions.UserFilter{})
			f.listed(t, sessions.UserFilter{Disabled: true})
		}},
		{"UserListIsWhatUserIs", userListIsWhatUserIs},
		{"UserListPages", userListPages},
		{"UserListWhileThingsChange", userListWhileThingsChange},
		{"UserListBadPage", userListBadPage},
		{"UserDisabledKeys", userDisabledKeys},
		{"UserDisabledKeysOfMany", userDisabledKeysOfMany},
	}
}

// allUsers returns every user that filter selects, read in pages.
func (f *people) allUsers(t *testing.T, filter sessions.UserFilter, limit int) []sessions.User {
	t.Helper()
	var all []sessions.User
	token := ""
	for range 10_000 {
		page, err := f.ListUsers(t.Context(), filter, limit, token)
		if err != nil {
			t.Fatalf("list users %+v: %v", filter, err)
		}
		if len(page.Users) > limit {
			t.Fatalf("list users: %d users on a page of at most %d", len(page.Users), limit)
		}
		all = append(all, page.Users...)
		if token = page.Next; token == "" {
			return all
		}
	}
	t.Fatal("list users: there is no end to the pages")
	return nil
}

// listed requires that filter selects just these, the oldest first.
func (f *people) listed(t *testing.T, filter sessions.UserFilter, want ...string) {
	t.Helper()
	for _, limit := range []int{1000, 3} {
		if got := userIDs(f.allUsers(t, filter, limit)); !slices.Equal(got, want) {
			t.Errorf("list users %+v in pages of %d: got %d %v, want %d %v", filter, limit, len(got), got, len(want), want)
		}
	}
}

func userListIsWhatUserIs(t *testing.T, f *people) {
	u := f.signUp(t, fullUser)
	for range 2 {
		for _, filter := range []sessions.UserFilter{{}, {Disabled: true}} {
			all := f.allUsers(t, filter, 10)
			if len(all) != 1 {
				t.Fatalf("list users %+v: got %d, want 1", filter, len(all))
			}
			same(t, "list users", all[0], u)
		}
		u = f.replaced(t, u, disabled, reachable("ada@example.net", false))
	}
}

func userListPages(t *testing.T, f *people) {
	var all, off []string
	for i := range 23 {
		u := f.newUser()
		switch i % 9 {
		case 4:
			disabled(&u)
		case 8:
			waiting(&u)
		}
		is(t, "create user", f.CreateUser(t.Context(), u), nil)
		all = append(all, u.ID)
		if !u.Enabled {
			off = append(off, u.ID)
		}
	}
	for _, limit := range []int{1, 2, 5, 7, 22, 23, 24, 1000} {
		for _, c := range []struct {
			filter sessions.UserFilter
			want   []string
		}{{sessions.UserFilter{}, all}, {sessions.UserFilter{Disabled: true}, off}} {
			if got := userIDs(f.allUsers(t, c.filter, limit)); !slices.Equal(got, c.want) {
				t.Errorf("list users %+v in pages of %d: got %v, want %v", c.filter, limit, got, c.want)
			}
		}
	}
	for range 2 { // the last page is known to be the last, or followed by an empty one
		page, err := f.ListUsers(t.Context(), sessions.UserFilter{}, 23, "")
		if err != nil || len(page.Users) != 23 {
			t.Errorf("list users: got %d, %v, want 23", len(page.Users), err)
		}
	}
}

// userListWhileThingsChange creates and changes users between the pages: who is
// there from the first page to the last is listed exactly once, and stays where
// it is.
func userListWhileThingsChange(t *testing.T, f *people) {
	var there []sessions.User
	for i := range 30 {
		state := disabled
		if i%5 == 0 {
			state = waiting
		}
		there = append(there, f.signUp(t, state))
	}
	for _, filter := range []sessions.UserFilter{{}, {Disabled: true}} {
		seen := map[string]int{}
		var order []string
		token, turned := "", 0
		for range 1000 {
			page, err := f.ListUsers(t.Context(), filter, 3, token)
			if err != nil {
				t.Fatalf("list users: %v", err)
			}
			for i := range page.Users {
				seen[page.Users[i].ID]++
				order = append(order, page.Users[i].ID)
			}
			if token = page.Next; token == "" {
				break
			}
			if turned < 4 {
				f.signUp(t, disabled)
				there[turned] = f.replaced(t, there[turned], disabled)
				there[29-turned] = f.replaced(t, there[29-turned], disabled, reachable("late@example.com", true))
				turned++
			}
		}
		var want []string
		for i := range there {
			want = append(want, there[i].ID)
			if n := seen[there[i].ID]; n != 1 {
				t.Errorf("%+v: user %d was listed %d times", filter, i, n)
			}
		}
		if len(order) < 30 || !slices.Equal(order[:30], want) {
			t.Errorf("%+v: not in the order of creation", filter)
		}
	}
	first := f.replaced(t, there[0], enabled)
	f.listed(t, sessions.UserFilter{Disabled: true}, userIDs(f.allUsers(t, sessions.UserFilter{}, 1000))[1:]...)
	f.replaced(t, first, disabled)
	f.listed(t, sessions.UserFilter{Disabled: true}, userIDs(f.allUsers(t, sessions.UserFilter{}, 1000))...)
}

func userListBadPage(t *testing.T, f *people) {
	for range 6 {
		f.signUp(t, disabled)
		f.create(t)
	}
	page, err := f.ListUsers(t.Context(), sessions.UserFilter{}, 2, "")
	is(t, "list users", err, nil)
	if page.Next == "" {
		t.Fatal("there is no second page")
	}
	ofSessions, err := f.List(t.Context(), sessions.Filter{}, 2, "")
	is(t, "list", err, nil)
	for _, filter := range []sessions.UserFilter{{}, {Disabled: true}} {
		for _, token := range []string{
			"x", "0", "-1", "*", " ", "\x00", "\xff\xfe", "null", "{}", strings.Repeat("A", 1<<16), page.Users[0].ID, ofSessions.Next,
			base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 40))), "99999999999999999999", "(1", "[", "+inf",
		} {
			got, err := f.ListUsers(t.Context(), filter, 2, token)
			if !errors.Is(err, sessions.ErrBadPage) {
				t.Errorf("page %.40q: got %d users and %v, want %v", token, len(got.Users), err, sessions.ErrBadPage)
			}
		}
		for i := range page.Next {
			token := []byte(page.Next)
			token[i] ^= 1
			for _, bad := range []string{string(token), page.Next[:i], page.Next[i:] + "A"} {
				if _, err := f.ListUsers(t.Context(), filter, 2, bad); err != nil && !errors.Is(err, sessions.ErrBadPage) {
					t.Errorf("page %q: got error %v, want none or %v", bad, err, sessions.ErrBadPage)
				}
			}
		}
	}
}

// deniesJust requires that the keys of these, and no others, are those of
// disabled users.
func (f *people) deniesJust(t *testing.T, want ...sessions.User) {
	t.Helper()
	deniesJust(t, f.Backend, want...)
}

func deniesJust(t *testing.T, users sessions.Users, want ...sessions.User) {
	t.Helper()
	keys, err := users.DisabledKeys(t.Context())
	is(t, "disabled keys", err, nil)
	var all []sessions.Key
	for i := range want {
		all = append(all, want[i].Keys()...)
	}
	if got, want := sorted(keys), sorted(all); !slices.Equal(got, want) {
		t.Errorf("disabled keys: got %d, want %d: %v, %v", len(got), len(want), got, want)
	}
}

// sorted returns each key once, as text.
func sorted(keys []sessions.Key) []string {
	var all []string
	for _, k := range keys {
		all = append(all, fmt.Sprintf("%x", k[:6]))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func userDisabledKeys(t *testing.T, f *people) {
	f.deniesJust(t)
	f.signUp(t)
	u, w := f.signUp(t), f.signUp(t, waiting)
	f.deniesJust(t, w)
	u = f.replaced(t, u, disabled)
	f.deniesJust(t, w, u)
	u = f.replaced(t, u, with(identity()))
	f.deniesJust(t, w, u)
	u = f.replaced(t, u, func(u *sessions.User) { u.Identities = u.Identities[1:] })
	f.deniesJust(t, w, u)
	f.replaced(t, w, enabled)
	f.deniesJust(t, u)
	u = f.replaced(t, u, enabled)
	f.deniesJust(t)
	u = f.replaced(t, u, with(identity()))
	f.deniesJust(t)
	u = f.replaced(t, u, waiting)
	f.deniesJust(t, u)
}

func userDisabledKeysOfMany(t *testing.T, f *people) {
	var off []sessions.User
	for i := range 230 {
		if i%2 == 0 {
			off = append(off, f.signUp(t, disabled, with(identity(), identity())))
		} else {
			f.signUp(t)
		}
	}
	f.deniesJust(t, off...)
}
