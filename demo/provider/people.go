package provider

import "github.com/zitadel/oidc/v3/pkg/oidc"

// A person can log in.
type person struct {
	ID, Name, Email string
	Verified        bool
	Groups          []string
	// About is for whoever chooses.
	About string
}

// people are everybody, in the order of the login page.
func people() []person {
	return []person{
		{"ada", "Ada Lovelace", "ada@example.com", true, []string{"staff", "admins"}, "staff, administrator"},
		{"grace", "Grace Hopper", "grace@example.com", true, []string{"staff"}, "staff"},
		{"linus", "Linus Guest", "linus@elsewhere.example", true, nil, "a guest from elsewhere"},
		{"mallory", "Mallory", "ada@example.com", false, []string{"staff"}, "says that she has Ada's address"},
	}
}

func find(id string) (person, bool) {
	for _, p := range people() {
		if p.ID == id {
			return p, true
		}
	}
	return person{}, false
}

// claims sets what the scopes allow to tell about p.
func (p person) claims(info *oidc.UserInfo, scopes []string) {
	for _, scope := range scopes {
		switch scope {
		case oidc.ScopeOpenID:
			info.Subject = p.ID
		case oidc.ScopeEmail:
			info.Email, info.EmailVerified = p.Email, oidc.Bool(p.Verified)
		case oidc.ScopeProfile:
			info.Name = p.Name
		case "groups":
			info.AppendClaims("groups", p.Groups)
		}
	}
}
