package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nft"
	"github.com/uqtool/uq/replay/netns"
)

// Roles is what the lab's processes do for t.
func Roles(t *Task) netns.Roles {
	return netns.Roles{
		Capture: func(ctx context.Context, l *netns.Lab) (any, error) {
			if len(l.Files) != 1 {
				return nil, errors.New("read the lab's task: a file is missing")
			}
			l.Ready()
			r := &router{task: t, out: json.NewEncoder(l.Files[0])}
			return nil, r.run(ctx)
		},
		Source: client,
		Sink:   server,
	}
}

// router is the process in the middle: it runs the programs and has the ends
// measure.
type router struct {
	task   *Task
	out    *json.Encoder // samples, one a line
	client *remote
	server *remote
	floods int // so far
}

// remote is an end as the router sees it.
type remote struct {
	conn net.Conn
	in   *json.Decoder
	out  *json.Encoder
}

// run measures all cells. When ctx ends it stops behind the one under way.
func (r *router) run(ctx context.Context) error {
	at := netns.LabAddresses()
	var err error
	if r.client, err = dial(ctx, at.Client); err == nil {
		defer r.client.conn.Close()
		r.server, err = dial(ctx, at.Server)
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	defer r.server.conn.Close()
	defer context.AfterFunc(ctx, func() {
		for _, e := range []*remote{r.client, r.server} {
			_ = e.conn.SetDeadline(time.Unix(1, 0))
		}
	})()
	for _, c := range r.task.cells() {
		s := Sample{Row: c.Row, GSO: c.GSO, Round: c.Round}
		err := r.measure(c, &s)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			s.Err = err.Error()
		}
		if err := r.out.Encode(s); err != nil {
			return fmt.Errorf("write a sample: %w", err)
		}
	}
	return nil
}

// dial calls an end until it listens.
func dial(ctx context.Context, to netip.Addr) (*remote, error) {
	d := net.Dialer{Timeout: time.Second}
	for end := time.Now().Add(startMax); ; time.Sleep(2 * time.Millisecond) {
		c, err := d.DialContext(ctx, "tcp4", netip.AddrPortFrom(to, agentPort).String())
		if err == nil {
			return &remote{c, json.NewDecoder(c), json.NewEncoder(c)}, nil
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return nil, fmt.Errorf("reach the end %s: %w", to, err)
		}
	}
}

// ask has the end do something.
func (e *remote) ask(o order) (answer, error) {
	var a answer
	if err := e.out.Encode(o); err != nil {
		return a, fmt.Errorf("order %s: %w", o.Op, err)
	}
	if err := e.in.Decode(&a); err != nil {
		return a, fmt.Errorf("order %s: %w", o.Op, err)
	}
	if a.Err != "" {
		return a, errors.New(a.Err)
	}
	return a, nil
}

// station is a cell under measurement: its program and the rule that feeds it,
// both nil without a queue.
type station struct {
	peer  *peer
	table *nft.Table
}

// measure fills in s.
func (r *router) measure(c cell, s *Sample) (err error) {
	var st station
	if c.Row != NoQueue {
		if st.peer, err = startPeer(r.task, c); err != nil {
			return err
		}
		rule := nft.Rule{Name: "bench", Hook: nft.Forward, OutDev: netns.ToServer, Queue: queueNumber}
		if st.table, err = nft.Install(rule); err != nil {
			return errors.Join(err, st.peer.failed(errors.New("nothing to measure")))
		}
		defer func() {
			var perr error
			if k, kerr := nfq.ReadKernelState(queueNumber); kerr == nil {
				s.Kernel = &Kernel{k.Full, k.Undelivered}
			}
			s.Program, perr = st.peer.end()
			err = errors.Join(err, perr, st.table.Remove())
		}()
	}
	if err := r.echo(s); err != nil {
		return err
	}
	if err := r.tcp(&st, s); err != nil {
		return err
	}
	st.peer.floodBegins(c.Row)
	if err := r.udp(&st, s); err != nil {
		return err
	}
	if err := r.bursts(&st, s); err != nil {
		return err
	}
	s.Fed, err = st.fed()
	return err
}

func (r *router) echo(s *Sample) error {
	a, err := r.client.ask(order{Op: doEcho, For: r.task.Duration})
	s.Echo = a.Echo
	if err == nil && a.Echo.Lost == a.Echo.Sent {
		err = errors.New("no echo came back")
	}
	if err == nil && r.task.Tools.Ping != "" {
		a, err = r.client.ask(order{Op: doPing, For: r.task.Duration, Path: r.task.Tools.Ping})
		s.Echo.Tool = a.Tool
	}
	return err
}

func (r *router) tcp(st *station, s *Sample) error {
	before, err := st.fed()
	if err != nil {
		return err
	}
	cpu := st.peer.used()
	sent, got, err := r.flow(openTCP, doTCP, closeTCP)
	if err != nil {
		return err
	}
	const kib = 1024
	s.TCP = TCP{Bps: got.Window * kib * 8, Bytes: got.Total, Retransmits: sent.Retransmits, CPU: st.peer.used() - cpu}
	if s.TCP.Fed, err = st.since(before); err != nil {
		return err
	}
	if r.task.Tools.Iperf == "" {
		return nil
	}
	if _, err := r.server.ask(order{Op: openIperf, For: r.task.Duration, Path: r.task.Tools.Iperf}); err != nil {
		return err
	}
	a, err := r.client.ask(order{Op: doIperf, For: r.task.Duration, Path: r.task.Tools.Iperf})
	s.TCP.Tool = uint64(a.Tool)
	return err
}

func (r *router) udp(st *station, s *Sample) error {
	before, err := st.fed()
	if err != nil {
		return err
	}
	cpu := st.peer.used()
	sent, got, marks, err := r.flood(order{Op: doUDP, For: r.task.Duration}, func() {})
	s.MarksLost += marks - min(got.Marks, marks)
	if err != nil {
		return err
	}
	s.UDP = UDP{Pps: got.Window, Sent: sent.Count, Received: got.Total, Missed: got.Missed, CPU: st.peer.used() - cpu}
	if s.UDP.Fed, err = st.since(before); err != nil {
		return err
	}
	if st.table != nil {
		s.UDP.Fed.Packets -= min(marks, s.UDP.Fed.Packets)
	}
	return nil
}

const (
	// burstMax packets gather for the halted program, or fewer where its receive
	// buffer is small: a message takes burstRoom bytes of it, by the kernel's
	// account.
	burstMax  = 4096
	burstRoom = 2560
	// burstTimes is how often that is done.
	burstTimes = 2
)

// bursts has the program empty its queue with nobody else at work. Without a
// program there is nothing to do.
func (r *router) bursts(st *station, s *Sample) error {
	if st.peer == nil {
		return nil
	}
	n := min(burstMax, grantedRcvBuf()/burstRoom)
	for range burstTimes {
		if err := r.burst(st.peer, n, s); err != nil {
			return err
		}
	}
	return nil
}

// burst lets n packets gather once and adds what came of them to s.
func (r *router) burst(p *peer, n int, s *Sample) error {
	if err := p.halt(); err != nil {
		return err
	}
	var begin int64
	_, g, marks, err := r.flood(order{Op: doBurst, Count: n}, func() {
		begin = monotonic()
		p.resume()
	})
	if err == nil && g.Total == 0 {
		err = errors.New("nothing of a burst came through")
	}
	if err != nil {
		return err
	}
	s.MarksLost += marks - min(g.Marks, marks)
	s.Burst.Packets += g.Total
	s.Burst.TookNs += g.Last - begin
	return nil
}

// flood opens a sink, has the client send, calls then, waits until the last has
// come through, and asks the sink what came.
func (r *router) flood(send order, then func()) (s sent, g got, marks uint64, err error) {
	then = sync.OnceFunc(then)
	defer then() // whatever happens
	r.floods++
	if _, err := r.server.ask(order{Op: openUDP, Count: r.floods}); err != nil {
		return s, g, 0, err
	}
	a, err := r.client.ask(send)
	then()
	if err == nil {
		marks, err = r.mark()
	}
	s = a.Sent
	window := order{Op: closeUDP}
	if send.Op == doUDP {
		window.From, window.To = s.From, s.To
	}
	a, cerr := r.server.ask(window)
	if err == nil {
		err = cerr
	}
	return s, a.Got, marks, err
}

// mark sends marks until one comes through: those before it have, too, or are
// lost. It returns how many it sent.
func (r *router) mark() (n uint64, err error) {
	for end := time.Now().Add(drainMax); time.Now().Before(end); {
		n++
		if _, err := r.client.ask(order{Op: doMark, Count: r.floods}); err != nil {
			return n, err
		}
		a, err := r.server.ask(order{Op: marked, For: markGap})
		if a.Marked || err != nil {
			return n, err
		}
	}
	return n, errors.New("the flood did not come to an end")
}

// markGap is how long to wait for a mark before the next: the full queue that
// holds it, or dropped it, takes that long to empty.
const markGap = 50 * time.Millisecond

// flow opens a sink, has the client send, and asks the sink what came.
func (r *router) flow(open, do, end op) (sent, got, error) {
	if _, err := r.server.ask(order{Op: open}); err != nil {
		return sent{}, got{}, err
	}
	a, err := r.client.ask(order{Op: do, For: r.task.Duration})
	b, cerr := r.server.ask(order{Op: end, From: a.Sent.From, To: a.Sent.To})
	if err != nil {
		return a.Sent, b.Got, err // the sink's is its consequence
	}
	return a.Sent, b.Got, cerr
}

// fed is what the rule has sent to the queue so far.
func (st *station) fed() (Fed, error) {
	if st.table == nil {
		return Fed{}, nil
	}
	c, err := st.table.Counter(0)
	return Fed(c), err
}

func (st *station) since(before Fed) (Fed, error) {
	now, err := st.fed()
	return Fed{now.Packets - before.Packets, now.Bytes - before.Bytes}, err
}
