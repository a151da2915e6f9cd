package netns

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/livetest"
)

// TestLiveOrdinary begins as a program with capabilities of its own does, and
// looks for a thread that kept some.
func TestLiveOrdinary(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
			t.Fatal(err)
		}
		err := Ordinary()
		if errors.Is(err, syscall.ENOTSUP) {
			t.Skip("built with cgo")
		}
		if err != nil {
			t.Fatal(err)
		}
		if shown, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || shown != 1 {
			t.Errorf("dumpable %d, %v", shown, err)
		}
		files, err := filepath.Glob("/proc/self/task/*/status")
		if err != nil || len(files) < 2 {
			t.Fatalf("threads %v, %v", files, err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(`(?m)^CapPrm:\t0+\nCapEff:\t0+$`).Match(b) {
				t.Errorf("%s: a thread kept capabilities:\n%s", name, b)
			}
		}
	})
}
