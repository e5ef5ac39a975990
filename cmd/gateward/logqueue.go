package main

import (
	"bytes"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// logQueue is how many lines wait for a reader of the log that is slow.
	logQueue = 4096
	// logFlush is how long the end of the process waits for it.
	logFlush = time.Second
)

// A lineQueue hands lines to a writer that may block, and never blocks itself:
// a log that nobody reads must not hold up the answer to a check, which Envoy
// would take for a failed one. What does not fit is dropped and counted.
type lineQueue struct {
	lines   chan []byte
	dropped atomic.Int64
	done    chan struct{}
}

// newLineQueue starts writing to w. report makes the line that says how many
// were dropped.
func newLineQueue(w io.Writer, report func(dropped int64) []byte) *lineQueue {
	q := &lineQueue{lines: make(chan []byte, logQueue), done: make(chan struct{})}
	go func() {
		defer close(q.done)
		for line := range q.lines {
			_, _ = w.Write(line) // there is nobody to tell
			if n := q.dropped.Swap(0); n > 0 {
				_, _ = w.Write(report(n))
			}
		}
	}()
	return q
}

// Write implements [io.Writer] for a handler that writes one line per call. It
// must not be called after close.
func (q *lineQueue) Write(line []byte) (int, error) {
	select {
	case q.lines <- bytes.Clone(line):
	default:
		q.dropped.Add(1)
	}
	return len(line), nil
}

// close waits until everything is written, but not for ever.
func (q *lineQueue) close() {
	close(q.lines)
	select {
	case <-q.done:
	case <-time.After(logFlush):
	}
}

// droppedLine returns a line in the given format about lines that were dropped.
func droppedLine(format string) func(int64) []byte {
	return func(n int64) []byte {
		var b bytes.Buffer
		newLogger(&b, new(slog.LevelVar), format).Warn("log lines dropped, nobody read them", slog.Int64("lines", n))
		return b.Bytes()
	}
}
