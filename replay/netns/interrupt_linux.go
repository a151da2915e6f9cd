package netns

import (
	"context"
	"errors"
	"time"
)

// interruption is why the lab ends from outside.
func (r *router) interruption() error {
	if d := r.cfg.Deadline; !d.IsZero() && !time.Now().Before(d) {
		return context.DeadlineExceeded
	}
	return errors.New("interrupted")
}

// interruptGap is how far apart a terminal's interrupt may reach us and the
// command, which it ended.
const interruptGap = 100 * time.Millisecond

// interruptedToo says whether what ended the command is on its way to us.
func interruptedToo(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(interruptGap):
		return false
	}
}
