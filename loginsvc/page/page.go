// Package page makes the pages of the login service: to log in, the account
// with its sessions, to log out, errors, and the users and sessions that
// administrators see. It owns their words, their look
// and the Content-Security-Policy that goes with each.
//
// A page is finished HTML that works without scripts and loads nothing but the
// logo and the picture of the person. The look is that of the error pages of
// the check path, which internal/browser holds. Who may see a page, what its
// forms do and every other header of the answer are loginsvc's.
//
// Nothing in a view is trusted: every text is stripped of what does not print,
// cut, escaped and isolated from the direction of the text around it; an
// address that is not a link is left out.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/gateward/gateward/internal/browser"
)

// A Site is what all pages of an installation share. The zero value has no
// name, an emblem in place of the logo, and speaks English.
type Site struct {
	// Name is the name of the site, at most 80 characters of which are shown.
	Name string
	// Logo is the address of an image: an https URL, or an absolute path on the
	// origin of the pages, readable without a login.
	Logo string
	// Language is the language of the pages. There is one: "en", the default.
	Language string
}

// A Document is a finished page.
type Document struct {
	// HTML is the page, in UTF-8.
	HTML []byte
	// CSP is the value of its Content-Security-Policy header.
	CSP string
}

// Pages makes documents. It is safe for concurrent use.
type Pages struct {
	site   frame
	logo   string // source expression of the logo, or ""
	styles string // source expressions of the styles

	login, account, logout, failed, people, person, sessions *template.Template
}

// frame is what every page is given beside what is its own.
type frame struct{ Language, Title, Site, Logo string }

//go:embed templates
var templates embed.FS

//go:embed page.css
var style string

// New returns the pages of a site. It refuses a logo that a page could not
// show, and a language that there are no words for.
func New(s Site) (*Pages, error) {
	p := &Pages{site: frame{Language: "en", Site: browser.Printable(s.Name, maxLabel), Logo: s.Logo}}
	var problems []error
	if s.Language != "" && s.Language != "en" {
		problems = append(problems, fmt.Errorf("page: language must be %q, got %q", "en", s.Language))
	}
	if s.Logo != "" {
		source, ok := imageSource(s.Logo)
		if !ok {
			problems = append(problems, fmt.Errorf("page: logo must be an https URL or an absolute path, got %q", s.Logo))
		}
		p.logo = source
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(style))
	p.styles = "'" + browser.StyleHash + "' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	if err := p.parse(); err != nil {
		return nil, fmt.Errorf("page: parse templates: %w", err)
	}
	return p, nil
}

// parse reads the templates and makes each page once, so that a mistake in one
// is found now and not by a visitor.
func (p *Pages) parse() error {
	layout, err := template.ParseFS(templates, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return err
	}
	for name, source := range map[string]string{
		"shared style": browser.Style(), "own style": style, "emblem": browser.Emblem,
	} {
		if _, err := layout.New(name).Parse(source); err != nil {
			return err
		}
	}
	for file, one := range map[string]struct {
		to   **template.Template
		view any
	}{
		"login.html":   {&p.login, loginView{Providers: make([]Provider, 2)}},
		"account.html": {&p.account, accountView{Sessions: make([]sessionView, 1), Identities: make([]identityView, 1)}},
		"logout.html":  {&p.logout, logoutView{}},
		"error.html":   {&p.failed, errorView{Actions: make([]Action, 1), Facts: make([]fact, 1)}},
		"people.html": {&p.people, peopleView{
			Search: &searchView{Choice: &choiceView{Options: make([]optionView, 1)}}, People: make([]userView, 1), Paging: &Paging{},
		}},
		"person.html":   {&p.person, personView{Sessions: make([]sessionView, 1), Identities: make([]identityView, 1), Paging: &Paging{}}},
		"sessions.html": {&p.sessions, allSessionsView{Sessions: make([]sessionView, 1), Paging: &Paging{}}},
	} {
		t, err := layout.Clone()
		if err != nil {
			return err
		}
		if t, err = t.ParseFS(templates, "templates/"+file); err != nil {
			return err
		}
		if err := t.Execute(io.Discard, one.view); err != nil {
			return err
		}
		*one.to = t
	}
	return nil
}

// titled returns the frame of the page with a title.
func (p *Pages) titled(title string) frame {
	f := p.site
	f.Title = title
	return f
}

func (p *Pages) document(t *template.Template, view any, csp string) Document {
	var b bytes.Buffer
	if err := t.Execute(&b, view); err != nil {
		panic("page: execute a template that New has tried: " + err.Error()) // unreachable
	}
	return Document{HTML: b.Bytes(), CSP: csp}
}

// policy returns the Content-Security-Policy of a page that shows the logo and
// images from the given sources, and whose forms may lead, by a redirect, to
// origins beside our own.
func (p *Pages) policy(image string, formOrigins []string) string {
	var b strings.Builder
	b.WriteString("default-src 'none'; style-src " + p.styles)
	if p.logo != "" || image != "" {
		b.WriteString("; img-src")
		if p.logo != "" {
			b.WriteString(" " + p.logo)
		}
		if image != "" && image != p.logo {
			b.WriteString(" " + image)
		}
	}
	b.WriteString("; form-action 'self'")
	for _, source := range formSources(formOrigins) {
		b.WriteString(" " + source)
	}
	b.WriteString("; frame-ancestors 'none'; base-uri 'none'")
	return b.String()
}
