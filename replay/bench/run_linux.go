package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/uqtool/uq/replay/netns"
)

// Run measures in a lab of its own and calls each with every sample as it is
// taken. payload is what makes the program's Roles do t. Interrupted, it returns
// early and without an error; the samples so far are good.
func Run(ctx context.Context, t *Task, payload json.RawMessage, stderr *os.File, each func(Sample)) (interrupted bool, err error) {
	if err := t.Validate(); err != nil {
		return false, err
	}
	in, out, err := os.Pipe()
	if err != nil {
		return false, fmt.Errorf("make a pipe: %w", err)
	}
	defer in.Close()
	read := make(chan error, 1)
	go func() { read <- readSamples(in, each) }()
	cfg := netns.Config{Ends: true, Payload: payload}
	res, err := netns.Run(ctx, cfg, netns.Stdio{Out: stderr, Err: stderr, Extra: []*os.File{out}})
	err = errors.Join(err, out.Close(), <-read)
	return res != nil && res.Interrupted, err
}

func readSamples(in io.Reader, each func(Sample)) error {
	for d := json.NewDecoder(in); ; {
		var s Sample
		err := d.Decode(&s)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a sample: %w", err)
		}
		each(s)
	}
}
