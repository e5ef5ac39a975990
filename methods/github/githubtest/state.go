package githubtest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Failure is an answer instead of the proper one.
type Failure struct {
	Status int
	Header http.Header
	// Body is sent as JSON unless Header says otherwise.
	Body string
	// Handler, if set, answers instead of all this.
	Handler http.HandlerFunc
	// Times is how often it happens; 0 is until [Server.Recover].
	Times int
}

func (f *Failure) write(w http.ResponseWriter, r *http.Request) {
	if f.Handler != nil {
		f.Handler(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	for name, values := range f.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte(f.Body))
}

// Fail makes a path, without the prefix of the API, answer with f. Failures of one
// path happen one after the other.
func (s *Server) Fail(path string, f Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[path] = append(s.failures[path], f)
}

// Recover ends all failures, limits and lockouts.
func (s *Server) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.failures)
	s.secondary, s.lockedUntil, s.badLogins = time.Time{}, time.Time{}, 0
	for _, u := range s.users {
		u.reset = time.Time{}
	}
}

// nextFailure returns what a path is to answer with. mu is held.
func (s *Server) nextFailure(path string) (Failure, bool) {
	all := s.failures[path]
	if len(all) == 0 {
		return Failure{}, false
	}
	f := all[0]
	switch {
	case f.Times == 1:
		s.failures[path] = all[1:]
	case f.Times > 1:
		all[0].Times--
	}
	return f, true
}

// Requests returns how many requests a path, without the prefix of the API, had.
func (s *Server) Requests(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[path]
}

// Unchanged returns how many of a path's answers were 304.
func (s *Server) Unchanged(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unchanged[path]
}

// AddUser creates an account and returns its id.
func (s *Server) AddUser(u User) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.ID == 0 {
		u.ID = s.nextID()
	}
	u.Emails = slices.Clone(u.Emails)
	s.users = append(s.users, &account{User: u, memberships: map[string]string{}, signedOn: map[string]bool{}})
	return u.ID
}

// RemoveUser deletes an account, its memberships and tokens. Its login is free.
func (s *Server) RemoveUser(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.userBy(login)
	if u == nil {
		return
	}
	s.users = slices.DeleteFunc(s.users, func(one *account) bool { return one == u })
	s.revoke(u.ID)
}

// Rename gives an account another login, as people can do themselves.
func (s *Server) Rename(login, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.userBy(login); u != nil {
		u.Login = to
	}
}

// SetEmails replaces the addresses of an account.
func (s *Server) SetEmails(login string, all ...Email) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.userBy(login); u != nil {
		u.Emails = slices.Clone(all)
	}
}

// AddOrganization creates an organization and returns its id.
func (s *Server) AddOrganization(o Organization) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.ID == 0 {
		o.ID = s.nextID()
	}
	s.organizations = append(s.organizations, &o)
	return o.ID
}

// ChangeOrganization changes whether an organization wants single sign-on and
// whether it keeps the application out.
func (s *Server) ChangeOrganization(login string, saml, restrictsApps bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.organizationBy(login); o != nil {
		o.SAML, o.RestrictsApps = saml, restrictsApps
	}
}

// SetMembership makes a person a member ([Active]), invites one ([Pending]), or
// removes one (""), who then is in none of the organization's teams either.
func (s *Server) SetMembership(organization, login, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, at := s.userBy(login), strings.ToLower(organization)
	if u == nil {
		return
	}
	if state != "" {
		u.memberships[at] = state
		return
	}
	delete(u.memberships, at)
	for _, t := range s.teams {
		if strings.EqualFold(t.organization, organization) {
			delete(t.members, u.ID)
		}
	}
}

// SignOn records whether a person has signed in to an organization's SAML.
func (s *Server) SignOn(organization, login string, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.userBy(login); u != nil {
		u.signedOn[strings.ToLower(organization)] = done
	}
}

// AddTeam creates a team, below the one with the slug parent unless that is "".
func (s *Server) AddTeam(organization, slug, parent string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.teams = append(s.teams, &group{id: s.nextID(), organization: organization, slug: slug, parent: parent, members: map[int64]bool{}})
}

// SetTeam makes a person a member of a team or removes one.
func (s *Server) SetTeam(organization, slug, login string, member bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, u := s.teamBy(organization, slug), s.userBy(login)
	if t == nil || u == nil {
		return
	}
	if delete(t.members, u.ID); member {
		t.members[u.ID] = true
	}
}

// GrantOnly has people grant these scopes, whatever they are asked for.
func (s *Server) GrantOnly(scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consent = &scopes
}

// RequireVerifiedEmail refuses tokens to who has no verified primary address.
func (s *Server) RequireVerifiedEmail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verified = true
}

// Suspend makes an account suspended, or ends that: GitHub lets nobody log in with
// it, and refuses its tokens, which are good again afterwards.
func (s *Server) Suspend(login string, suspended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.userBy(login); u != nil {
		u.suspended = suspended
	}
}

// SuspendApplication answers authorizations with application_suspended.
func (s *Server) SuspendApplication() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suspended = true
}

// LimitRate lets a person's tokens make so many more requests this hour.
func (s *Server) LimitRate(login string, remaining int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.userBy(login); u != nil {
		s.startHour(u)
		u.limit = u.used + remaining
	}
}

// LimitSecondary refuses all requests to the API for a while.
func (s *Server) LimitSecondary(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secondary = s.options.Now().Add(d)
}

// RevokeTokens makes all tokens of a person invalid.
func (s *Server) RevokeTokens(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.userBy(login); u != nil {
		s.revoke(u.ID)
	}
}

// revoke makes all tokens of an account invalid. mu is held.
func (s *Server) revoke(id int64) {
	for _, all := range []map[string]*grant{s.codes, s.tokens, s.refresh} {
		for key, g := range all {
			if g.user == id {
				delete(all, key)
			}
		}
	}
}
