package page_test

import (
	"fmt"
	"time"

	"github.com/gateward/gateward/loginsvc/page"
)

func admin() page.Admin {
	return page.Admin{PeopleURL: "/auth/admin", SessionsURL: "/auth/admin/sessions", AccountURL: "/auth/account", Now: now}
}

// administrator is the account of one who has two identities.
func administrator() page.Account {
	v := ada()
	v.AdminURL, v.RevokeAllURL = "/auth/admin", "/auth/account/sessions/revoke-all"
	v.Identities = []page.Identity{{Provider: "Google", Email: "ada@example.com"}, {Provider: "GitHub", Name: "ada"}}
	return v
}

func adaUser() page.User {
	return page.User{
		ID: "3f0e1c9a-5d0e-4c55-9d3b-0a6a2f3f9c11", Name: "Ada Lovelace", Emails: []string{"ada@example.com", "ada@example.org"},
		Providers: []string{"Google", "GitHub"}, State: page.UserEnabled, URL: "/auth/admin/users/3f0e1c9a-5d0e-4c55-9d3b-0a6a2f3f9c11",
		CreatedAt: now.Add(-90 * 24 * time.Hour), LastLoginAt: now.Add(-3 * time.Hour),
	}
}

func people() page.People {
	self := page.User{
		ID: "b", Emails: []string{"grace@example.com"}, Providers: []string{"Acme Staff"}, State: page.UserEnabled, Self: true,
		URL: "/auth/admin/users/b", LastLoginAt: now.Add(time.Hour),
	}
	return page.People{
		Admin: admin(),
		Tabs: []page.Tab{
			{"All people", "/auth/admin", true}, {"Waiting", "/auth/admin?show=waiting", false}, {"Disabled", "/auth/admin?show=disabled", false},
		},
		Search: page.Search{
			Action: "/auth/admin", Label: "Search people", Name: "q",
			Choice: page.Choice{Label: "In", Name: "by", Value: "email", Options: []page.Option{{"Name, address or id", "text"}, {"Whole e-mail address", "email"}}},
		},
		People: []page.User{adaUser(), self, {ID: "c", State: page.UserDisabled}},
		Paging: page.Paging{NextURL: "/auth/admin?page=x"},
	}
}

func waitingPeople() page.People {
	v := people()
	v.Tabs[0].Current, v.Tabs[1].Current = false, true
	v.Search.Text, v.Search.ClearURL = `charles "the" <b>`, "/auth/admin?show=waiting"
	v.Search.Hidden = []page.Parameter{{"show", "waiting"}}
	v.People = []page.User{{ID: "d", Name: "Charles", State: page.UserWaiting, URL: "/auth/admin/users/d"}}
	v.Paging = page.Paging{FirstURL: "/auth/admin?show=waiting", NextURL: "/auth/admin?show=waiting&page=y", Searched: 5000}
	return v
}

// manyPeople is a page of n people.
func manyPeople(n int) page.People {
	v := people()
	for i := len(v.People); i < n; i++ {
		id := fmt.Sprint("u", i)
		v.People = append(v.People, page.User{ID: id, Name: "Person " + id, State: page.UserEnabled, URL: "/auth/admin/users/" + id})
	}
	return v
}

func person() page.Person {
	u := adaUser()
	u.State = page.UserWaiting
	return page.Person{
		Admin: admin(), User: u, Sessions: ada().Sessions[1:],
		Identities: []page.Identity{
			{Provider: "Google", Name: "Ada Lovelace", Email: "ada@example.com", Issuer: "https://accounts.example.net", Subject: "1234", LastLoginAt: now.Add(-3 * time.Hour)},
			{Provider: "GitHub", Name: "ada", Issuer: "https://github.com", Subject: "101"},
		},
		EnableURL: u.URL + "/enable", DisableURL: u.URL + "/disable", RevokeAllURL: u.URL + "/sessions/revoke-all",
		Paging: page.Paging{NextURL: u.URL + "?page=x"},
	}
}

func self() page.Person {
	v := person()
	v.User.Self, v.User.State = true, page.UserEnabled
	v.Sessions = ada().Sessions
	v.EnableURL, v.DisableURL, v.RevokeAllURL = "", "", ""
	v.Notice = page.Notice{Kind: page.NoticeInfo, Title: "The session has been ended"}
	return v
}

func allSessions() page.AllSessions {
	v := page.AllSessions{
		Admin: admin(), Sessions: ada().Sessions,
		Search: page.Search{
			Action: "/auth/admin/sessions", Label: "Name, address or network address", Name: "q", Text: "ada",
			Choice: page.Choice{Label: "Method", Name: "method", Options: []page.Option{{"All", ""}, {"oidc", "oidc"}, {"github", "github"}}},
		},
		Paging: page.Paging{FirstURL: "/auth/admin/sessions?q=ada", NextURL: "/auth/admin/sessions?q=ada&page=x"},
	}
	for i := range v.Sessions {
		s := &v.Sessions[i]
		s.Person, s.Email, s.PersonURL, s.Provider = "Ada Lovelace", "ada@example.com", adaUser().URL, "Google"
	}
	v.Sessions[2].PersonURL = ""
	return v
}

func hostileUser() page.User {
	return page.User{ID: hostile, Name: hostile, Emails: []string{hostile, "\x00"}, Providers: []string{hostile}, URL: "javascript:alert(1)"}
}

func hostilePeople() page.People {
	v := people()
	v.People = []page.User{hostileUser()}
	v.Tabs[0].Label, v.Tabs[1].URL = hostile, "//evil.example"
	v.Search.Text, v.Search.Label, v.Empty = hostile, hostile, hostile
	v.Search.Hidden = []page.Parameter{{"show", hostile}}
	v.Search.Choice.Options = []page.Option{{hostile, hostile}}
	v.Paging.NextURL = "javascript:alert(1)"
	return v
}

func hostilePerson() page.Person {
	v := person()
	v.User = hostileUser()
	v.Identities = []page.Identity{{Provider: hostile, Name: hostile, Email: hostile, Issuer: hostile, Subject: hostile}}
	v.EnableURL, v.DisableURL, v.RevokeAllURL = "javascript:alert(1)", "//evil.example", "x"
	return v
}

func hostileSessions() page.AllSessions {
	v := allSessions()
	for i := range v.Sessions {
		s := &v.Sessions[i]
		s.ID, s.Person, s.Email, s.Provider, s.PersonURL = hostile, hostile, hostile, hostile, "javascript:alert(1)"
	}
	return v
}
