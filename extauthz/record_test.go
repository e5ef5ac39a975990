package extauthz

import "testing"

// TestSEC_N04_LoggedTargetsHoldNoSecret: a path is logged up to where a query
// or parameters begin, in any encoding.
func TestSEC_N04_LoggedTargetsHoldNoSecret(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/a/b":                          "/a/b",
		"/caf%c3%a9/a%20b":              "/caf%c3%a9/a%20b",
		"/a?token=s":                    "/a",
		"/a;jsessionid=s/b":             "/a…",
		"/a%3ftoken=s":                  "/a…",
		"/a%3Btoken=s":                  "/a…",
		"/a%253ftoken=s":                "/a…",
		"/a#s":                          "/a…",
		"/long/long/long/long/long/end": "/long/long/long/long…",
	} {
		if got := loggable([]byte(in), 20); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	if got := loggableHost([]byte("user:secret@app.test")); got != "app.test" {
		t.Errorf("host: got %s", got)
	}
}
