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
	first, err := openOutput(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.WriteString("trace"); err != nil {
		t.Fatal(err)
	}
	var e *exitError
	if _, err := openOutput(name); !errors.Is(err, errLocked) || !errors.As(err, &e) || e.code != exitUsage {
		t.Errorf("second: error %v", err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); string(b) != "trace" {
		t.Errorf("the file holds %q, error %v", b, err)
	}
	again, err := openOutput(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.close(); err != nil {
		t.Error(err)
	}
}
