package inject

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/traces"
)

// TestLiveDiskFull: a disk that is full costs records of the outcome, neither
// packets nor the report, which accounts for them. The disk is a small tmpfs
// that only this test's thread and its children see.
func TestLiveDiskFull(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		ctx := needLab(t)
		runtime.LockOSThread() // for good
		disk := filepath.Join(t.TempDir(), "disk")
		if err := errors.Join(os.Mkdir(disk, 0o777), unix.Unshare(unix.CLONE_NEWNS), unix.Mount("tmpfs", disk, "tmpfs", 0, "size=16k")); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}()
		out, err := os.Create(filepath.Join(disk, "out.zst"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		task := defaultTask("12mbit")
		payload, err := json.Marshal(task)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := Run(ctx, &task.Task, payload, Files{Trace: corpusFile(t, "udp.zst"), Outcome: out, Stderr: os.Stderr}, true)
		if err != nil {
			t.Fatal(err)
		}
		b := &rep.Balance
		t.Logf("%+v %v", *b, rep.Unwritten)
		if b.Unexplained != 0 || b.Sent != b.Delivered+b.Dropped+b.Lost.Sum() || b.Sent != rep.Run.ArrivedPackets || b.Delivered == 0 {
			t.Errorf("balance %+v of %d arrivals", *b, rep.Run.ArrivedPackets)
		}
		n := b.Lost.Unrecorded
		if u := rep.Unwritten; n == 0 || rep.Live.Losses.Records != n || u == nil || u.Records != n || !strings.Contains(u.Error(), "no space left on device") {
			t.Errorf("%d packets without a record, %+v, %v", n, rep.Live.Losses, rep.Unwritten)
		}
		r, err := OpenTrace(out)
		if err != nil {
			t.Fatal(err)
		}
		var damage *traces.Damage
		if v, err := replay.Verify(r, ports); !errors.As(err, &damage) || v.Divergence != nil || v.Packets+n != b.Sent {
			t.Errorf("verify: %+v, %v", v, err)
		}
	})
}
