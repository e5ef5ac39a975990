package browser_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/launcher"
	"github.com/go-rod/rod/lib/launcher/flags"
	"github.com/go-rod/rod/lib/proto"

	"github.com/gateward/gateward/envoy/envoytest"
)

// patience is how long a page may take on a busy machine.
const patience = 60 * time.Second

// chromium is one browser process. Its contexts share nothing: each is a
// browser of its own as far as cookies go.
type chromium struct{ *rod.Browser }

// startChromium starts a headless Chromium that resolves *.gw.test to this
// machine, accepts certificates with this key's hash for it, and asks nobody
// else for anything.
func startChromium(tb testing.TB, spkiHash string) chromium {
	tb.Helper()
	l := launcher.New().Bin(findChromium(tb)).Headless(true).NoSandbox(true).
		Set("disable-dev-shm-usage").Set("disable-gpu").Set("disable-background-networking").Set("disable-component-update").
		Set("host-resolver-rules", "MAP *.gw.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost").
		Set(flags.Flag("ignore-certificate-errors-spki-list"), spkiHash).
		UserDataDir(tb.TempDir()).Leakless(false)
	address, err := l.Launch()
	if err != nil {
		tb.Fatal(err)
	}
	b := rod.New().ControlURL(address)
	if err := b.Connect(); err != nil {
		l.Kill()
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			l.Kill()
		}
		l.Cleanup()
	})
	return chromium{b}
}

// findChromium returns $CHROMIUM or what is in PATH.
func findChromium(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	lacking(tb, "no Chromium on this machine: install chromium, or set CHROMIUM to one")
	return ""
}

// person is somebody with a browser of their own.
type person struct {
	tb      testing.TB
	browser *rod.Browser
}

// person returns a browser without any cookies.
func (c chromium) person(tb testing.TB) *person {
	tb.Helper()
	b, err := c.Incognito()
	if err != nil {
		tb.Fatal(err)
	}
	return &person{tb, b}
}

// tab is one page. Its methods fail the test when the page does not come.
type tab struct {
	tb   testing.TB
	page *rod.Page
}

// soon is the page with a limit on how long anything there may take.
func (t *tab) soon() *rod.Page { return t.page.Timeout(patience) }

// open opens an address in a new tab and waits until what it led to is loaded.
func (p *person) open(address string) *tab {
	p.tb.Helper()
	t := &tab{p.tb, p.browser.MustPage()}
	t.visit(address)
	return t
}

func (t *tab) visit(address string) {
	t.tb.Helper()
	if err := t.soon().Navigate(address); err != nil {
		t.tb.Fatalf("open %s: %v", address, err)
	}
	t.soon().MustWaitLoad()
}

// address is where the tab is.
func (t *tab) address() string {
	t.tb.Helper()
	return t.soon().MustInfo().URL
}

// text is what a person reads.
func (t *tab) text() string {
	t.tb.Helper()
	return t.soon().MustElement("body").MustText()
}

// shows fails the test unless all of these can be read.
func (t *tab) shows(parts ...string) {
	t.tb.Helper()
	text := t.text()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.tb.Errorf("%s does not show %q:\n%s", t.address(), part, text)
		}
	}
}

// clientToken is the session that the browser has for an origin.
func (t *tab) clientToken(origin string) string {
	t.tb.Helper()
	for _, cookie := range t.soon().MustCookies(origin) {
		if cookie.Name == cookieName {
			return cookie.Value
		}
	}
	t.tb.Fatalf("no session at %s:\n%s", t.address(), t.text())
	return ""
}

// click clicks the first element that matches and waits for where it leads.
func (t *tab) click(selector string) {
	t.tb.Helper()
	t.soon().MustActivate()
	element, err := t.soon().Element(selector)
	if err != nil {
		t.tb.Fatalf("%s has no %s: %v", t.address(), selector, err)
	}
	t.leave(func() { element.MustClick() })
}

// clickText clicks the first element of that kind with this text.
func (t *tab) clickText(selector, text string) {
	t.tb.Helper()
	t.soon().MustActivate()
	element, err := t.soon().ElementR(selector, text)
	if err != nil {
		t.tb.Fatalf("%s has no %s with %q: %v\n%s", t.address(), selector, text, err, t.text())
	}
	t.leave(func() { element.MustClick() })
}

// leave does something that leads to another page and waits until that is
// loaded. Pages that only redirect are not waited for.
func (t *tab) leave(do func()) {
	t.tb.Helper()
	t.soon().MustEval(`() => { window.left = true }`)
	do()
	envoytest.Eventually(t.tb, "another page", patience, func(context.Context) error {
		// While a page goes and another comes there is none to ask.
		v, err := t.soon().Eval(`() => !window.left && document.readyState === "complete"`)
		if err != nil {
			return err
		}
		if !v.Value.Bool() {
			return errors.New("still at " + t.address())
		}
		return nil
	})
}

// requestEvent tells of a request that a page is about to make.
type requestEvent = proto.NetworkRequestWillBeSent

// logInAs fills in the provider's login page, and its question for consent.
func (t *tab) logInAs(account string) {
	t.tb.Helper()
	t.soon().MustActivate() // a tab in the background draws nothing, and waits for that
	login, err := t.soon().Element("input[name=login]")
	if err != nil {
		t.tb.Fatalf("no login page at %s: %v\n%s", t.address(), err, t.text())
	}
	login.MustSelectAllText().MustInput(account)
	t.soon().MustElement("input[name=password]").MustInput("any")
	t.click("button[type=submit]")
	if t.soon().MustHas("input[name=prompt][value=consent]") {
		t.click("button[type=submit]")
	}
}
