package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/traces"
)

// openTraceInput opens a file, or standard input for "-". Reading from it fails with
// ctx's error once ctx is done, so that every loop over a trace can be interrupted.
func openTraceInput(ctx context.Context, s *streams, name string) (io.ReadCloser, error) {
	if name == "-" {
		return interruptibleReader(ctx, io.NopCloser(s.in)), nil
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, usageErrorf("open the trace: %w", err)
	case info.IsDir():
		return nil, usageErrorf("%s is a directory: want a trace", name)
	case !info.Mode().IsRegular() || info.Size() == 0:
		// Opening a named pipe waits for its writer; the kernel's own files, which
		// have no size, may wait when they are read.
		return interruptibleReader(ctx, &lateOpen{name: name}), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usageErrorf("open the trace: %w", err)
	}
	return &traceInput{ctx, f, f}, nil
}

// traceInput is a regular file: its reads do not wait, so that asking ctx before
// each is enough.
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

// lateOpen opens its file at the first Read.
type lateOpen struct {
	name string
	file *os.File
}

func (l *lateOpen) Read(p []byte) (n int, err error) {
	if l.file == nil {
		if l.file, err = os.Open(l.name); err != nil {
			return 0, err
		}
	}
	return l.file.Read(p)
}

func (l *lateOpen) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// interruptibleReader returns a reader of r whose Read fails with ctx's error as
// soon as ctx is done, even while r has nothing to give: a terminal, a quiet
// pipe. A goroutine reads ahead from r, up to 32 kB. It closes r when r ends, or
// when the returned reader is closed; but a Read of r that does not return keeps
// both, so this is for commands, which end.
func interruptibleReader(ctx context.Context, r io.ReadCloser) io.ReadCloser {
	out, in := io.Pipe()
	stop := context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
	go func() {
		defer stop()
		_, err := io.Copy(in, r)
		in.CloseWithError(err)
		r.Close()
	}()
	return out
}

// startedTrace is a trace being read from front to back.
type startedTrace struct {
	*traces.Reader
	in   io.Closer
	name string
	// salvage is the command's flag, nil if it has none.
	salvage *bool
}

// Close closes the file.
func (t *startedTrace) Close() error { return t.in.Close() }

// fail gives an error of reading the trace its exit code, and its way out.
func (t *startedTrace) fail(err error) error {
	if t.salvage != nil && !*t.salvage && salvageable(err) {
		err = fmt.Errorf("%w: --salvage goes on behind that", err)
	}
	return traceError(t.name, err)
}

// startTrace opens a trace for reading from front to back, with salvage also one
// that is damaged in the middle; nil is for a command without that flag.
func startTrace(ctx context.Context, s *streams, name string, salvage *bool) (*startedTrace, error) {
	in, err := openTraceInput(ctx, s, name)
	if err != nil {
		return nil, err
	}
	open := traces.NewReader
	if salvage != nil && *salvage {
		open = traces.Salvage
	}
	t := &startedTrace{in: in, name: name, salvage: salvage}
	if t.Reader, err = open(in); err != nil {
		in.Close()
		return nil, t.fail(err)
	}
	return t, nil
}

// salvageable says whether err is damage that traces.Salvage may read on behind:
// neither the end of a cut trace nor something after a whole one.
func salvageable(err error) bool {
	var d *traces.Damage
	return errors.As(err, &d) && !errors.Is(err, traces.ErrTruncated) && !errors.Is(err, traces.ErrTrailing) &&
		!errors.Is(err, traces.ErrAnotherTrace) && !errors.Is(err, context.Canceled)
}

// traceError gives an error of reading the trace called name its exit code.
func traceError(name string, err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case isDamage(err):
		return damagedErrorf("%s: %w", name, err)
	case errors.Is(err, traces.ErrNotTrace), errors.Is(err, traces.ErrVersion):
		return usageErrorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// isDamage says whether err tells of a trace that was read as far as it goes.
func isDamage(err error) bool {
	var d *traces.Damage
	return errors.As(err, &d) && !errors.Is(err, context.Canceled)
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
	if err = fill(o); err != nil && !isDamage(err) {
		return err
	}
	if e := o.commit(); e != nil {
		return e
	}
	return err
}

// writeFile is os.WriteFile, but the file is complete or as it was.
func writeFile(s *streams, name string, data []byte) error {
	return writeTraceFile(s, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// traceDestination are the flags of a command that writes a trace.
type traceDestination struct {
	name string
	json bool
}

func (d *traceDestination) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&d.name, "output", "o", "", "trace to write, - for standard output")
	cmd.Flags().BoolVar(&d.json, "json", false, "print what was written as JSON, schema "+traceWrittenSchema)
	_ = cmd.MarkFlagRequired("output")
}

// traceWrittenSchema names the version of traceWritten's JSON form.
const traceWrittenSchema = "uq-trace-written/1"

// traceWritten says what a command wrote.
type traceWritten struct {
	Schema  string `json:"schema"`
	Output  string `json:"output"`
	Records uint64 `json:"records"`
	Events  uint64 `json:"events"`
	Blocks  uint64 `json:"blocks"`
	Bytes   uint64 `json:"bytes"`
	// Complete is false when the input was damaged: the output then has no end
	// record.
	Complete bool `json:"complete"`
}

// writeTrace lets fill write a trace with the header h to where the flags say,
// and says what it wrote. A *traces.Damage of fill's input still completes it.
func writeTrace(s *streams, d traceDestination, h traces.Header, fill func(t *traces.Writer) error) error {
	if d.json && d.name == "-" {
		return usageErrorf("-o - --json: both want standard output")
	}
	var t *traces.Writer
	err := writeTraceFile(s, d.name, func(w io.Writer) (err error) {
		if t, err = traces.NewWriter(w, h, traces.WriterOptions{}); err != nil {
			return err
		}
		return fill(t)
	})
	if err != nil && !isDamage(err) {
		return err
	}
	st := t.Stats()
	if d.json {
		report := traceWritten{traceWrittenSchema, d.name, st.Records, st.Events, st.Blocks, st.Bytes, err == nil}
		if e := encodeJSON(s.out, report); e != nil {
			return e
		}
	}
	printTraceWritten(s, st)
	return err
}

func printTraceWritten(s *streams, st traces.WriterStats) {
	if st.Records == 0 {
		fmt.Fprintf(s.err, "wrote no packets, %d events, %d bytes\n", st.Events, st.Bytes)
		return
	}
	packets := "packets"
	if st.Records == 1 {
		packets = "packet"
	}
	fmt.Fprintf(s.err, "wrote %d %s, %d events, %d bytes (%.1f a packet)\n",
		st.Records, packets, st.Events, st.Bytes, float64(st.Bytes)/float64(st.Records))
}
