package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runUq runs a command line in this process.
func runUq(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = execute(context.Background(), &streams{in: strings.NewReader(""), out: &o, err: &e, ports: testPorts}, args)
	return code, o.String(), e.String()
}

// TestExitCodes checks the codes that the README states.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "t.zst")
	if code, _, e := runUq("trace", "synth", "--packets", "30000", "-o", whole); code != 0 {
		t.Fatal(e)
	}
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut.zst")
	if err := os.WriteFile(cut, data[:len(data)*2/3], 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want int
		args string
	}{
		{exitOK, "sim " + whole + " --link unlimited"},
		{exitDamaged, "sim " + cut + " --link unlimited"},
		{exitUsage, "sim " + filepath.Join(dir, "none.zst")},
		{exitUsage, "sim --qdisc nosuch"},
		{exitUsage, "sim --nosuch"},
		{exitUsage, "nosuch"},
		{exitUsage, "sim --flows -1"},
	} {
		code, out, e := runUq(strings.Fields(c.args)...)
		if code != c.want {
			t.Errorf("uq %s: exit %d, want %d: %s", c.args, code, c.want, e)
		}
		if code != 0 && !strings.HasPrefix(e, "uq: ") {
			t.Errorf("uq %s: error %q", c.args, e)
		}
		if c.want == exitDamaged && (!strings.Contains(out, "note: ") || !strings.Contains(out, "fq_codel")) {
			t.Errorf("uq %s: the recovered part was not simulated:\n%s", c.args, out)
		}
	}
}

// TestInterruptedSim checks that an interrupt ends a simulation with exit 130.
func TestInterruptedSim(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var o, e bytes.Buffer
	if code := execute(ctx, &streams{in: strings.NewReader(""), out: &o, err: &e, ports: testPorts}, []string{"sim"}); code != exitInterrupted {
		t.Errorf("exit %d: %s", code, e.String())
	}
}
