package gateward_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/gateward/gateward"
)

// canary is what no output may contain.
const canary = "canary-5e9d1c"

const redacted = "[redacted]"

type (
	exported struct{ Key gateward.Secret }
	pointed  struct{ Key *gateward.Secret }
	hidden   struct{ key gateward.Secret }
	deep     struct {
		outer struct{ list []hidden }
	}
	marshalled struct {
		Name   string                     `json:"name"`
		Key    gateward.Secret            `json:"key"`
		Ref    *gateward.Secret           `json:"ref"`
		Byname map[string]gateward.Secret `json:"by_name" xml:"-"`
		List   []gateward.Secret          `json:"list"`
		hidden gateward.Secret
	}
)

// holders are the ways in which a value may hold a secret. Those that are
// reached print [redacted]; fmt does not call methods on unexported fields, so
// that a hidden one prints whatever it likes but the secret.
func holders() map[string]struct {
	value   any
	reached bool
} {
	s := gateward.NewSecret(canary)
	d := deep{}
	d.outer.list = []hidden{{s}}
	return map[string]struct {
		value   any
		reached bool
	}{
		"value":             {s, true},
		"pointer":           {&s, true},
		"field":             {exported{s}, true},
		"pointer to struct": {&exported{s}, true},
		"slice":             {[]gateward.Secret{s}, true},
		"map":               {map[string]gateward.Secret{"a": s}, true},
		"credential":        {gateward.Credential{Scheme: gateward.SchemeBearer, Value: s}, true},
		"pointer field":     {pointed{&s}, false},
		"unexported":        {hidden{s}, false},
		"pointer to hidden": {&hidden{s}, false},
		"deep":              {d, false},
		"map of pointers":   {map[string]*hidden{"a": {s}}, false},
	}
}

func TestSEC_N01_SecretDoesNotFormat(t *testing.T) {
	t.Parallel()
	for name, h := range holders() {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p"} {
			got := fmt.Sprintf(verb, h.value)
			leaks(t, name+" "+verb, got)
			wants := h.reached && (verb == "%v" || verb == "%+v" || verb == "%#v" || verb == "%s" || verb == "%q")
			if wants && !strings.Contains(got, redacted) {
				t.Errorf("%s %s: got %s, want %s in it", name, verb, got, redacted)
			}
		}
		leaks(t, name+" Sprint", fmt.Sprint("a", h.value), fmt.Sprintln(h.value))
		leaks(t, name+" Errorf", fmt.Errorf("look up %v: %w", h.value, errors.New("unknown")).Error())
	}
}

func TestSecret_EmptyFormatsLikeAnyOther(t *testing.T) {
	t.Parallel()
	for _, s := range []gateward.Secret{gateward.NewSecret(canary), gateward.NewSecret(""), {}} {
		want := `[redacted] [redacted] [redacted] [redacted] "[redacted]"`
		if got := fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSEC_N01_SecretDoesNotMarshal(t *testing.T) {
	t.Parallel()
	s := gateward.NewSecret(canary)
	v := marshalled{
		Name: "a", Key: s, Ref: &s, hidden: s,
		Byname: map[string]gateward.Secret{"b": s}, List: []gateward.Secret{s},
	}
	got, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"a","key":"[redacted]","ref":"[redacted]","by_name":{"b":"[redacted]"},"list":["[redacted]"]}`
	if string(got) != want {
		t.Errorf("json: got %s, want %s", got, want)
	}
	keys, err := json.Marshal(map[gateward.Secret]int{s: 1})
	if err != nil {
		t.Fatal(err)
	}
	leaks(t, "json key", string(keys))
	x, err := xml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	leaks(t, "xml", string(x))
}

func TestSEC_N01_SecretDoesNotLog(t *testing.T) {
	t.Parallel()
	for name, h := range holders() {
		var text, js bytes.Buffer
		for _, handler := range []slog.Handler{
			slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}),
			slog.NewJSONHandler(&js, &slog.HandlerOptions{Level: slog.LevelDebug}),
		} {
			l := slog.New(handler).With(slog.Any("with", h.value)).WithGroup("group")
			l.LogAttrs(t.Context(), slog.LevelDebug, "event",
				slog.Any("key", h.value),
				slog.Group("inner", slog.Any("key", h.value)),
				slog.Any("err", fmt.Errorf("look up: %v", h.value)),
			)
		}
		leaks(t, name, text.String(), js.String())
		if h.reached && (!strings.Contains(text.String(), redacted) || !strings.Contains(js.String(), redacted)) {
			t.Errorf("%s: got %s%s, want %s in both", name, text.String(), js.String(), redacted)
		}
	}
}

func TestSecret_LogValue(t *testing.T) {
	t.Parallel()
	// A handler of another kind may look at the value itself.
	got := slog.AnyValue(gateward.NewSecret(canary)).Resolve()
	if got.Kind() != slog.KindString || got.String() != redacted {
		t.Errorf("got %v of kind %v, want the string %s", got, got.Kind(), redacted)
	}
}

func TestSecret_Reveal(t *testing.T) {
	t.Parallel()
	if got := gateward.NewSecret(canary).Reveal(); got != canary {
		t.Errorf("got %q, want %q", got, canary)
	}
	if got := (gateward.Secret{}).Reveal(); got != "" {
		t.Errorf("zero Secret: got %q, want nothing", got)
	}
}

func TestSecret_UnmarshalText(t *testing.T) {
	t.Parallel()
	var got struct{ Key, Missing gateward.Secret }
	if err := json.Unmarshal([]byte(`{"Key": "`+canary+`"}`), &got); err != nil {
		t.Fatal(err)
	}
	if got.Key.Reveal() != canary || got.Missing.Reveal() != "" {
		t.Errorf("got %q and %q", got.Key.Reveal(), got.Missing.Reveal())
	}

	// The decoder's buffer is its own: what happens to it later is no matter.
	buf := []byte(canary)
	var s gateward.Secret
	if err := s.UnmarshalText(buf); err != nil {
		t.Fatal(err)
	}
	clear(buf)
	if s.Reveal() != canary {
		t.Errorf("got %q after the buffer was cleared", s.Reveal())
	}
}

// leaks fails the test if an output contains the canary, plain or as fmt's %x
// would write it.
func leaks(t *testing.T, where string, outputs ...string) {
	t.Helper()
	for _, out := range outputs {
		for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary)} {
			if strings.Contains(out, form) {
				t.Errorf("%s: the secret is in %s", where, out)
			}
		}
	}
}
