//go:build unix

package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOpenOutputPipe: a named pipe is waited for until it has a reader, or the
// user has had enough.
func TestOpenOutputPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := openOutput(ctx, name); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a reader: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := openOutput(ended, name); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}

	read := make(chan string, 1)
	go func() {
		time.Sleep(50 * time.Millisecond)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		}
		read <- string(b)
	}()
	o, err := openOutput(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	_, werr := o.Write([]byte("trace"))
	if err := errors.Join(werr, o.close()); err != nil {
		t.Error(err)
	}
	if got := <-read; got != "trace" {
		t.Errorf("the reader got %q", got)
	}
}
