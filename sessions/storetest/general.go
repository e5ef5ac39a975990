package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gateward/gateward"
	"github.com/gateward/gateward/sessions"
)

func generalChecks() []check {
	return []check{
		{name: "Ping", run: func(t *testing.T, f *fixture) { is(t, "ping", f.Ping(t.Context()), nil) }},
		{name: "CanceledIsUnavailableOrDone", run: canceled},
		{name: "CanceledEndIsUnavailableOrDone", run: canceledEnd},
		{name: "CanceledReadSaysNothingOfTheSession", run: canceledRead},
		{name: "EverythingAtOnce", run: everythingAtOnce},
	}
}

// canceled: a write with a context that has ended either did what it says, or
// says that it could not be done now.
func canceled(t *testing.T, f *fixture) {
	ctx := ended(t)
	kept := f.create(t)
	for name, op := range map[string]func() error{
		"create":       func() error { return f.Create(ctx, f.session()) },
		"touch":        func() error { return f.Touch(ctx, kept.ID, f.clock.now()) },
		"list":         func() error { _, err := f.List(ctx, sessions.Filter{}, 10, ""); return err },
		"delete where": func() error { _, err := f.DeleteWhere(ctx, sessions.Filter{Method: "none"}); return err },
		"count":        func() error { _, err := f.Count(ctx); return err },
		"use":          func() error { _, err := f.Use(ctx, "a", f.clock.now().Add(time.Minute)); return err },
		"mark":         func() error { return f.Mark(ctx, "a", f.clock.now(), f.clock.now().Add(time.Minute)) },
		"marked":       func() error { _, err := f.Marked(ctx, "a"); return err },
		"acquire":      func() error { _, err := f.Acquire(ctx, "a", time.Minute); return err },
		"key":          func() error { _, err := f.Key(ctx, "a"); return err },
		"ping":         func() error { return f.Ping(ctx) },
		"publish":      func() error { return f.Publish(ctx, sessions.Revocation{All: true}) },
	} {
		if err := op(); err != nil && !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("%s: got error %v, want none or %v", name, err, gateward.ErrUnavailable)
		}
	}
	put := kept
	put.Identity.Name = "replaced"
	switch err := f.Replace(ctx, put); {
	case err != nil && !errors.Is(err, gateward.ErrUnavailable):
		t.Errorf("replace: got error %v, want none or %v", err, gateward.ErrUnavailable)
	case err == nil && f.get(t, kept.ID).Identity.Name != "replaced":
		t.Error("replace: no error, and not done")
	}
}

// ended returns a context that is over.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func canceledEnd(t *testing.T, f *fixture) {
	for name, op := range map[string]func(id string) error{
		"delete": func(id string) error { return f.Delete(ended(t), id) },
		"expire": func(id string) error { return f.Expire(ended(t), id, f.clock.now()) },
	} {
		s := f.create(t)
		if err := op(s.ID); err == nil {
			_, err := f.Get(t.Context(), s.ID)
			is(t, name, err, sessions.ErrNotFound)
		} else if !errors.Is(err, gateward.ErrUnavailable) {
			t.Errorf("%s: got error %v, want none or %v", name, err, gateward.ErrUnavailable)
		}
	}
}

func canceledRead(t *testing.T, f *fixture) {
	s := f.create(t)
	got, err := f.Get(ended(t), s.ID)
	switch {
	case err == nil:
		same(t, "get", got, s)
	case !errors.Is(err, gateward.ErrUnavailable):
		t.Errorf("get: got error %v, want none or %v", err, gateward.ErrUnavailable)
	}
}

// everythingAtOnce is for the race detector, and for what must hold whatever
// else happens: a session that was deleted never comes back.
func everythingAtOnce(t *testing.T, f *fixture) {
	ctx := t.Context()
	cancel := f.Subscribe(&ear{changed: make(chan struct{})})
	defer cancel()
	together(12, func(i int) {
		for range 4 {
			s := f.session()
			is(t, "create", f.Create(ctx, s), nil)
			together(3, func(j int) {
				switch j {
				case 0:
					is(t, "touch", f.Touch(ctx, s.ID, f.clock.now().Add(time.Second)), nil)
				case 1:
					put := s
					put.Revision = 1
					if err := f.Replace(ctx, put); err != nil && !errors.Is(err, sessions.ErrNotFound) {
						t.Errorf("replace: %v", err)
					}
				default:
					is(t, "delete", f.Delete(ctx, s.ID), nil)
				}
			})
			_, err := f.Get(ctx, s.ID)
			is(t, "get after delete", err, sessions.ErrNotFound)
			if _, err := f.List(ctx, sessions.Filter{Principal: s.Identity.Principal}, 5, ""); err != nil {
				t.Errorf("list: %v", err)
			}
			if i%4 == 0 {
				if _, err := f.DeleteWhere(ctx, sessions.Filter{SID: "none"}); err != nil {
					t.Errorf("delete where: %v", err)
				}
			}
		}
	})
	f.none(t, sessions.Filter{Expired: true})
}
