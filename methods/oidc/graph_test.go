package oidc_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/methods/oidc"
	"github.com/gateward/gateward/methods/oidc/oidctest"
)

const reference = oidctest.Endpoint("/reference/users/ada-1/getMemberObjects")

// setupOverage is a person in n groups at Microsoft, and a configuration that is
// about them.
func setupOverage(t *testing.T, n int, change func(*oidc.ProviderConfig)) *fixture {
	t.Helper()
	f := setup(t, nil, oidctest.Entra(tenant))
	f.method = f.build(func(_ *oidc.Config, p *oidc.ProviderConfig) {
		p.Scopes, p.GraphURL = []string{"email", "profile", "offline_access"}, f.op.GraphURL()
		p.DisplayName = "Example Inc."
		if change != nil {
			change(p)
		}
	}, nil)
	f.login = f.method.Providers()[0]
	u := oidctest.Ada()
	u.EmailVerified, u.Groups = nil, oidctest.ManyGroups(n)
	f.op.SetUser(u)
	return f
}

func TestGroupOverage(t *testing.T) {
	t.Parallel()
	all := oidctest.ManyGroups(2500)
	for name, tt := range map[string]struct {
		groups int
		change func(*oidc.ProviderConfig)
		asked  int // requests to Graph
		rule   string
		known  int // groups of the identity
	}{
		"in the token":           {groups: 200, asked: 0, known: 200},
		"too many for the token": {groups: 201, asked: 1, known: 201},
		"as many as are kept":    {groups: 2500, asked: 1, known: 2500},
		"more than are kept":     {groups: 2501, asked: 1, rule: "groups_claim"},
		"the allowed one last":   {groups: 300, change: func(p *oidc.ProviderConfig) { p.AllowedGroups = all[299:300] }, asked: 1, known: 300},
		"none that is allowed":   {groups: 300, change: func(p *oidc.ProviderConfig) { p.AllowedGroups = all[300:301] }, asked: 1, rule: "allowed_groups", known: 300},
		"about another claim":    {groups: 300, change: func(p *oidc.ProviderConfig) { p.GroupsClaim = "roles" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setupOverage(t, tt.groups, tt.change)
			id, _, err := f.exchange()
			if rule(err) != tt.rule || (err != nil) != (tt.rule != "") {
				t.Fatalf("error %v, want %q", err, tt.rule)
			}
			if len(id.Groups) != tt.known || tt.known > 0 && !slices.Equal(id.Groups, all[:tt.known]) {
				t.Errorf("%d groups", len(id.Groups))
			}
			if n := f.op.Requests(oidctest.Graph); n != tt.asked || f.count("graph ok") != tt.asked {
				t.Errorf("%d requests, %v", n, f.counts)
			}
			// Userinfo has no groups there, and is not asked for them.
			if tt.asked > 0 && f.op.Requests(oidctest.Userinfo) != 0 {
				t.Error("userinfo was asked")
			}
			// The token's own address is never followed.
			if f.op.Requests(reference) != 0 {
				t.Error("the reference was followed")
			}
			if tt.rule == "" && f.login.Admit(&id) != nil {
				t.Error("admitted at the login and not later")
			}
			f.quiet(err)
		})
	}
}

// A configuration that is not about groups has no use for them.
func TestGroupOverageOfNoInterest(t *testing.T) {
	t.Parallel()
	f := setupOverage(t, 300, func(p *oidc.ProviderConfig) { p.GraphURL = "" })
	if id, _ := f.mustExchange(); id.Groups != nil || f.op.Requests(oidctest.Graph) != 0 {
		t.Errorf("%+v", id)
	}
}

// hasgroups is the other way to say it.
func TestGroupOverageHasGroups(t *testing.T) {
	t.Parallel()
	f := setupOverage(t, 300, nil)
	f.op.Configure(func(b *oidctest.Behavior) {
		b.IDToken = func(c claims) { delete(c, "groups"); delete(c, "email_verified"); c["hasgroups"] = true }
	})
	if id, _ := f.mustExchange(); len(id.Groups) != 300 {
		t.Errorf("%d groups", len(id.Groups))
	}
}

// Whatever Graph answers but a list, nobody is taken to be in no groups.
func TestGroupOverageFailsClosed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault http.HandlerFunc
		want  error
	}{
		"500":    {oidctest.GraphError(500, "InternalServerError"), gateward.ErrUnavailable},
		"503":    {oidctest.GraphError(503, "ServiceUnavailable"), gateward.ErrUnavailable},
		"429":    {oidctest.GraphError(429, "TooManyRequests"), gateward.ErrUnavailable},
		"404":    {oidctest.GraphError(404, "Request_ResourceNotFound"), gateward.ErrUnavailable},
		"401":    {oidctest.GraphError(401, "InvalidAuthenticationToken"), gateward.ErrNotAdmitted},
		"403":    {oidctest.GraphError(403, "Authorization_RequestDenied"), gateward.ErrNotAdmitted},
		"400":    {oidctest.GraphError(400, "Directory_ResultSizeLimitExceeded"), gateward.ErrNotAdmitted},
		"a page": {oidctest.Status(200), gateward.ErrUnavailable},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/v1.0/else", http.StatusTemporaryRedirect)
		}, gateward.ErrUnavailable},
		"nothing":        {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, gateward.ErrUnavailable},
		"no list":        {raw("application/json", `{"value":{}}`), gateward.ErrUnavailable},
		"no value":       {raw("application/json", `{}`), gateward.ErrUnavailable},
		"null":           {raw("application/json", `{"value":null}`), gateward.ErrUnavailable},
		"numbers":        {raw("application/json", `{"value":["a",1]}`), gateward.ErrUnavailable},
		"an empty id":    {raw("application/json", `{"value":["a",""]}`), gateward.ErrUnavailable},
		"repeated value": {raw("application/json", `{"value":["a"],"value":["b"]}`), gateward.ErrUnavailable},
		"a first page":   {raw("application/json", `{"value":["a"],"@odata.nextLink":"https://graph.test/2"}`), gateward.ErrNotAdmitted},
		"too long":       {raw("application/json", `{"value":["`+strings.Repeat("a", 1<<20)+`"]}`), gateward.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setupOverage(t, 300, func(p *oidc.ProviderConfig) { p.AllowedGroups = []string{"a"} })
			f.op.Fault(oidctest.Graph, tt.fault)
			id, tokens, err := f.exchange()
			f.refused(id, tokens, err, tt.want)
			if errors.Is(tt.want, gateward.ErrUnavailable) {
				if ue := (*gateward.UnavailableError)(nil); !errors.As(err, &ue) || !strings.Contains(ue.Reason, "Example Inc.") {
					t.Errorf("no reason in %v", err)
				}
				return
			}
			ne := (*gateward.NotAdmittedError)(nil)
			if !errors.As(err, &ne) || ne.Rule != "groups_claim" || !strings.Contains(ne.Reason, "too many groups") {
				t.Errorf("%+v", ne)
			}
			if id.Subject == "" || !strings.Contains(f.log.String(), "remedy=") {
				t.Errorf("who is it, and what is to be done? %q, %s", id.Subject, f.log)
			}
		})
	}
}

// In no security group is an answer, and not the same as none.
func TestGroupOverageOfOtherKinds(t *testing.T) {
	t.Parallel()
	f := setupOverage(t, 300, func(p *oidc.ProviderConfig) { p.AllowedGroups = []string{"a"} })
	f.op.Fault(oidctest.Graph, raw("application/json", `{"value":[]}`))
	if id, _, err := f.exchange(); rule(err) != "allowed_groups" || id.Groups == nil {
		t.Errorf("%+v, %v", id.Groups, err)
	}
}

// At a refresh Graph is asked again, and one refusal does not end the session.
func TestSEC_D18_GraphOnRefresh(t *testing.T) {
	t.Parallel()
	all := oidctest.ManyGroups(300)
	f := setupOverage(t, 300, func(p *oidc.ProviderConfig) { p.AllowedGroups = all[:1] })
	id, tokens := f.mustExchange()
	for _, fault := range []http.HandlerFunc{
		oidctest.GraphError(401, "x"), oidctest.GraphError(403, "x"), oidctest.GraphError(400, "x"), oidctest.GraphError(503, "x"),
	} {
		f.op.Fault(oidctest.Graph, fault)
		got, next, err := f.login.Refresh(t.Context(), id, tokens)
		wantKind(t, err, gateward.ErrUnavailable)
		if got.Subject != "" || next.RefreshToken.Reveal() == "" {
			t.Fatalf("%+v, %v", got, err)
		}
		tokens = next
	}
	f.op.Fault(oidctest.Graph, nil)
	u := oidctest.Ada()
	u.Groups = all[1:]
	f.op.SetUser(u)
	got, _, err := f.login.Refresh(t.Context(), id, tokens)
	if rule(err) != "allowed_groups" || len(got.Groups) != 299 {
		t.Errorf("removed from the group: %d groups, %v", len(got.Groups), err)
	}
}

// FuzzGraphAnswer: whatever Graph answers, somebody who gets in by a group is in
// it by a whole and bounded list.
func FuzzGraphAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"value":["a"]}`, `{"value":["a","b"]}`, `{"value":[]}`, `{"value":["a",""]}`, `{"value":["a",null]}`, `{"value":"a"}`, `{"value":[["a"]]}`,
		`{"value":["a"],"@odata.nextLink":""}`, `{"value":["b"],"value":["a"]}`, `["a"]`, `null`, ``, `{"Value":["a"]}`,
		"{\"value\":[\"\\ud800\",\"a\"]}", `{"value":["a"` + strings.Repeat(`,"b"`, 2500) + `]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		fx := setupOverage(t, 300, func(p *oidc.ProviderConfig) { p.AllowedGroups = []string{"a"} })
		fx.op.Fault(oidctest.Graph, raw("application/json", body))
		id, _, err := fx.exchange()
		if err != nil {
			if id.Groups != nil && rule(err) != "allowed_groups" {
				t.Errorf("groups beside %v", err)
			}
			return
		}
		// As it is written: encoding/json takes Value for value.
		var answer map[string]json.RawMessage
		var list []string
		if json.Unmarshal([]byte(body), &answer) != nil || json.Unmarshal(answer["value"], &list) != nil || !slices.Equal(list, id.Groups) ||
			len(list) > 2500 || slices.Contains(list, "") || !slices.Contains(list, "a") {
			t.Errorf("%q for %q", id.Groups, body)
		}
	})
}

// A provider elsewhere has no Graph: a reference is refused.
func TestGroupOverageElsewhere(t *testing.T) {
	t.Parallel()
	for name, about := range aboutGroups() {
		f := setupOverage(t, 300, func(p *oidc.ProviderConfig) {
			p.GraphURL = ""
			about(p)
		})
		if _, _, err := f.exchange(); rule(err) != "groups_claim" || f.op.Requests(oidctest.Graph)+f.op.Requests(reference) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// aboutGroups are configurations that are about groups.
func aboutGroups() map[string]func(*oidc.ProviderConfig) {
	return map[string]func(*oidc.ProviderConfig){
		"groups_claim": func(p *oidc.ProviderConfig) { p.GroupsClaim = "groups" },
		"elsewhere":    func(p *oidc.ProviderConfig) { p.NeedsGroups = true },
	}
}

// graphTransport sends what is for Microsoft Graph to op, and remembers it.
type graphTransport struct {
	op   *oidctest.Provider
	next http.RoundTripper
	seen []*http.Request
	body []map[string]any
}

func (g *graphTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "graph.microsoft.com" {
		sent := map[string]any{}
		body, err := r.GetBody()
		if err != nil || json.NewDecoder(body).Decode(&sent) != nil {
			return nil, errors.New("no body")
		}
		g.seen, g.body = append(g.seen, r), append(g.body, sent)
		to, err := url.Parse(g.op.GraphURL() + strings.TrimPrefix(r.URL.Path, "/v1.0"))
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.URL, r.Host = to, to.Host
	}
	return g.next.RoundTrip(r)
}

// TestGraphOfMicrosoft: where the issuer is Microsoft's, its Graph need not be
// configured.
func TestGraphOfMicrosoft(t *testing.T) {
	t.Parallel()
	for name, about := range aboutGroups() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			graphOfMicrosoft(t, about)
		})
	}
}

func graphOfMicrosoft(t *testing.T, about func(*oidc.ProviderConfig)) {
	t.Helper()
	f := setup(t, nil, oidctest.Entra(tenant), oidctest.WithTLS(),
		oidctest.WithIssuer("https://login.microsoftonline.com/"+tenant+"/v2.0"))
	g := &graphTransport{op: f.op, next: f.op.Client().Transport}
	c := configOf(f.op)
	c.DiscoveryURL = f.op.Address(oidctest.Discovery)
	about(&c)
	o := f.options()
	o.Transport = g
	m, err := oidc.New(t.Context(), oidc.Config{Providers: map[string]oidc.ProviderConfig{"op": c}}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	f.method, f.login = m, m.Providers()[0]
	u := oidctest.Ada()
	u.Groups = oidctest.ManyGroups(222)
	f.op.SetUser(u)
	id, _ := f.mustExchange()
	if len(id.Groups) != 222 || len(g.seen) != 1 {
		t.Fatalf("%d groups, %d requests", len(id.Groups), len(g.seen))
	}
	r := g.seen[0]
	if r.Method != http.MethodPost || r.URL.String() != "https://graph.microsoft.com/v1.0/me/getMemberObjects" ||
		!strings.HasPrefix(r.Header.Get("Authorization"), "Bearer access-") || g.body[0]["securityEnabledOnly"] != true {
		t.Errorf("%s %s %v", r.Method, r.URL, g.body)
	}
}

// TestManyTenants: an issuer that stands for all tenants is none.
func TestManyTenants(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{"common/v2.0", "organizations/v2.0", "consumers/v2.0", "Common/v2.0", "{tenantid}/v2.0", "common"} {
		_, err := configure(t, func(_ *oidc.Config, p *oidc.ProviderConfig) {
			p.IssuerURL = "https://login.microsoftonline.com/" + issuer
		})
		if err == nil || !strings.HasPrefix(err.Error(), "providers.op.issuer_url: ") || !strings.Contains(err.Error(), "name the tenant") {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	for _, issuer := range []string{"https://login.microsoftonline.com/" + tenant + "/v2.0", "https://id.example.com/common/v2.0"} {
		if _, err := configure(t, func(_ *oidc.Config, p *oidc.ProviderConfig) { p.IssuerURL = issuer }); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}
