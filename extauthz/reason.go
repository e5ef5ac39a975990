package extauthz

import (
	"net/http"

	"google.golang.org/grpc/codes"

	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/internal/credential"
)

// An Outcome is what became of a check.
type Outcome uint8

// The outcomes. The zero value is no allow.
const (
	OutcomeFault Outcome = iota
	OutcomeDeny
	OutcomeAllow
)

// String returns the outcome as in logs and metric labels.
func (o Outcome) String() string {
	switch o {
	case OutcomeAllow:
		return "allow"
	case OutcomeDeny:
		return "deny"
	case OutcomeFault:
	}
	return "fault"
}

// A Reason says why a check had its outcome. The set is closed: reasons are
// metric labels and log values, and the outcome follows from the reason.
type Reason uint8

// The reasons. The zero value is a fault.
const (
	ReasonInternal Reason = iota
	ReasonUnavailable
	ReasonDeadline
	ReasonOverloaded
	ReasonUnknownRule
	ReasonIdentityTooLarge

	ReasonIdentified
	ReasonAnonymous

	ReasonNoCredential
	ReasonMultipleCredentials
	ReasonMalformedCredential
	ReasonCredentialTooLong
	ReasonSchemeNotAdmitted
	ReasonConflictingCookies
	ReasonInvalidCredential
	ReasonAuthenticationTooOld

	ReasonNotAdmitted
	ReasonUserDisabled
	ReasonMethodNotAllowed
	ReasonEmailNotAllowed
	ReasonDomainNotAllowed
	ReasonGroupNotAllowed
	ReasonOrganizationNotAllowed
	ReasonTeamNotAllowed
	ReasonInsufficientScope
	ReasonConditionFalse
	ReasonConditionError
	ReasonRuleDenies

	ReasonMalformedRequest
	ReasonHeadersTooLarge
	ReasonHostileTarget
	ReasonAmbiguousTarget
	ReasonInvalidHost
	ReasonHTTPMethodRefused

	numReasons
)

// An explanation is what follows from a reason.
type explanation struct {
	token   string
	outcome Outcome
	status  int
	code    codes.Code
}

var explanations = [numReasons]explanation{ //nolint:gochecknoglobals // a table, never written to
	ReasonInternal:         {"internal", OutcomeFault, http.StatusServiceUnavailable, codes.Unavailable},
	ReasonUnavailable:      {"unavailable", OutcomeFault, http.StatusServiceUnavailable, codes.Unavailable},
	ReasonDeadline:         {"deadline", OutcomeFault, http.StatusServiceUnavailable, codes.Unavailable},
	ReasonOverloaded:       {"overloaded", OutcomeFault, http.StatusServiceUnavailable, codes.Unavailable},
	ReasonUnknownRule:      {"unknown_rule", OutcomeFault, http.StatusServiceUnavailable, codes.Unavailable},
	ReasonIdentityTooLarge: {"identity_too_large", OutcomeFault, http.StatusServiceUnavailable, codes.Unavailable},

	ReasonIdentified: {"identified", OutcomeAllow, http.StatusOK, codes.OK},
	ReasonAnonymous:  {"anonymous", OutcomeAllow, http.StatusOK, codes.OK},

	ReasonNoCredential:        {"no_credential", OutcomeDeny, http.StatusUnauthorized, codes.Unauthenticated},
	ReasonMultipleCredentials: {"multiple_credentials", OutcomeDeny, http.StatusUnauthorized, codes.Unauthenticated},
	ReasonMalformedCredential: {"malformed_credential", OutcomeDeny, http.StatusUnauthorized, codes.Unauthenticated},
	ReasonCredentialTooLong:   {"credential_too_long", OutcomeDeny, http.StatusUnauthorized, codes.Unauthenticated},
	ReasonSchemeNotAdmitted:   {"scheme_not_admitted", OutcomeDeny, http.StatusUnauthorized, codes.Unauthenticated},
	ReasonConflictingCookies:  {"conflicting_cookies", OutcomeDeny, http.StatusUnauthorized, codes.Unauthenticated},
	ReasonInvalidCredential:   {"invalid_credential", OutcomeDeny, http.StatusUnauthorized, codes.Unauthenticated},

	ReasonAuthenticationTooOld: {"auth_too_old", OutcomeDeny, http.StatusUnauthorized, codes.Unauthenticated},

	ReasonNotAdmitted:      {"not_admitted", OutcomeDeny, http.StatusForbidden, codes.PermissionDenied},
	ReasonUserDisabled:     {"user_disabled", OutcomeDeny, http.StatusForbidden, codes.PermissionDenied},
	ReasonMethodNotAllowed: {"method_not_allowed", OutcomeDeny, http.StatusForbidden, codes.PermissionDenied},
	ReasonEmailNotAllowed:  {"email_not_allowed", OutcomeDeny, http.StatusForbidden, codes.PermissionDenied},
	ReasonDomainNotAllowed: {"domain_not_allowed", OutcomeDeny, http.StatusForbidden, codes.PermissionDenied},
	ReasonGroupNotAllowed:  {"group_not_allowed", OutcomeDeny, http.StatusForbidden, codes.PermissionDenied},

	ReasonOrganizationNotAllowed: {"organization_not_allowed", OutcomeDeny, http.StatusForbidden, codes.PermissionDenied},
	ReasonTeamNotAllowed:         {"team_not_allowed", OutcomeDeny, http.StatusForbidden, codes.PermissionDenied},

	ReasonInsufficientScope: {"insufficient_scope", OutcomeDeny, http.StatusForbidden, codes.PermissionDenied},
	ReasonConditionFalse:    {"condition_false", OutcomeDeny, http.StatusForbidden, codes.PermissionDenied},
	ReasonConditionError:    {"condition_error", OutcomeDeny, http.StatusForbidden, codes.PermissionDenied},
	ReasonRuleDenies:        {"rule_denies", OutcomeDeny, http.StatusForbidden, codes.PermissionDenied},

	ReasonMalformedRequest:  {"malformed_request", OutcomeDeny, http.StatusBadRequest, codes.InvalidArgument},
	ReasonHeadersTooLarge:   {"headers_too_large", OutcomeDeny, http.StatusRequestHeaderFieldsTooLarge, codes.InvalidArgument},
	ReasonHostileTarget:     {"hostile_target", OutcomeDeny, http.StatusBadRequest, codes.InvalidArgument},
	ReasonAmbiguousTarget:   {"ambiguous_target", OutcomeDeny, http.StatusBadRequest, codes.InvalidArgument},
	ReasonInvalidHost:       {"invalid_host", OutcomeDeny, http.StatusBadRequest, codes.InvalidArgument},
	ReasonHTTPMethodRefused: {"http_method_refused", OutcomeDeny, http.StatusMethodNotAllowed, codes.PermissionDenied},
}

// String returns the reason as in logs and metric labels.
func (r Reason) String() string { return explanations[r].token }

// Outcome returns the outcome that has this reason.
func (r Reason) Outcome() Outcome { return explanations[r].outcome }

// invalid reports whether the reason is a credential that is there and no good,
// as against none, or one that is good and does not suffice.
func (r Reason) invalid() bool {
	return explanations[r].status == http.StatusUnauthorized && r != ReasonNoCredential && r != ReasonAuthenticationTooOld
}

// problemReason translates what is wrong with the form of a credential.
func problemReason(p credential.Problem) Reason {
	switch p {
	case credential.Multiple:
		return ReasonMultipleCredentials
	case credential.TooLong:
		return ReasonCredentialTooLong
	case credential.Scheme:
		return ReasonSchemeNotAdmitted
	case credential.Conflict:
		return ReasonConflictingCookies
	case credential.Malformed, credential.None:
	}
	return ReasonMalformedCredential
}

// lackReason translates what an identity lacks.
func lackReason(l admit.Lack) Reason {
	switch l {
	case admit.Method:
		return ReasonMethodNotAllowed
	case admit.Email:
		return ReasonEmailNotAllowed
	case admit.Domain:
		return ReasonDomainNotAllowed
	case admit.Group:
		return ReasonGroupNotAllowed
	case admit.Organization:
		return ReasonOrganizationNotAllowed
	case admit.Team:
		return ReasonTeamNotAllowed
	case admit.Scope:
		return ReasonInsufficientScope
	case admit.None:
	}
	return ReasonNotAdmitted
}
