package netns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/uqtool/uq/replay/netns/traffic"
)

// endProcess is the process of one end, client or server: it owns the end's
// namespace, starts what runs there, and keeps the network standing until the
// router closes the pipe.
type endProcess struct {
	p        *pipe
	isServer bool
	cfg      *Config
	signals  chan os.Signal
	messages chan message // from the router; closed at the end of the pipe

	command *command
	reports chan []traffic.Report // the client's traffic, when over
	serving chan error            // the server's traffic, when over
	cancel  context.CancelFunc    // of either traffic, or of the role

	// An end of the program's own has a role instead.
	role  End
	files []*os.File
	over  chan message // how the role ended: one
	ready chan struct{}
}

// endMain is an end's life.
func endMain(p *pipe, isServer bool, role End) {
	e := &endProcess{p: p, isServer: isServer, signals: make(chan os.Signal, 4), messages: make(chan message),
		cancel: func() {}, role: role}
	// A terminal's interrupt or hang-up reaches all processes of the lab; the
	// router decides what it means.
	signal.Notify(e.signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	note, err := e.setUp()
	if err != nil {
		_ = p.send(message{Kind: done, Err: err.Error()})
		return
	}
	if p.send(message{Kind: ready, Note: note}) != nil {
		return
	}
	go func() {
		defer close(e.messages)
		for {
			var m message
			if p.dec.Decode(&m) != nil {
				return
			}
			e.messages <- m
		}
	}()
	if p.send(e.serve()) != nil {
		return
	}
	for range e.messages {
	}
}

func (e *endProcess) name() string {
	if e.isServer {
		return "server"
	}
	return "client"
}

// setUp brings the end to where it can be told to start.
func (e *endProcess) setUp() (note string, err error) {
	if err := prepareNamespace(); err != nil {
		return "", fmt.Errorf("%s: %w", e.name(), err)
	}
	if err := e.p.send(message{Kind: born}); err != nil {
		return "", err
	}
	m, err := e.p.expect(setup)
	if err != nil {
		return "", err
	}
	e.cfg, e.files = m.Config, inheritFiles(m.Extra)
	if e.cfg.Wire != nil {
		if err := e.setUpWire(); err != nil {
			return "", fmt.Errorf("%s: %w", e.name(), err)
		}
		return "", nil
	}
	if err := m.Link.configure(); err != nil {
		return "", fmt.Errorf("%s: %w", e.name(), err)
	}
	if e.cfg.Ends {
		if err := e.readyRole(); err != nil {
			return "", fmt.Errorf("%s: %w", e.name(), err)
		}
		return "", nil
	}
	note, err = e.tuneTCP()
	if err == nil && e.isServer {
		err = e.startServer()
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", e.name(), err)
	}
	return note, nil
}

// tuneTCP sets the namespace's TCP as configured. A congestion control that
// only sockets of an administrator may choose is worth a note, not an error.
func (e *endProcess) tuneTCP() (note string, err error) {
	if e.cfg.ECN {
		if err := writeSysctl("net/ipv4/tcp_ecn", "1"); err != nil {
			return "", err
		}
	}
	if c := e.cfg.Congestion; c != "" && writeSysctl("net/ipv4/tcp_congestion_control", c) != nil {
		return fmt.Sprintf("%s: this kernel does not let a namespace default to congestion control %s (allowed: %s)",
			e.name(), c, readSysctl("net/ipv4/tcp_allowed_congestion_control")), nil
	}
	return "", nil
}

// servers are the addresses that the server's sockets are for; none if it has
// one of each family.
func (c *Config) servers() []netip.Addr {
	v4, v6 := StationAddresses(c.Stations)
	if !hasIPv6() {
		return v4
	}
	return append(v4, v6...)
}

// listenTimeout is how long a server command may take until it listens. One
// that never does (it may not be that kind) is then taken as ready.
const listenTimeout = 2 * time.Second

func (e *endProcess) startServer() error {
	if len(e.cfg.Server) > 0 {
		c, err := startCommand(e.cfg.Server, e.cfg.Environ(), nil, os.Stderr)
		if err != nil {
			return err
		}
		e.command = c
		e.waitListening()
	}
	if e.cfg.Traffic == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel, e.serving = cancel, make(chan error, 1)
	bound := make(chan struct{})
	go func() { e.serving <- traffic.Serve(ctx, e.cfg.servers(), traffic.Port, func(uint16) { close(bound) }) }()
	select {
	case <-bound:
		return nil
	case err := <-e.serving:
		return err
	}
}

// waitListening waits for the server command's first socket, or its end.
func (e *endProcess) waitListening() {
	for end := time.Now().Add(listenTimeout); time.Now().Before(end); {
		select {
		case <-e.command.done:
			return
		case <-time.After(5 * time.Millisecond):
		}
		if listening() {
			return
		}
	}
}

// listening says whether this namespace has a TCP listener or a UDP socket.
func listening() bool {
	for _, f := range []struct{ file, state string }{{"tcp", "0A"}, {"tcp6", "0A"}, {"udp", "07"}, {"udp6", "07"}} {
		file, err := os.Open("/proc/net/" + f.file)
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(file); s.Scan(); {
			if w := strings.Fields(s.Text()); len(w) > 3 && w[3] == f.state {
				_ = file.Close()
				return true
			}
		}
		_ = file.Close()
	}
	return false
}

// serve waits for messages and the end of what runs here, and returns the
// closing message.
func (e *endProcess) serve() message {
	interrupted := false
	for {
		var over <-chan struct{}
		if e.command != nil && !e.isServer {
			over = e.command.done
		}
		select {
		case m, ok := <-e.messages:
			if !ok || m.Kind == stop {
				return e.finish(interrupted)
			}
			if e.cfg.ownEnds() {
				e.startRole()
			} else if err := e.startClient(); err != nil {
				return message{Kind: done, Code: notFound, Err: err.Error()}
			}
		case <-e.signals:
			interrupted = true
		case <-over:
			return e.finish(interrupted)
		case r := <-e.reports:
			return message{Kind: done, Report: r}
		case m := <-e.over:
			return m
		}
	}
}

func (e *endProcess) startClient() (err error) {
	if len(e.cfg.Command) > 0 {
		e.command, err = startCommand(e.cfg.Command, e.cfg.Environ(), os.Stdin, os.Stdout)
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m, addr := e.cfg.mix(), host(server4)
	if m.V6() {
		addr = host(server6)
	}
	e.cancel, e.reports = cancel, make(chan []traffic.Report, 1)
	go func() { e.reports <- traffic.Run(ctx, m, netip.AddrPortFrom(addr, traffic.Port)) }()
	return nil
}

// finish ends what runs and says how that went.
func (e *endProcess) finish(interrupted bool) message {
	e.cancel()
	m := message{Kind: done}
	if e.over != nil {
		m = <-e.over
	}
	if e.command != nil {
		m.Code = e.command.stop(interrupted || e.interruptComing())
	}
	if e.reports != nil {
		m.Report = <-e.reports
	}
	if e.serving != nil {
		if err := <-e.serving; err != nil && !errors.Is(err, context.Canceled) {
			m.Err = err.Error()
		}
	}
	return m
}

// signalDelay is how much later than the router's word a terminal's interrupt
// may get here.
const signalDelay = 50 * time.Millisecond

// interruptComing says whether the terminal has interrupted this process, and
// so the command, too: the request to stop may have been faster.
func (e *endProcess) interruptComing() bool {
	select {
	case <-e.command.done:
		return false // nothing is left to wait for
	case <-e.signals:
		return true
	case <-time.After(signalDelay):
		return false
	}
}
