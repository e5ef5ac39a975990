package loginsvc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/internal/admit"
	"github.com/gateward/gateward/internal/browser"
	"github.com/gateward/gateward/loginsvc/page"
	"github.com/gateward/gateward/methods"
	"github.com/gateward/gateward/sessions"
)

// Config says how the login service behaves.
type Config struct {
	// PublicURL is the address under which browsers reach the service: its
	// scheme, host and port are our only own origin, its path stands in front of
	// /auth.
	PublicURL *url.URL
	// DefaultTarget is where a login without a return target ends; "" is the
	// root of PublicURL. It is trusted.
	DefaultTarget string
	// TokenLifetime is the absolute lifetime of a session, IdleTimeout ends one
	// that is not used (zero: never), StateLifetime is how long a login may take.
	TokenLifetime, IdleTimeout, StateLifetime time.Duration
	// EnabledMethods are the names of the methods that are switched on, such as
	// "token" and "oidc", for GET /auth/v1/method.
	EnabledMethods []string
	// AcceptCookies are the names of further cookies that the Identifier reads:
	// while one of them is there, an invalid cookie of ours is not cleared, or
	// the other one would be alone. A login and a logout remove them.
	AcceptCookies []string
	// StartedAt is when static tokens count as created: the start of the
	// process. Zero leaves their times out.
	StartedAt time.Time

	// SignUp says who may enter for the first time: SignUpOpen, which "" is too,
	// SignUpApproval or SignUpClosed. Administrators may in any case.
	SignUp string
	// LinkAccounts makes one user of identities with the same verified address, where
	// each provider is a [methods.EmailAuthority] for it.
	LinkAccounts bool
	// LoginsPerMinute bounds how often one client address may begin, and finish,
	// logins with each provider; 0 is no bound.
	LoginsPerMinute int
	// RedirectsPerMinute bounds how often the login page sends one browser straight
	// on to the same place; 0 is no bound.
	RedirectsPerMinute int
}

// The values of [Config.SignUp].
const (
	// SignUpOpen: everybody who is admitted.
	SignUpOpen = "open"
	// SignUpApproval: everybody, once an administrator has enabled them.
	SignUpApproval = "approval"
	// SignUpClosed: nobody new.
	SignUpClosed = "closed"
)

// A Store is what the service needs of a [sessions.Backend].
type Store interface {
	sessions.Store
	sessions.Registry
	sessions.Once
	sessions.Marks
	sessions.Leaser
	sessions.Users
}

// An Admission knows which identities may enter at all, by whichever provider. It
// makes no I/O. Safe for concurrent use.
type Admission interface {
	// Admit returns nil, or an error that wraps [gateward.ErrNotAdmitted], a
	// [*gateward.NotAdmittedError] where a rule can be named.
	Admit(id *gateward.Identity) error
}

// An Identifier tells whose request it is, by the same extraction, methods and
// cache as a check. Safe for concurrent use.
type Identifier interface {
	// Identify judges the one credential that counts of a request with these
	// values of the headers Authorization and Cookie. Errors wrap
	// [gateward.ErrNoCredential], [gateward.ErrInvalidCredential],
	// [gateward.ErrNotAdmitted] (the identity is then filled in, as far as it is
	// known) or [gateward.ErrUnavailable]; the scheme is that of the credential
	// that was found, also with an error.
	Identify(ctx context.Context, authorization, cookies [][]byte) (gateward.Identity, gateward.Scheme, error)
}

// Metrics counts. Labels are from fixed sets and configured names.
type Metrics interface {
	// Login counts a login that came to an end. The result is "success",
	// "denied", "not_admitted", "waiting", "disabled", "invalid", "replayed", "late",
	// "limited" or "unavailable". The provider is the method's name where that has
	// only one.
	Login(provider, result string)
	// Revocations counts n sessions that were ended. The cause is "logout",
	// "account", "api", "admin", "disabled", "back_channel" or "front_channel".
	Revocations(cause string, n int)
}

// Options are what the service works with. All are needed, but for Admission and
// Admins.
type Options struct {
	Logger  *slog.Logger
	Metrics Metrics
	Now     func() time.Time
	// Random yields client tokens and the secrets of attempts.
	Random io.Reader

	Store      Store
	Identifier Identifier
	// Attempts seals attempts. No other Sealer has its purpose.
	Attempts *sessions.Sealer

	Cookies       *browser.Cookies
	ReturnTargets *browser.ReturnTargets
	ClientIP      browser.ClientIP
	Pages         *page.Pages

	// Admission is asked beside each provider; nil: everybody is admitted.
	Admission Admission
	// Admins may see and end everybody's sessions, and disable users; nil: nobody
	// may.
	Admins *admit.People
	// Logins are the providers, in the order in which they are offered.
	Logins []methods.Login
}

// A Service answers everything below /auth. It keeps nothing from one request to
// the next but how much is going on, so that a reload makes a new one. Safe for concurrent use.
type Service struct {
	cfg        Config
	log        *slog.Logger
	metrics    Metrics
	now        func() time.Time
	random     io.Reader
	store      Store
	identifier Identifier
	sealer     *sessions.Sealer
	cookies    *browser.Cookies
	targets    *browser.ReturnTargets
	clientIP   browser.ClientIP
	pages      *page.Pages
	admission  Admission
	admins     *admit.People

	logins []methods.Login
	byPath map[string]methods.Login // "oidc/google", "github"
	prefix string                   // of PublicURL's path, without a slash at the end
	own    []string                 // our origin
	routes []route
	// places bound the callbacks under way, by provider as in byPath.
	places map[string]*places
	// limit bounds how often a client address comes; nil is no bound.
	limit *limiter
	// methodList is the body of GET /auth/v1/method.
	methodList any
}

// New returns a Service. The error names everything that is missing.
func New(cfg Config, o Options) (*Service, error) {
	s := &Service{
		cfg: cfg, log: o.Logger, metrics: o.Metrics, now: o.Now, random: o.Random,
		store: o.Store, identifier: o.Identifier, sealer: o.Attempts,
		cookies: o.Cookies, targets: o.ReturnTargets, clientIP: o.ClientIP, pages: o.Pages,
		admission: o.Admission, admins: o.Admins, limit: newLimiter(cfg.LoginsPerMinute), logins: slices.Clone(o.Logins), byPath: map[string]methods.Login{},
		places: map[string]*places{},
		own:    []string{browser.OriginOf(cfg.PublicURL)}, routes: routes(),
	}
	if err := s.complete(); err != nil {
		return nil, err
	}
	if path := strings.Trim(cfg.PublicURL.EscapedPath(), "/"); path != "" {
		s.prefix = "/" + path
	}
	if s.cfg.DefaultTarget == "" {
		s.cfg.DefaultTarget = s.prefix + "/"
	}
	var errs []error
	for _, l := range s.logins {
		at := loginPath(l.Method(), l.Name())
		if s.byPath[at] != nil {
			errs = append(errs, errors.New("loginsvc: two providers are called "+at+"; rename one"))
		}
		s.byPath[at] = l
		s.places[at] = newPlaces()
	}
	s.methodList = s.listMethods()
	return s, errors.Join(errs...)
}

// complete returns an error for everything that is missing.
func (s *Service) complete() error {
	var errs []error
	for _, need := range []struct {
		name string
		ok   bool
	}{
		{"PublicURL with an origin", s.own[0] != ""},
		{"TokenLifetime above zero", s.cfg.TokenLifetime > 0},
		{"StateLifetime above zero", s.cfg.StateLifetime > 0},
		{"SignUp open, approval or closed", slices.Contains([]string{"", SignUpOpen, SignUpApproval, SignUpClosed}, s.cfg.SignUp)},
		{"Logger", s.log != nil},
		{"Metrics", s.metrics != nil},
		{"Now", s.now != nil},
		{"Random", s.random != nil},
		{"Store", s.store != nil},
		{"Identifier", s.identifier != nil},
		{"Attempts", s.sealer != nil},
		{"Cookies", s.cookies != nil},
		{"ReturnTargets", s.targets != nil},
		{"Pages", s.pages != nil},
	} {
		if !need.ok {
			errs = append(errs, errors.New("loginsvc: "+need.name+" is needed"))
		}
	}
	return errors.Join(errs...)
}

// maxBody bounds the body of any request; only logout tokens, forms and
// changes of users have one.
const maxBody = 64 << 10

// An exchange is one request on its way to its answer.
type exchange struct {
	w http.ResponseWriter
	r *http.Request
	// params are the segments of the path that a route leaves open.
	params []string
	client browser.Client
	// requestID is the client's where that can be repeated safely, otherwise
	// decisionID, which is ours.
	requestID, decisionID string
	now                   time.Time
}

// ServeHTTP implements [http.Handler].
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.newExchange(w, r)
	defer func() { //nolint:contextcheck // the context is the request's, which x holds
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v) // net/http's own way to end a connection
		default:
			s.panicked(x, v)
		}
	}()
	s.setHeaders(x)
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	s.route(x) //nolint:contextcheck // as above
}

func (s *Service) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	method := r.Method
	if method == http.MethodPost {
		method = http.MethodGet // a form of a page is answered with a page, too
	}
	x := &exchange{w: w, r: r, client: browser.Classify([]byte(method), browser.HeadersOf(r.Header)), now: s.now()}
	x.decisionID = s.newID()
	x.requestID = x.decisionID
	if ids := r.Header.Values("X-Request-Id"); len(ids) == 1 && browser.SafeRequestID([]byte(ids[0])) {
		x.requestID = ids[0]
	}
	return x
}

// panicked answers and logs a panic. Only the text of a runtime error is
// logged: anything else could be made of the request.
func (s *Service) panicked(x *exchange, v any) {
	attrs := []slog.Attr{slog.String("request_id", x.requestID), slog.String("stack", string(debug.Stack()))}
	if err, ok := v.(runtime.Error); ok {
		attrs = append(attrs, slog.String("err", err.Error()))
	}
	s.log.LogAttrs(x.r.Context(), slog.LevelError, "panic recovered", attrs...)
	s.refuse(x, failure{status: http.StatusServiceUnavailable})
}

// link returns the address of one of our own paths, for a browser.
func (s *Service) link(path string) string { return s.prefix + path }

// peer returns the address of the client, "" if it is unknown.
func (s *Service) peer(x *exchange) string {
	var from netip.Addr
	if ap, err := netip.ParseAddrPort(x.r.RemoteAddr); err == nil {
		from = ap.Addr()
	}
	if a := s.clientIP.Of(x.r.Header.Values("X-Forwarded-For"), from); a.IsValid() {
		return a.String()
	}
	return ""
}
