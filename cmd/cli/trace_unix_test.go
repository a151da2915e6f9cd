//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A named pipe is read like any other stream, and waiting for its writer can be
// interrupted.
func TestNamedPipe(t *testing.T) {
	_, file, _ := uq(nil, "trace", "synth", "--packets", "20000", "-o", "-")
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	wrote := make(chan error)
	go func() { wrote <- os.WriteFile(fifo, []byte(file), 0) }()
	if code, out, errs := uq(nil, "trace", "info", fifo); code != exitOK || !strings.Contains(out, "packets    20000,") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	for _, args := range []string{"trace info ", "verify "} {
		if code, errs := untilInterrupted(t, nil, strings.Fields(args+fifo)...); code != exitInterrupted {
			t.Errorf("exit code %d: %s", code, errs)
		}
		// Let the reader that waits go.
		if f, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			f.Close()
		}
	}
}
