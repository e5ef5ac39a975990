package loginsvc

import (
	"crypto/sha256"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/sessions"
)

// A browser that is sent on to log in, and comes back as if it had not, would be
// sent around for ever. So the login page sends it straight on to the same place only
// so often within a minute; then it says what may be wrong, and leaves the next step
// to the person. Who wants to go to several places (tabs), or somewhere that asks for
// a fresh login now and then, has not come back like that.

const (
	bounceWindow = time.Minute
	// bounceID names the cookie that counts. It stands among those of attempts,
	// whose names are longer.
	bounceID = "bounces"
	// clockNoise is by how much the clocks of replicas may differ before they count
	// as wrong.
	clockNoise = 5 * time.Second
	// stayTime is how long a login has lasted at least that was no part of a loop.
	stayTime = 5 * time.Second
	// maxPlaces bounds what the cookie counts apart: two places may be the same to it.
	// None is ever dropped to make room for another, or several loops at once (a
	// browser that opens its tabs again) would make one another forgotten.
	maxPlaces = 64
	// anyPlace is for what was counted without a place.
	anyPlace = -1
)

// bounces are the redirects to one place.
type bounces struct {
	count int
	since time.Time
}

// placeOf is where a login leads, for the cookie: below maxPlaces.
func placeOf(target string) int {
	sum := sha256.Sum256([]byte(target))
	return int(sum[0]) % maxPlaces
}

// bounce counts one more redirect of this browser for w, and reports whether it may
// be made. current is the browser's live session, nil without one. The count is the
// browser's own to keep, and to forge: it protects nobody but that browser.
func (s *Service) bounce(x *exchange, w wish, current *sessions.Session) bool {
	limit := s.cfg.RedirectsPerMinute
	if limit <= 0 || w.target == "" { // to the account page, which names itself where it sends anybody here
		return true
	}
	all, place := s.bounces(x), placeOf(w.target)
	b := all[place]
	if other := all[anyPlace]; other.count > b.count {
		b = other
	}
	if b.count == 0 || w.outlived(current, b.since, x.now) {
		b = bounces{since: x.now}
		delete(all, anyPlace)
	}
	if b.count >= limit {
		return false
	}
	b.count++
	all[place] = b
	s.keepBounces(x, all)
	return true
}

// outlived reports whether the login held that the browser was last sent to, at since
// or later, and only time makes another one necessary: the session is too old for what
// is wished. A loop comes back at once, or with a session that nobody knows the age
// of.
func (w wish) outlived(current *sessions.Session, since, now time.Time) bool {
	if w.maxAge == nil || current == nil || current.Identity.AuthTime.IsZero() {
		return false
	}
	return now.Sub(current.Identity.AuthTime) > *w.maxAge && now.Sub(current.CreatedAt) >= stayTime &&
		!current.CreatedAt.Before(since.Add(-clockNoise))
}

// arrived forgets the redirects to one of our own pages, which this browser has
// reached with its session.
func (s *Service) arrived(x *exchange, path string) {
	all, place := s.bounces(x), placeOf(s.link(path))
	if _, ok := all[place]; ok {
		delete(all, place)
		s.keepBounces(x, all)
	}
}

// bounces returns what this browser has counted within the window, by place. What
// was counted without one, as former versions did, counts for all.
func (s *Service) bounces(x *exchange) map[int]bounces {
	all := map[int]bounces{}
	for _, value := range s.cookies.StateValues(x.r, bounceID) {
		for entry := range strings.SplitSeq(value, "~") {
			place, b, ok := bouncesIn(entry)
			// One from the future was counted by a replica whose clock is ahead, or before
			// ours was put back: it counts, or the browser would go from one to the other.
			if age := x.now.Sub(b.since); ok && age < bounceWindow && age > -bounceWindow && b.count > all[place].count {
				all[place] = b
			}
		}
	}
	return all
}

// bouncesIn reads what one place has in the cookie.
func bouncesIn(entry string) (place int, b bounces, ok bool) {
	f := strings.Split(entry, ".")
	if len(f) < 2 || len(f) > 3 {
		return 0, bounces{}, false
	}
	count, err := strconv.Atoi(f[0])
	since, err2 := strconv.ParseInt(f[1], 10, 64)
	if err != nil || err2 != nil {
		return 0, bounces{}, false
	}
	b = bounces{count, time.Unix(since, 0)}
	if len(f) == 2 {
		return anyPlace, b, true
	}
	place, err = strconv.Atoi(f[2])
	return place, b, err == nil && place >= 0 && place < maxPlaces
}

// keepBounces has the browser keep what it has counted.
func (s *Service) keepBounces(x *exchange, all map[int]bounces) {
	if len(all) == 0 {
		s.forget(x, bounceID)
		return
	}
	var entries []string
	var last time.Time
	for _, place := range slices.Sorted(maps.Keys(all)) {
		b := all[place]
		entry := strconv.Itoa(b.count) + "." + strconv.FormatInt(b.since.Unix(), 10)
		if place != anyPlace {
			entry += "." + strconv.Itoa(place)
		}
		entries = append(entries, entry)
		if b.since.After(last) {
			last = b.since
		}
	}
	if cookie, err := s.cookies.State(bounceID, strings.Join(entries, "~"), last.Add(bounceWindow)); err == nil {
		http.SetCookie(x.w, cookie)
	}
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
