package admit_test

import (
	"errors"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
)

// TestSEC_E04_TeamsBelongToTheirOrganization: whatever decides by teams and
// organizations compares them without case, a team never without its
// organization, and neither with a group of the same name.
func TestSEC_E04_TeamsBelongToTheirOrganization(t *testing.T) {
	t.Parallel()
	people := people(t, admit.PeopleConfig{Teams: []string{"My-Org/Ops"}})
	requirement := compile(t, admit.Config{Teams: []string{"My-Org/Ops"}})
	grants := grantsOf(t, admit.GrantConfig{PeopleConfig: admit.PeopleConfig{Teams: []string{"My-Org/Ops"}}, Scopes: []string{"write"}})
	admission := admissionOf(t, admit.AdmissionConfig{Filters: []admit.FilterConfig{{Type: "team", Patterns: []string{"My-Org/Ops"}}}})
	for _, tt := range []struct {
		name string
		id   gateward.Identity
		want bool
	}{
		{name: "member", id: gateward.Identity{Organizations: []string{"my-org"}, Teams: []string{"my-org/ops"}}, want: true},
		{name: "same name elsewhere", id: gateward.Identity{Organizations: []string{"my-org", "evil"}, Teams: []string{"evil/ops"}}},
		{name: "organization only", id: gateward.Identity{Organizations: []string{"my-org"}}},
		{name: "group", id: gateward.Identity{Groups: []string{"my-org/ops", "My-Org/Ops"}}},
		{name: "organization of that name", id: gateward.Identity{Organizations: []string{"my-org/ops", "ops"}}},
		{name: "team below", id: gateward.Identity{Teams: []string{"my-org/ops/x", "my-org/ops2"}}},
		{name: "claims", id: gateward.Identity{Claims: map[string]any{"teams": []any{"my-org/ops"}}, Metadata: map[string]string{"teams": "my-org/ops"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := people.Has(&tt.id); got != tt.want {
				t.Errorf("people: got %v", got)
			}
			if got := check(t, requirement, &tt.id); (got == admit.None) != tt.want {
				t.Errorf("requirement: got %v", got)
			}
			if got := admission.Admit(&tt.id); (got == nil) != tt.want {
				t.Errorf("admission: got %v", got)
			}
			if grants.Apply(&tt.id); (len(tt.id.Scopes) > 0) != tt.want || tt.id.AllScopes {
				t.Errorf("grants: got %v", tt.id.Scopes)
			}
		})
	}
}

// TestSEC_E02_PeopleAreNamedByNumber: the name of a GitHub account can be taken
// by somebody else once it is changed, and so names nobody.
func TestSEC_E02_PeopleAreNamedByNumber(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{"github:octocat", "github:1e3", "github:-1", "github:٣", "github:0"} {
		_, err := admit.CompilePeople(admit.PeopleConfig{Subjects: []string{subject}})
		if ce := (*gateward.ConfigError)(nil); !errors.As(err, &ce) || ce.Key != "subjects[0]" {
			t.Errorf("%s: got %v", subject, err)
		}
	}
	all := people(t, admit.PeopleConfig{Subjects: []string{"github:101"}})
	boss := gateward.Identity{Principal: gateward.Principal{Issuer: "https://github.com", Subject: "101"}, Method: "github", Name: "new-name"}
	other := gateward.Identity{Principal: gateward.Principal{Issuer: "https://github.com", Subject: "102"}, Method: "github", Name: "101"}
	if !all.Has(&boss) || all.Has(&other) {
		t.Error("somebody else is named")
	}
}
