package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uqtool/uq/traces"
)

// uq runs one command line.
func uq(stdin []byte, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = execute(context.Background(), &streams{in: bytes.NewReader(stdin), out: &o, err: &e}, args)
	return code, o.String(), e.String()
}

// A damaged trace is used as far as it goes, and the exit code says so.
func TestDamagedTraceExits4(t *testing.T) {
	dir := t.TempDir()
	whole, cut := filepath.Join(dir, "whole.zst"), filepath.Join(dir, "cut.zst")
	if code, _, errs := uq(nil, "trace", "synth", "--packets", "20000", "-o", whole); code != exitOK {
		t.Fatal(errs)
	}
	file, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, file[:len(file)-1000], 0o644); err != nil {
		t.Fatal(err)
	}
	const recovered = 2 * traces.DefaultBlockRecords

	code, out, errs := uq(nil, "trace", "info", cut)
	if code != exitDamaged || !strings.Contains(out, "truncated, 16384 records recovered") || !strings.Contains(errs, "cut.zst: trace is truncated") {
		t.Errorf("info: exit %d\n%s%s", code, out, errs)
	}
	code, out, _ = uq(file[:len(file)-1000], "trace", "info", "--json", "-")
	var sum traces.Summary
	if err := json.Unmarshal([]byte(out), &sum); err != nil || code != exitDamaged || sum.Records != recovered || sum.Damage == nil || !sum.Damage.Truncated {
		t.Errorf("info --json: exit %d, %v, %+v", code, err, sum.Damage)
	}
	if code, out, _ = uq(nil, "trace", "cat", cut); code != exitDamaged || strings.Count(out, "\np ") != recovered || strings.Contains(out, "\nend ") {
		t.Errorf("cat: exit %d, %d lines", code, strings.Count(out, "\n"))
	}
	packed := filepath.Join(dir, "packed.zst")
	if code, _, errs = uq([]byte(out), "trace", "pack", "-", "-o", packed); code != exitDamaged {
		t.Errorf("pack: exit %d: %s", code, errs)
	}
	anon := filepath.Join(dir, "anon.zst")
	if code, _, errs = uq(nil, "trace", "anonymize", cut, "-o", anon); code != exitDamaged {
		t.Errorf("anonymize: exit %d: %s", code, errs)
	}
	for _, name := range []string{packed, anon} {
		f, err := traces.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(f.Blocks()); n != 2 || f.Damage() == nil {
			t.Errorf("%s: %d blocks, %v", name, n, f.Damage())
		}
		f.Close()
	}

	file[len(file)/2] ^= 1
	code, out, errs = uq(file, "trace", "info", "--salvage", "-")
	if code != exitDamaged || !strings.Contains(out, "damaged at byte") || !strings.Contains(errs, "8192 known lost") {
		t.Errorf("info --salvage: exit %d\n%s%s", code, out, errs)
	}
}

func TestTraceExitCodes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.zst")
	for _, c := range []struct {
		code int
		args string
	}{
		{exitOK, "trace synth --packets 10 -o " + file},
		{exitOK, "trace info " + file},
		{exitUsage, "trace info"},
		{exitUsage, "trace info --shoe-size 43 " + file},
		{exitUsage, "trace info no-such-file"},
		{exitUsage, "trace info trace_test.go"},
		{exitUsage, "trace pack " + file + " -o " + file + "2"},
		{exitUsage, "trace synth --kind party -o " + file},
	} {
		if code, _, errs := uq(nil, strings.Fields(c.args)...); code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", c.args, code, c.code, errs)
		}
	}
}

// An interrupted command says so and leaves no file behind.
func TestInterruptedTraceCommand(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	s := &streams{in: strings.NewReader(""), out: &out, err: &errs}
	code := execute(ctx, s, []string{"trace", "synth", "-o", filepath.Join(dir, "t.zst")})
	if left, _ := os.ReadDir(dir); code != exitInterrupted || len(left) != 0 {
		t.Errorf("exit code %d, files %v: %s", code, left, errs.String())
	}
}
