package nfq_test

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/record/nfq"
)

// TestLivePermitted asks with and without the capability, and finds that
// asking binds nothing.
func TestLivePermitted(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		if err := nfq.Permitted(); err != nil {
			t.Errorf("with CAP_NET_ADMIN: %v", err)
		}
		q, err := nfq.Open(nfq.Config{})
		if err != nil {
			t.Fatalf("queue 0 after asking: %v", err)
		}
		if err := nfq.Permitted(); err != nil {
			t.Errorf("while a queue is bound: %v", err)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		runtime.LockOSThread() // capabilities are a thread's
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil {
			t.Fatal(err)
		}
		if err := nfq.Permitted(); !errors.Is(err, nfq.ErrPermission) {
			t.Errorf("without capabilities: %v, want %v", err, nfq.ErrPermission)
		}
	})
}
