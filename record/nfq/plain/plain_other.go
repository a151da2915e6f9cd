//go:build !linux

package plain

import (
	"context"
	"fmt"

	"github.com/uqtool/uq/record/nfq"
)

// Accept needs Linux.
func Accept(_ context.Context, c nfq.Config, _ func()) (Counts, error) {
	return Counts{}, fmt.Errorf("open queue %d: %w: NFQUEUE is Linux's", c.Queue, nfq.ErrUnsupported)
}
