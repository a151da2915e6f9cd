package livetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

func test(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if os.Getenv(envChild) == t.Name() {
		if err := loopbackUp(); err != nil {
			t.Fatal(err)
		}
		f(t)
		return
	}
	out, err := runChild(t.Name(), "-test.run="+exactly(t.Name()), "-test.v")
	switch {
	case out == nil && err != nil:
		t.Skipf("no namespaces here: %v", err)
	case err != nil:
		t.Fatalf("in the namespace: %v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP: "+t.Name())):
		t.Skipf("in the namespace:\n%s", out)
	case testing.Verbose():
		t.Logf("in the namespace:\n%s", out)
	}
}

func bench(b *testing.B, f func(*testing.B)) {
	b.Helper()
	if os.Getenv(envChild) == b.Name() {
		if err := loopbackUp(); err != nil {
			b.Fatal(err)
		}
		f(b)
		return
	}
	var out []byte
	var err error
	for b.Loop() {
		out, err = runChild(b.Name(), "-test.run=^$", "-test.bench="+exactly(b.Name()), "-test.benchmem")
	}
	switch {
	case out == nil && err != nil:
		b.Skipf("no namespaces here: %v", err)
	case err != nil:
		b.Fatalf("in the namespace: %v\n%s", err, out)
	}
	report(b, string(out))
}

// report repeats the metrics of the one benchmark line in out.
func report(b *testing.B, out string) {
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		for i := 2; i+1 < len(f); i += 2 {
			if v, err := strconv.ParseFloat(f[i], 64); err == nil {
				b.ReportMetric(v, f[i+1])
			}
		}
	}
}

// exactly is the pattern for one test or benchmark, sub-tests included.
func exactly(name string) string {
	return "^" + strings.ReplaceAll(name, "/", "$/^") + "$"
}

// runChild runs one test again inside new namespaces. Output is nil when they
// could not be made.
func runChild(name string, args ...string) ([]byte, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// The kernel ties the child's life to this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(self, append(args, "-test.count=1", "-test.timeout=180s")...)
	cmd.Env = append(os.Environ(), envChild+"="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	err = cmd.Wait()
	if err == nil && !strings.Contains(out.String(), name) {
		err = fmt.Errorf("the test did not run")
	}
	return append([]byte{}, out.Bytes()...), err
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// SetLoopbackMTU changes the MTU of lo.
func SetLoopbackMTU(t testing.TB, mtu int) {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatalf("find lo: %v", err)
	}
	if err := netlink.LinkSetMTU(lo, mtu); err != nil {
		t.Fatalf("set MTU of lo: %v", err)
	}
}
