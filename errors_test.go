package gateward_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gateward/gateward"
)

func TestSentinelsAreTold(t *testing.T) {
	t.Parallel()
	sentinels := []error{gateward.ErrInvalidCredential, gateward.ErrNotAdmitted, gateward.ErrUnavailable}
	for i, a := range sentinels {
		wrapped := fmt.Errorf("jwt: verify token: %w", fmt.Errorf("%w: expired", a))
		for j, b := range sentinels {
			if got, want := errors.Is(wrapped, b), i == j; got != want {
				t.Errorf("errors.Is(%q, %q): got %v, want %v", wrapped, b, got, want)
			}
		}
	}
}

func TestConfigError(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  gateward.ConfigError
		want string
	}{
		"problem": {
			gateward.ConfigError{Problem: "both jwks_url and public_key_file are set"},
			"both jwks_url and public_key_file are set",
		},
		"problem and remedy": {
			gateward.ConfigError{Problem: "no key source", Remedy: "set jwks_url or public_key_file"},
			"no key source; set jwks_url or public_key_file",
		},
		"key and problem": {
			gateward.ConfigError{Key: "match.paths[1]", Problem: `"a/b" does not begin with /`},
			`match.paths[1]: "a/b" does not begin with /`,
		},
		"everything": {
			gateward.ConfigError{Key: "cache.ttl", Problem: `"60" has no unit`, Remedy: `write "60s"`, Warning: true},
			`cache.ttl: "60" has no unit; write "60s"`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestConfigErrorIsFoundAmongJoined(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("jwt: %w", errors.Join(
		errors.New("another"),
		&gateward.ConfigError{Key: "jwks_url", Problem: "not a URL", Warning: true},
	))
	var ce *gateward.ConfigError
	if !errors.As(err, &ce) {
		t.Fatalf("no ConfigError in %v", err)
	}
	if ce.Key != "jwks_url" || !ce.Warning {
		t.Errorf("got %+v", *ce)
	}
}
