package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// gate blocks writes until it is opened.
type gate struct {
	open chan struct{}
	bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.Buffer.Write(p)
}

// TestSEC_L02_UnreadLogHoldsNothingUp: lines are dropped rather than waited
// for, and the log says so once it is read again.
func TestSEC_L02_UnreadLogHoldsNothingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		q := newLineQueue(g, droppedLine("json"))
		logger := newLogger(q, new(slog.LevelVar), "json")
		for i := range logQueue + 100 {
			logger.Info("line", slog.Int("number", i)) // would deadlock the bubble if it waited
		}
		synctest.Wait()
		close(g.open)
		q.close()
		text := g.String()
		if !strings.Contains(text, `"msg":"log lines dropped, nobody read them","lines":`) {
			t.Errorf("the log does not say what it lacks: %.300s", text)
		}
		for i := range 1000 {
			if !strings.Contains(text, fmt.Sprintf(`"number":%d}`, i)) {
				t.Fatalf("line %d is missing", i)
			}
		}
	})
}

// TestLogIsFlushed: what was logged last is there at the end.
func TestLogIsFlushed(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	q := newLineQueue(&b, droppedLine("text"))
	newLogger(q, new(slog.LevelVar), "text").Info("last")
	q.close()
	if !strings.Contains(b.String(), "msg=last") {
		t.Errorf("got %q", b.String())
	}
}

// TestLogAfterTheEnd: what was cut off at the end may still log, at any time.
func TestLogAfterTheEnd(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	q := newLineQueue(&b, droppedLine("text"))
	logger := newLogger(q, new(slog.LevelVar), "text")
	var late sync.WaitGroup
	for range 4 {
		late.Go(func() {
			for range 1000 {
				logger.Info("late")
			}
		})
	}
	q.close()
	late.Wait()
	for range logQueue + 1 { // nor does it block
		logger.Info("too late")
	}
}
