package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/livetest"
)

// TestLiveFailingStart: a recording that cannot start leaves the file as it was,
// whatever it is that fails.
func TestLiveFailingStart(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "t.zst")
		runtime.LockOSThread() // for good: it loses a capability
		drop(t, unix.CAP_NET_RAW)
		for _, tt := range []struct {
			args, want string
			exit       int
		}{
			{"--cpu 1023", "--cpu: pin to CPU 1023: choose one that this process may use", exitUsage},
			{"--nice -20", "set niceness -20: permission denied: below 0 needs CAP_SYS_NICE", exitRuntime},
			{"--nice -20 --qdisc pfifo", "set niceness -20: permission denied: below 0 needs CAP_SYS_NICE", exitRuntime},
			{"--qdisc pfifo|--link|rate 1mbit duplicate 10%", "duplicate: ", exitRuntime},
		} {
			if err := os.WriteFile(file, []byte("precious"), 0o666); err != nil {
				t.Fatal(err)
			}
			words, link, linked := strings.Cut(tt.args, "|--link|")
			args := append([]string{"record", "-o", file, "--queue", "5", "--duration", "300ms"}, strings.Fields(words)...)
			if linked {
				args = append(args, "--link", link)
			}
			code, _, errs := runUq(args...)
			if code != tt.exit || !strings.Contains(errs, tt.want) || strings.Contains(errs, "recorded 0 packets") {
				t.Errorf("%s: exit %d, want %d:\n%s", tt.args, code, tt.exit, errs)
			}
			if b, err := os.ReadFile(file); string(b) != "precious" {
				t.Errorf("%s: the file now holds %d bytes, %v", tt.args, len(b), err)
			}
		}
	})
}

// TestLiveReplayFailingStart: nor does a replay empty its file before it can
// start. In the test's namespace nobody may hurry.
func TestLiveReplayFailingStart(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		trace, file := filepath.Join(dir, "t.zst"), filepath.Join(dir, "o.zst")
		if code, _, errs := runUq("trace", "synth", "--kind", "cbr", "--packets", "100", "-o", trace); code != exitOK {
			t.Fatal(errs)
		}
		if err := os.WriteFile(file, []byte("precious"), 0o666); err != nil {
			t.Fatal(err)
		}
		code, _, errs := runUq("replay", trace, "--live", "--link", "unlimited", "--nice", "-20", "-o", file)
		if code != exitRuntime || !strings.Contains(errs, "set niceness -20: permission denied") {
			t.Errorf("exit %d:\n%s", code, errs)
		}
		if b, err := os.ReadFile(file); string(b) != "precious" {
			t.Errorf("the file now holds %d bytes, %v", len(b), err)
		}
	})
}

// drop takes a capability from the calling thread.
func drop(t *testing.T, capability uint) {
	t.Helper()
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		t.Fatal(err)
	}
	data[capability/32].Effective &^= 1 << (capability % 32)
	if err := unix.Capset(&head, &data[0]); err != nil {
		t.Fatal(err)
	}
}
