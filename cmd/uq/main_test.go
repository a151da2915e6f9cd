package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/uqtool/uq/replay/netns"
)

// TestMain makes the test binary uq itself: for scripts, and inside the
// namespaces of a lab.
func TestMain(m *testing.M) {
	if code, ours := runHidden(os.Args); ours {
		os.Exit(code)
	}
	testscript.Main(m, map[string]func(){"uq": main, "farside": farside})
}

// TestScript runs testdata/script: what works everywhere.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true})
}

// TestLiveScript runs testdata/live: what needs a lab.
func TestLiveScript(t *testing.T) {
	if err := netns.Available(); err != nil {
		t.Skip(err)
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/live", RequireExplicitExec: true})
}
