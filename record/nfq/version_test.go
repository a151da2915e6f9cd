package nfq

import (
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"
)

// TestVersions holds the two modules that the queue stands on at the versions
// it was made for: go-nfqueue 2.1.0 no longer panics on hostile messages, and
// mdlayher/netlink 1.10.0 to 1.11.1 reject or block on what queues send.
func TestVersions(t *testing.T) {
	have := versions(t)
	for mod, want := range map[string]string{
		"github.com/florianl/go-nfqueue/v2": "v2.1.0",
		"github.com/mdlayher/netlink":       "v1.11.2",
	} {
		if have[mod] != want {
			t.Errorf("go.mod resolves %s to %q, want %s", mod, have[mod], want)
		}
	}
}

// versions maps modules to versions, from the test binary itself or, where the
// go command put none in, from go.mod.
func versions(t *testing.T) map[string]string {
	t.Helper()
	have := map[string]string{}
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, d := range bi.Deps {
			have[d.Path] = d.Version
			if d.Replace != nil {
				have[d.Path] = d.Replace.Version
			}
		}
	}
	if len(have) > 0 {
		return have
	}
	out, err := exec.Command("go", "list", "-m", "all").Output()
	if err != nil {
		t.Skipf("the test binary names no modules, and there is no go command: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		if mod, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			have[mod] = v
		}
	}
	return have
}
