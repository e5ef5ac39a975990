package admit_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
)

func grantsOf(t testing.TB, all ...admit.GrantConfig) *admit.Grants {
	t.Helper()
	g, err := admit.CompileGrants(all)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGrants_Apply(t *testing.T) {
	t.Parallel()
	g := grantsOf(t,
		admit.GrantConfig{PeopleConfig: admit.PeopleConfig{Emails: []string{"*@example.com"}}, Scopes: []string{"write", "read", "read"}},
		admit.GrantConfig{PeopleConfig: admit.PeopleConfig{Groups: []string{"ops"}, Teams: []string{"my-org/ops"}}, Scopes: []string{"admin", "read"}},
	)
	for _, tt := range []struct {
		name string
		id   *gateward.Identity
		want []string
	}{
		{name: "nobody's", id: &gateward.Identity{}},
		{name: "scopes of before", id: &gateward.Identity{Scopes: []string{"admin"}, AllScopes: true}},
		{name: "not verified", id: &gateward.Identity{Email: "ada@example.com"}},
		{name: "one grant", id: verified("ada@example.com"), want: []string{"read", "write"}},
		{name: "another", id: &gateward.Identity{Teams: []string{"my-org/ops"}}, want: []string{"admin", "read"}},
		{name: "two grants", id: &gateward.Identity{Email: "ada@example.com", EmailVerified: true, Groups: []string{"ops"}}, want: []string{"admin", "read", "write"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 2 { // the second time must not see what the first did
				id := *tt.id
				g.Apply(&id)
				if id.AllScopes || !slices.Equal(id.Scopes, tt.want) {
					t.Errorf("got %q (all: %v), want %q", id.Scopes, id.AllScopes, tt.want)
				}
			}
		})
	}
}

func TestGrants_WithoutNobodyIsLimited(t *testing.T) {
	t.Parallel()
	g := grantsOf(t)
	id := &gateward.Identity{Scopes: []string{"read"}}
	if g.Apply(id); g != nil || !id.AllScopes || id.Scopes != nil {
		t.Errorf("got %v: %+v", g, id)
	}
	id = verified("ada@example.com")
	if new(admit.Grants).Apply(id); id.AllScopes || id.Scopes != nil {
		t.Errorf("zero grants give %+v", id)
	}
}

func TestGrants_ApplyLeavesSharedListsAlone(t *testing.T) {
	t.Parallel()
	shared := []string{"z", "y", "x"}
	kept := slices.Clone(shared)
	c := admit.GrantConfig{PeopleConfig: admit.PeopleConfig{Groups: []string{"ops"}}, Scopes: shared}
	g := grantsOf(t, c, c)
	g.Apply(&gateward.Identity{Scopes: shared, Groups: []string{"ops"}})
	if !slices.Equal(shared, kept) {
		t.Errorf("got %q, want %q", shared, kept)
	}
}

func TestCompileGrants_Problems(t *testing.T) {
	t.Parallel()
	everyone := admit.PeopleConfig{Emails: []string{"*@example.com"}}
	got, err := admit.CompileGrants([]admit.GrantConfig{
		{PeopleConfig: everyone, Scopes: []string{"read"}},
		{Scopes: []string{"read"}},
		{PeopleConfig: everyone},
		{PeopleConfig: admit.PeopleConfig{Emails: []string{"ada@example.com", "*"}, Teams: []string{"ops"}, Subjects: []string{"ada"}}, Scopes: []string{"read", "a b"}},
	})
	want := []string{"[1]", "[2].scopes", "[3].emails[1]", "[3].scopes[1]", "[3].subjects[0]", "[3].teams[0]"}
	if k := keys(t, err); got != nil || !slices.Equal(k, want) {
		t.Errorf("got %v with problems at %v, want %v", got, k, want)
	}
}

// FuzzGrants: scopes come from configuration only, sorted and each once.
func FuzzGrants(f *testing.F) {
	f.Add("ops", "read write", "write,admin", "ops")
	f.Add("ops", "", "b a a", "other")
	f.Fuzz(func(t *testing.T, group, first, second, inGroup string) {
		scopes := [][]string{strings.Fields(first), strings.Fields(second)}
		people := admit.PeopleConfig{Groups: []string{group}}
		g, err := admit.CompileGrants([]admit.GrantConfig{{PeopleConfig: people, Scopes: scopes[0]}, {PeopleConfig: people, Scopes: scopes[1]}})
		if err != nil {
			return
		}
		id := &gateward.Identity{Groups: []string{inGroup}, Scopes: []string{"before"}, AllScopes: true}
		g.Apply(id)
		var want []string
		if inGroup == group {
			want = slices.Concat(scopes...)
			slices.Sort(want)
			want = slices.Compact(want)
		}
		if id.AllScopes || !slices.Equal(id.Scopes, want) {
			t.Errorf("got %q, want %q", id.Scopes, want)
		}
	})
}
