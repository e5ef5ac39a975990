// Package githubtest is a GitHub server for tests and demonstrations: the pages and
// endpoints by which an application logs people in, and the part of the REST API
// that tells who they are and what they belong to. It does what GitHub's
// documentation, its OpenAPI document and recorded answers say, and is strict about
// what a client sends.
//
// [Server] is an http.Handler and needs nothing of package testing. People and
// organizations are changed by its methods while it runs. It shares no code with
// what it is used to test.
package githubtest

import (
	"crypto/rand"
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options are what cannot change while a server runs. Now is required.
type Options struct {
	// ClientID and ClientSecret are those of the one registered application;
	// "client" and "client-secret" when empty.
	ClientID, ClientSecret string
	// CallbackURL is the registered one, which the redirect URI must be at or below;
	// any is taken when empty.
	CallbackURL string
	// Enterprise makes the server a GitHub Enterprise Server: the API is below
	// /api/v3, there is no PKCE and no rate limit. Otherwise the API is at the root.
	Enterprise bool
	// ExpiringTokens gives access tokens an end, and refresh tokens, without being
	// asked for them by the scope offline_access.
	ExpiringTokens bool
	// TokenLifetime is that of expiring access tokens; eight hours when zero.
	TokenLifetime time.Duration
	Now           func() time.Time
	// Random is where codes and tokens come from; crypto/rand's when nil.
	Random io.Reader
}

// An Email is an address of a person.
type Email struct {
	Address           string
	Primary, Verified bool
	Public            bool
}

// A User is a person's account.
type User struct {
	// ID is chosen by the server when zero.
	ID          int64
	Login, Name string
	Emails      []Email
}

// An Organization is one of which people can be members.
type Organization struct {
	// ID is chosen by the server when zero.
	ID    int64
	Login string
	// SAML: the organization shows itself only after its single sign-on.
	SAML bool
	// RestrictsApps: its owners have not approved the application.
	RestrictsApps bool
}

// States of a membership.
const (
	Active  = "active"
	Pending = "pending"
)

type account struct {
	User
	memberships map[string]string // state by lower-case login of the organization
	signedOn    map[string]bool   // to single sign-on, likewise
	consented   []string          // scopes of the last authorization
	used        int               // requests of this hour
	reset       time.Time
	limit       int
	suspended   bool
}

type group struct {
	id                 int64
	organization, slug string
	parent             string // slug, or ""
	members            map[int64]bool
}

// Server is a running GitHub. Its methods are safe for concurrent use.
type Server struct {
	options Options
	routes  http.Handler

	mu            sync.Mutex
	serial        int64
	users         []*account
	organizations []*Organization
	teams         []*group
	codes         map[string]*grant
	tokens        map[string]*grant // by access token
	refresh       map[string]*grant // by refresh token
	failures      map[string][]Failure
	requests      map[string]int
	unchanged     map[string]int
	secondary     time.Time // until when there is a secondary limit
	badLogins     int
	lockedUntil   time.Time
	consent       *[]string // what people grant instead of what is asked for
	verified      bool      // see RequireVerifiedEmail
	suspended     bool
}

// New returns a server on which nobody has an account yet.
func New(o Options) *Server {
	if o.ClientID == "" {
		o.ClientID = "client"
	}
	if o.ClientSecret == "" {
		o.ClientSecret = "client-secret"
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = 8 * time.Hour
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	s := &Server{
		options: o, serial: 1000,
		codes: map[string]*grant{}, tokens: map[string]*grant{}, refresh: map[string]*grant{},
		failures: map[string][]Failure{}, requests: map[string]int{}, unchanged: map[string]int{},
	}
	s.routes = s.newRoutes()
	return s
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := s.plainPath(r.URL.Path)
	s.mu.Lock()
	s.requests[path]++
	failure, fails := s.nextFailure(path)
	s.mu.Unlock()
	w.Header().Set("X-Github-Request-Id", s.random(12))
	if s.options.Enterprise {
		w.Header().Set("X-Github-Enterprise-Version", "enterprise-server@3.15.2")
	}
	if fails {
		failure.write(w, r)
		return
	}
	s.routes.ServeHTTP(w, r)
}

// apiPrefix is the path of the REST API.
func (s *Server) apiPrefix() string {
	if s.options.Enterprise {
		return "/api/v3"
	}
	return ""
}

func (s *Server) plainPath(path string) string { return strings.TrimPrefix(path, s.apiPrefix()) }

// random returns n random bytes in base64url.
func (s *Server) random(n int) string {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.options.Random, b); err != nil {
		panic("githubtest: read random: " + err.Error()) // net/http ends the request
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func (s *Server) nextID() int64 {
	s.serial++
	return s.serial
}

// userBy returns the account of that login, or nil. mu is held.
func (s *Server) userBy(login string) *account {
	i := slices.IndexFunc(s.users, func(u *account) bool { return strings.EqualFold(u.Login, login) })
	if i < 0 {
		return nil
	}
	return s.users[i]
}

// userByID returns an account, or nil. mu is held.
func (s *Server) userByID(id int64) *account {
	i := slices.IndexFunc(s.users, func(u *account) bool { return u.ID == id })
	if i < 0 {
		return nil
	}
	return s.users[i]
}

// organizationBy returns the organization of that login, or nil. mu is held.
func (s *Server) organizationBy(login string) *Organization {
	i := slices.IndexFunc(s.organizations, func(o *Organization) bool { return strings.EqualFold(o.Login, login) })
	if i < 0 {
		return nil
	}
	return s.organizations[i]
}

// teamBy returns a team, or nil. mu is held.
func (s *Server) teamBy(organization, slug string) *group {
	i := slices.IndexFunc(s.teams, func(t *group) bool {
		return strings.EqualFold(t.organization, organization) && strings.EqualFold(t.slug, slug)
	})
	if i < 0 {
		return nil
	}
	return s.teams[i]
}
