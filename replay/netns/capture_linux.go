package netns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/uqtool/uq/record/nft"
)

// capturing is a capture function under way. It is over when done is closed.
type capturing struct {
	timeout time.Duration // that it may take to end
	stop    context.CancelCauseFunc
	done    chan struct{}
	result  any
	err     error
	ended   bool // end has been called
}

// startCapture runs the capture function until it says that its queue is
// bound. What interrupts the lab is outer's end.
func (r *router) startCapture(outer context.Context, f Capture) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &capturing{timeout: captureTimeout, stop: cancel, done: make(chan struct{})}
	if w := r.cfg.Wire; w != nil {
		c.timeout += w.Drain
	}
	r.capture = c
	bound := make(chan struct{})
	l := &Lab{Config: *r.cfg, Rule: r.recordRule().String(), Files: r.files,
		ready: sync.OnceFunc(func() { close(bound) }), counter: r.counter,
		interrupted: func() bool { return outer.Err() != nil }}
	go func() {
		defer close(c.done)
		runtime.LockOSThread() // a capture loop wants its own thread anyway
		c.result, c.err = f(ctx, l)
	}()
	select {
	case <-bound:
		return nil
	case <-c.done:
		if c.err == nil {
			return errors.New("capture ended before its queue was ready")
		}
		return c.end(nil)
	}
}

// counter reads the record rule's counter.
func (r *router) counter() (nft.Counter, error) {
	t := r.table.Load()
	if t == nil {
		return nft.Counter{}, errors.New("read counter: the rule is not in yet")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return t.Counter(0)
}

// captureTimeout bounds how long a capture may take to write its last.
const captureTimeout = 20 * time.Second

// end stops the capture, telling it why, and waits for it. Its error comes
// once, from the first call.
func (c *capturing) end(why error) error {
	c.stop(why)
	if c.ended {
		return nil
	}
	c.ended = true
	select {
	case <-c.done:
		return c.err
	case <-time.After(c.timeout):
		return fmt.Errorf("capture did not end in %s", c.timeout)
	}
}

// marshal is the result of a capture that is over, else nothing.
func (c *capturing) marshal() (json.RawMessage, error) {
	select {
	case <-c.done:
		return json.Marshal(c.result)
	default:
		return nil, nil
	}
}
