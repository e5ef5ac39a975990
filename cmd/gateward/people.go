package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gateward/gateward/internal/admit"
)

const usersPath = "/auth/v1/users"

// userCommands are those behind "user".
func userCommands() []command {
	return []command{
		{"user list", "[--email EMAIL] [--disabled] [--limit N] [flags]", "list the people who have logged in", listUsersCommand},
		{"user disable", "ID|EMAIL... [flags]", "keep people out, and end their sessions", switchUsersCommand(false)},
		{"user enable", "ID|EMAIL... [flags]", "let people in", switchUsersCommand(true)},
	}
}

// An apiUser is a user as the API writes one.
type apiUser struct {
	ID          string   `json:"id"`
	Enabled     *bool    `json:"enabled"`
	Waiting     bool     `json:"waiting"`
	Emails      []string `json:"emails"`
	LastLoginAt string   `json:"lastLoginAt"`
	Identities  []struct {
		Method   string `json:"method"`
		Provider string `json:"provider"`
		Subject  string `json:"subject"`
		Name     string `json:"name"`
	} `json:"identities"`
}

// state is enabled, waiting or disabled.
func (u *apiUser) state() string {
	switch {
	case u.Enabled != nil && *u.Enabled:
		return "enabled"
	case u.Waiting:
		return "waiting"
	}
	return "disabled"
}

// names returns the display names and the identities, in the form that --subject
// takes.
func (u *apiUser) names() (names, identities []string) {
	for _, i := range u.Identities {
		if i.Name != "" && !slices.Contains(names, i.Name) {
			names = append(names, i.Name)
		}
		identities = append(identities, subjectName(shortMethod(i.Method), i.Provider, i.Subject))
	}
	return names, identities
}

// subjectName is METHOD[/PROVIDER]:SUBJECT, as far as that is known.
func subjectName(method, provider, subject string) string {
	if provider != "" {
		method += "/" + provider
	}
	if subject != "" {
		method += ":" + subject
	}
	return method
}

// printUsers prints users, as the API wrote them or as a table.
func (p *program) printUsers(asJSON bool, l listing) error {
	if asJSON {
		return p.document(struct {
			Users []json.RawMessage `json:"users"`
			More  bool              `json:"more"`
		}{append([]json.RawMessage{}, l.items...), l.more})
	}
	t := table{head: []string{"ID", "STATE", "EMAIL", "NAME", "IDENTITIES", "LAST LOGIN"}}
	for _, raw := range l.items {
		var u apiUser
		if err := json.Unmarshal(raw, &u); err != nil {
			return fmt.Errorf("a user cannot be read: %w", foreignError{err})
		}
		names, identities := u.names()
		t.rows = append(t.rows, []string{
			u.ID, u.state(), strings.Join(u.Emails, ","), strings.Join(names, ","), strings.Join(identities, ","), moment(u.LastLoginAt),
		})
	}
	return p.show(&t)
}

func listUsersCommand(ctx context.Context, p *program, f *flags) error {
	to, limit := f.connection(), f.limit()
	email := f.single("email", "only those with this verified `EMAIL`")
	disabled := f.Bool("disabled", false, "only those who are disabled or wait to be enabled")
	if err := errors.Join(f.parseFlags(), f.checkLimit(*limit)); err != nil {
		return err
	}
	c, err := p.connect(f, to)
	if err != nil {
		return err
	}
	q := url.Values{}
	if email.value != "" {
		q.Set("email", email.value)
	}
	if *disabled {
		q.Set("disabled", "true")
	}
	l, err := c.list(ctx, usersPath, "users", q, *limit, nil)
	if err != nil {
		return err
	}
	p.tellMore(l, *limit)
	return p.printUsers(*to.json, l)
}

// switchUsersCommand returns the command that enables users, or disables them.
func switchUsersCommand(enabled bool) func(context.Context, *program, *flags) error {
	return func(ctx context.Context, p *program, f *flags) error {
		to := f.connection()
		named, err := f.parseMixed()
		if err != nil {
			return err
		}
		if len(named) == 0 {
			return usagef("%s: who? name users by their IDs or e-mail addresses; run \"gateward %s -h\"", f.Name(), f.Name())
		}
		if err := f.checkUsers(named...); err != nil {
			return err
		}
		c, err := p.connect(f, to)
		if err != nil {
			return err
		}
		ids, err := c.userIDs(ctx, named)
		if err != nil {
			return fmt.Errorf("%w\nnothing has been changed", err)
		}
		changed, err := c.switchUsers(ctx, ids, enabled)
		if len(changed) > 0 || *to.json {
			err = errors.Join(p.printUsers(*to.json, listing{items: changed}), err)
		}
		return err
	}
}

// switchUsers enables or disables users, and returns those of which that is true
// now. Where one user is refused, the others are gone on with.
func (c *client) switchUsers(ctx context.Context, ids []string, enabled bool) (changed []json.RawMessage, err error) {
	for _, id := range ids {
		var raw json.RawMessage
		var u apiUser
		e := c.ask(ctx, http.MethodPatch, usersPath+"/"+url.PathEscape(id), fmt.Appendf(nil, `{"enabled":%t}`, enabled), &raw)
		if e == nil && (json.Unmarshal(raw, &u) != nil || u.ID != id || u.Enabled == nil || *u.Enabled != enabled) {
			e = c.strange()
		}
		switch {
		case e == nil:
			changed = append(changed, raw)
			continue
		case refused(e) == http.StatusNotFound, refused(e) == http.StatusBadRequest:
			err = errors.Join(err, fmt.Errorf("user %s: %w", id, e))
			continue
		}
		return changed, errors.Join(err, fmt.Errorf("user %s: %w", id, e))
	}
	return changed, err
}

// checkUsers returns a usage error unless each is an id or an e-mail address.
func (f *flags) checkUsers(named ...string) error {
	for _, n := range named {
		if !strings.Contains(n, "@") && !isID(n) {
			return usagef("%s: %q is neither the ID of a user nor an e-mail address", f.Name(), n)
		}
	}
	return nil
}

// userIDs returns the ids of users who are named by id or e-mail address, each
// once.
func (c *client) userIDs(ctx context.Context, named []string) ([]string, error) {
	var ids []string
	var problems error
	for _, id := range named {
		if strings.Contains(id, "@") {
			var err error
			if id, err = c.userWith(ctx, id); err != nil {
				problems = errors.Join(problems, err)
				continue
			}
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, problems
}

// userWith returns the id of the one user with an e-mail address.
func (c *client) userWith(ctx context.Context, email string) (string, error) {
	var ids []string
	l, err := c.list(ctx, usersPath, "users", url.Values{"email": {email}}, maxPage, func(raw json.RawMessage) bool {
		var u apiUser
		has := json.Unmarshal(raw, &u) == nil && slices.ContainsFunc(u.Emails, func(e string) bool { return sameAddress(e, email) })
		if has {
			ids = append(ids, visible(u.ID))
		}
		return has
	})
	switch {
	case err != nil:
		return "", err
	case len(ids) == 0:
		return "", fmt.Errorf("%s: no user has this address", visible(email))
	case len(ids) > 1 || l.more:
		return "", fmt.Errorf("%s: several users have this address; name one by its ID: %s", visible(email), strings.Join(ids, ", "))
	case !isID(ids[0]):
		return "", c.strange()
	}
	return ids[0], nil
}

// sameAddress compares as the server does: without the case of ASCII letters.
func sameAddress(a, b string) bool {
	return admit.LowerASCII(a) == admit.LowerASCII(b)
}
