package cli

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestLock has two recordings to one file: the second is refused and leaves it
// alone, until the first is over.
func TestLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "t.zst")
	first, err := openOutput(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.WriteString("trace"); err != nil {
		t.Fatal(err)
	}
	var e *exitError
	if _, err := openOutput(t.Context(), name); !errors.Is(err, errLocked) || !errors.As(err, &e) || e.code != exitUsage {
		t.Errorf("second: error %v", err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); string(b) != "trace" {
		t.Errorf("the file holds %q, error %v", b, err)
	}
	again, err := openOutput(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.close(); err != nil {
		t.Error(err)
	}
}

// TestLockReplay: a recording's file is not to be taken for a replay's outcome,
// nor the other way round.
func TestLockReplay(t *testing.T) {
	trace, err := os.CreateTemp(t.TempDir(), "*.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer trace.Close()
	name := filepath.Join(t.TempDir(), "t.zst")
	for _, open := range []func() (*output, error){
		func() (*output, error) { return openOutput(t.Context(), name) },
		func() (*output, error) { return openReplayOutput(name, trace) },
	} {
		first, err := open()
		if err != nil {
			t.Fatal(err)
		}
		var e *exitError
		if _, err := openReplayOutput(name, trace); !errors.Is(err, errLocked) || !errors.As(err, &e) || e.code != exitUsage {
			t.Errorf("replay: error %v", err)
		}
		if _, err := openOutput(t.Context(), name); !errors.Is(err, errLocked) {
			t.Errorf("record: error %v", err)
		}
		if err := first.close(); err != nil {
			t.Fatal(err)
		}
	}
}
