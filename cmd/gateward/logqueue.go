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
	// stop is closed when the rest is to be written, done when it is.
	stop, done chan struct{}
}

// newLineQueue starts writing to w. report makes the line that says how many
// were dropped.
func newLineQueue(w io.Writer, report func(dropped int64) []byte) *lineQueue {
	q := &lineQueue{lines: make(chan []byte, logQueue), stop: make(chan struct{}), done: make(chan struct{})}
	write := func(line []byte) {
		_, _ = w.Write(line) // there is nobody to tell
		if n := q.dropped.Swap(0); n > 0 {
			_, _ = w.Write(report(n))
		}
	}
	go func() {
		defer close(q.done)
		for stopped := false; !stopped; {
			select {
			case line := <-q.lines:
				write(line)
			case <-q.stop:
				stopped = true
			}
		}
		for { // what was there when we were told to stop
			select {
			case line := <-q.lines:
				write(line)
			default:
				return
			}
		}
	}()
	return q
}

// Write implements [io.Writer] for a handler that writes one line per call. A
// line after close is lost: connections that were cut off may still have one.
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
	close(q.stop)
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
