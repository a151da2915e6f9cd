package netns

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// What a user reads names a reason and a way out, not a call of ours.
func TestExplain(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EPERM, syscall.EINVAL, syscall.EUSERS} {
		err := explain(&fs.PathError{Op: "fork/exec", Path: "/proc/self/exe", Err: errno})
		if text := err.Error(); strings.Contains(text, "exe") || strings.Contains(text, "no space") {
			t.Errorf("%v: %s", errno, text)
		}
		if !errors.Is(err, errno) {
			t.Errorf("%v is not in %v", errno, err)
		}
	}
}
