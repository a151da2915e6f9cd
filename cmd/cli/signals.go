package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// hurryKey is the key of a context's value: a channel that is closed by the
// second signal to end.
type hurryKey struct{}

// signalContext ends with the first signal to end, a hang-up included unless
// nohup has it ignored. The second one is what hurried tells.
func signalContext() (ctx context.Context, stop func()) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	came, hurry, over := make(chan os.Signal, 2), make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), hurryKey{}, hurry))
	signal.Notify(came, signals...)
	go func() {
		for _, first := range []bool{true, false} {
			select {
			case <-came:
			case <-over:
				return
			}
			if cancel(); !first {
				close(hurry)
			}
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(came)
		cancel()
		close(over)
	})
}

// hurried is closed when nothing is to be waited for any more. It may be nil.
func hurried(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(hurryKey{}).(chan struct{})
	return c
}

// keepPipes has a write to a pipe without a reader return an error, where by
// default it ends the process: not one that holds packets, nor one that has
// rules to take away. What the process starts has the default again.
func keepPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
