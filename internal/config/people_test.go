package config_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward/internal/config"
)

func TestPeople(t *testing.T) {
	t.Parallel()
	f := mustLoad(t, hub{github: "scopes: ['user:email', 'read:org']", block: `
  sign_up: closed, account_linking: verified_email, allowed_domains: example.com *.example.org,
  grants: [{emails: '*@example.com', organizations: [a], scopes: [write]}, {groups: [b], subjects: ['github:1'], teams: [a/b], scopes: read}],
  admins: {emails: [ada@example.com], groups: [ops], organizations: [a], teams: [a/b], subjects: ['github:101']},`}.String(), "GATEWARD_AUTHENTICATION_GRANTS_1_SCOPES=read list")
	a := f.Config.Authentication
	if a.SignUp != "closed" || a.AccountLinking != "verified_email" || !slices.Equal(a.AllowedDomains, []string{"example.com", "*.example.org"}) {
		t.Errorf("got %+v", a)
	}
	grants := []config.Grant{
		{People: config.People{Emails: []string{"*@example.com"}, Organizations: []string{"a"}}, Scopes: []string{"write"}},
		{People: config.People{Groups: []string{"b"}, Subjects: []string{"github:1"}, Teams: []string{"a/b"}}, Scopes: []string{"read", "list"}},
	}
	if !reflect.DeepEqual(a.Grants, grants) {
		t.Errorf("grants: got %+v", a.Grants)
	}
	admins := config.People{Emails: []string{"ada@example.com"}, Groups: []string{"ops"}, Organizations: []string{"a"}, Teams: []string{"a/b"}, Subjects: []string{"github:101"}}
	if !reflect.DeepEqual(a.Admins, admins) {
		t.Errorf("admins: got %+v", a.Admins)
	}
	d := config.Default()
	if a := d.Authentication; a.SignUp != "open" || a.AccountLinking != "off" || a.Limited() || d.DecidesByEmail() || d.DecidesByGroup() || d.DecidesByOrganization() {
		t.Errorf("defaults: got %+v", a)
	}
	if d.Limits != (config.Limits{LoginsPerMinute: 30, RedirectsPerMinute: 3}) {
		t.Errorf("limits: got %+v", d.Limits)
	}
}

// TestUserFilters reads patterns that are written as numbers, as they are
// written, and "off" as the word that it is.
func TestUserFilters(t *testing.T) {
	t.Parallel()
	want := []config.UserFilter{{Type: "id", Patterns: []string{"123456789", "12345678901234567890"}}, {Type: "phone", Patterns: []string{"4930123"}}}
	for name, text := range map[string]string{
		"x.yaml": "authentication:\n  required: false\n  account_linking: off\n  allowed_user_filters:\n    - {type: id, patterns: [123456789, 12345678901234567890]}\n    - {type: phone, patterns: 4930123}\n",
		"x.json": `{"authentication": {"required": false, "account_linking": "off", "allowed_user_filters": [{"type": "id", "patterns": [123456789, 12345678901234567890]}, {"type": "phone", "patterns": ["4930123"]}]}}`,
		"x.toml": "[authentication]\nrequired = false\naccount_linking = 'off'\n[[authentication.allowed_user_filters]]\ntype = 'id'\npatterns = [123456789, '12345678901234567890']\n[[authentication.allowed_user_filters]]\ntype = 'phone'\npatterns = [4930123]\n",
	} {
		f, err := config.Load(config.Options{Path: name, Files: files{}.with(name, text)})
		if err != nil {
			t.Fatal(err)
		}
		if a := f.Config.Authentication; !reflect.DeepEqual(a.AllowedUserFilters, want) || a.AccountLinking != "off" {
			t.Errorf("%s: got %+v", name, a.AllowedUserFilters)
		}
	}
	f := mustLoad(t, envless, "GATEWARD_AUTHENTICATION_ALLOWED_DOMAINS=a.example b.example")
	if got := f.Config.Authentication.AllowedDomains; !slices.Equal(got, []string{"a.example", "b.example"}) {
		t.Errorf("got %v", got)
	}
}

// TestDecidedByEmail warns about providers that tell no address, whatever it is
// that decides by it.
func TestDecidedByEmail(t *testing.T) {
	t.Parallel()
	const corp, github = "authentication.methods.oidc.providers.corp.scopes: lacks email, and ", "authentication.methods.github.scopes: lacks user:email, and "
	withBlock := func(block, scopes string) string {
		return strings.Replace(login{session: onDomain, provider: scopes}.String(), "methods: {", block+" methods: {github: {enabled: true, client_id: a, client_secret: b, redirect_address: 'https://app.example.com', scopes: ['read:org']}, ", 1)
	}
	for block, key := range map[string]string{
		"allowed_domains: [example.com],": "authentication.allowed_domains",
		"allowed_user_filters: [{type: group, patterns: a}, {type: email, patterns: a@example.com}],": "authentication.allowed_user_filters[1]",
		"grants: [{groups: a, scopes: b}, {emails: a@example.com, scopes: b}],":                       "authentication.grants[1].emails",
		"admins: {emails: a@example.com},":                                                            "authentication.admins.emails",
	} {
		f := mustLoad(t, withBlock(block, ""))
		if got := texts(f.Warnings); !strings.Contains(got, corp+key+" ") || !strings.Contains(got, github+key+" ") || !f.Config.DecidesByEmail() {
			t.Errorf("%s: got %s", block, got)
		}
	}
	warnings(t, map[string][2]string{
		"scope":             {withBlock("allowed_domains: [example.com],", "scopes: [email]"), "no providers.corp.scopes"},
		"github's default":  {hub{block: "allowed_domains: [example.com],"}.String(), "no github.scopes"},
		"all of the user":   {hub{block: "allowed_domains: [example.com],", github: "scopes: [user]"}.String(), "no github.scopes"},
		"provider's own":    {login{session: onDomain, provider: "allowed_domains: [example.com]"}.String(), corp + "authentication.methods.oidc.providers.corp.allowed_domains"},
		"at Google":         {login{session: onDomain, issuer: "https://accounts.google.com", provider: "allowed_domains: [example.com]"}.String(), "no corp.scopes"},
		"linking":           {strings.Replace(login{session: onDomain, provider: "email_authority: [example.com]"}.String(), "methods", "account_linking: verified_email, methods", 1), corp + "authentication.account_linking"},
		"without linking":   {login{session: onDomain, provider: "email_authority: [example.com]"}.String(), "no corp.scopes"},
		"nothing by e-mail": {withBlock("", ""), "no lacks"},
	})
}

func TestDecidedByOrganization(t *testing.T) {
	t.Parallel()
	const want = "lacks read:org, and "
	for block, key := range map[string]string{
		"allowed_user_filters: [{type: organization, patterns: a}],": "authentication.allowed_user_filters[0]",
		"allowed_user_filters: [{type: team, patterns: a/b}],":       "authentication.allowed_user_filters[0]",
		"grants: [{teams: a/b, scopes: b}],":                         "authentication.grants[0].teams",
		"admins: {organizations: a},":                                "authentication.admins.organizations",
	} {
		f := mustLoad(t, hub{block: block}.String())
		if got := texts(f.Warnings); !strings.Contains(got, want+key+" ") || !f.Config.DecidesByOrganization() {
			t.Errorf("%s: got %s", block, got)
		}
		if got := texts(mustLoad(t, hub{block: block, github: "scopes: ['read:org']"}.String()).Warnings); strings.Contains(got, want) {
			t.Errorf("%s: got %s", block, got)
		}
		without := strings.Replace(oneToken, "{", "{"+block+" ", 1)
		if got := texts(mustLoad(t, without).Warnings); !strings.Contains(got, key+": fits nobody") {
			t.Errorf("%s without GitHub: got %s", block, got)
		}
	}
	warnings(t, map[string][2]string{
		"rule":     {hub{rest: "rules: [{name: a, require: {organizations: a}}]"}.String(), "authentication.methods.github.scopes: " + want + "rules[0].require.organizations"},
		"own list": {hub{github: members}.String(), "no " + want},
	})
}

// TestDecidesByGroup finds whatever decides by a group beside the providers'
// own blocks.
func TestDecidesByGroup(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		hub{block: "allowed_user_filters: [{type: email, patterns: a@b.example}, {type: group, patterns: a}],"}.String(): true,
		hub{block: "admins: {groups: a},"}.String():                                                               true,
		hub{block: "grants: [{emails: a@b.example, scopes: b}, {groups: a, scopes: b}],"}.String():                true,
		hub{rest: "rules: [{name: a}, {name: b, require: {groups: a}}]"}.String():                                 true,
		hub{rest: "rules: [{name: a, require: {when: '!(\"a\" in identity.groups)'}}]"}.String():                  true,
		hub{rest: "rules: [{name: a, require: {when: 'identity.claims.groups.size() == 0'}}]"}.String():           true,
		hub{block: "allowed_user_filters: [{type: organization, patterns: a}], admins: {teams: a/b},"}.String():   false,
		hub{rest: "rules: [{name: a, require: {emails: a@b.example, when: 'identity.email_verified'}}]"}.String(): false,
		login{session: onDomain, provider: "allowed_groups: [a], groups_claim: groups"}.String():                  false,
	} {
		if got := mustLoad(t, text).Config.DecidesByGroup(); got != want {
			t.Errorf("got %v for %s", got, text)
		}
	}
}

func TestNeedsEmail(t *testing.T) {
	t.Parallel()
	const linking = "account_linking: verified_email,"
	domains := []string{"example.com"}
	for name, tt := range map[string]struct {
		block     string
		authority []string
		want      bool
	}{
		"decides":            {"allowed_domains: [example.com],", nil, true},
		"links":              {linking, domains, true},
		"links, not by this": {linking, nil, false},
		"links nobody":       {"", domains, false},
	} {
		c := mustLoad(t, hub{block: tt.block}.String()).Config
		if got := c.NeedsEmail(tt.authority); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestSEC_R04_UsersInMemoryWarn(t *testing.T) {
	t.Parallel()
	file := onDomain + ", encryption_key: 0123456789abcdefghijklmnopqrstuv, storage: {type: file}"
	const admins = " admins: {subjects: ['github:1']},"
	warnings(t, map[string][2]string{
		"approval":          {hub{block: "sign_up: approval," + admins}.String(), "authentication.sign_up: is approval, and users are kept in memory"},
		"closed":            {hub{block: "sign_up: closed," + admins}.String(), "authentication.sign_up: is closed, and users are kept in memory"},
		"admins":            {hub{block: admins}.String(), "authentication.admins: can disable users, who are kept in memory"},
		"approval, by whom": {hub{session: file, block: "sign_up: approval,"}.String(), "authentication.sign_up: is approval, and there is nobody to approve"},
		"approval, in file": {hub{session: file, block: "sign_up: approval," + admins}.String(), "no kept in memory"},
		"open":              {hub{}.String(), "no kept in memory"},
		"nobody logs in":    {strings.Replace(oneToken, "{", "{admins: {subjects: ['token:ci']}, ", 1), "no kept in memory"},
	})
}

func TestAccountLinking_NeedsAnAuthority(t *testing.T) {
	t.Parallel()
	const want = "authentication.account_linking: links nobody"
	warnings(t, map[string][2]string{
		"none":   {hub{block: "account_linking: verified_email,"}.String(), want},
		"github": {hub{block: "account_linking: verified_email,", github: "email_authority: [example.com]"}.String(), "no " + want},
		"off":    {hub{}.String(), "no " + want},
	})
}

func TestUserFilters_IDsOfSeveralProvidersWarn(t *testing.T) {
	t.Parallel()
	const want = "authentication.allowed_user_filters[0]: compares the subjects of all providers"
	one := hub{block: "allowed_user_filters: [{type: id, patterns: 1}],"}.String()
	two := strings.Replace(one, "methods: {", "methods: {oidc: {enabled: true, providers: {a: {issuer_url: 'https://i.example', client_id: a, client_secret: b, redirect_address: 'https://app.example.com'}}}, ", 1)
	warnings(t, map[string][2]string{"one": {one, "no " + want}, "two": {two, want}})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"logins_per_minute", "redirects_per_minute"} {
		for _, value := range []string{"0", "1", "10000"} {
			mustLoad(t, envless+"limits: {"+key+": "+value+"}")
		}
		for _, value := range []string{"-1", "10001"} {
			if got := mustFail(t, envless+"limits: {"+key+": "+value+"}").Error(); !strings.Contains(got, "limits."+key+`: "`+value+`" is out of range`) {
				t.Errorf("got %s", got)
			}
		}
	}
}
