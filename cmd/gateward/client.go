package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/gateward/gateward"
)

const (
	serverVariable = "GATEWARD_CLI_SERVER"
	tokenVariable  = "GATEWARD_CLI_TOKEN"

	// clientTimeout bounds one request; ending very many sessions takes a while.
	clientTimeout = time.Minute
	// maxAnswer bounds an answer, in bytes. A page of sessions with large claims
	// stays far below.
	maxAnswer = 16 << 20
	// maxPage is the longest page that the API answers with.
	maxPage = 100
)

// A connection is what the command line says about the server to ask.
type connection struct {
	server, token, caFile *string
	json                  *bool
}

// connection declares the flags that every command with a running server has.
func (f *flags) connection() *connection {
	return &connection{
		server: f.String("server", "", "`URL` that browsers use, or that of the login listener ("+serverVariable+")"),
		token: f.String("token", "",
			"`TOKEN` of an administrator; better in "+tokenVariable+": others see arguments"),
		caFile: f.String("ca-file", "", "`FILE` (PEM) of the authorities to trust instead of the system's"),
		json:   f.Bool("json", false, "print one JSON document, for programs"),
	}
}

// A client asks the API of a running server. It follows no redirect, so that the
// token goes nowhere else.
type client struct {
	// base is the server's address without a slash at its end.
	base  string
	token gateward.Secret
	http  *http.Client
}

// connect returns the client for c, or a usage error.
func (p *program) connect(f *flags, c *connection) (*client, error) {
	base, err := serverAddress(cmp.Or(*c.server, p.variable(serverVariable)))
	if err != nil {
		return nil, usagef("%s: %s", f.Name(), err)
	}
	token := strings.TrimSpace(cmp.Or(*c.token, p.variable(tokenVariable)))
	switch {
	case token == "":
		return nil, usagef("%s: no token; set %s to the token of an administrator", f.Name(), tokenVariable)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, usagef("%s: the token holds what no token can; is %s set to something else?", f.Name(), tokenVariable)
	}
	authorities := &tls.Config{MinVersion: tls.VersionTLS12}
	if *c.caFile != "" {
		pem, err := os.ReadFile(*c.caFile) //nolint:gosec // whoever runs the command names the file
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		if authorities.RootCAs = x509.NewCertPool(); !authorities.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-file: %s: no certificate in it; PEM is needed", *c.caFile)
		}
	}
	if base.Scheme == "http" && !isLoopback(base.Hostname()) {
		fmt.Fprintf(p.stderr, "gateward: warning: the token travels to %s in clear text; https protects it\n", visible(base.Host))
	}
	return &client{
		base: strings.TrimRight(base.String(), "/"), token: gateward.NewSecret(token),
		http: &http.Client{
			Timeout:       clientTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport:     &http.Transport{TLSClientConfig: authorities, ForceAttemptHTTP2: true, Proxy: proxyOf},
		},
	}, nil
}

// proxyOf returns the proxy from the environment where it sees no token: for
// https.
func proxyOf(r *http.Request) (*url.URL, error) {
	if r.URL.Scheme != "https" {
		return nil, nil //nolint:nilnil // what net/http takes for none
	}
	return http.ProxyFromEnvironment(r)
}

// serverAddress reads the address of a server.
func serverAddress(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, fmt.Errorf("no server; name one by --server or %s, such as https://app.example.com", serverVariable)
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the server's address is not one; write it like https://app.example.com")
	}
	return u, nil
}

// variable returns an environment variable, or "".
func (p *program) variable(name string) string {
	for _, v := range p.environ {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// A refusalError is an answer that is not a success.
type refusalError struct {
	status int
	text   string
}

// Error implements error.
func (e *refusalError) Error() string { return e.text }

// refused returns the status that err is about, or 0.
func refused(err error) int {
	if e := (*refusalError)(nil); errors.As(err, &e) {
		return e.status
	}
	return 0
}

// A foreignError has a text that may hold what a server sent.
type foreignError struct{ err error }

// Error implements error.
func (e foreignError) Error() string { return visible(e.err.Error()) }

// Unwrap returns what it was.
func (e foreignError) Unwrap() error { return e.err }

// ask sends a request and decodes the answer into v. body may be nil.
func (c *client) ask(ctx context.Context, method, path string, body []byte, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "gateward/"+buildInfo().Version)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // without the address, which is said already
		}
		return fmt.Errorf("%s: no answer: %w", c.base, foreignError{err})
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: the answer breaks off: %w", c.base, foreignError{err})
	case res.StatusCode != http.StatusOK:
		return c.refusal(res, answer)
	case len(answer) > maxAnswer:
		return fmt.Errorf("%s: the answer is longer than %d bytes", c.base, maxAnswer)
	case json.Unmarshal(answer, v) != nil:
		return c.strange()
	}
	return nil
}

// strange is a success that makes no sense.
func (c *client) strange() error {
	return fmt.Errorf("%s: the answer is not Gateward's; is this the address of its login service?", c.base)
}

// refusal says why the server does not do what was asked, and what helps.
func (c *client) refusal(res *http.Response, answer []byte) error {
	var said struct {
		Message string `json:"message"`
	}
	ours := json.Unmarshal(answer, &said) == nil && said.Message != ""
	message := visible(said.Message)
	if !ours {
		message = fmt.Sprintf("status %d", res.StatusCode)
	}
	switch status := res.StatusCode; {
	case status == http.StatusUnauthorized:
		message = "token not accepted; set " + tokenVariable + " to the token of an administrator"
	case status == http.StatusForbidden:
		message += "; it takes the token of somebody whom authentication.admins names"
	case status/100 == 3:
		message = "the answer leads elsewhere; --server has to be the address where the login service itself answers"
		if to, err := res.Location(); err == nil {
			message = "the answer leads to " + visible(to.Scheme+"://"+to.Host) + strings.TrimPrefix(message, "the answer leads elsewhere")
		}
	case !ours:
		message += "; is this the address of Gateward's login service?"
	case status == http.StatusTooManyRequests, status/100 == 5:
		message += "; try again later"
	}
	return &refusalError{res.StatusCode, c.base + ": " + message}
}

// A listing is a part of what the API lists.
type listing struct {
	items []json.RawMessage
	// more: there would have been more.
	more bool
}

// list follows the pages of a list, which the answers have under key, until it has
// limit items that keep returns true for. keep may be nil.
func (c *client) list(ctx context.Context, path, key string, q url.Values, limit int, keep func(json.RawMessage) bool) (listing, error) {
	var l listing
	for {
		size := maxPage
		if keep == nil {
			size = min(size, limit-len(l.items))
		}
		q.Set("limit", fmt.Sprint(size))
		var page map[string]json.RawMessage
		if err := c.ask(ctx, http.MethodGet, path+"?"+q.Encode(), nil, &page); err != nil {
			return l, err
		}
		var items []json.RawMessage
		var next string
		if json.Unmarshal(page[key], &items) != nil || json.Unmarshal(page["nextPageToken"], &next) != nil {
			return l, c.strange()
		}
		for _, item := range items {
			switch {
			case keep != nil && !keep(item):
			case len(l.items) == limit:
				l.more = true
				return l, nil
			default:
				l.items = append(l.items, item)
			}
		}
		switch {
		case next == "":
			return l, nil
		case next == q.Get("pageToken"):
			return l, fmt.Errorf("%s: the list has no end", c.base)
		case keep == nil && len(l.items) == limit:
			l.more = true
			return l, nil
		}
		q.Set("pageToken", next)
	}
}
