package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/uqtool/uq/traces"
)

// openTraceInput opens a file, or standard input for "-". Reading from it fails once
// ctx is done, so that every loop over a trace can be interrupted.
func openTraceInput(ctx context.Context, s *streams, name string) (io.ReadCloser, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usageErrorf("open the trace: %w", err)
		}
		return &traceInput{ctx, f, f}, nil
	}
	// A read of a terminal cannot be interrupted, a pipe in between can.
	r, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, s.in)
		w.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { r.CloseWithError(ctx.Err()) })
	return r, nil
}

type traceInput struct {
	ctx context.Context
	io.Reader
	io.Closer
}

func (in *traceInput) Read(p []byte) (int, error) {
	if err := in.ctx.Err(); err != nil {
		return 0, err
	}
	return in.Reader.Read(p)
}

// startTrace opens a trace for reading from front to back, with salvage also one
// that is damaged in the middle.
func startTrace(ctx context.Context, s *streams, name string, salvage bool) (*traces.Reader, io.Closer, error) {
	in, err := openTraceInput(ctx, s, name)
	if err != nil {
		return nil, nil, err
	}
	open := traces.NewReader
	if salvage {
		open = traces.Salvage
	}
	r, err := open(in)
	if err != nil {
		in.Close()
		return nil, nil, traceError(name, err)
	}
	return r, in, nil
}

// traceError gives an error of reading the trace called name its exit code.
func traceError(name string, err error) error {
	var d *traces.Damage
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &d):
		return damagedErrorf("%s: %w", name, err)
	case errors.Is(err, traces.ErrNotTrace), errors.Is(err, traces.ErrVersion):
		return usageErrorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// traceOutput is a file that appears under its name only once it is complete, so
// that a failure leaves no half file and an input may be its own output.
type traceOutput struct {
	*bufio.Writer
	file *os.File // nil for standard output
	name string   // to rename to, empty if written in place
}

// createTraceOutput creates a file, or stands for standard output for "-".
func createTraceOutput(s *streams, name string) (*traceOutput, error) {
	if name == "-" {
		return &traceOutput{Writer: bufio.NewWriter(s.out)}, nil
	}
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		// A device or a named pipe must not be replaced by a file.
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return nil, usageErrorf("write to %s: %w", name, err)
		}
		return &traceOutput{Writer: bufio.NewWriter(f), file: f}, nil
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	// Not os.CreateTemp, which ignores the user's umask.
	temp := fmt.Sprintf("%s.%d.part", name, os.Getpid())
	f, createErr := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if createErr == nil && err == nil {
		createErr = f.Chmod(info.Mode().Perm())
	}
	if createErr != nil {
		return nil, usageErrorf("create %s: %w", name, createErr)
	}
	return &traceOutput{Writer: bufio.NewWriter(f), file: f, name: name}, nil
}

// commit completes the file.
func (o *traceOutput) commit() error {
	err := o.Flush()
	if o.file == nil {
		return err
	}
	if e := o.file.Close(); err == nil {
		err = e
	}
	if o.name != "" && err == nil {
		err = os.Rename(o.file.Name(), o.name)
	}
	if err != nil {
		o.discard()
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// discard gives the file up; after commit it does nothing.
func (o *traceOutput) discard() {
	if o.file != nil {
		o.file.Close()
	}
	if o.name != "" {
		os.Remove(o.file.Name())
	}
}

// writeTraceFile runs fill on a new output called name and completes it, unless
// fill failed; a *traces.Damage of fill's input still completes it.
func writeTraceFile(s *streams, name string, fill func(w io.Writer) error) error {
	o, err := createTraceOutput(s, name)
	if err != nil {
		return err
	}
	defer o.discard()
	err = fill(o)
	var d *traces.Damage
	if err != nil && (!errors.As(err, &d) || errors.Is(err, context.Canceled)) {
		return err
	}
	if e := o.commit(); e != nil {
		return e
	}
	return err
}
