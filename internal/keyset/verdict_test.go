package keyset

import "testing"

// A refused token costs a second verification only if a fetch has brought other
// keys for it. No verdict tells how often a signature was verified, so this
// looks at what decides it.
func TestSEC_C09_NoSecondVerificationForTheSameKeys(t *testing.T) {
	t.Parallel()
	entry := func(kid, x string) string { return `{"kty":"OKP","crv":"Ed25519",` + kid + `"x":"` + x + `"}` }
	const (
		a, b  = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"
		one   = `"kid":"one",`
		two   = `"kid":"two",`
		other = `"kid":"one","alg":"EdDSA",`
	)
	set := func(entries string) *keys {
		all, ignored, err := parseSet([]byte(`{"keys":[` + entries + `]}`))
		if err != nil || ignored != nil {
			t.Fatal(entries, ignored, err)
		}
		return newKeys(all)
	}
	for _, tc := range []struct {
		name, kid, was, is string
		want               bool
	}{
		{"fetched again", "one", entry(one, a), entry(one, a), true},
		{"another key was added", "one", entry(one, a), entry(two, b) + "," + entry(one, a), true},
		{"rotated under its id", "one", entry(one, a), entry(one, b), false},
		{"a second one under its id", "one", entry(one, a), entry(one, a) + "," + entry(one, b), false},
		{"for another algorithm", "one", entry(one, a), entry(other, a), false},
		{"the same key under another id", "two", entry(one, a), entry(two, a), false},
		{"still unknown", "two", entry(one, a), entry(one, b), true},
		{"still unknown, unnamed key", "two", entry("", a), entry("", a) + "," + entry(one, b), true},
		{"unnamed key rotated", "two", entry("", a), entry("", b), false},
		{"unnamed key got the id", "two", entry("", a), entry(two, a), false},
		{"no kid", "", entry(one, a), entry(one, a), true},
		{"no kid, another key was added", "", entry(one, a), entry(one, a) + "," + entry(two, b), false},
		{"empty", "one", entry(one, a), "", false},
	} {
		j := &JWS{Header: Header{Algorithm: "EdDSA", KeyID: tc.kid}}
		if got := set(tc.is).agrees(set(tc.was), j); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
