package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	sessionsPath = "/auth/v1/tokens"
	// maxReply bounds what is read of a reply to a question, in bytes.
	maxReply = 100
)

// sessionCommands are those behind "session".
func sessionCommands() []command {
	return []command{
		{"session list", "[--user U] [--subject S] [--method M] [--expired] [--limit N] [flags]", "list sessions", listSessionsCommand},
		{
			"session revoke", "ID... | [--user U] [--subject S] [--method M] [--before TIME] [--yes] [flags]",
			"end sessions: those named, or all that fit every flag", revokeSessionsCommand,
		},
	}
}

// An apiSession is a session as the API writes one.
type apiSession struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	CreatedAt string            `json:"createdAt"`
	ExpiresAt string            `json:"expiresAt"`
	Metadata  map[string]string `json:"metadata"`
}

// subject returns what the metadata tell of the session's subject.
func (s *apiSession) subject() (method, provider, subject string) {
	method = shortMethod(s.Method)
	var claims struct {
		Subject string `json:"sub"`
	}
	if method == "oidc" { // the other entry may be taken from another claim
		_ = json.Unmarshal([]byte(s.Metadata["io.flipt.auth.claims"]), &claims) // there may be none
	}
	prefix := "io.flipt.auth." + method
	return method, s.Metadata[prefix+".provider"], cmp.Or(claims.Subject, s.Metadata[prefix+".sub"])
}

// printSessions prints sessions, as the API wrote them or as a table.
func (p *program) printSessions(asJSON bool, l listing) error {
	if asJSON {
		return p.document(struct {
			Sessions []json.RawMessage `json:"authentications"`
			More     bool              `json:"more"`
		}{append([]json.RawMessage{}, l.items...), l.more})
	}
	t := table{head: []string{"ID", "SUBJECT", "EMAIL", "NAME", "CREATED", "EXPIRES"}}
	for _, raw := range l.items {
		var s apiSession
		if err := json.Unmarshal(raw, &s); err != nil {
			return fmt.Errorf("a session cannot be read: %w", foreignError{err})
		}
		t.rows = append(t.rows, []string{
			s.ID, subjectName(s.subject()), s.Metadata["io.flipt.auth.email"], s.Metadata["io.flipt.auth.name"],
			moment(s.CreatedAt), moment(s.ExpiresAt),
		})
	}
	return p.show(&t)
}

// A choice is which sessions the flags select.
type choice struct{ user, subject, method, before *single }

// choice declares the flags that listing and ending have in common.
func (f *flags) choice() *choice {
	return &choice{
		user:    f.single("user", "those of a user: the ID, or an e-mail address that one user has, as `U`"),
		subject: f.single("subject", "those of an identity, `S`: METHOD:SUBJECT or METHOD/PROVIDER:SUBJECT"),
		method:  f.single("method", "those begun by a method: oidc, github, ... as `M`"),
		before:  &single{},
	}
}

// query returns the parameters of the API, or a usage error. The user is still as
// it was named.
func (c *choice) query(f *flags) (url.Values, error) {
	q := url.Values{}
	if c.user.value != "" {
		if err := f.checkUsers(c.user.value); err != nil {
			return nil, err
		}
		q.Set("user", c.user.value)
	}
	if c.subject.value != "" {
		if _, err := parseSubject(c.subject.value); err != nil {
			return nil, usagef("%s: --subject: %s", f.Name(), err)
		}
		q.Set("subject", c.subject.value)
	}
	if c.method.value != "" {
		method := longMethod(c.method.value)
		if method == longMethod("none") { // which the API takes for all
			return nil, usagef("%s: --method: no session is begun by %q", f.Name(), c.method.value)
		}
		q.Set("method", method)
	}
	if c.before.value != "" {
		t, err := time.Parse(time.RFC3339Nano, c.before.value)
		if err != nil {
			return nil, usagef("%s: --before: not a time of RFC 3339, such as 2026-03-01T12:00:00Z", f.Name())
		}
		q.Set("before", t.Format(time.RFC3339Nano))
	}
	return q, nil
}

// parseSubject returns the method in METHOD[/PROVIDER]:SUBJECT.
func parseSubject(s string) (method string, err error) {
	who, subject, ok := strings.Cut(s, ":")
	method, provider, named := strings.Cut(who, "/")
	if !ok || subject == "" || method == "" || named == (provider == "") || method == "oidc" && !named {
		return "", errors.New("write METHOD:SUBJECT or METHOD/PROVIDER:SUBJECT, such as github:101 or oidc/google:1234")
	}
	return method, nil
}

// findUser puts the user's id in place of an e-mail address.
func (c *client) findUser(ctx context.Context, q url.Values) error {
	if !q.Has("user") {
		return nil
	}
	ids, err := c.userIDs(ctx, q["user"])
	q["user"] = ids
	return err
}

func listSessionsCommand(ctx context.Context, p *program, f *flags) error {
	to, limit, which := f.connection(), f.limit(), f.choice()
	expired := f.Bool("expired", false, "list also those that have ended lately")
	if err := errors.Join(f.parseFlags(), f.checkLimit(*limit)); err != nil {
		return err
	}
	q, err := which.query(f)
	if err != nil {
		return err
	}
	c, err := p.connect(f, to)
	if err != nil {
		return err
	}
	if err := c.findUser(ctx, q); err != nil {
		return err
	}
	if *expired {
		q.Set("expired", "true")
	}
	l, err := c.list(ctx, sessionsPath, "authentications", q, *limit, ofSubject(q))
	if err != nil {
		return err
	}
	p.tellMore(l, *limit)
	return p.printSessions(*to.json, l)
}

// ofSubject takes the subject out of q, because the API lists by everything else
// alone, and returns a function that reports whether a session is the subject's;
// nil without one.
func ofSubject(q url.Values) func(json.RawMessage) bool {
	want := q.Get("subject")
	q.Del("subject")
	if want == "" {
		return nil
	}
	if method, err := parseSubject(want); err == nil && !q.Has("method") {
		q.Set("method", longMethod(method))
	}
	return func(raw json.RawMessage) bool {
		var s apiSession
		return json.Unmarshal(raw, &s) == nil && subjectName(s.subject()) == want
	}
}

func revokeSessionsCommand(ctx context.Context, p *program, f *flags) error {
	to, which := f.connection(), f.choice()
	f.Var(which.before, "before", "those begun before a `TIME`, such as 2026-03-01T12:00:00Z")
	yes := f.Bool("yes", false, "do not ask before ending all that fit")
	ids, err := f.parseMixed()
	if err != nil {
		return err
	}
	q, err := which.query(f)
	switch {
	case err != nil:
		return err
	case len(q) == 0 && len(ids) == 0:
		return usagef("%s: which? name sessions by their IDs, or use --user, --subject, --method or --before", f.Name())
	case len(q) > 0 && len(ids) > 0:
		return usagef("%s: %q and the flags that select sessions exclude each other", f.Name(), ids[0])
	case len(q) > 0 && !*yes && !isTerminal(p.stdin):
		return usagef("%s: this may end many sessions, and there is nobody to ask; --yes does it", f.Name())
	}
	for _, id := range ids {
		if !isID(id) {
			return usagef("%s: %q is not the ID of a session; \"gateward session list\" shows them", f.Name(), id)
		}
	}
	c, err := p.connect(f, to)
	if err != nil {
		return err
	}
	var revoked int
	if len(ids) > 0 {
		revoked, err = c.revokeEach(ctx, ids)
	} else {
		if err := c.findUser(ctx, q); err != nil {
			return err
		}
		if !*yes && !p.confirm(which, q) {
			return errors.New("no session has been ended; where nobody can be asked, use --yes")
		}
		revoked, err = c.revokeAll(ctx, q)
	}
	if err == nil || revoked > 0 {
		err = errors.Join(p.printRevoked(*to.json, revoked), err)
	}
	return err
}

// confirm asks whether all sessions that q selects shall end.
func (p *program) confirm(which *choice, q url.Values) bool {
	var what []string
	for _, w := range []struct{ word, parameter, named string }{
		{"of user", "user", which.user.value},
		{"of", "subject", which.subject.value},
		{"begun by", "method", which.method.value},
		{"begun before", "before", which.before.value},
	} {
		value := q.Get(w.parameter)
		if value == "" {
			continue
		}
		text := w.word + " " + visible(w.named)
		if w.parameter == "user" && w.named != value {
			text += " (" + visible(value) + ")"
		}
		what = append(what, text)
	}
	fmt.Fprintf(p.stderr, "This ends all sessions %s. Go on? [y/N] ", strings.Join(what, ", "))
	reply, _ := bufio.NewReader(io.LimitReader(p.stdin, maxReply)).ReadString('\n') // without one it is no
	reply = strings.ToLower(strings.TrimSpace(reply))
	return reply == "y" || reply == "yes"
}

// revokeAll ends the sessions that q selects.
func (c *client) revokeAll(ctx context.Context, q url.Values) (int, error) {
	var done struct {
		Revoked *int `json:"revoked"`
	}
	if err := c.ask(ctx, http.MethodDelete, sessionsPath+"?"+q.Encode(), nil, &done); err != nil {
		return 0, err
	}
	if done.Revoked == nil {
		return 0, c.strange()
	}
	return *done.Revoked, nil
}

// revokeEach ends sessions, and returns how many there were to end. The API takes
// the end of a session that is not there for a success, which would hide that an
// id was mistyped.
func (c *client) revokeEach(ctx context.Context, ids []string) (revoked int, err error) {
	for _, id := range ids {
		var session, nothing map[string]json.RawMessage
		path := sessionsPath + "/" + url.PathEscape(id)
		missing := c.ask(ctx, http.MethodGet, path, nil, &session)
		if missing != nil && refused(missing) != http.StatusNotFound {
			return revoked, errors.Join(err, fmt.Errorf("session %s: %w", id, missing))
		}
		// One that cannot be shown may still be there.
		e := c.ask(ctx, http.MethodDelete, path, nil, &nothing)
		switch {
		case e != nil && refused(e) != http.StatusNotFound:
			return revoked, errors.Join(err, fmt.Errorf("session %s: %w", id, e))
		case missing != nil:
			err = errors.Join(err, fmt.Errorf("session %s: there is none, or no longer", id))
		default:
			revoked++
		}
	}
	return revoked, err
}

// printRevoked prints how many sessions were ended.
func (p *program) printRevoked(asJSON bool, n int) error {
	if asJSON {
		return p.document(struct {
			Revoked int `json:"revoked"`
		}{n})
	}
	word := "sessions"
	if n == 1 {
		word = "session"
	}
	_, err := fmt.Fprintf(p.stdout, "%d %s ended\n", n, word)
	return err
}
