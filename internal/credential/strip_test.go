package credential_test

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gateward/gateward/internal/credential"
)

func TestSEC_J06_OurCookiesNeverReachTheUpstream(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   [][]byte
		want string
		same bool // nothing of ours in it
	}{
		{name: "middle", in: lines("a=1; " + ours + "=s; b=2"), want: "a=1; b=2"},
		{name: "first", in: lines(ours + "=s; b=2"), want: "b=2"},
		{name: "last", in: lines("a=1; " + ours + "=s"), want: "a=1"},
		{name: "alone", in: lines(ours + "=s"), want: ""},
		{name: "both names", in: lines(flipt + "=t; " + ours + "=s"), want: ""},
		{name: "two lines", in: lines("a=1; "+ours+"=s", "b=2"), want: "a=1; b=2"},
		{name: "a line of ours alone", in: lines(ours+"=s", "b=2"), want: "b=2"},
		{name: "without spaces", in: lines("a=1;" + ours + "=s;b=2;c=3"), want: "a=1; b=2; c=3"},
		{name: "empty value", in: lines("a=1; " + ours + "=; b=2"), want: "a=1; b=2"},
		{name: "every occurrence", in: lines(ours + "=s; a=1; " + ours + "=t; " + ours + "=s"), want: "a=1"},

		{name: "comma, ours last", in: lines("a=1," + ours + "=s"), want: "a=1"},
		{name: "comma, ours first", in: lines(ours + "=s,b=2; c=3"), want: "b=2; c=3"},
		{name: "comma, between", in: lines("a=1, " + ours + "=s , b=2"), want: "a=1; b=2"},
		{name: "comma, twice", in: lines("a=1; " + ours + "=good," + ours + "=evil"), want: "a=1"},
		{name: "comma without a pair", in: lines(ours + "=good,evil; b=2"), want: "b=2"},
		{name: "commas of others", in: lines("p=1,2,q; " + ours + "=s; r=,,"), want: "p=1,2,q; r=,,"},
		{name: "comma before a semicolon", in: lines("p=1,; " + ours + "=s"), want: "p=1,"},

		{name: "space before =", in: lines("a=1; " + ours + " =s"), want: "a=1"},
		{name: "tab before =", in: lines("a=1; " + ours + "\t= s"), want: "a=1"},
		{name: "no =", in: lines("a=1; " + ours + "; b=2"), want: "a=1; b=2"},
		{name: "after white space only", in: lines("a=1 " + ours + "=s; b=2"), want: "b=2"},
		{name: "after a tab", in: lines("a=1\t" + ours + "\t=s; b=2"), want: "b=2"},
		{name: "after white space, twice", in: lines(ours + " " + ours + "=s; b=2"), want: "b=2"},
		{name: "after a vertical tab", in: lines("a=1;\x0b" + ours + "=s"), want: "a=1"},
		{name: "Latin-1 space", in: lines("a=1; \xa0" + ours + "\x85=s"), want: "a=1"},
		{name: "UTF-8 space", in: lines("a=1; \u2003" + ours + "\u3000=s"), want: "a=1"},
		{name: "PHP dots", in: lines("a=1; gateward.client.token=s"), want: "a=1"},
		{name: "PHP spaces", in: lines("a=1; gateward client token=s"), want: "a=1"},
		{name: "PHP bracket", in: lines("a=1; gateward_client[token=s"), want: "a=1"},
		{name: "PHP array", in: lines("a=1; " + ours + "[0]=s"), want: "a=1"},
		{name: "percent-encoded name", in: lines("a=1; gateward%5fclient%5Ftoke%6e=s"), want: "a=1"},
		{name: "percent-encoded dot", in: lines("a=1; gateward%2eclient+token%20=s"), want: "a=1"},
		{name: "in quotes", in: lines(`a="x; ` + ours + `=s; b=2"`), want: `a="x; b=2"`},
		{name: "quoted, with a semicolon", in: lines(ours + `="a;b"; c=3`), want: `b"; c=3`},

		{name: "none", in: lines("a=1;b=2"), same: true},
		{name: "nothing", in: nil, same: true},
		{name: "prefix", in: lines("x" + ours + "=s; x-" + ours + "=s"), same: true},
		{name: "suffix", in: lines(ours + "2=s; " + ours + "_state=s; " + ours + "-=s"), same: true},
		{name: "other case", in: lines(strings.ToUpper(ours) + "=s"), same: true},
		{name: "in another value", in: lines("a=" + ours + "=s; b=x" + ours + "=t"), same: true},
		{name: "shorter", in: lines("gateward_client=s; gateward=1"), same: true},
		{name: "bad percent", in: lines("gateward%5client_token=s; gateward_client_token%=s"), same: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rest, found := newFinder().StripCookies([]byte("x"), tt.in)
			if tt.same {
				tt.want = ""
			}
			if found == tt.same || string(rest) != "x"+tt.want {
				t.Errorf("got %q, %v, want %q, %v", rest, found, "x"+tt.want, !tt.same)
			}
		})
	}
}

func TestSEC_J06_AttemptsAndFormerTokensNeverReachTheUpstream(t *testing.T) {
	t.Parallel()
	const host, secure, state = "__Host-", "__Secure-", "gateward_client_state_"
	for _, tt := range []struct {
		name string
		in   [][]byte
		want string
		same bool
	}{
		{name: "attempt", in: lines("a=1; " + host + state + "x1=s; b=2"), want: "a=1; b=2"},
		{name: "attempts", in: lines(host+state+"x1=s; a=1", host+state+"x2=t; "+host+ours+"=u"), want: "a=1"},
		{name: "attempt, bare", in: lines("a=1; " + state + "x1=s"), want: "a=1"},
		{name: "attempt, the other prefix", in: lines("a=1; " + secure + state + "x1=s"), want: "a=1"},
		{name: "attempt without id", in: lines("a=1; " + state + "=s"), want: "a=1"},
		{name: "attempt without value", in: lines("a=1; " + state + "x1; b=2"), want: "a=1; b=2"},
		{name: "attempt after a comma", in: lines("a=1," + host + state + "x1=s,b=2"), want: "a=1; b=2"},
		{name: "attempt after white space", in: lines("a=1 " + state + "x1=s; b=2"), want: "b=2"},
		{name: "attempt with white space", in: lines("a=1; " + state + "x1 y=s; b=2"), want: "a=1; b=2"},
		{name: "attempt, PHP dots", in: lines("a=1; .[Host-gateward.client.state.x1=s"), want: "a=1"},
		{name: "attempt, PHP array", in: lines("a=1; gateward_client_state[x1]=s"), want: "a=1"},
		{name: "attempt, percent-encoded", in: lines("a=1; %5f_Host-gateward%5Fclient_state%5fx1=s"), want: "a=1"},
		{name: "token, bare", in: lines("a=1; " + ours + "=s"), want: "a=1"},
		{name: "token, the other prefix", in: lines("a=1; " + secure + ours + "=s"), want: "a=1"},

		{name: "shorter", in: lines("a=1; gateward_client_state=s"), same: true},
		{name: "glued", in: lines("a=1; x" + state + "x1=s; __Hostx-" + state + "=s"), same: true},
		{name: "attempt of another prefix", in: lines("flipt_client_state_x=s"), same: true},
		{name: "in a value", in: lines("a=" + state + "x1=s"), same: true},
		{name: "prefix of an accepted name", in: lines(host + flipt + "=s"), same: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, first := range []string{host + ours, secure + ours, ours} {
				rest, found := credential.NewFinder([]string{first, flipt}).StripCookies(nil, tt.in)
				if found == tt.same || string(rest) != tt.want {
					t.Errorf("%s: got %q, %v, want %q, %v", first, rest, found, tt.want, !tt.same)
				}
			}
		})
	}
	t.Run("a name of another form has no attempts", func(t *testing.T) {
		t.Parallel()
		if rest, found := credential.NewFinder([]string{"session"}).StripCookies(nil, lines("session_client_state_x=1; _client_state_y=2")); found {
			t.Errorf("got %q", rest)
		}
	})
	t.Run("without names nothing goes", func(t *testing.T) {
		t.Parallel()
		if rest, found := credential.NewFinder([]string{""}).StripCookies(nil, lines("=1; a=2; ")); found {
			t.Errorf("got %q", rest)
		}
	})
}

// readings returns the names that common parsers find in a Cookie header.
func readings(line string) map[string][]string {
	var std []string
	for _, c := range (&http.Request{Header: http.Header{"Cookie": {line}}}).Cookies() {
		std = append(std, c.Name)
	}
	var split, latin1, php, comma []string
	for part := range strings.SplitSeq(line, ";") {
		name, _, ok := strings.Cut(part, "=")
		if ok { // Node's cookie, Django: trimmed by the white space of Latin-1
			split = append(split, strings.Trim(name, " \t\r\n\v\f"))
			latin1 = append(latin1, strings.Trim(latin1String(name), " \t\r\n\v\f\x1c\x1d\x1e\x1f\u0085\u00a0\ufeff"))
		}
		php = append(php, phpName(name))
		for sub := range strings.SplitSeq(part, ",") {
			name, _, _ := strings.Cut(sub, "=")
			comma = append(comma, strings.Trim(name, " "))
		}
	}
	return map[string][]string{
		"net/http": std, "split": split, "latin1": latin1, "php": php, "comma": comma, "python": pythonNames(line),
	}
}

func latin1String(s string) string {
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

// phpName is what php_register_variable makes of a name.
func phpName(name string) string {
	name = strings.TrimLeft(name, " \t\r\n\v\f")
	name, _, _ = strings.Cut(name, "\x00")
	open := strings.IndexByte(name, '[')
	if open > 0 && strings.IndexByte(name[open:], ']') > 0 {
		name = name[:open]
	}
	return strings.NewReplacer(".", "_", " ", "_", "[", "_").Replace(name)
}

// pythonPattern is that of Python's http.cookies, which lets white space end a pair.
var pythonPattern = regexp.MustCompile(`^\s*([\w\d!#%&'~_` + "`" + `><@,:/$*+\-.^|)(?}{=]+?)(\s*=\s*("(?:[^\\"]|\\.)*"|\w{3},\s[\w\d\s-]{9,11}\s[\d:]{8}\sGMT|[\w\d!#%&'~_` + "`" + `><@,:/$*+\-.^|)(?}{=\[\]]*))?\s*(\s+|;|$)`)

func pythonNames(line string) (names []string) {
	line = strings.ReplaceAll(line, "\v", "\f") // RE2's \s has no \v
	for line != "" {
		m := pythonPattern.FindStringSubmatchIndex(line)
		if m == nil || m[1] == 0 {
			break
		}
		if m[6] < 0 { // a key without a value: it gives up and returns nothing
			return nil
		}
		names = append(names, line[m[2]:m[3]])
		line = line[m[1]:]
	}
	return names
}

func TestReadings_DifferAsTheParsersDo(t *testing.T) {
	t.Parallel()
	for reading, line := range map[string]string{
		"net/http": "s",
		"split":    "a=1;\vs=1",
		"latin1":   "a=1;\xa0s\x85=1",
		"php":      "a=1; s[1]=1",
		"comma":    "a=1,s=1",
		"python":   "a=\"1\" s = 1",
	} {
		if got := readings(line)[reading]; !slices.Contains(got, "s") {
			t.Errorf("%s finds %q in %q, want s among them", reading, got, line)
		}
	}
}

// FuzzStripCookies: no parser finds an accepted name in what is left, what is
// left is text of the request in its order, and nothing else is lost that an
// ordinary parser reads.
func FuzzStripCookies(f *testing.F) {
	const s = "sess"
	for _, line := range []string{
		"a=1; sess=good; b=2", "a=1; sess=good,sess=evil", "sess", "sess =x", "a=1 sess=x", "a=\"x; sess=1; b=\"", "s.e=1; se_s=2; sess[0]=1",
		"a=1;\xa0sess=2", "sess;=1", "a=1,;sess=x,", "%73ess=1", "sess sess=1", "sess=\"a;b\"; c", ",,;; ,sess", "se_ss=1; se.ss=1; se%5fss=1", "a=\"1\"sess=2",
	} {
		f.Add([]byte(line), []byte("c=3"))
		f.Add([]byte("z"), []byte(line))
	}
	for _, line := range []string{"ss_client_token=1", "__Secure-ss_client_token=1", "ss_client_state_x=1; a=2", "a=1 __Host-ss_client_state_=2", "ss.client.state[x]=1", "a=1,%73s_client_state_y"} {
		f.Add([]byte(line), []byte("c=3"))
	}
	names := []string{"__Host-ss_client_token", s, "se_ss", "__Host-se"}
	finder := credential.NewFinder(names)
	names = append(names, "ss_client_token", "__Secure-ss_client_token")
	f.Fuzz(func(t *testing.T, line1, line2 []byte) {
		in := [][]byte{line1, line2}
		rest, found := finder.StripCookies(nil, in)
		if !found {
			if rest != nil {
				t.Fatalf("%q: nothing found, and %q returned", in, rest)
			}
			rest = bytes.Join(in, []byte("; "))
		}
		for reading, got := range readings(string(rest)) {
			for _, n := range names {
				if slices.Contains(got, n) {
					t.Errorf("%s still finds %s in %q, which was %q", reading, n, rest, in)
				}
			}
			for _, n := range got {
				n = strings.TrimPrefix(strings.TrimPrefix(n, "__Host-"), "__Secure-")
				if strings.HasPrefix(n, "ss_client_state_") {
					t.Errorf("%s still finds %s in %q, which was %q", reading, n, rest, in)
				}
			}
		}
		if again, found := finder.StripCookies(nil, [][]byte{rest}); found {
			t.Errorf("%q: stripped twice: %q, then %q", in, rest, again)
		}
		checkSurvivors(t, in, string(rest))
	})
}

// checkSurvivors asserts that every pair of rest stands in the request, in that
// order, and that a pair with a plain name and value of its own is in rest.
func checkSurvivors(t *testing.T, in [][]byte, rest string) {
	t.Helper()
	all := string(bytes.Join(in, []byte("; ")))
	from := 0
	for pair := range strings.SplitSeq(rest, "; ") {
		i := strings.Index(all[from:], pair)
		if i < 0 {
			t.Fatalf("%q is not in %q after byte %d", pair, all, from)
		}
		from += i + len(pair)
	}
	var kept []string
	for pair := range strings.SplitSeq(rest, ";") {
		kept = append(kept, strings.Trim(pair, " \t"))
	}
	plain := regexp.MustCompile(`^[a-df-z]+=[a-z0-9]*$`) // no e: never one of ours
	for pair := range strings.SplitSeq(all, ";") {
		if pair = strings.Trim(pair, " \t"); plain.MatchString(pair) && !slices.Contains(kept, pair) {
			t.Errorf("%q was lost from %q: %q", pair, all, rest)
		}
	}
}
