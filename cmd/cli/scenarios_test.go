package cli

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/sim/metric"
	"github.com/uqtool/uq/sim/scenario"
)

// sampleSuite has a case of every outcome, with text that no format takes as it
// is.
func sampleSuite(t *testing.T) *suite {
	t.Helper()
	text := "[[run]]\nname = \"a <b> | \\\"c\\\" \\u001b[1m %0A:,\"\ntraces = [\"x\", \"y\", \"z\"]\nqdiscs = [\"fifo's\"]\nassert = [\"drops < 1\"]\n"
	f, err := scenario.Parse("dir/a,b:c.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := newSuite(&streams{ports: testPorts}, []*scenarioFile{{f, text}})
	v, limit, margin := 2.0, 1.0, -1.0
	bad := metric.Result{Assertion: "drops < 1", Measured: &v, Limit: &limit, Margin: &margin}
	good := bad
	good.OK = true
	u.cases[0].asserts = []assertOutcome{{good, 5}}
	u.cases[0].digests = []digestOutcome{{"fifo's", "fifo's", "xxh64:1", "xxh64:1", 4, true}}
	u.cases[1].digests = []digestOutcome{{"fifo's", "fifo's", "xxh64:1", "xxh64:2", 4, true}}
	u.cases[2].err = errors.New("open\ntrace ]]> <&>")
	return u
}

// TestJUnit reads the report back as a parser would, and holds its counts to its
// cases.
func TestJUnit(t *testing.T) {
	u := sampleSuite(t)
	name := filepath.Join(t.TempDir(), "j.xml")
	if err := writeJUnit(&streams{}, name, u.junit()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte(`<?xml version="1.0" encoding="UTF-8"?>`)) {
		t.Errorf("begins with %.60q", data)
	}
	for d := xml.NewDecoder(bytes.NewReader(data)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	var got junitSuites
	if err := xml.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 3 || got.Failures != 1 || got.Errors != 1 || len(got.Suites) != 1 || len(got.Suites[0].Cases) != 3 {
		t.Fatalf("%+v", got)
	}
	cs := got.Suites[0].Cases
	if cs[0].Failure != nil || cs[0].Error != nil || cs[1].Failure == nil || cs[2].Error == nil {
		t.Errorf("%+v", cs)
	}
	if want := "a <b> | \"c\" \uFFFD[1m %0A:, (x)"; cs[0].Name != want || cs[0].Line != 1 || cs[0].File != "dir/a,b:c.toml" {
		t.Errorf("%q, want %q", cs[0].Name, want)
	}
	if want := "digest of fifo's: is xxh64:2, want xxh64:1"; cs[1].Failure.Message != want || !strings.Contains(cs[1].Failure.Text, `--qdisc 'fifo'\''s'`) {
		t.Errorf("%+v", cs[1].Failure)
	}
	if cs[2].Error.Message != "open\ntrace ]]> <&>" {
		t.Errorf("%+v", cs[2].Error)
	}
}

// TestGitHub checks that what the runner obeys cannot be ended by what a file
// says, and that a table's rows have as many cells as its head.
func TestGitHub(t *testing.T) {
	u := sampleSuite(t)
	dir := t.TempDir()
	gh := onGitHub(func(k string) string {
		return map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": filepath.Join(dir, "s.md")}[k]
	})
	var b bytes.Buffer
	u.annotate(&b, gh)
	want := `::error file=dir/a%2Cb%3Ac.toml,line=4,title=a <b> | "c" \x1b[1m %250A%3A%2C (y)::digest of fifo's: is xxh64:2, want xxh64:1%0Aagain: uq sim dir/y --qdisc 'fifo'\''s' --assert 'run(fifo'\''s).digest == xxh64:1'
::error file=dir/a%2Cb%3Ac.toml,line=3,title=a <b> | "c" \x1b[1m %250A%3A%2C (z)::open%0Atrace ]]> <&>%0Aagain: uq sim dir/z --qdisc 'fifo'\''s'
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
	for range 2 {
		if err := gh.appendSummary(u.markdown()); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "s.md"))
	if err != nil || strings.Count(string(data), "### uq test: 1 passed, 1 failed, 1 could not be checked\n") != 2 {
		t.Errorf("%s, %v", data, err)
	}
	rows := 0
	for l := range strings.Lines(string(data)) {
		if strings.HasPrefix(l, "|") {
			rows++
			if n := strings.Count(strings.ReplaceAll(l, `\|`, ""), "|"); n != 5 {
				t.Errorf("%d bars in %s", n, l)
			}
		}
	}
	if rows != 10 {
		t.Errorf("%d rows", rows)
	}
	none := onGitHub(func(string) string { return "" })
	b.Reset()
	u.annotate(&b, none)
	if b.Len() > 0 || none.appendSummary("x") != nil {
		t.Errorf("not on GitHub, yet %q", b.String())
	}
}

// TestVerdict checks the exit codes of suites.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		edit func(*suite)
		want int
	}{
		{func(u *suite) {}, exitRuntime}, // an error without a code of its own
		{func(u *suite) { u.cases[2].err = nil }, exitAssert},
		{func(u *suite) { u.cases = u.cases[:1] }, exitOK},
		{func(u *suite) { u.cases[2].err = damagedErrorf("cut") }, exitDamaged},
		{func(u *suite) { u.cases[2].err = nil; u.cases[0].asserts[0].OK = false }, exitAssert},
		{func(u *suite) { u.cases[2].err = nil; u.cases[0].asserts[0].Invalid = true }, exitUsage},
	} {
		u := sampleSuite(t)
		c.edit(u)
		code := exitOK
		if err := u.verdict(); err != nil {
			code = exitCode(err)
		}
		if code != c.want {
			t.Errorf("exit %d, want %d", code, c.want)
		}
	}
}

// manyRuns writes a scenario of so many runs over the embedded trace.
func manyRuns(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("trace = \"corpus:bulk\"\nqdiscs = [\"fq_codel\"]\nlink = \"rate 500mbit\"\n")
	for i := range n {
		fmt.Fprintf(&b, "[[run]]\nname = \"run %d\"\nseed = %d\nassert = [\"drops < %d\"]\n", i, i, 30+10*(i%3))
	}
	name := filepath.Join(t.TempDir(), "many.toml")
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestParallel checks that the order of the results is the file's, whichever
// ends first.
func TestParallel(t *testing.T) {
	name := manyRuns(t, 12)
	code, one, e := runUq("test", "-v", "-j", "1", name)
	if code != exitAssert {
		t.Fatalf("exit %d: %s%s", code, one, e)
	}
	code, many, _ := runUq("test", "-v", "-j", "12", name)
	if d := cmp.Diff(one, many); d != "" || code != exitAssert {
		t.Errorf("exit %d: %s", code, d)
	}
	last := -1
	for l := range strings.Lines(one) {
		if i := strings.Index(l, "many.toml"); i < 0 || strings.HasPrefix(l, " ") {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(l[strings.Index(l, ": run ")+1:], " run %d", &n); err != nil || n != last+1 {
			t.Errorf("after run %d: %s", last, l)
		}
		last = n
	}
	if last != 11 {
		t.Errorf("the last is run %d", last)
	}
}

// TestInterruptedTest checks that an interrupt ends the runs with exit 130, and
// leaves the files alone.
func TestInterruptedTest(t *testing.T) {
	name := manyRuns(t, 4)
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var o, e bytes.Buffer
	if code := execute(ctx, &streams{in: strings.NewReader(""), out: &o, err: &e, ports: testPorts}, []string{"test", "--update", name}); code != exitInterrupted {
		t.Errorf("exit %d: %s%s", code, o.String(), e.String())
	}
	if after, err := os.ReadFile(name); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed: %v", err)
	}
}

// TestMetricsHelp checks that every qdisc's counters are listed, those with
// required parameters too.
func TestMetricsHelp(t *testing.T) {
	listed := map[string]bool{}
	for _, c := range listMetrics(testPorts).Counters {
		listed[c.Qdisc] = true
	}
	for _, k := range []string{"red", "tbf", "codel", "fq_codel", "pie", "cake", "mac80211", "dualpi2"} {
		if !listed[k] {
			t.Errorf("no counters of %s", k)
		}
	}
}

// TestHelpExample runs the scenario that the help shows, over the embedded trace.
func TestHelpExample(t *testing.T) {
	var b strings.Builder
	for l := range strings.Lines(newTestCmd(&streams{ports: testPorts}).Long) {
		if in, ok := strings.CutPrefix(l, "  "); ok {
			b.WriteString(strings.Replace(in, `"mix.zst"`, `"corpus:mix.zst"`, 1))
		}
	}
	name := filepath.Join(t.TempDir(), "help.toml")
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runUq("test", "-v", name)
	if code != exitOK || !strings.Contains(out, "ok    digest of fq_codel: ") || !strings.Contains(out, "ok    fq_codel.flow(voip).sojourn_p99 < 5ms: ") {
		t.Errorf("exit %d: %s%s\n%s", code, out, errs, b.String())
	}
}
