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

// TestMain makes the test binary uq itself: for scripts, and inside the
// namespaces of a lab.
func TestMain(m *testing.M) {
	if code, ours := runHidden(os.Args, testPorts); ours {
		os.Exit(code)
	}
	if dir := os.Getenv("UQ_TEST_SENDER"); dir != "" {
		os.Exit(sendForTest(dir))
	}
	// Most of these tests wait more than they compute.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){
		"uq":    func() { os.Exit(Main(builtin.Kinds())) },
		"await": await, "farside": farside, "without": without,
	})
}

// testPorts makes the ports of these tests.
var testPorts = egress.Maker{Qdiscs: builtin.Kinds(), ReadFile: os.ReadFile}

// TestScript runs testdata/script: what works everywhere. $CORPUS has the real
// traces.
func TestScript(t *testing.T) {
	corpus, err := filepath.Abs("../../traces/corpus")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, Setup: func(e *testscript.Env) error {
		e.Setenv("CORPUS", corpus)
		return nil
	}})
}

// TestLiveScript runs testdata/live: what needs a lab.
func TestLiveScript(t *testing.T) {
	if err := netns.Available(); err != nil {
		t.Skip(err)
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/live", RequireExplicitExec: true})
}
