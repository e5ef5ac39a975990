package oidc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/outbound"
)

const (
	microsoftHost = "login.microsoftonline.com"
	microsoftAPI  = "https://graph.microsoft.com/v1.0"
	// maxGraphGroups bounds how many groups one person has: each is kept with the
	// session and compared on every check.
	maxGraphGroups = 2500
)

// errTooManyGroups: there are more than maxGraphGroups.
var errTooManyGroups = errors.New("more groups than are kept")

// takeGraph derives the address of Microsoft Graph, and refuses the issuers of
// Microsoft's that stand for all of its tenants: each ID token names its own.
func (s *settings) takeGraph(key func(string) string, p *problems) {
	s.graphURL = strings.TrimSuffix(s.GraphURL, "/")
	if s.GraphURL != "" {
		if u, err := outbound.ParseAddress(s.GraphURL); err != nil {
			p.add(key("graph_url"), err.Error(), "write "+microsoftAPI+", or remove the key")
		} else if u.RawQuery != "" {
			p.add(key("graph_url"), "holds a query", "write "+microsoftAPI+", or remove the key")
		}
		if len(s.mapping.groups) != 1 || s.mapping.groups[0] != "groups" {
			p.warn(key("graph_url"), "has no effect: groups_claim names another claim, which Microsoft never replaces by a reference", "remove one of the two")
		}
	}
	u, err := url.Parse(s.IssuerURL)
	if err != nil || !strings.EqualFold(u.Hostname(), microsoftHost) {
		return
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if slices.Contains([]string{"common", "organizations", "consumers", "{tenantid}"}, strings.ToLower(tenant)) {
		p.add(key("issuer_url"), fmt.Sprintf("%s stands for many tenants, and no ID token names it as its issuer", tenant),
			"name the tenant by its id: https://"+microsoftHost+"/TENANT_ID/v2.0, one provider for each")
	}
	if s.graphURL == "" {
		s.graphURL = microsoftAPI
	}
}

// refersToGraph reports whether Microsoft Graph is to be asked for the groups
// that claims have only a reference to. The address there is not followed: it is
// of an older interface, and whoever could write it would be sent the token.
func (p *Provider) refersToGraph(claims map[string]any) bool {
	at := p.config.mapping.groups
	if p.config.graphURL == "" || !p.config.mapping.needsGroups || len(at) != 1 || at[0] != "groups" {
		return false
	}
	_, has := at.Find(claims)
	return !has && overage(claims, at)
}

// askGraph returns the ids of the security groups that the owner of the token is
// in, directly or not. What it cannot tell is never taken for no groups.
func (p *Provider) askGraph(ctx context.Context, access gateward.Secret, insist bool) ([]string, error) {
	list, err := p.memberObjects(ctx, access)
	refused := (*statusError)(nil)
	definite := errors.As(err, &refused) && slices.Contains([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden}, refused.status)
	p.peer.onRequest(opGraph, err == nil || definite || errors.Is(err, errTooManyGroups))
	switch {
	case err == nil:
		return list, nil
	case errors.Is(err, errTooManyGroups), definite && !insist && refused.status == http.StatusBadRequest:
		return nil, p.tooManyGroups(ctx, "have the provider send only the groups that are assigned to this application")
	case definite && !insist:
		return nil, p.tooManyGroups(ctx, "grant the application the delegated permissions User.ReadBasic.All and GroupMember.Read.All of Microsoft Graph, "+
			"with an administrator's consent, or have the provider send only the groups that are assigned to this application")
	}
	p.logger.LogAttrs(ctx, slog.LevelWarn, "groups not available from microsoft graph", slog.Any("err", err))
	return nil, fmt.Errorf("oidc: ask microsoft graph for groups: %w: %w",
		&gateward.UnavailableError{Reason: p.DisplayName() + " does not say now which groups you are in."}, err)
}

// tooManyGroups is the error for groups that nobody tells.
func (p *Provider) tooManyGroups(ctx context.Context, remedy string) error {
	p.logger.LogAttrs(ctx, slog.LevelWarn, "the provider sent a reference instead of groups", slog.String("remedy", remedy))
	return fmt.Errorf("oidc: too many groups for the ID token: %w", &gateward.NotAdmittedError{
		Rule:   ruleGroupsClaim,
		Reason: "You are in too many groups for " + p.DisplayName() + " to tell them. Ask whoever administers this application.",
	})
}

// memberObjects asks for at most maxGraphGroups ids.
func (p *Provider) memberObjects(ctx context.Context, access gateward.Secret) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.config.graphURL+"/me/getMemberObjects",
		bytes.NewReader([]byte(`{"securityEnabledOnly":true}`)))
	if err != nil {
		return nil, errors.New("the address is not a URL")
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := doJSON(p.peer.tokens, req, access)
	if err != nil {
		return nil, err
	}
	values, ok := answer["value"].([]any)
	if !ok {
		return nil, errors.New("the answer has no list of groups")
	}
	// The interface has no pages; half of an answer would be groups taken away.
	if _, more := answer["@odata.nextLink"]; more || len(values) > maxGraphGroups {
		return nil, errTooManyGroups
	}
	list := make([]string, len(values))
	for i, v := range values {
		if list[i], ok = v.(string); !ok || !validSubject(list[i]) {
			return nil, errors.New("the answer has a group that is no id")
		}
	}
	return list, nil
}
