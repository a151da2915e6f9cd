package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/traces"
)

// uq runs one command line.
func uq(stdin []byte, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = execute(context.Background(), &streams{in: bytes.NewReader(stdin), out: &o, err: &e, ports: testPorts}, args)
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

// Bad input exits 2 from every command that reads a trace.
func TestBadInputExits2(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		r, err := traces.NewTextReader(strings.NewReader("uq-trace-text 1\n" + text))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w, err := traces.NewWriter(&b, r.Header(), traces.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(traces.Copy(w, r, nil), os.WriteFile(name, b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const header = `header {"link_header":%d,"scheduler":{"qdisc":"%s","link":"%s"}}` + "\n%send {}\n"
	early := write("early", fmt.Sprintf(header, 0, "pfifo", "rate 1mbit", "p time=-1 flow=udp,10.0.0.1:1>10.0.0.2:2 len=80\n"))
	empty := write("empty", fmt.Sprintf(header, 0, "pfifo", "rate 1mbit", "p time=1 flow=udp,10.0.0.1:1>10.0.0.2:2\n"))
	link := write("link", fmt.Sprintf(header, -5, "pfifo", "rate 1mbit", ""))
	qdisc := write("qdisc", fmt.Sprintf(header, 14, "warp", "rate 1mbit", ""))
	for _, c := range []struct{ file, words string }{
		{early, "time -1.000000000 is before"}, {empty, "len is 0"}, {link, "link_header -5"}, {qdisc, "scheduler.qdisc in the header"}, {dir, "is a directory"},
	} {
		for _, command := range []string{"verify", "sim"} {
			if command == "sim" && c.file == qdisc {
				continue // which has a scheduler of its own
			}
			if code, _, errs := uq(nil, command, c.file); code != exitUsage || !strings.Contains(errs, c.words) {
				t.Errorf("uq %s: exit code %d: %s", command, code, errs)
			}
		}
	}
}

// An interrupted command says so and leaves no file behind.
func TestInterruptedTraceCommand(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	s := &streams{in: strings.NewReader(""), out: &out, err: &errs, ports: testPorts}
	code := execute(ctx, s, []string{"trace", "synth", "-o", filepath.Join(dir, "t.zst")})
	if left, _ := os.ReadDir(dir); code != exitInterrupted || len(left) != 0 {
		t.Errorf("exit code %d, files %v: %s", code, left, errs.String())
	}
}

func TestUnknownCommandsExit2(t *testing.T) {
	for _, args := range []string{"foo", "trace foo", "trace foo --json", "help nope", "help trace nope", "completion nope", "--nope", "version now"} {
		if code, out, errs := uq(nil, strings.Fields(args)...); code != exitUsage || out != "" {
			t.Errorf("uq %s: exit code %d, %q: %s", args, code, out, errs)
		}
	}
}

// untilInterrupted runs a command line and interrupts it after a while.
func untilInterrupted(t *testing.T, stdin io.Reader, args ...string) (code int, errs string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	time.AfterFunc(50*time.Millisecond, cancel)
	var out, e bytes.Buffer
	done := make(chan int)
	go func() { done <- execute(ctx, &streams{in: stdin, out: &out, err: &e, ports: testPorts}, args) }()
	select {
	case code = <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("uq %s: not to be interrupted", args)
	}
	return code, e.String()
}

// Every command that waits for its input can be interrupted, says only that,
// and leaves no file behind.
func TestInterruptedWhileInputIsQuiet(t *testing.T) {
	_, file, _ := uq(nil, "trace", "synth", "--packets", "20000", "-o", "-")
	_, text, _ := uq([]byte(file), "trace", "cat", "-")
	dir := t.TempDir()
	for _, c := range []struct{ args, input string }{
		{"trace info -", file}, {"trace info --salvage -", file}, {"trace cat -", file}, {"trace cat - -o " + filepath.Join(dir, "f"), file},
		{"trace anonymize - -o " + filepath.Join(dir, "t"), file}, {"trace pack - -o " + filepath.Join(dir, "t"), text},
		{"verify -", file},
	} {
		for _, n := range []int{0, 60, len(c.input) / 2} {
			r, w := io.Pipe()
			go w.Write([]byte(c.input[:n]))
			code, errs := untilInterrupted(t, r, strings.Fields(c.args)...)
			r.Close()
			if c.args == "verify -" && n > 60 {
				continue // refused: it has no scheduler
			}
			if code != exitInterrupted || !strings.HasSuffix(errs, "uq: interrupted\n") || strings.Contains(errs, "damaged") {
				t.Errorf("uq %s, %d bytes: exit code %d: %s", c.args, n, code, errs)
			}
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("files %v", left)
	}
}

// An interruption after damage is an interruption.
func TestInterruptedSalvage(t *testing.T) {
	_, file, _ := uq(nil, "trace", "synth", "--packets", "40000", "-o", "-")
	bad := []byte(file)
	bad[len(bad)/4] ^= 1
	r, w := io.Pipe()
	defer r.Close()
	go w.Write(bad[:len(bad)/2])
	name := filepath.Join(t.TempDir(), "t")
	if code, errs := untilInterrupted(t, r, "trace", "anonymize", "--salvage", "-", "-o", name); code != exitInterrupted {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("a file is left")
	}
}

// What an error joins with an interruption is told too.
func TestErrorsBesidesInterrupt(t *testing.T) {
	rule := errors.New("rule not removed")
	for _, c := range []struct {
		err  error
		want int
	}{
		{context.Canceled, 0},
		{fmt.Errorf("read: %w", context.Canceled), 0},
		{&traces.Damage{Err: context.Canceled}, 0},
		{errors.Join(rule, context.Canceled), 1},
		{fmt.Errorf("run: %w", errors.Join(context.Canceled, errors.Join(rule, rule))), 1},
		{errors.Join(context.Canceled, fmt.Errorf("read: %w", context.Canceled)), 0},
	} {
		if got := besidesInterrupt(c.err); len(got) != c.want {
			t.Errorf("%v: got %v", c.err, got)
		}
	}
}

// Damage names the way out where there is one.
func TestDamageNamesTheWayOut(t *testing.T) {
	_, one, _ := uq(nil, "trace", "synth", "--packets", "20000", "-o", "-")
	bad := []byte(one)
	bad[len(bad)/2] ^= 1
	at := strconv.Itoa(len(one))
	for _, c := range []struct {
		args  string
		input []byte
		want  string
	}{
		{"trace info -", bad, ": --salvage goes on behind that\n"},
		{"trace cat -", bad, ": --salvage goes on behind that\n"},
		{"trace info -", []byte(one + one), "another trace begins here: 20000 records recovered: head -c " + at + " FILE is the first trace, tail -c +" + strconv.Itoa(len(one)+1) + " FILE the rest"},
	} {
		if code, _, errs := uq(c.input, strings.Fields(c.args)...); code != exitDamaged || !strings.Contains(errs, c.want) {
			t.Errorf("uq %s: exit code %d: %s", c.args, code, errs)
		}
	}
	for _, c := range []struct {
		args  string
		input []byte
	}{
		{"trace info --salvage -", bad},
		{"trace info -", []byte(one[:len(one)/2])},
	} {
		if _, _, errs := uq(c.input, strings.Fields(c.args)...); strings.Contains(errs, "--salvage") {
			t.Errorf("uq %s: %s", c.args, errs)
		}
	}
}
