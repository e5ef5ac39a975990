package gateward

import "log/slog"

const redacted = "[redacted]"

// A Secret is a string that formats as "[redacted]". Reveal is the only way to
// read it, so that every use of a secret is found by searching for one word.
//
// The value sits behind a pointer because fmt does not call String on a field
// that it cannot reach: a plain string would leak from any struct that keeps
// its Secret unexported. Secrets do not compare with ==; use Reveal and
// crypto/subtle.
type Secret struct{ p *string }

// NewSecret returns a Secret that holds v.
func NewSecret(v string) Secret { return Secret{&v} }

// Reveal returns the protected value, or "" for the zero Secret.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// String implements [fmt.Stringer].
func (Secret) String() string { return redacted }

// GoString implements [fmt.GoStringer], so that %#v does not leak either.
func (Secret) GoString() string { return redacted }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps secrets out of JSON and YAML dumps.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText lets configuration decode into a Secret.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = NewSecret(string(b))
	return nil
}
