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
	testscript.Main(m, map[string]func(){"uq": main})
}

// TestScript runs testdata/script. Scripts that need a lab say [!lab] skip.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Condition: func(cond string) (bool, error) {
			if cond == "lab" {
				return netns.Available() == nil, nil
			}
			return false, nil
		},
	})
}
