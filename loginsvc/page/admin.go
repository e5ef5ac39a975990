package page

import "time"

// An Admin is what the pages for administrators share.
type Admin struct {
	// PeopleURL, SessionsURL and AccountURL are where the links at the top lead.
	// An empty one is left out.
	PeopleURL, SessionsURL, AccountURL string
	Notice                             Notice
	// Now is the time that "5 minutes ago" is counted from.
	Now time.Time
}

// People is the page that lists who has ever logged in.
type People struct {
	Admin
	// Tabs choose which people are listed.
	Tabs   []Tab
	Search Search
	People []User
	// Empty is what is said when there are no people.
	Empty  string
	Paging Paging
}

// A Tab is a link to another part of a list.
type Tab struct {
	Label, URL string
	// Current marks the part that is shown.
	Current bool
}

// A User is a person as administrators see one.
type User struct {
	// ID is shown on the page of the person, and is the attribute data-user of the
	// line in a list.
	ID string
	// Name may be empty; then an address or the id stands for it.
	Name string
	// Emails are verified addresses, Providers the names of providers.
	Emails, Providers []string
	State             UserState
	// Self marks who asks for the page.
	Self bool
	// CreatedAt and LastLoginAt are left out when zero.
	CreatedAt, LastLoginAt time.Time
	// URL is the page of the person. Empty for no link.
	URL string
}

// A UserState says whether a person may enter.
type UserState uint8

// The states of a user.
const (
	// UserDisabled: an administrator has disabled the person.
	UserDisabled UserState = iota
	// UserWaiting: no administrator has enabled the person yet.
	UserWaiting
	// UserEnabled: the person may enter.
	UserEnabled
)

// A Search is the form above a list. It is sent by GET.
type Search struct {
	// Action is where it is sent to. Empty for no form.
	Action string
	// Label says what can be searched for; Name is the parameter, Text what was
	// searched for last.
	Label, Name, Text string
	// Choice is a list to choose from, if it has options.
	Choice Choice
	// Hidden are parameters that are sent along.
	Hidden []Parameter
	// ClearURL is the list without a search. Empty for no link.
	ClearURL string
}

// A Choice is one of several options.
type Choice struct {
	Label, Name string
	// Value is that of the option chosen last.
	Value   string
	Options []Option
}

// An Option is one of a [Choice].
type Option struct{ Label, Value string }

// A Parameter is a part of a query.
type Parameter struct{ Name, Value string }

// A Paging is how to go on in a list.
type Paging struct {
	// FirstURL and NextURL lead to the first and the next page. Empty for no link.
	FirstURL, NextURL string
	// Searched is how many records were searched when the search stopped before
	// the end of the list; NextURL searches further. 0 is not shown.
	Searched int
}

// A Person is the page of one user.
type Person struct {
	Admin
	User User
	// Identities are what the person logs in with.
	Identities []Identity
	// Sessions are those of the person.
	Sessions []Session
	Paging   Paging
	// EnableURL, DisableURL and RevokeAllURL are where the buttons post to; the
	// latter two ask before they do. Empty for no button.
	EnableURL, DisableURL, RevokeAllURL string
}

// An Identity is one of the identities of a person. Every text may be empty.
type Identity struct {
	// Provider is the name of the provider.
	Provider string
	// Name and Email are what the provider says.
	Name, Email string
	// Issuer and Subject are for administrators.
	Issuer, Subject string
	// LastLoginAt is left out when zero.
	LastLoginAt time.Time
}

// AllSessions is the page that lists everybody's sessions.
type AllSessions struct {
	Admin
	Search   Search
	Sessions []Session
	// Empty is what is said when there are no sessions.
	Empty  string
	Paging Paging
}
