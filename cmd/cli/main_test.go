package cli

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/sched/builtin"
)

// TestMain makes the test binary uq itself, for scripts and inside the namespaces
// of a lab, and the other programs of the scripts.
func TestMain(m *testing.M) {
	if code, ours := runHidden(os.Args, testPorts); ours {
		os.Exit(code)
	}
	if dir := os.Getenv("UQ_TEST_SENDER"); dir != "" {
		os.Exit(sendForTest(dir))
	}
	if run := programs()[filepath.Base(os.Args[0])]; run != nil {
		run()
		os.Exit(0)
	}
	// Most of these tests wait more than they compute.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// programs are what the test binary is under another name.
func programs() map[string]func() {
	return map[string]func(){
		"uq":    func() { os.Exit(Main(builtin.Kinds())) },
		"await": await, "farside": farside, "without": without,
	}
}

// testPorts makes the ports of these tests.
var testPorts = egress.Maker{Qdiscs: builtin.Kinds(), ReadFile: os.ReadFile}

// runScripts runs the scripts of a directory. Their programs are links:
// testscript's own way has copies of the test binary where these links may not be
// hard ones, with an unprivileged user, and they fill a small disk.
func runScripts(t *testing.T, dir string, env map[string]string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for name := range programs() {
		if err := os.Symlink(self, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, testscript.Params{Dir: dir, RequireExplicitExec: true, Setup: func(e *testscript.Env) error {
		e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
		for k, v := range env {
			e.Setenv(k, v)
		}
		return nil
	}})
}

// TestScript runs testdata/script: what works everywhere. $CORPUS has the real
// traces.
func TestScript(t *testing.T) {
	corpus, err := filepath.Abs("../../traces/corpus")
	if err != nil {
		t.Fatal(err)
	}
	runScripts(t, "testdata/script", map[string]string{"CORPUS": corpus})
}

// TestLiveScript runs testdata/live: what needs a lab.
func TestLiveScript(t *testing.T) {
	if err := netns.Available(); err != nil {
		t.Skip(err)
	}
	t.Parallel()
	runScripts(t, "testdata/live", nil)
}
