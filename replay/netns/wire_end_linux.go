package netns

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync"
)

// setUpWire readies an end of a wire: its link is up, without addresses, and a
// sink receives.
func (e *endProcess) setUpWire() error {
	if err := quietIPv6(true); err != nil {
		return err
	}
	if err := raise(endLink); err != nil {
		return err
	}
	return e.readyRole()
}

// readyRole starts a sink and waits until it receives; a source starts later.
func (e *endProcess) readyRole() error {
	if e.role == nil {
		return errors.New("the program has no role for a lab's end")
	}
	e.ready = make(chan struct{})
	if !e.isServer {
		return nil
	}
	e.startRole()
	select {
	case <-e.ready:
		return nil
	case m := <-e.over:
		if m.Err == "" {
			m.Err = "the sink ended before it was ready"
		}
		return errors.New(m.Err)
	}
}

// startRole runs the end's role in a thread of its own.
func (e *endProcess) startRole() {
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel, e.over = cancel, make(chan message, 1)
	hw := routerClientMAC
	if e.isServer {
		hw = beyondMAC
	}
	lab := &EndLab{Config: *e.cfg, Link: endLink, HardwareAddr: mac(hw), Files: e.files,
		ready: sync.OnceFunc(func() { close(e.ready) })}
	go func() {
		runtime.LockOSThread()
		m := message{Kind: done}
		result, err := e.role(ctx, lab)
		if err == nil {
			m.Data, err = json.Marshal(result)
		}
		if err != nil {
			m.Err = err.Error()
		}
		e.over <- m
	}()
}
