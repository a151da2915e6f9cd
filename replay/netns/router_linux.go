package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/nft"
)

// endTimeout is how long an end may take to stop what it runs; it exceeds a
// command's grace periods and the traffic's last wait.
const endTimeout = 8 * time.Second

// router is the process in the middle: it owns the links, the queues and the
// two ends.
type router struct {
	cfg    *Config
	files  []*os.File
	server *child
	client *child

	delay *delayLine
	table atomic.Pointer[nft.Table]
	mu    sync.Mutex // one user of the table at a time

	capture *capturing // nil without one
	started bool       // the client has been told to start
	why     error      // the capture is told why it ends
	result  Result
}

// child is an end as the router sees it.
type child struct {
	cmd   *exec.Cmd
	p     *pipe
	extra int          // files it has inherited
	done  chan message // one: how it ended
	got   bool         // done has been received
}

// routerMain is the router's life: its closing message.
func routerMain(p *pipe, capture Capture) message {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	m, err := p.expect(setup)
	if err != nil {
		return message{Kind: done, Err: err.Error()}
	}
	r := &router{cfg: m.Config, server: &child{}, client: &child{}}
	r.files = inheritFiles(m.Extra)
	err = r.run(ctx, capture)
	if err != nil && ctx.Err() != nil && !r.started {
		// The interrupt that ended a half-built lab is not its fault.
		err, r.result.Interrupted = nil, true
	}
	err = errors.Join(err, r.tearDown())
	out := message{Kind: done, Result: &r.result}
	if err != nil {
		out.Err = err.Error()
	}
	return out
}

// run brings the lab up, waits for its end and takes the accounts.
func (r *router) run(ctx context.Context, capture Capture) error {
	if err := r.build(); err != nil {
		return err
	}
	if err := r.attach(ctx, capture); err != nil {
		return err
	}
	r.started = true
	err := r.client.p.send(message{Kind: start})
	if err == nil {
		err = r.wait(ctx)
	}
	err = errors.Join(err, r.quiesce())
	// A wire's capture may take its time to end, unless it is told not to.
	r.result.Interrupted = r.result.Interrupted || r.cfg.Wire != nil && ctx.Err() != nil
	return err
}

// build makes the namespaces, links and shapers, and readies both ends.
func (r *router) build() error {
	// Orphans of the users' commands become ours, to be ended with the lab.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt orphans: %w", err)
	}
	if err := prepareNamespace(); err != nil {
		return err
	}
	if err := forwardPackets(); err != nil {
		return err
	}
	var extra []*os.File
	if r.cfg.Wire != nil {
		extra = r.files
	}
	// Commands of the server write words, not data.
	if err := r.server.spawn(serverCommand, Stdio{Out: os.Stderr, Err: os.Stderr, Extra: extra}); err != nil {
		return err
	}
	if err := r.client.spawn(clientCommand, Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Extra: extra}); err != nil {
		return err
	}
	if r.cfg.Wire == nil {
		if err := r.buildLab(); err != nil {
			return err
		}
	} else if err := r.buildWire(); err != nil {
		return err
	}
	if err := r.ready(r.server, serverEnd(r.cfg.Stations)); err != nil {
		return err
	}
	return r.ready(r.client, clientEnd())
}

// buildLab links the router with the ends, addresses and shapers and all.
func (r *router) buildLab() error {
	if err := connect(ToServer, r.server.cmd.Process.Pid, routerServer4, routerServer6); err != nil {
		return err
	}
	if err := connect(ToClient, r.client.cmd.Process.Pid, routerClient4, routerClient6); err != nil {
		return err
	}
	if b := r.cfg.Bottleneck; b != nil && b.Rate != 0 {
		for _, l := range r.recorded() {
			if err := b.shape(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// spawn starts an end and waits for its namespace. The two are started one
// after the other: it costs a few milliseconds.
func (c *child) spawn(command string, stdio Stdio) (err error) {
	c.extra = len(stdio.Extra)
	c.cmd, c.p, err = spawn(command, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}, stdio)
	if err != nil {
		return fmt.Errorf("start %s: %w", command, explain(err))
	}
	_, err = c.p.expect(born)
	return err
}

// ready configures an end and waits until its servers listen. From then on a
// goroutine waits for its closing message.
func (r *router) ready(c *child, e *end) error {
	if err := c.p.send(message{Kind: setup, Config: r.cfg, Link: e, Extra: c.extra}); err != nil {
		return err
	}
	m, err := c.p.expect(ready)
	if err != nil {
		return err
	}
	if m.Note != "" {
		r.result.Notes = append(r.result.Notes, m.Note)
	}
	c.done = make(chan message, 1)
	go func() {
		m, err := c.p.expect(done)
		if err != nil {
			m.Err = err.Error()
		}
		c.done <- m
	}()
	return nil
}

// attach binds the queues, then puts in the rules that feed them.
func (r *router) attach(ctx context.Context, capture Capture) error {
	var rules []nft.Rule
	if r.cfg.Ends {
		return r.startCapture(ctx, capture)
	}
	if capture != nil {
		rules = append(rules, r.recordRule())
		if r.cfg.CEMark != 0 {
			rules = append(rules, nft.Rule{Name: "mark", Hook: nft.Forward, Priority: markPriority, Mark: r.cfg.CEMark, SetCE: true})
		}
		if err := r.startCapture(ctx, capture); err != nil {
			return err
		}
	}
	if b := r.cfg.Bottleneck; b != nil && b.Delay != 0 {
		d, err := startDelayLine(r.cfg.delayQueue(), b.Delay)
		if err != nil {
			return err
		}
		r.delay = d
		rules = append(rules, r.delayRules()...)
	}
	if len(rules) == 0 {
		return nil
	}
	t, err := nft.Install(rules...)
	if err != nil {
		return err
	}
	r.table.Store(t)
	return nil
}

// wait waits for the client's end or whatever comes before it.
func (r *router) wait(ctx context.Context) error {
	var captured chan struct{}
	if r.capture != nil {
		captured = r.capture.done
	}
	var delayed chan error
	if r.delay != nil {
		delayed = r.delay.done
	}
	select {
	case m := <-r.client.done:
		r.why = errors.New("command finished")
		if m.Code != 0 && interruptedToo(ctx) {
			r.result.Interrupted, r.why = true, r.interruption()
			return r.clientDone(m)
		}
		switch {
		case r.cfg.Traffic != nil:
			r.why = errors.New("traffic finished")
		case r.cfg.Wire != nil:
			r.why = ErrFinished
		}
		return r.clientDone(m)
	case m := <-r.server.done:
		r.server.got = true
		r.why = fmt.Errorf("server ended: %s", m.Err)
		return r.why
	case <-ctx.Done():
		r.result.Interrupted, r.why = true, r.interruption()
		return nil
	case <-captured:
		return nil // quiesce has its error
	case err := <-delayed:
		r.delay.done <- err // for stop
		r.why = err
		return err
	}
}

// clientDone takes the client's account.
func (r *router) clientDone(m message) error {
	r.client.got = true
	r.result.Code, r.result.Traffic, r.result.Source = m.Code, m.Report, m.Data
	if m.Err != "" {
		return errors.New(m.Err)
	}
	return nil
}

// quiesce ends the traffic, then the capture, while the network still stands,
// and reads the counters. A wire's sink ends last: it receives what the capture
// still holds.
func (r *router) quiesce() error {
	var errs []error
	if m, ok := r.client.stop(); ok {
		errs = append(errs, r.clientDone(m))
	}
	if !r.cfg.ownEnds() {
		errs = append(errs, r.stopServer())
	}
	if c := r.capture; c != nil {
		errs = append(errs, c.end(r.why))
		var merr, cerr error
		r.result.Capture, merr = c.marshal()
		if r.table.Load() != nil {
			r.result.Queued, cerr = r.counter()
		}
		errs = append(errs, merr, cerr)
	}
	errs = append(errs, r.stopServer())
	return errors.Join(append(errs, r.accounts())...)
}

// stopServer ends the server, if it still runs, and takes its account.
func (r *router) stopServer() error {
	m, ok := r.server.stop()
	if !ok {
		return nil
	}
	r.result.Sink = m.Data
	if m.Err != "" {
		return fmt.Errorf("server: %s", m.Err)
	}
	return nil
}

// accounts reads what the shaper and the delay line did.
func (r *router) accounts() (err error) {
	if r.delay != nil {
		d, derr := r.delay.stop()
		r.result.Delayed, r.delay, err = d, nil, derr
	}
	if b := r.cfg.Bottleneck; b != nil && b.Rate != 0 {
		s, serr := readShaper(r.recorded())
		r.result.Shaper, err = s, errors.Join(err, serr)
	}
	return err
}

// stop asks an end to stop what it runs and waits for its account; ok is false
// when there is none to come.
func (c *child) stop() (m message, ok bool) {
	if c.done == nil || c.got {
		return m, false
	}
	c.got = true
	_ = c.p.send(message{Kind: stop})
	select {
	case m = <-c.done:
	case <-time.After(endTimeout):
		m.Err = fmt.Sprintf("no answer in %s", endTimeout)
	}
	return m, true
}

// tearDown ends whatever run has left, however far that came.
func (r *router) tearDown() error {
	var errs []error
	if c := r.capture; c != nil {
		errs = append(errs, c.end(errors.New("the lab broke")))
	}
	if r.delay != nil {
		_, err := r.delay.stop()
		errs = append(errs, err)
	}
	if t := r.table.Load(); t != nil {
		errs = append(errs, t.Remove())
	}
	for _, c := range []*child{r.client, r.server} {
		if c.cmd == nil {
			continue
		}
		c.p.close()
		kill := time.AfterFunc(endTimeout, func() { _ = c.cmd.Process.Kill() })
		_ = c.cmd.Wait()
		kill.Stop()
	}
	endOrphans()
	return errors.Join(errs...)
}
