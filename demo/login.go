package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

var (
	// attempt finds which login the provider's page is about.
	attempt = regexp.MustCompile(`name="id" value="([^"]+)"`)
	// loginButton finds the ways to log in, by what they are called.
	loginButton = regexp.MustCompile(`href="([^"]+)"><span>Login with <bdi>([^<]+)</bdi>`)
	// formAction finds where a page's form is sent.
	formAction = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
)

// places are where people log in.
type places struct{ origin, provider, hub string }

// checkLogin logs Ada in at the provider, as a browser does, and out again.
func checkLogin(ctx context.Context, p places) error {
	b, err := newWalker()
	if err != nil {
		return err
	}
	b.logInAtProvider(ctx, p, "/reports/7?from=the+demo", "ada")
	b.want("Hello, Ada Lovelace", "/reports/7?from=the&#43;demo", "ada@example.com", "staff")
	b.get(ctx, p.origin+"/vault")
	b.want("Hello, Ada Lovelace")
	b.get(ctx, p.origin+"/auth/account")
	b.want("Ada Lovelace", "ada@example.com")
	b.post(ctx, p.origin+"/auth/logout", nil, p.origin)
	b.get(ctx, p.origin+"/")
	b.want("You are logged out", "Development provider")
	return b.err
}

// checkGitHub logs people in at GitHub: a member, one who is not, and one who is
// invited, reads why not, accepts, and comes in.
func checkGitHub(ctx context.Context, p places) error {
	for login, says := range map[string][]string{
		"linus-guest": {"not an active member of an organization on GitHub", "Use another account"},
		"wanda":       {"You are invited to the organization demo-org", "Use another account"},
	} {
		b, err := newWalker()
		if err != nil {
			return err
		}
		b.status = http.StatusForbidden
		b.logInAtGitHub(ctx, p, "/reports/7", login)
		if b.want(says...); b.err != nil {
			return b.err
		}
		if login != "wanda" {
			continue
		}
		b.status = http.StatusOK
		b.post(ctx, p.hub+"/orgs/demo-org/invitation", url.Values{"account": {login}}, p.hub)
		b.get(ctx, p.origin+"/reports/7")
		b.follow(ctx, "GitHub (demo)") // which remembers who is there
		if b.want("Hello, Wanda Newcomer"); b.err != nil {
			return b.err
		}
	}
	b, err := newWalker()
	if err != nil {
		return err
	}
	b.logInAtGitHub(ctx, p, "/operators", "katherine")
	b.want("Hello, Katherine Johnson", "katherine@example.com")
	b.status = http.StatusForbidden
	b.get(ctx, p.origin+"/auth/admin")
	b.want("This page is for administrators")
	return b.err
}

// checkAdministrator logs Ada in by both logins: she is one person, and sees
// everybody.
func checkAdministrator(ctx context.Context, p places) error {
	b, err := newWalker()
	if err != nil {
		return err
	}
	b.logInAtProvider(ctx, p, "/", "ada")
	b.post(ctx, p.origin+"/auth/logout", nil, p.origin)
	b.logInAtGitHub(ctx, p, "/auth/admin", "ada-lovelace")
	b.want("Ada Lovelace", "ada@example.com", "Katherine Johnson")
	if n := strings.Count(b.page, "ada@example.com"); b.err == nil && n != 1 {
		b.err = fmt.Errorf("one person is %d: %s", n, b.page)
	}
	return b.err
}

// A walker opens pages one after another until something goes wrong.
type walker struct {
	client *http.Client
	// status is what every page must come with.
	status int
	page   string
	at     *url.URL
	err    error
}

func newWalker() (*walker, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &walker{client: &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}, status: http.StatusOK}, nil
}

// logInAtProvider opens a page, which leads to a login, and logs in there.
func (b *walker) logInAtProvider(ctx context.Context, p places, path, account string) {
	status := b.begin(ctx, p.origin+path, "Development provider")
	if id := b.find(attempt); id != nil {
		b.status = status
		b.post(ctx, p.provider+"/login", url.Values{"id": {id[1]}, "account": {account}}, p.provider)
	}
}

func (b *walker) logInAtGitHub(ctx context.Context, p places, path, account string) {
	status := b.begin(ctx, p.origin+path, "GitHub (demo)")
	if action := b.find(formAction); action != nil {
		b.status = status
		b.post(ctx, p.hub+html.UnescapeString(action[1]), url.Values{"account": {account}}, p.hub)
	}
}

// begin goes from a page to a login. It returns the status that is wanted of what
// comes after it.
func (b *walker) begin(ctx context.Context, address, login string) int {
	status := b.status
	b.status = http.StatusOK
	b.get(ctx, address)
	b.follow(ctx, login)
	return status
}

// follow opens the login of that name.
func (b *walker) follow(ctx context.Context, login string) {
	if b.err != nil {
		return
	}
	for _, found := range loginButton.FindAllStringSubmatch(b.page, -1) {
		if html.UnescapeString(found[2]) != login {
			continue
		}
		to, err := b.at.Parse(html.UnescapeString(found[1]))
		if b.err = err; err == nil {
			b.get(ctx, to.String())
		}
		return
	}
	b.err = fmt.Errorf("no login with %s: %s", login, b.page)
}

// find returns where the page matches, or notes that it does not.
func (b *walker) find(e *regexp.Regexp) []string {
	if b.err != nil {
		return nil
	}
	found := e.FindStringSubmatch(b.page)
	if found == nil {
		b.err = fmt.Errorf("%s is not in: %s", e, b.page)
	}
	return found
}

func (b *walker) get(ctx context.Context, address string) {
	b.send(ctx, http.MethodGet, address, nil, "")
}

func (b *walker) post(ctx context.Context, address string, form url.Values, origin string) {
	b.send(ctx, http.MethodPost, address, form, origin)
}

func (b *walker) send(ctx context.Context, method, address string, form url.Values, origin string) {
	if b.err != nil {
		return
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.err = err
		return
	}
	req.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", origin)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.err = err
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != b.status {
		err = errors.Join(err, fmt.Errorf("%s %s led to %s, want %d: %s", method, address, resp.Status, b.status, body))
	}
	b.page, b.at, b.err = string(body), resp.Request.URL, err
}

// want notes what the page does not say.
func (b *walker) want(parts ...string) {
	for _, part := range parts {
		if b.err == nil && !strings.Contains(b.page, part) {
			b.err = fmt.Errorf("%q is missing in: %s", part, b.page)
		}
	}
}
