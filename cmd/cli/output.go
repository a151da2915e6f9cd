package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// output is the file a trace goes to.
type output struct {
	*os.File
	created bool
}

// openOutput opens the trace's file without emptying it yet, and waits for the
// reader of a named pipe. It refuses what is neither a file nor a pipe, and a
// terminal.
func openOutput(ctx context.Context, name string) (*output, error) {
	if name == "-" {
		if isTerminal(os.Stdout) {
			return nil, usageErrorf("-o -: standard output is a terminal, and a trace is binary: redirect it")
		}
		if err := lock(os.Stdout); err != nil {
			return nil, usageErrorf("-o -: %w", err)
		}
		return &output{File: os.Stdout}, nil
	}
	st, err := os.Stat(name)
	if err == nil && !st.Mode().IsRegular() && st.Mode()&fs.ModeNamedPipe == 0 && name != os.DevNull {
		return nil, usageErrorf("-o %s: not a file: choose another name, or redirect -o -", name)
	}
	f, err := openReadable(ctx, name)
	if err != nil && errors.Is(err, ctx.Err()) {
		return nil, err
	}
	if err != nil {
		if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, usageErrorf("-o %s: %w", name, err)
	}
	o := &output{File: f, created: st == nil}
	if err := lock(f); err != nil {
		_ = f.Close()
		return nil, usageErrorf("-o %s: %w", name, err)
	}
	return o, nil
}

// openReadable opens a file for writing. A named pipe that nobody reads, which
// would block, is tried again until ctx ends.
func openReadable(ctx context.Context, name string) (*os.File, error) {
	for {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|syscall.O_NONBLOCK, 0o666)
		if !errors.Is(err, syscall.ENXIO) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(readerEvery):
		}
	}
}

// readerEvery is how often a named pipe is looked at for a reader.
const readerEvery = 20 * time.Millisecond

// empty discards what a file held before.
func empty(f *os.File) error {
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return err
	}
	return f.Truncate(0)
}

// close closes the file, and removes it if it was made for nothing.
func (o *output) close() error {
	if o.File == os.Stdout {
		unlock(o.File) // the caller may have it open for longer
		return nil
	}
	st, err := o.Stat()
	if err == nil && o.created && st.Size() == 0 && st.Mode().IsRegular() {
		err = os.Remove(o.Name())
	}
	return errors.Join(err, o.File.Close())
}
