package gateward_test

import (
	"testing"

	"github.com/gateward/gateward"
)

func TestScheme_String(t *testing.T) {
	t.Parallel()
	tests := map[gateward.Scheme]string{
		gateward.SchemeNone:   "none",
		gateward.SchemeBearer: "bearer",
		gateward.SchemeJWT:    "jwt",
		gateward.SchemeBasic:  "basic",
		gateward.SchemeCookie: "cookie",
		gateward.Scheme(200):  "none",
	}
	for scheme, want := range tests {
		if got := scheme.String(); got != want {
			t.Errorf("Scheme(%d): got %q, want %q", scheme, got, want)
		}
	}
	if zero := (gateward.Credential{}).Scheme; zero != gateward.SchemeNone {
		t.Errorf("zero Credential: got scheme %v, want none", zero)
	}
}
