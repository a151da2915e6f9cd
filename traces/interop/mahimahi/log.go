// Package mahimahi writes a run as a log of mahimahi's mm-link, which
// mm-throughput-graph and mm-delay-graph plot. (A link trace of mahimahi is a
// link of uq: --link "schedule FILE".)
//
// The log's times are whole milliseconds, so short delays are coarse. Drops have
// a line of their own in such logs, but mm-throughput-graph stops at it: they are
// left out, unless asked for.
package mahimahi

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces/interop"
)

const ms = pkt.Time(time.Millisecond)

// Log writes one. It implements interop.Writer.
//
//	# base timestamp: 0
//	12 # 1504       the link could have sent 1504 bytes
//	12 + 1500       a packet of 1500 bytes came
//	15 - 1500 3     it left, 3 ms later
type Log struct {
	w      *bufio.Writer
	offers func(ms uint64) uint64 // bytes of capacity; nil is unknown
	drops  bool
	tick   pkt.Time // the next ms whose capacity is to be written
	line   []byte
}

// NewLog starts a log on w. A link's capacity is known if it has a constant rate or
// is a trace of mahimahi's; of another the log says that it was what the packets
// used. drops writes them, too.
func NewLog(w io.Writer, run interop.Run, drops bool) *Log {
	l := &Log{w: bufio.NewWriterSize(w, 64<<10), offers: run.Offers, drops: drops}
	fmt.Fprintf(l.w, "# mahimahi mm-link (uq) [%s] > %s\n", run.Link, run.Trace)
	switch {
	case l.offers != nil:
		fmt.Fprintf(l.w, "# capacity: that of the link's trace\n")
	case run.Rate > 0:
		l.offers = constant(run.Rate)
		fmt.Fprintf(l.w, "# capacity: %d bit/s\n", run.Rate)
	default:
		fmt.Fprintf(l.w, "# capacity: not known, the packets' own\n")
	}
	fmt.Fprintf(l.w, "# queue: %s\n", run.Qdisc)
	fmt.Fprintf(l.w, "# init timestamp: 0\n# base timestamp: 0\n")
	return l
}

// constant is what a rate in bit/s offers each ms: the whole bytes until then, less
// those before.
func constant(rate uint64) func(ms uint64) uint64 {
	until := func(ms uint64) uint64 { return rate/8000*ms + rate%8000*ms/8000 } // cannot overflow
	return func(ms uint64) uint64 {
		if ms == 0 {
			return 0
		}
		return until(ms) - until(ms-1)
	}
}

// Event implements interop.Writer.
func (l *Log) Event(e *interop.Event) error {
	if err := l.capacity(e.Time); err != nil {
		return err
	}
	switch {
	case e.Up: // not of this queue
	case e.Kind == egress.Enqueue:
		return l.write(e, '+')
	case e.Kind == egress.Deliver:
		if l.offers == nil {
			if err := l.write(e, '#'); err != nil {
				return err
			}
		}
		return l.write(e, '-')
	case e.Kind == egress.Drop && l.drops:
		return l.write(e, 'd')
	}
	return nil
}

// capacity writes what the link could have sent until now.
func (l *Log) capacity(now pkt.Time) error {
	for ; l.offers != nil && l.tick <= now; l.tick += ms {
		t := uint64(l.tick / ms)
		if n := l.offers(t); n > 0 {
			b := append(strconv.AppendUint(l.line[:0], t, 10), " # "...)
			l.line = append(strconv.AppendUint(b, n, 10), '\n')
			if _, err := l.w.Write(l.line); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Log) write(e *interop.Event, kind byte) error {
	b := append(strconv.AppendInt(l.line[:0], int64(e.Time/ms), 10), ' ', kind, ' ')
	if kind == 'd' {
		b = append(b, "1 "...) // packets
	}
	b = strconv.AppendUint(b, uint64(e.Record.Len), 10)
	if kind == '-' {
		b = strconv.AppendInt(append(b, ' '), int64(e.Time/ms-e.Record.Time/ms), 10)
	}
	l.line = append(b, '\n')
	_, err := l.w.Write(l.line)
	return err
}

// Close implements interop.Writer.
func (l *Log) Close(end pkt.Time) error {
	if err := l.capacity(end); err != nil {
		return err
	}
	return l.w.Flush()
}
