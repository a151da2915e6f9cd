//go:build !linux

package nfq

import (
	"fmt"
	"runtime"
	"time"
)

// Queue needs Linux: on this system Open always fails.
type Queue struct{}

// Open fails with ErrUnsupported.
func Open(c Config) (*Queue, error) {
	return nil, fmt.Errorf("open queue %d: %w on %s: NFQUEUE needs Linux", c.Queue, ErrUnsupported, runtime.GOOS)
}

// Permitted fails with ErrUnsupported.
func Permitted() error {
	return fmt.Errorf("%w on %s: NFQUEUE needs Linux", ErrUnsupported, runtime.GOOS)
}

// RcvBuf is the size of the receive buffer.
func (q *Queue) RcvBuf() int { return 0 }

// Receive fails with ErrUnsupported.
func (q *Queue) Receive(time.Duration) (Batch, error) { return Batch{}, ErrUnsupported }

// Send fails with ErrUnsupported.
func (q *Queue) Send([]Verdict) error { return ErrUnsupported }

// Shutdown does nothing.
func (q *Queue) Shutdown() {}

// Close does nothing.
func (q *Queue) Close() error { return nil }
