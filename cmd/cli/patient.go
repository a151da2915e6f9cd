package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// patience is how long, after the end, a trace's reader may take for a gulp:
	// in a lab the capture has little longer.
	patience = 5 * time.Second
	// hurryPatience is how long after a second signal to end.
	hurryPatience = 100 * time.Millisecond
	// gulp is how much is written at once, in bytes: a good part of a pipe.
	gulp = 16 << 10
)

// patientWriter writes to what may block for ever, a pipe that nobody reads,
// and gives up on it once the run has ended.
type patientWriter struct {
	w        io.Writer
	ended    context.Context
	patience time.Duration
	buf      []byte // being written, even after giving up
	err      error  // why nothing is written any more
}

// patient is out for a run that ends with ctx. A file needs no patience.
func patient(ctx context.Context, out *os.File) io.Writer {
	if st, err := out.Stat(); err == nil && st.Mode().IsRegular() {
		return out
	}
	return &patientWriter{w: out, ended: ctx, patience: patience}
}

// Write implements io.Writer.
func (p *patientWriter) Write(b []byte) (n int, err error) {
	for n < len(b) && p.err == nil {
		m := 0
		m, p.err = p.gulp(b[n:min(n+gulp, len(b))])
		n += m
	}
	return n, p.err
}

func (p *patientWriter) gulp(b []byte) (int, error) {
	type written struct {
		n   int
		err error
	}
	done := make(chan written, 1)
	p.buf = append(p.buf[:0], b...)
	go func(b []byte) {
		n, err := p.w.Write(b)
		done <- written{n, err}
	}(p.buf)
	select {
	case w := <-done:
		return w.n, w.err
	case <-p.ended.Done():
	}
	timeout := p.patience
	for hurry := hurried(p.ended); ; hurry, timeout = nil, hurryPatience {
		select {
		case w := <-done:
			return w.n, w.err
		case <-time.After(timeout):
			return 0, fmt.Errorf("its reader took nothing for %s", timeout)
		case <-hurry:
		}
	}
}
