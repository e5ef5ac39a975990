package main

import (
	"io"
	"log/slog"
	"time"
	"unicode/utf8"
)

// maxLogValue bounds one value of a log line, in bytes: paths and claims come
// from clients and are as long as those like.
const maxLogValue = 2048

// newLogger returns the logger that log.level and log.format describe. The
// level can be changed later, by a reload.
func newLogger(w io.Writer, level *slog.LevelVar, format string) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: tidy}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

// logLevel is the level that name stands for, or info.
func logLevel(name string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err != nil {
		return slog.LevelInfo
	}
	return l
}

// tidy writes times in UTC, so that lines of several hosts sort, and cuts long
// values. Control characters are the handlers' business: both escape them.
func tidy(groups []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() { //nolint:exhaustive // the other kinds are short by nature
	case slog.KindTime:
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Time(a.Key, a.Value.Time().UTC())
		}
	case slog.KindString:
		if s := a.Value.String(); len(s) > maxLogValue {
			return slog.String(a.Key, cut(s))
		}
	case slog.KindDuration:
		return slog.Float64(a.Key, float64(a.Value.Duration())/float64(time.Second))
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			return slog.String(a.Key, cut(err.Error()))
		}
	default:
	}
	return a
}

// cut shortens s to maxLogValue bytes without splitting a character.
func cut(s string) string {
	if len(s) <= maxLogValue {
		return s
	}
	n := maxLogValue
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
