package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/replay/netns/traffic"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/traces"
)

// labFlags are the flags of labOptions but --lab.
var labFlags = []string{"bottleneck", "traffic", "direction", "server", "ecn", "congestion", "stations"}

// labOptions describe the lab.
type labOptions struct {
	on                             bool
	bottleneck, traffic, direction string
	server, congestion             string
	ecn                            bool
	stations                       int
	seed                           uint64
	config                         netns.Config // made of them
}

// Defaults of the lab.
const (
	defaultBottleneck = "rate 20mbit delay 20ms limit 200"
	defaultTraffic    = "mix"
	defaultDuration   = 10 * time.Second
)

func (l *labOptions) flags(f *pflag.FlagSet) {
	f.BoolVar(&l.on, "lab", false, "record in a throwaway network of namespaces")
	f.StringVar(&l.bottleneck, "bottleneck", defaultBottleneck, `lab: "rate RATE delay TIME limit PACKETS burst BYTES" behind the queue, or none`)
	f.StringVar(&l.traffic, "traffic", defaultTraffic, "lab: built-in traffic where there is no COMMAND: "+strings.Join(traffic.Names(), ", "))
	f.StringVar(&l.direction, "direction", string(netns.Up), "lab: record up (client to server), down or both")
	f.StringVar(&l.server, "server", "", "lab: command for the server at 10.0.2.2 and fd00:2::2, split at blanks")
	f.IntVar(&l.stations, "stations", 0, "lab: hosts behind the queue, at 10.0.2.2, 10.0.2.3, ... and fd00:2::2, ...; built-in traffic runs with each")
	f.BoolVar(&l.ecn, "ecn", false, "lab: TCP asks for ECN")
	f.StringVar(&l.congestion, "congestion", "", "lab: TCP's congestion control")
}

// validate makes the lab's configuration.
func (l *labOptions) validate(o *recordOptions) error {
	c := &l.config
	c.Stations = l.stations
	c.ECN, c.Congestion, c.Server, c.Command = l.ecn, l.congestion, strings.Fields(l.server), o.command
	c.Queues, c.Fanout = o.set.Queues, o.set.Fanout
	if o.set.Scheduler != nil {
		c.CEMark = ceMark
	}
	var err error
	if c.Direction, err = netns.ParseDirection(l.direction); err != nil {
		return usageErrorf("--direction: %w", err)
	}
	if l.bottleneck != "none" {
		if c.Bottleneck, err = netns.ParseBottleneck(l.bottleneck); err != nil {
			return usageErrorf("--bottleneck: %w", err)
		}
	}
	if len(o.command) == 0 {
		c.Traffic = &traffic.Mix{Name: l.traffic, Duration: o.duration, Seed: l.seed}
		if o.duration == 0 {
			c.Traffic.Duration = defaultDuration
		}
	}
	if err := traffic.CheckCongestion(l.congestion); err != nil {
		return usageErrorf("--congestion %s: %w", l.congestion, err)
	}
	if err := c.Validate(); err != nil {
		return usageErrorf("--lab: %w", err)
	}
	return errors.Join(findCommand("the command", c.Command), findCommand("--server", c.Server))
}

// labPayload tells the lab's router what to do with the queue.
type labPayload struct {
	Record *recordSettings `json:"record,omitempty"`
}

// recordInLab builds a lab and records there. A command's own failure is an
// error, once the trace is complete; an interrupt is none.
func recordInLab(ctx context.Context, o recordOptions, out, served *os.File, rep *recordReport) error {
	if o.duration > 0 && len(o.command) > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	cfg := o.lab.config
	var err error
	if cfg.Payload, err = json.Marshal(labPayload{Record: &o.set}); err != nil {
		return err
	}
	stdio := netns.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Extra: []*os.File{out}}
	if served != nil {
		stdio.Extra = append(stdio.Extra, served)
	}
	if o.json || out == os.Stdout {
		stdio.Out = os.Stderr // ours is for data
	}
	res, err := netns.Run(ctx, cfg, stdio)
	err = seeDoctor(ctx, err, true)
	if res == nil {
		return err
	}
	if len(res.Capture) > 0 {
		if jerr := json.Unmarshal(res.Capture, &rep.recorded); jerr != nil {
			return errors.Join(err, fmt.Errorf("read the lab's result: %w", jerr))
		}
	}
	if len(res.Capture) == 0 && err == nil {
		return tooEarly(ctx)
	}
	res.Capture = nil
	rep.Lab = res
	if err == nil && res.Code != 0 && !res.Interrupted {
		err = fmt.Errorf("the command ended with exit code %d; the trace is complete", res.Code)
	}
	return err
}

// tooEarly is the error of a lab that ended before it recorded.
func tooEarly(ctx context.Context) error {
	const format = "nothing was recorded: %s before the lab was ready"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf(format, "duration over")
	}
	return &exitError{exitInterrupted, fmt.Errorf(format, "interrupted")}
}

// captureInLab serves the lab's queue, in the router's process.
func captureInLab(ctx context.Context, l *netns.Lab, ports egress.Maker) (any, error) {
	var p labPayload
	if err := json.Unmarshal(l.Config.Payload, &p); err != nil {
		return nil, fmt.Errorf("read the lab's task: %w", err)
	}
	if p.Record == nil || len(l.Files) < 1 || len(l.Files) > 2 {
		return nil, errors.New("read the lab's task: nothing to do")
	}
	p.Record.ports = ports
	bottleneck, sources, command := l.Config.Scenario()
	in := surroundings{
		queue: l.Config.Queue, mode: "lab", rule: l.Rule, dir: string(l.Config.Direction), mtu: netns.MTU,
		scenario: &traces.Scenario{Bottleneck: bottleneck, Traffic: sources, Command: command},
		ready:    func() error { l.Ready(); return nil },
		fed: func() (uint64, error) {
			c, err := l.Counter()
			return c.Packets, err
		},
	}
	if len(l.Files) > 1 {
		in.metrics = l.Files[1]
	}
	rec, err := recordQueue(ctx, *p.Record, in, l.Files[0])
	if rec.Record.Why == "" && err != nil {
		return nil, err
	}
	return rec, err
}
