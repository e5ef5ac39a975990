package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestSEC_N02_OneLinePerEvent(t *testing.T) {
	t.Parallel()
	hostile := "/a\n{\"level\":\"INFO\",\"msg\":\"fake\"}\r\x1b[2J\x00" + strings.Repeat("é", maxLogValue)
	for _, format := range []string{"json", "text"} {
		var b bytes.Buffer
		newLogger(&b, new(slog.LevelVar), format).Info("check", slog.String("path", hostile), slog.Any("err", errors.New(hostile)))
		line := strings.TrimSuffix(b.String(), "\n")
		if strings.ContainsAny(line, "\n\r\x1b\x00") {
			t.Errorf("%s: control characters get through: %q", format, line)
		}
		if len(line) > 3*maxLogValue {
			t.Errorf("%s: %d bytes, want long values cut", format, len(line))
		}
		if !strings.Contains(line, "…") || strings.Contains(line, "\uFFFD") {
			t.Errorf("%s: not cut at a character: %.200q", format, line)
		}
	}
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError, "": slog.LevelInfo,
	} {
		if got := logLevel(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
