package oidc

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gateward/gateward/methods"
)

// demands are what is wanted of how a person authenticates at the provider
// (OpenID Connect Core §3.1.2.1). The request for it travels through a browser,
// which can leave it out or ask for less, so what the provider says about it
// afterwards is checked, as far as it says anything.
type demands struct {
	maxAge  *time.Duration // nil: whenever it was
	prompts []string
	classes []string // the acr that will do; empty: any
}

// takeDemands collects what the configuration demands, and takes it out of the
// further parameters, where people write it too.
func (s *settings) takeDemands(key func(string) string, p *problems) {
	s.demands = demands{maxAge: s.MaxAge}
	s.demandPrompts(key("prompt"), s.Prompt, p)
	further := maps.Clone(s.AuthorizeParameters)
	for _, param := range slices.Sorted(maps.Keys(s.AuthorizeParameters)) {
		at, value := parameterKey(key, param), s.AuthorizeParameters[param]
		switch strings.ToLower(param) {
		case "max_age":
			seconds, err := strconv.ParseUint(value, 10, 31)
			if err != nil {
				p.add(at, "is not a number of seconds", "use max_age of the provider, such as 12h")
			}
			age := time.Duration(seconds) * time.Second
			s.demands.maxAge = stricter(s.demands.maxAge, &age)
		case "prompt":
			s.demandPrompts(at, value, p)
		case "acr_values":
			if len(s.demands.classes) > 0 || len(strings.Fields(value)) == 0 {
				p.add(at, "is empty, or there twice", "list what will do, with spaces between, or remove it")
			}
			s.demands.classes = strings.Fields(value)
		default:
			continue
		}
		delete(further, param)
	}
	s.AuthorizeParameters = further
	if s.demands.maxAge == nil && slices.Contains(s.demands.prompts, "login") {
		p.warn(key("prompt"), "login is only asked for: a browser can leave it out, and without max_age nothing of the answer shows that",
			"set max_age too, such as 1m")
	}
}

func (s *settings) demandPrompts(at, value string, p *problems) {
	prompts := strings.Fields(value)
	if slices.Contains(prompts, "none") {
		p.add(at, "none forbids the provider to ask anybody to log in", "write login, consent or select_account, or remove the key")
	}
	s.demands.prompts = union(s.demands.prompts, prompts)
}

// warnOfParameters points out what looks like a rule about who may enter and is
// none. admits says whether the configuration has one.
func (s *settings) warnOfParameters(key func(string) string, admits bool, p *problems) {
	for _, param := range slices.Sorted(maps.Keys(s.AuthorizeParameters)) {
		var remedy string
		switch strings.ToLower(param) {
		case "organization":
			if admits {
				continue // it only saves people a choice
			}
			remedy = "set email_matches, allowed_domains or allowed_groups"
		case "claims":
			remedy = "demand nothing by it: use acr_values, max_age, email_matches, allowed_domains or allowed_groups"
		default:
			continue
		}
		p.warn(parameterKey(key, param), "is only asked for: a browser can leave it out, and what the provider answers is not checked for it", remedy)
	}
}

// parameterKey is the key of one of the further parameters.
func parameterKey(key func(string) string, param string) string {
	return key(fmt.Sprintf("authorize_parameters[%q]", param))
}

// with returns the demands together with those of an attempt, whose wishes are
// anybody's to write: they can add, and take nothing away.
func (d demands) with(a methods.Attempt) demands {
	d.maxAge = stricter(d.maxAge, a.MaxAge)
	d.prompts = union(d.prompts, strings.Fields(a.Prompt))
	return d
}

// ask sets the parameters that ask for d.
func (d demands) ask(v url.Values) {
	if d.maxAge != nil {
		v.Set("max_age", strconv.FormatInt(int64(*d.maxAge/time.Second), 10))
	}
	if len(d.prompts) > 0 {
		v.Set("prompt", strings.Join(d.prompts, " "))
	}
	if len(d.classes) > 0 {
		v.Set("acr_values", strings.Join(d.classes, " "))
	}
}

// check sees to it that d was honoured. Of prompts an ID token says nothing.
func (d demands) check(claims map[string]any, now time.Time) error {
	if err := checkAuthTime(claims, d.maxAge, now); err != nil {
		return err
	}
	// A provider may as well ignore acr_values (OpenID Connect Core §3.1.2.1).
	if acr, _ := claims["acr"].(string); len(d.classes) > 0 && !slices.Contains(d.classes, acr) {
		return invalid("acr is none of acr_values, or missing")
	}
	return nil
}

// stricter returns the smaller of two ages, where nil is none.
func stricter(a, b *time.Duration) *time.Duration {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}

// union returns a new list of a and what else is in b, without repetition.
func union(a, b []string) []string {
	var all []string
	for _, s := range slices.Concat(a, b) {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
