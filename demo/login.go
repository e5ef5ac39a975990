package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// attempt finds which login the provider's page is about.
var attempt = regexp.MustCompile(`name="id" value="([^"]+)"`)

// checkLogin logs Ada in, as a browser does, and out again.
func checkLogin(ctx context.Context, origin, provider string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	b := &walker{client: &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}}
	page := b.get(ctx, origin+"/reports/7?from=the+demo")
	id := attempt.FindStringSubmatch(page)
	if b.err == nil && id == nil {
		return fmt.Errorf("no login page of the provider: %s", page)
	}
	if b.err == nil {
		page = b.post(ctx, provider+"/login", url.Values{"id": {id[1]}, "account": {"ada"}}, provider)
	}
	b.want(page, "Hello, Ada Lovelace", "/reports/7?from=the&#43;demo", "ada@example.com", "staff")
	b.want(b.get(ctx, origin+"/vault"), "Hello, Ada Lovelace")
	b.want(b.get(ctx, origin+"/auth/account"), "Ada Lovelace", "ada@example.com")
	b.post(ctx, origin+"/auth/logout", nil, origin)
	b.want(b.get(ctx, origin+"/"), "You are logged out", "Development provider")
	return b.err
}

// A walker opens pages one after another until something goes wrong.
type walker struct {
	client *http.Client
	err    error
}

func (b *walker) get(ctx context.Context, address string) string {
	return b.send(ctx, http.MethodGet, address, nil, "")
}

func (b *walker) post(ctx context.Context, address string, form url.Values, origin string) string {
	return b.send(ctx, http.MethodPost, address, form, origin)
}

func (b *walker) send(ctx context.Context, method, address string, form url.Values, origin string) string {
	if b.err != nil {
		return ""
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.err = err
		return ""
	}
	req.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", origin)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.err = err
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("%s %s led to %s: %s", method, address, resp.Status, body))
	}
	b.err = err
	return string(body)
}

// want notes what a page does not say.
func (b *walker) want(page string, parts ...string) {
	for _, part := range parts {
		if b.err == nil && !strings.Contains(page, part) {
			b.err = fmt.Errorf("%q is missing in: %s", part, page)
		}
	}
}
