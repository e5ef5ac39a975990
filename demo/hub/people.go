package hub

import "github.com/gateward/gateward/methods/github/githubtest"

// A person has an account.
type person struct {
	ID                 int64
	Login, Name, Email string
	// State is that of their membership, "" for none.
	State string
	// Team is whether they are in the team.
	Team bool
	// About is for whoever chooses.
	About string
}

// people are everybody, in the order of the page. Ada has the address that the
// development provider knows her by.
func people() []person {
	return []person{
		{101, "ada-lovelace", "Ada Lovelace", "ada@example.com", githubtest.Active, false, "member; the same Ada as at the development provider"},
		{102, "katherine", "Katherine Johnson", "katherine@example.com", githubtest.Active, true, "member, in the team " + Team},
		{103, "linus-guest", "Linus Guest", "linus@elsewhere.example", "", false, "not a member"},
		{104, "wanda", "Wanda Newcomer", "wanda@example.com", githubtest.Pending, false, "invited, and has not accepted yet"},
	}
}

func find(login string) (person, bool) {
	for _, p := range people() {
		if p.Login == login {
			return p, true
		}
	}
	return person{}, false
}

// invited reports whether p was when the demo began.
func (p person) invited() bool { return p.State == githubtest.Pending }

// populate gives everybody an account.
func (h *Hub) populate() {
	h.github.AddOrganization(githubtest.Organization{ID: 1, Login: Organization})
	h.github.AddTeam(Organization, Team, "")
	for _, p := range people() {
		h.github.AddUser(githubtest.User{
			ID: p.ID, Login: p.Login, Name: p.Name,
			Emails: []githubtest.Email{{Address: p.Email, Primary: true, Verified: true}},
		})
		h.github.SetMembership(Organization, p.Login, p.State)
		h.github.SetTeam(Organization, Team, p.Login, p.Team)
	}
}
