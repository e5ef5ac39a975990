package page

import "time"

// A Login is the page to log in.
type Login struct {
	// Providers are the ways to log in, in order. One without a name or a link
	// is left out.
	Providers []Provider
	// Notice stands above the buttons: logged out, or why a login failed.
	Notice Notice
	// RequestID is shown when it is [browser.SafeRequestID].
	RequestID string
}

// A Provider is a button "Login with NAME": a link to URL, where the login
// begins.
type Provider struct{ Name, URL string }

// A Notice tells of something that has just happened, to a screen reader too.
// One without a title and a text is not shown.
type Notice struct {
	Kind        NoticeKind
	Title, Text string
}

// A NoticeKind is how a notice looks and sounds.
type NoticeKind uint8

// The kinds of a notice.
const (
	// NoticeNone is no notice.
	NoticeNone NoticeKind = iota
	// NoticeInfo waits until a screen reader has nothing else to say.
	NoticeInfo
	// NoticeError interrupts.
	NoticeError
)

// An Account is the page that shows a person who they are and where they are
// logged in. Every text may be empty.
type Account struct {
	Name, Email string
	// Picture is the https URL of a picture; for any other, and while it cannot
	// be loaded, the page shows initials.
	Picture string
	// Provider is the name of the provider the person logged in with.
	Provider string
	// Sessions are the sessions of the person, the current one first.
	Sessions []Session
	Notice   Notice
	// LogoutURL is where the button "Log out" posts to.
	LogoutURL string
	// RevokeOthersURL is where "End all other sessions" posts to. Empty when
	// there are no others.
	RevokeOthersURL string
	// RevokeAllURL is where "Log out everywhere" posts to. Empty for no button.
	RevokeAllURL string
	// AdminURL is where administrators go on. Empty for everybody else.
	AdminURL string
	// Identities are what the person can log in with. Empty for no list.
	Identities []Identity
	// FormOrigins are the origins, as URLs, that an answer to one of the posts
	// may redirect to: the end-session endpoint of the provider. Chromium holds
	// form-action against such a redirect, too.
	FormOrigins []string
	// Now is the time that "5 minutes ago" is counted from.
	Now time.Time
}

// A Session is a line of an [Account], a [Person] or [AllSessions].
type Session struct {
	// ID is the attribute data-session of the line. It is not shown.
	ID string
	// Current marks the session that asks for the page.
	Current bool
	// Device is the name of the device, as of [DeviceName]; Address is the
	// network address. Empty ones are said to be unknown.
	Device, Address string
	// Person and Email say whose session it is, PersonURL is the page of that
	// person. All are empty where only one person's sessions are listed.
	Person, Email, PersonURL string
	// Provider is the name of the provider it was begun with. It may be empty.
	Provider string
	// CreatedAt, LastSeenAt and ExpiresAt are left out when zero.
	CreatedAt, LastSeenAt, ExpiresAt time.Time
	// RevokeURL is where "End session" posts to. Empty for no button.
	RevokeURL string
}

// A Logout is the page that asks whether to log out.
type Logout struct {
	// Account says who is logged in. It may be empty.
	Account string
	// ActionURL is where "Log out" posts to, CancelURL where "Stay logged in"
	// leads.
	ActionURL, CancelURL string
	// FormOrigins are as in [Account].
	FormOrigins []string
}

// An Error is the page of a request that failed.
type Error struct {
	// Status is the HTTP status code. 0 is not shown.
	Status int
	// Title says what happened, Text what to do.
	Title, Text string
	// Reason says more of why, and ReasonURL, an https address at the provider, is
	// where something can be done about it: "Continue at the provider". Each may be
	// empty; an address of another kind is left out.
	Reason, ReasonURL string
	// Account says who is logged in, Rule which rule decided, RequestID what to
	// quote when asking for help. Each may be empty; a RequestID that is not
	// [browser.SafeRequestID] is left out.
	Account, Rule, RequestID string
	// NoSession: nobody is logged in, and Account says who tried to be.
	NoSession bool
	// Actions are the ways out. The first stands out. One without a label or a
	// link is left out.
	Actions []Action
}

// A Waiting is the page of a person whom no administrator has enabled yet. Its
// fields are those of an [Error].
type Waiting struct {
	Account, RequestID string
	NoSession          bool
	Actions            []Action
}

// An Action is a link that looks like a button.
type Action struct{ Label, URL string }
