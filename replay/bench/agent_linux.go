package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/replay/netns"
)

// op is what the router asks an end to do.
type op string

const (
	doEcho    op = "echo"     // client: time round trips
	doTCP     op = "tcp"      // client: send one flow
	doUDP     op = "udp"      // client: flood
	doBurst   op = "burst"    // client: send Count datagrams
	doMark    op = "mark"     // client: send the mark behind a flood
	openTCP   op = "open-tcp" // server: be ready for a flow
	openUDP   op = "open-udp"
	marked    op = "marked"    // server: has the mark come, or does it within For?
	closeTCP  op = "close-tcp" // server: what came between From and To?
	closeUDP  op = "close-udp"
	doPing    op = "ping"   // client: the user's ping
	doIperf   op = "iperf3" // client: the user's iperf3
	openIperf op = "open-iperf3"
)

// order is one request to an end, and answer is its answer: one line of JSON
// each. Times are of CLOCK_MONOTONIC, which all namespaces share.
type order struct {
	Op    op            `json:"op"`
	For   time.Duration `json:"for_ns,omitempty"`
	From  int64         `json:"from,omitempty"`
	To    int64         `json:"to,omitempty"`
	Count int           `json:"count,omitempty"` // of datagrams; the number of the flood
	Path  string        `json:"path,omitempty"`
}

type answer struct {
	Err    string `json:"err,omitempty"`
	Echo   Echo   `json:"echo,omitzero"`
	Sent   sent   `json:"sent,omitzero"`
	Got    got    `json:"got,omitzero"`
	Marked bool   `json:"marked,omitempty"`
	Tool   int64  `json:"tool,omitempty"`
}

// sent is the sender's account.
type sent struct {
	From, To    int64
	Count       uint64 // datagrams
	Retransmits uint64
}

// got is the receiver's account.
type got struct {
	Window uint64 // bytes or datagrams between From and To
	Total  uint64
	Last   int64  // when the last datagrams came
	Missed uint64 // datagrams
	Marks  uint64
}

// agentPort is where both ends take orders, from the router only: these packets
// never meet the queue.
const agentPort = 4711

// client serves the router's orders at the client's end.
func client(ctx context.Context, _ *netns.EndLab) (any, error) {
	a := &agent{at: netns.LabAddresses().Client}
	return nil, a.serve(ctx, func() {})
}

// server serves them at the server's.
func server(ctx context.Context, e *netns.EndLab) (any, error) {
	a := &agent{at: netns.LabAddresses().Server}
	return nil, a.serve(ctx, e.Ready)
}

// agent is one end at work.
type agent struct {
	at    netip.Addr
	sink  *sink
	flood *flood
}

func (a *agent) serve(ctx context.Context, ready func()) error {
	// Congestion state of the flow before would favour the next.
	if err := noMetrics(); err != nil {
		return err
	}
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.at, agentPort)))
	if err != nil {
		return fmt.Errorf("listen for the router: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Unix(1, 0)) })()
	defer l.Close()
	ready()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for the router: %w", err)
		}
		if a.obey(ctx, c) {
			// The router has hung up: it has finished, or tells itself why not.
			<-ctx.Done()
			return nil
		}
	}
}

// obey takes orders until the router hangs up, and says whether there were any.
// One that got no processor while it called may hang up before, and call again.
func (a *agent) obey(ctx context.Context, c net.Conn) (obeyed bool) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	in, out := json.NewDecoder(c), json.NewEncoder(c)
	for ; ; obeyed = true {
		var o order
		if in.Decode(&o) != nil {
			return obeyed
		}
		ans, err := a.do(ctx, o)
		if err != nil {
			ans.Err = err.Error()
		}
		_ = out.Encode(ans) // an error is the next order's, too
	}
}

// sendUDP sends a flood from a socket of its own, kept for the mark.
func (a *agent) sendUDP(d time.Duration, n int) (s sent, err error) {
	if a.flood != nil {
		a.flood.close()
	}
	if a.flood, err = newFlood(); err != nil {
		return s, err
	}
	return a.flood.send(d, n)
}

func (a *agent) do(ctx context.Context, o order) (ans answer, err error) {
	switch o.Op {
	case doEcho:
		ans.Echo, err = echo(o.For)
	case doTCP:
		ans.Sent, err = sendTCP(o.For)
	case doUDP:
		ans.Sent, err = a.sendUDP(o.For, math.MaxInt)
	case doBurst:
		ans.Sent, err = a.sendUDP(drainMax, o.Count)
	case doMark:
		if a.flood == nil {
			return ans, errors.New("mark the end of a flood: there was none")
		}
		err = a.flood.mark(o.Count)
	case marked:
		if a.sink == nil {
			return ans, errors.New("look for a mark: no sink is open")
		}
		ans.Marked = a.sink.marked(o.For)
	case openTCP:
		a.sink, err = openTCPSink()
	case openUDP:
		a.sink, err = openUDPSink(o.Count)
	case closeTCP, closeUDP:
		if a.sink == nil {
			return ans, errors.New("close a sink: none is open")
		}
		ans.Got, err = a.sink.close(o.From, o.To)
		a.sink = nil
	case doPing:
		ans.Tool, err = ping(ctx, o)
	case doIperf:
		ans.Tool, err = iperf(ctx, o)
	case openIperf:
		err = serveIperf(ctx, o)
	default:
		err = fmt.Errorf("order %q: unknown", o.Op)
	}
	return ans, err
}

// monotonic is CLOCK_MONOTONIC in nanoseconds.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail
	return ts.Nano()
}
