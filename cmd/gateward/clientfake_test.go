package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A fakeSession is a session of fakeAPI, with what its filters look at.
type fakeSession struct {
	id, method, provider, subject, user string
}

func (s *fakeSession) MarshalJSON() ([]byte, error) {
	prefix := "io.flipt.auth." + s.method
	return json.Marshal(map[string]any{
		"id": s.id, "method": "METHOD_" + strings.ToUpper(s.method),
		"createdAt": "2026-03-01T12:00:00.123456Z", "expiresAt": "2026-03-02T12:00:00.123456Z",
		"metadata": map[string]string{
			prefix + ".provider": s.provider, prefix + ".sub": s.subject,
			"io.flipt.auth.email": s.subject + "@example.com", "io.flipt.auth.name": "The <b>\x1b[2J\u202e\t" + s.subject,
		},
	})
}

// fakeAPI answers as the login service does, of which loginsvc's tests are the
// judge, and notes what it was asked.
type fakeAPI struct {
	mu       sync.Mutex
	asked    []string
	sessions []*fakeSession
	users    []map[string]any
	// answer, unless nil, answers in its place.
	answer http.HandlerFunc
}

func newFakeAPI() *fakeAPI {
	a := &fakeAPI{}
	for i := range 6 {
		s := &fakeSession{fmt.Sprint("s-", i), "oidc", "google", fmt.Sprint(i / 2), fmt.Sprint("u-", i/2)}
		if i == 5 {
			s.method, s.provider = "github", ""
		}
		a.sessions = append(a.sessions, s)
	}
	for i := range 4 {
		a.users = append(a.users, map[string]any{
			"id": fmt.Sprint("u-", i), "enabled": i < 2, "waiting": i == 2, "emails": []string{fmt.Sprint(i%3, "@example.com")},
			"identities": []map[string]string{{
				"method": "METHOD_OIDC", "provider": "google", "issuer": "https://idp.test", "subject": fmt.Sprint(i),
				"email": fmt.Sprint(i%3, "@example.com"), "name": fmt.Sprint("Number ", i), "lastLoginAt": "2026-03-01T12:00:00Z",
			}},
			"createdAt": "2026-03-01T12:00:00Z", "updatedAt": "2026-03-01T12:00:00Z", "lastLoginAt": "2026-03-01T12:00:01.5Z",
		})
	}
	return a
}

// pageOf cuts the page out that the query asks for, and names the next.
func pageOf[T any](r *http.Request, all []T) ([]T, string) {
	limit, _ := strconv.Atoi(r.FormValue("limit"))
	if limit == 0 {
		limit = 25
	}
	from, _ := strconv.Atoi(r.FormValue("pageToken"))
	to := min(from+min(limit, 100), len(all))
	if to == len(all) {
		return all[from:to:to], ""
	}
	return all[from:to:to], strconv.Itoa(to)
}

func (a *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.Method+" "+r.URL.RequestURI())
	if a.answer != nil {
		a.answer(w, r)
		return
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /auth/v1/tokens", a.listSessions)
	m.HandleFunc("DELETE /auth/v1/tokens", a.endAll)
	m.HandleFunc("/auth/v1/tokens/{id}", a.oneSession)
	m.HandleFunc("GET /auth/v1/users", a.listUsers)
	m.HandleFunc("PATCH /auth/v1/users/{id}", a.patchUser)
	switch auth := r.Header.Get("Authorization"); {
	case auth == "Bearer "+staffToken:
		refuseFake(w, 403, 7, "administrators only")
	case auth != "Bearer "+adminToken:
		refuseFake(w, 401, 16, "request was not authenticated")
	default:
		m.ServeHTTP(w, r)
	}
}

func refuseFake(w http.ResponseWriter, status, code int, message string) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"code": code, "message": message, "details": []any{}})
}

func (a *fakeAPI) selected(r *http.Request) (all []*fakeSession) {
	for _, s := range a.sessions {
		q, name := r.URL.Query(), subjectName(s.method, s.provider, s.subject)
		if (!q.Has("user") || q.Get("user") == s.user) && (!q.Has("method") || q.Get("method") == "METHOD_"+strings.ToUpper(s.method)) &&
			(!q.Has("subject") || q.Get("subject") == name || r.Method == http.MethodGet) { // whose list knows no subject
			all = append(all, s)
		}
	}
	return all
}

func (a *fakeAPI) listSessions(w http.ResponseWriter, r *http.Request) {
	part, next := pageOf(r, a.selected(r))
	json.NewEncoder(w).Encode(map[string]any{"authentications": append([]*fakeSession{}, part...), "nextPageToken": next})
}

func (a *fakeAPI) endAll(w http.ResponseWriter, r *http.Request) {
	gone := a.selected(r)
	a.sessions = slices.DeleteFunc(a.sessions, func(s *fakeSession) bool { return slices.Contains(gone, s) })
	fmt.Fprintf(w, `{"revoked":%d}`, len(gone))
}

func (a *fakeAPI) oneSession(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(a.sessions, func(s *fakeSession) bool { return s.id == r.PathValue("id") })
	switch {
	case r.Method == http.MethodGet && i < 0:
		refuseFake(w, 404, 5, "getting authentication by id not found")
	case r.Method == http.MethodGet:
		json.NewEncoder(w).Encode(a.sessions[i])
	default:
		if i >= 0 {
			a.sessions = slices.Delete(a.sessions, i, i+1)
		}
		fmt.Fprint(w, "{}")
	}
}

func (a *fakeAPI) listUsers(w http.ResponseWriter, r *http.Request) {
	all := []map[string]any{}
	for _, u := range a.users {
		if (r.FormValue("email") == "" || u["emails"].([]string)[0] == strings.ToLower(r.FormValue("email"))) &&
			(r.FormValue("disabled") != "true" || u["enabled"] == false) {
			all = append(all, u)
		}
	}
	part, next := pageOf(r, all)
	json.NewEncoder(w).Encode(map[string]any{"users": part, "nextPageToken": next})
}

func (a *fakeAPI) patchUser(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body) != 1 {
		refuseFake(w, 400, 3, "the body")
		return
	}
	for _, u := range a.users {
		if u["id"] == r.PathValue("id") && u["id"] == "u-0" && body["enabled"] == false {
			refuseFake(w, 400, 3, "nobody can disable themselves")
			return
		} else if u["id"] == r.PathValue("id") {
			u["enabled"], u["waiting"] = body["enabled"], false
			json.NewEncoder(w).Encode(u)
			return
		}
	}
	refuseFake(w, 404, 5, "getting user by id not found")
}

// start serves a and returns the environment of a command line that asks it.
func (a *fakeAPI) start(t testing.TB) []string {
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	return []string{serverVariable + "=" + s.URL, tokenVariable + "=" + adminToken}
}
