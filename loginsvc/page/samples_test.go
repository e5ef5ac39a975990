package page_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/gateward/gateward/loginsvc/page"
)

// now is when every sample is made.
var now = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// A sample is a page as a test makes it.
type sample struct {
	name string
	site page.Site
	view any
}

// document makes the page of a sample.
func (s sample) document(p *page.Pages) page.Document {
	switch v := s.view.(type) {
	case page.Login:
		return p.Login(v)
	case page.Account:
		return p.Account(v)
	case page.Logout:
		return p.Logout(v)
	case page.Error:
		return p.Error(v)
	case page.Waiting:
		return p.Waiting(v)
	case page.People:
		return p.People(v)
	case page.Person:
		return p.Person(v)
	case page.AllSessions:
		return p.AllSessions(v)
	}
	panic("a view of no page")
}

func ada() page.Account {
	return page.Account{
		Name: "Ada Lovelace", Email: "ada@example.com", Picture: "https://pictures.example.net/ada.png", Provider: "Google",
		Sessions: []page.Session{
			{
				ID: "0b6f", Current: true, Device: "Firefox on Linux", Address: "203.0.113.7",
				CreatedAt: now.Add(-3 * time.Hour), LastSeenAt: now.Add(-20 * time.Second), ExpiresAt: now.Add(21 * time.Hour),
			},
			{
				ID: "77c1", Device: "Safari on iOS", Address: "2001:db8::8a2e:370:7334",
				CreatedAt: now.Add(-49 * time.Hour), LastSeenAt: now.Add(-5 * time.Minute), ExpiresAt: now.Add(25 * 24 * time.Hour),
				RevokeURL: "/auth/account/sessions/77c1/revoke",
			},
			{
				ID: "a902", CreatedAt: now.Add(-90 * 24 * time.Hour), LastSeenAt: now.Add(-6 * 24 * time.Hour), ExpiresAt: now.Add(40 * 24 * time.Hour),
				RevokeURL: "/auth/account/sessions/a902/revoke",
			},
		},
		LogoutURL: "/auth/logout", RevokeOthersURL: "/auth/account/revoke-others",
		FormOrigins: []string{"https://accounts.example.net/o/end_session?x=1"}, Now: now,
	}
}

// crowd is an account with n sessions.
func crowd(n int) page.Account {
	v := ada()
	for i := len(v.Sessions); i < n; i++ {
		v.Sessions = append(v.Sessions, page.Session{
			ID: fmt.Sprint(i), Device: "Chrome on Windows", Address: fmt.Sprintf("198.51.100.%d", i),
			LastSeenAt: now.Add(-time.Duration(i) * time.Hour), RevokeURL: fmt.Sprintf("/auth/account/sessions/%d/revoke", i),
		})
	}
	return v
}

// hostile is what somebody may call themselves.
var hostile = "\u202egro.elgoog\u202c مرحبا </h1><script>alert(1)</script> Z\u0316\u0316\u0316\u0316\u0316\u0316\u0316\u0316" + strings.Repeat("W", 300)

func hostileAccount() page.Account {
	v := ada()
	v.Name, v.Email, v.Provider, v.Picture = hostile, hostile+"@example.com", hostile, "https://evil.example;script-src *"
	for i := range v.Sessions {
		v.Sessions[i].ID, v.Sessions[i].Device, v.Sessions[i].Address = hostile, hostile, hostile
	}
	v.Notice = page.Notice{Kind: page.NoticeInfo, Title: hostile, Text: hostile}
	return v
}

// samples are the pages that have a golden file.
func samples() []sample {
	site := page.Site{Name: "Example"}
	branded := page.Site{Name: "Analytical Engines", Logo: "https://static.example.com/logo.svg"}
	return []sample{
		{"login_one", site, page.Login{Providers: []page.Provider{{"Google", "/auth/v1/method/oidc/google/authorize?rd=%2Fa"}}}},
		{"login_many", branded, page.Login{
			Providers: []page.Provider{{"Google", "/auth/v1/method/oidc/google/authorize"}, {"Acme Staff", "/auth/v1/method/oidc/acme/authorize"}, {"GitHub", "/auth/v1/method/github/authorize"}},
			Notice:    page.Notice{Kind: page.NoticeInfo, Title: "You are logged out", Text: "Your session on this device has ended."},
		}},
		{"login_failed", site, page.Login{
			Providers: []page.Provider{{"Google", "/auth/v1/method/oidc/google/authorize"}},
			Notice:    page.Notice{Kind: page.NoticeError, Title: "The login did not work", Text: "It took longer than ten minutes. Please try again."},
			RequestID: "617f9443-f420-45e4-b52b-26a0809b1287",
		}},
		{"login_none", page.Site{}, page.Login{}},
		{"account", branded, ada()},
		{"account_alone", site, page.Account{
			Email: "ada@example.com", Sessions: ada().Sessions[:1], LogoutURL: "/auth/logout", Now: now,
			Notice: page.Notice{Kind: page.NoticeInfo, Title: "2 sessions ended"},
		}},
		{"account_empty", page.Site{}, page.Account{}},
		{"account_hostile", site, hostileAccount()},
		{"logout", site, page.Logout{Account: "ada@example.com", ActionURL: "/auth/logout", CancelURL: "/auth/account", FormOrigins: []string{"http://localhost:9000"}}},
		{"error_full", site, page.Error{
			Status: 403, Title: "You do not have access", Text: "This page is not open to you. If you think that it should be, please ask the people who run this site.",
			Account: "ada@example.com", Rule: "reports", RequestID: "617f9443-f420-45e4-b52b-26a0809b1287",
			Actions: []page.Action{{"Use another account", "/auth/login?switch=1"}, {"Go to the start page", "/"}},
		}},
		{"error_reason", site, page.Error{
			Status: 403, Title: "This account does not have access", Text: "You have logged in, but this account may not enter.",
			Reason: "Your organization asks for a single sign-on that this login has not been through.", ReasonURL: "https://provider.example/orgs/acme/sso?x=1&y=2",
			Account: "ada@example.com", NoSession: true,
			Actions: []page.Action{{"Use another account", "/auth/login?switch=1"}},
		}},
		{"error_bare", page.Site{}, page.Error{}},
		{"waiting", site, page.Waiting{
			Account: "ada@example.com", NoSession: true, RequestID: "617f9443-f420-45e4-b52b-26a0809b1287",
			Actions: []page.Action{{"Use another account", "/auth/login?prompt=select_account"}},
		}},
		{"account_administrator", site, administrator()},
		{"people", branded, people()},
		{"people_waiting", site, waitingPeople()},
		{"people_none", page.Site{}, page.People{}},
		{"people_hostile", site, hostilePeople()},
		{"person", branded, person()},
		{"person_self", site, self()},
		{"person_bare", page.Site{}, page.Person{}},
		{"person_hostile", site, hostilePerson()},
		{"sessions", branded, allSessions()},
		{"sessions_none", page.Site{}, page.AllSessions{}},
		{"sessions_hostile", site, hostileSessions()},
	}
}
