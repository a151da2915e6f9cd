package netns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/uqtool/uq/record/nft"
	"github.com/uqtool/uq/replay/netns/traffic"
)

// Direction is which way is recorded.
type Direction string

// The directions.
const (
	Up   Direction = "up"   // client to server
	Down Direction = "down" // server to client
	Both Direction = "both"
)

// ParseDirection reads a direction's name.
func ParseDirection(s string) (Direction, error) {
	switch d := Direction(s); d {
	case Up, Down, Both:
		return d, nil
	}
	return "", fmt.Errorf("direction %q: want up (client to server), down or both", s)
}

// Config describes a lab. It travels to the router process as JSON.
type Config struct {
	// Direction is the recorded one; Up when empty.
	Direction Direction `json:"direction"`
	// Queue is the NFQUEUE for the capture, or the first of Queues; the one after
	// serves the delay.
	Queue uint16 `json:"queue"`
	// Queues is how many queues the recorded packets are spread over, and Fanout
	// that the processor chooses: see nft.Rule. 0 is one.
	Queues int  `json:"queues,omitempty"`
	Fanout bool `json:"fanout,omitempty"`
	// Bottleneck may be nil.
	Bottleneck *Bottleneck `json:"bottleneck,omitempty"`
	// ECN makes TCP at both ends ask for it.
	ECN bool `json:"ecn,omitempty"`
	// Congestion is TCP's congestion control; empty for the kernel's default
	// (traffic: cubic). A kernel lets a user's command have only the ones that
	// net.ipv4.tcp_allowed_congestion_control lists.
	Congestion string `json:"congestion,omitempty"`

	// CEMark, unless 0, has packets that a verdict gave this firewall mark leave
	// with CE in their ECN field. Mark ECT packets only: TCP takes a SYN with CE
	// for a broken path and gives ECN up.
	CEMark uint32 `json:"ce_mark,omitempty"`

	// Stations gives the server so many addresses of either family, from its first
	// on, as if as many hosts stood behind the queue; built-in traffic runs with
	// each. 0 is one that nobody calls a station.
	Stations int `json:"stations,omitempty"`

	// Server, if any, runs in the server's namespace all the while.
	Server []string `json:"server,omitempty"`
	// Command runs in the client's namespace, and the lab ends with it; or else
	// Traffic does.
	Command []string     `json:"command,omitempty"`
	Traffic *traffic.Mix `json:"traffic,omitempty"`

	// Wire, if not nil, makes the lab a wire with the queue in its middle, used
	// by the program's own ends (Roles) instead of commands and traffic.
	Wire *Wire `json:"wire,omitempty"`

	// Ends has the program's own Source and Sink (Roles) run in an otherwise
	// ordinary lab, instead of a command and traffic. Queues and rules are then
	// the Capture's own affair.
	Ends bool `json:"ends,omitempty"`

	// Deadline is when the lab's time is over, if it has one: Run sets it from
	// its context. What ends the lab from then on is that.
	Deadline time.Time `json:"deadline,omitzero"`

	// Payload is the capture's own configuration, handed on unread.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// Validate names the first field that cannot work.
func (c *Config) Validate() error {
	if _, err := ParseDirection(string(c.direction())); err != nil {
		return err
	}
	if c.Bottleneck != nil {
		if err := c.Bottleneck.Validate(); err != nil {
			return fmt.Errorf("bottleneck: %w", err)
		}
	}
	switch {
	case c.Wire != nil:
		return c.validateWire()
	case c.Ends:
		return c.validateEnds()
	case (c.Traffic == nil) == (len(c.Command) == 0):
		return errors.New("lab: want either a command or built-in traffic")
	case c.Stations < 0 || c.Stations > traffic.MaxStations:
		return fmt.Errorf("%d stations: want 0 to %d", c.Stations, traffic.MaxStations)
	case int(c.Queue)+max(c.Queues, 1) > 65535:
		return fmt.Errorf("queue %d: the lab needs the number after the last queue, too: use a lower one", c.Queue)
	case c.Traffic != nil:
		return c.mix().Validate()
	}
	return nil
}

// validateEnds names what a lab with ends of the program's own cannot have.
func (c *Config) validateEnds() error {
	if c.Stations != 0 || c.Traffic != nil || len(c.Command) > 0 || len(c.Server) > 0 || c.Bottleneck != nil || c.CEMark != 0 {
		return errors.New("lab: ends of its own and a capture that makes the rules: no command, server, stations, traffic, bottleneck or mark")
	}
	return nil
}

// ownEnds says whether the program's own Source and Sink run at the ends.
func (c *Config) ownEnds() bool { return c.Wire != nil || c.Ends }

// delayQueue is the number of the queue that serves the delay.
func (c *Config) delayQueue() uint16 { return c.Queue + uint16(max(c.Queues, 1)) }

func (c *Config) direction() Direction {
	if c.Direction == "" {
		return Up
	}
	return c.Direction
}

// mix is the traffic with what the lab's other settings mean for it.
func (c *Config) mix() traffic.Mix {
	m := *c.Traffic
	m.Down, m.Both, m.Stations = c.direction() == Down, c.direction() == Both, c.Stations
	if m.Congestion == "" {
		m.Congestion = c.Congestion
	}
	if m.Rate == 0 && c.Bottleneck != nil {
		m.Rate = c.Bottleneck.Rate
	}
	return m
}

// Scenario describes what surrounds the queue, for a trace's header.
func (c *Config) Scenario() (bottleneck string, sources []string, command string) {
	if c.Traffic != nil {
		sources = c.mix().Describe()
	}
	return c.Bottleneck.String(), sources, strings.Join(c.Command, " ")
}

// Lab is what a capture function sees: it runs in the router process, after
// the links are up and before the rule and the traffic.
type Lab struct {
	Config Config
	// Rule is what will feed the queue, in nft's words.
	Rule string
	// Files are Stdio.Extra, in order.
	Files []*os.File

	ready       func()
	counter     func() (nft.Counter, error)
	interrupted func() bool
}

// Ready says that the queue is bound. The rule goes in and the traffic starts
// once it has been called.
func (l *Lab) Ready() { l.ready() }

// Counter reads what the rule has sent to the queue so far. It fails before the
// rule is in. It may be called from any goroutine.
func (l *Lab) Counter() (nft.Counter, error) { return l.counter() }

// Interrupted says that the lab is to end at once, which may be while its
// capture takes its time to end.
func (l *Lab) Interrupted() bool { return l.interrupted() }

// Capture serves the queue. It binds l.Config.Queue, calls l.Ready, gives
// verdicts until ctx ends, and returns after the last. The traffic has stopped
// when ctx ends, the network still stands; the cause of ctx says why it ended.
// The result travels to Run's caller
// as JSON. A capture that returns before ctx ends, by an error or because it
// has seen enough, ends the lab.
type Capture func(ctx context.Context, l *Lab) (result any, err error)

// Stdio is what the processes of a lab inherit. Nil streams are /dev/null.
type Stdio struct {
	In, Out, Err *os.File
	// Extra reaches the capture as Lab.Files: files it may write although the
	// lab's user could not open them.
	Extra []*os.File
}

// Result is how a lab ended.
type Result struct {
	// Code is the command's exit code (128 + n for signal n), 0 for traffic.
	Code int `json:"code"`
	// Interrupted says that the end came from outside: a signal or ctx, its
	// deadline too.
	Interrupted bool `json:"interrupted,omitempty"`
	// Traffic is what the sources report.
	Traffic []traffic.Report `json:"traffic,omitempty"`
	// Queued counts what the rule sent to the capture's queue.
	Queued nft.Counter `json:"queued"`
	// Shaper is the bottleneck's own account, and Delayed the delay line's.
	Shaper  *Shaper  `json:"shaper,omitempty"`
	Delayed *Delayed `json:"delayed,omitempty"`
	// Notes are remarks on what is not as asked for.
	Notes []string `json:"notes,omitempty"`
	// Capture is the capture function's result.
	Capture json.RawMessage `json:"capture,omitempty"`
	// Source and Sink are the results of the program's own ends.
	Source json.RawMessage `json:"source,omitempty"`
	Sink   json.RawMessage `json:"sink,omitempty"`
}

// Shaper is what the kernel's tbf counted; with Both, over both directions.
type Shaper struct {
	Bytes   uint64 `json:"bytes"`
	Packets uint64 `json:"packets"`
	Drops   uint64 `json:"drops"`
}

// Delayed is what the delay line did.
type Delayed struct {
	Packets uint64 `json:"packets"`
	// MaxLate is the most a packet was held beyond its delay.
	MaxLate time.Duration `json:"max_late_ns"`
	// Lost counts packets that never reached the line.
	Lost uint64 `json:"lost,omitempty"`
}

// The lab's addresses.
const (
	routerClient4, routerClient6 = "10.0.1.1/24", "fd00:1::1/64"
	client4, client6             = "10.0.1.2/24", "fd00:1::2/64"
	routerServer4, routerServer6 = "10.0.2.1/24", "fd00:2::1/64"
	server4, server6             = "10.0.2.2/24", "fd00:2::2/64"
)

// Addresses are where the processes of a lab find each other, by IPv4. Between
// the router and an end nothing passes the forward hook.
type Addresses struct {
	Client, Server             netip.Addr
	RouterClient, RouterServer netip.Addr // the router's, towards each
}

// LabAddresses are the addresses of every lab that is no wire.
func LabAddresses() Addresses {
	return Addresses{host(client4), host(server4), host(routerClient4), host(routerServer4)}
}

// StationAddresses are those of a lab with n stations, IPv4 first.
func StationAddresses(n int) (v4, v6 []netip.Addr) {
	return following(host(server4), n), following(host(server6), n)
}

// following is a and the n-1 addresses after it.
func following(a netip.Addr, n int) (as []netip.Addr) {
	for range n {
		as = append(as, a)
		a = a.Next()
	}
	return as
}

// host is the address of a prefix's text.
func host(prefix string) netip.Addr { return netip.MustParsePrefix(prefix).Addr() }

// Environ is what a command in the lab finds in its environment beside uq's
// own: where client and server are, and where the stations, if there are any.
func (c *Config) Environ() []string {
	env := []string{
		"UQ_CLIENT=" + host(client4).String(), "UQ_CLIENT6=" + host(client6).String(),
		"UQ_SERVER=" + host(server4).String(), "UQ_SERVER6=" + host(server6).String(),
	}
	if c.Stations > 0 {
		v4, v6 := StationAddresses(c.Stations)
		env = append(env, "UQ_STATIONS="+words(v4), "UQ_STATIONS6="+words(v6))
	}
	return env
}

// words are addresses with blanks between them.
func words(as []netip.Addr) string { return strings.Trim(fmt.Sprint(as), "[]") }
