package provider

import (
	"context"
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"
	"time"
)

//go:embed login.html.tmpl
var loginTemplate string

// cookie holds the provider's own session, so that a second login needs no
// choice.
const cookie = "demo_provider_session"

// login is the page on which a person says who they are.
type login struct {
	storage  *storage
	callback func(ctx context.Context, id string) string
	template *template.Template
}

// page asks who it is, unless this browser has said so and may leave it at that.
func (l *login) page(w http.ResponseWriter, r *http.Request) {
	id := r.FormValue("id")
	request, ok := l.storage.request(id)
	if !ok {
		http.Error(w, "This login is over. Go back and begin a new one.", http.StatusBadRequest)
		return
	}
	if c, err := r.Cookie(cookie); err == nil {
		if s, ok := l.storage.session(c.Value); ok && !request.asksAgain(s.at) {
			l.finish(w, r, id, s.account, s.at)
			return
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = l.template.Execute(w, struct {
		ID, Hint string
		People   []person
	}{id, request.hint, people()})
}

func (l *login) choose(w http.ResponseWriter, r *http.Request) {
	p, ok := find(r.PostFormValue("account"))
	if !ok {
		http.Error(w, "Nobody of that name is here.", http.StatusBadRequest)
		return
	}
	now := time.Now()
	value := rand.Text()
	l.storage.addSession(value, providerSession{p.ID, now})
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	l.finish(w, r, r.PostFormValue("id"), p.ID, now)
}

func (l *login) finish(w http.ResponseWriter, r *http.Request, id, account string, at time.Time) {
	if !l.storage.authenticated(id, account, at) {
		http.Error(w, "This login is over. Go back and begin a new one.", http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, l.callback(r.Context(), id), http.StatusFound)
}

// forget ends the provider's own session of this browser.
func (l *login) forget(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookie); err == nil {
		l.storage.removeSession(c.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func loggedOut(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("You have logged out.\n"))
}
