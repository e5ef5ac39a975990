// Package hub is the demo's GitHub: the GitHub server of Gateward's tests, with
// made-up people, an organization and a page on which a click says who one is. It
// keeps everything in memory and is for machines that nobody else reaches.
package hub

import (
	"context"
	_ "embed"
	"html/template"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/gateward/gateward/methods/github/githubtest"
)

// Organization is the one that people can be members of, and Team its team.
const (
	Organization = "demo-org"
	Team         = "operators"

	invitationPath = "/orgs/" + Organization + "/invitation"
)

//go:embed hub.html.tmpl
var pageTemplate string

// cookie holds who is logged in to GitHub in this browser. It protects nothing:
// whoever one chooses, one is.
const cookie = "demo_github_login"

// Config describes the one application. All fields are required.
type Config struct {
	// ClientID and ClientSecret are what it authenticates with.
	ClientID, ClientSecret string
	// CallbackURL is where browsers are sent back to.
	CallbackURL string
}

// A Hub is running.
type Hub struct {
	// URL is the address of its pages, and of its API.
	URL    string
	github *githubtest.Server
	server *http.Server
	page   *template.Template
}

// Start serves a GitHub on a free port of this machine.
func Start(ctx context.Context, c Config) (*Hub, error) {
	page, err := template.New("hub").Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &Hub{
		URL: "http://" + l.Addr().String(), page: page,
		github: githubtest.New(githubtest.Options{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, CallbackURL: c.CallbackURL, Now: time.Now,
		}),
	}
	h.populate()
	h.server = &http.Server{Handler: h.handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = h.server.Serve(l) }()
	return h, nil
}

// Close ends it.
func (h *Hub) Close() error { return h.server.Close() }

func (h *Hub) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", h.authorize)
	mux.HandleFunc("POST /login/oauth/authorize", h.choose)
	mux.HandleFunc("GET "+invitationPath, h.invitation)
	mux.HandleFunc("POST "+invitationPath, h.accept)
	mux.Handle("/", h.github)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A name that a page elsewhere resolves to this machine is not this server.
		if h.URL != "http://"+r.Host {
			http.Error(w, "wrong host", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// authorize asks who it is, unless this browser has said so and the application
// leaves it at that.
func (h *Hub) authorize(w http.ResponseWriter, r *http.Request) {
	if p, ok := loggedIn(r); ok && r.URL.Query().Get("prompt") != "select_account" {
		h.finish(w, r, p.Login)
		return
	}
	h.show(w, view{
		Title: "Who are you on GitHub today?", Text: "This is no real GitHub, but one for trying things out: whoever you choose, you are.",
		Action: r.URL.RequestURI(), People: people(), Invitation: invitationPath,
	})
}

func (h *Hub) choose(w http.ResponseWriter, r *http.Request) {
	p, ok := find(r.PostFormValue("account"))
	if !ok {
		http.Error(w, "Nobody of that name is here.", http.StatusBadRequest)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: p.Login, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	h.finish(w, r, p.Login)
}

// finish sends the browser back to the application, which people trust here.
func (h *Hub) finish(w http.ResponseWriter, r *http.Request, login string) {
	location, err := h.github.Authorize(r.URL.String(), login)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, location, http.StatusSeeOther)
}

// invitation lets whoever is invited join the organization.
func (h *Hub) invitation(w http.ResponseWriter, r *http.Request) {
	h.show(w, view{
		Title: "Join " + Organization + "?", Text: "Whoever is invited can accept here.",
		Action: r.URL.RequestURI(), People: slices.DeleteFunc(people(), func(p person) bool { return !p.invited() }),
	})
}

func (h *Hub) accept(w http.ResponseWriter, r *http.Request) {
	p, ok := find(r.PostFormValue("account"))
	if !ok || !p.invited() {
		http.Error(w, "There is no invitation for you.", http.StatusNotFound)
		return
	}
	h.github.SetMembership(Organization, p.Login, githubtest.Active)
	h.show(w, view{Title: "Welcome to " + Organization + ", " + p.Name, Text: "Go back to the application and log in again."})
}

// view is what a page shows.
type view struct {
	Title, Text string
	// Action is where the choice among People is sent.
	Action string
	People []person
	// Invitation is where invitations are accepted, if the page is to say so.
	Invitation string
}

func (h *Hub) show(w http.ResponseWriter, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = h.page.Execute(w, v)
}

// loggedIn returns who has said in this browser who they are.
func loggedIn(r *http.Request) (person, bool) {
	c, err := r.Cookie(cookie)
	if err != nil {
		return person{}, false
	}
	return find(c.Value)
}
