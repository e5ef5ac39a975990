package loginsvc

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gateward/gateward/loginsvc/page"
)

// A browser that is sent on to log in, and comes back as if it had not, would be
// sent around for ever. So the login page sends it straight on only so often
// within a minute; then it says what may be wrong, and leaves the next step to
// the person.

const (
	bounceWindow = time.Minute
	// bounceID names the cookie that counts. It stands among those of attempts,
	// whose names are longer.
	bounceID = "bounces"
	// clockNoise is by how much the clocks of replicas may differ before they count
	// as wrong.
	clockNoise = 5 * time.Second
)

// bounce counts one more redirect of this browser, and reports whether it may be
// made. The count is the browser's own to keep, and to forge: it protects
// nobody but that browser.
func (s *Service) bounce(x *exchange) bool {
	limit := s.cfg.RedirectsPerMinute
	if limit <= 0 {
		return true
	}
	count, since := 0, x.now
	for _, b := range s.bounces(x) {
		// One from the future was counted by a replica whose clock is ahead, or before
		// ours was put back: it counts, or the browser would go from one to the other.
		if age := x.now.Sub(b.since); age < bounceWindow && age > -bounceWindow && b.count >= count {
			count, since = b.count, b.since
		}
	}
	if count >= limit {
		return false
	}
	value := strconv.Itoa(count+1) + "." + strconv.FormatInt(since.Unix(), 10)
	if cookie, err := s.cookies.State(bounceID, value, since.Add(bounceWindow)); err == nil {
		http.SetCookie(x.w, cookie)
	}
	return true
}

type bounces struct {
	count int
	since time.Time
}

// bounces returns what this browser has counted.
func (s *Service) bounces(x *exchange) []bounces {
	var all []bounces
	for _, value := range s.cookies.StateValues(x.r, bounceID) {
		n, at, _ := strings.Cut(value, ".")
		number, err := strconv.Atoi(n)
		unix, err2 := strconv.ParseInt(at, 10, 64)
		if err == nil && err2 == nil {
			all = append(all, bounces{number, time.Unix(unix, 0)})
		}
	}
	return all
}

// loopCauses are all that is known to make a login not hold. What is seen of one
// is said in front of them.
const loopCauses = "Usual causes: the browser refuses cookies; the page is on a domain that the cookie does not cover; it was opened by http, and the cookie is for https (Secure); the cookie is SameSite=Strict, and another site led here; a clock is wrong. Please tell the people who run this site."

// loopNotice is what the login page says to a browser that keeps coming back to
// go to target.
func (s *Service) loopNotice(x *exchange, target string) page.Notice {
	c := s.lostCookie(x, target)
	return page.Notice{
		Kind: page.NoticeError, Title: "The login does not hold: " + c.title, Text: c.text + " " + loopCauses,
	}
}

// A cause is why a client token does not come back, for the person to tell whoever
// can change it. Nothing of the request is in it.
type cause struct{ title, text string }

// lostCookie finds what this request shows of why the client token does not come
// back, or is worth nothing, to a person who wants to go to target. It reads what
// any client can write: it decides about nothing but these words.
func (s *Service) lostCookie(x *exchange, target string) cause {
	token := s.cookies.ClearToken() // has the attributes that a browser looks at
	to, err := url.Parse(target)
	absolute := err == nil && to.Host != ""
	switch {
	case token.Secure && (s.cfg.PublicURL.Scheme == "http" || absolute && to.Scheme == "http" || s.openedByHTTP(x)):
		return cause{"http instead of https", "Our cookie is for https only (Secure), and this page is opened by http."}
	case !s.cookies.Covers(x.r.Host) || absolute && !s.cookies.Covers(to.Host):
		return cause{"the cookie is for another domain", "Our cookie belongs to another domain than the page that you want to open."}
	case s.clockIsOff(x):
		return cause{"a clock is wrong", "The clocks of our servers differ."}
	case len(s.presented(x)) > 0:
		return cause{"the session is not known", "Your browser sends our cookie, and the page that you want to open does not accept it: perhaps our servers do not share their sessions, or another cookie of the same name is in the way."}
	case token.SameSite == http.SameSiteStrictMode && x.r.Header.Get("Sec-Fetch-Site") == "cross-site":
		return cause{"another site led here", "Our cookie does not come along from another site (SameSite=Strict)."}
	}
	return cause{"the cookie does not come back", "Your browser comes back without the cookie of its login."}
}

// openedByHTTP reports whether the proxy in front says so. If something else ends
// TLS in front of it, it says so of everybody; but browsers send Sec-Fetch-Mode to
// safe addresses only (Fetch Metadata Request Headers §2).
func (s *Service) openedByHTTP(x *exchange) bool {
	return x.r.Header.Get("Sec-Fetch-Mode") == "" && strings.EqualFold(x.r.Header.Get("X-Forwarded-Proto"), "http")
}

// clockIsOff reports whether this browser was counted later than now.
func (s *Service) clockIsOff(x *exchange) bool {
	for _, b := range s.bounces(x) {
		if ahead := b.since.Sub(x.now); ahead > clockNoise && ahead < bounceWindow {
			return true
		}
	}
	return false
}
