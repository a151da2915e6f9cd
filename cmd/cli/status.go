package cli

import (
	"fmt"
	"io"
	"os"

	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// status is a progress line on a terminal, and nothing elsewhere.
type status struct {
	w     io.Writer
	total int64
	done  atomic.Int64
	stop  chan struct{}
	ended chan struct{}
}

// newStatus starts the line for total bytes of input; 0 for unknown.
func newStatus(w io.Writer, total int64) *status {
	s := &status{w: w, total: total}
	if !isTerminal(w) {
		return s
	}
	s.stop, s.ended = make(chan struct{}), make(chan struct{})
	go s.run()
	return s
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// add counts bytes of input read. Safe for concurrent use.
func (s *status) add(n int) { s.done.Add(int64(n)) }

func (s *status) run() {
	defer close(s.ended)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			fmt.Fprint(s.w, "\r\x1b[K")
			return
		case <-tick.C:
			s.print()
		}
	}
}

func (s *status) print() {
	mb := float64(s.done.Load()) / 1e6
	if s.total > 0 {
		fmt.Fprintf(s.w, "\r\x1b[K%3.0f%% of %.1f MB", 100*1e6*mb/float64(s.total), float64(s.total)/1e6)
	} else {
		fmt.Fprintf(s.w, "\r\x1b[K%.1f MB", mb)
	}
}

// clear takes the line away; it may be called again.
func (s *status) clear() {
	if s.stop == nil {
		return
	}
	close(s.stop)
	<-s.ended
	s.stop = nil
}
