package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/corpus"
)

// input is a trace that can be opened, several times where that was asked for.
type input struct {
	name string
	size int64
	open func() (io.ReadCloser, error)
	temp string // a copy of standard input
}

// openInput finds the trace: a file, standard input, or an embedded one, "" or
// "corpus:NAME". Standard input is copied to a temporary file when
// it must be read more than once.
func openInput(ctx context.Context, s *streams, path string, again bool) (*input, error) {
	switch {
	case path == "":
		data := corpus.Default()
		return &input{name: corpus.DefaultName + " (embedded)", size: int64(len(data)), open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(data)), nil
		}}, nil
	case path == "-" && again:
		return spool(s.in)
	case isCorpus(path):
		data, err := corpusTrace(path)
		if err != nil {
			return nil, usageErrorf("%w", err)
		}
		return &input{name: path, size: int64(len(data)), open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(data)), nil
		}}, nil
	}
	in := &input{name: path, open: func() (io.ReadCloser, error) { return openTraceInput(ctx, s, path) }}
	if path == "-" {
		in.name = "standard input"
	} else if st, err := os.Stat(path); err != nil {
		return nil, usageErrorf("open trace: %w", err)
	} else if st.Mode().IsRegular() {
		in.size = st.Size()
	}
	return in, nil
}

func spool(r io.Reader) (*input, error) {
	f, err := os.CreateTemp("", "uq-sim-*.zst")
	if err != nil {
		return nil, fmt.Errorf("copy standard input: %w: $TMPDIR names the directory", err)
	}
	defer f.Close()
	n, err := io.Copy(f, r)
	if err != nil {
		os.Remove(f.Name())
		return nil, fmt.Errorf("copy standard input: %w: $TMPDIR names the directory", err)
	}
	name := f.Name()
	return &input{name: "standard input", size: n, temp: name, open: func() (io.ReadCloser, error) { return os.Open(name) }}, nil
}

func (in *input) close() {
	if in.temp != "" {
		os.Remove(in.temp)
	}
}

// openTrace is a trace being read.
type openTrace struct {
	*traces.Reader
	file   io.ReadCloser
	onRead func(int)
}

// Read counts what passes, for the progress line.
func (t *openTrace) Read(p []byte) (int, error) {
	n, err := t.file.Read(p)
	if t.onRead != nil {
		t.onRead(n)
	}
	return n, err
}

func (in *input) reader(salvage bool) (*openTrace, error) {
	f, err := in.open()
	if err != nil {
		return nil, err
	}
	open := traces.NewReader
	if salvage {
		open = traces.Salvage
	}
	t := &openTrace{file: f}
	if t.Reader, err = open(t); err != nil {
		f.Close()
		return nil, traceError(in.name, err)
	}
	return t, nil
}

func (t *openTrace) close() { t.file.Close() }
