package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestOutside builds the example as somebody else would, in a module of its own
// that only imports uq, and runs it: simulated, and what it says of itself.
func TestOutside(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mod := read(t, filepath.Join(root, "go.mod"))
	mod = strings.Replace(mod, "module github.com/uqtool/uq", "module example.org/sqf", 1) +
		"\nrequire github.com/uqtool/uq v0.0.0\n\nreplace github.com/uqtool/uq => " + root + "\n"
	write(t, filepath.Join(dir, "go.mod"), mod)
	write(t, filepath.Join(dir, "go.sum"), read(t, filepath.Join(root, "go.sum")))
	write(t, filepath.Join(dir, "main.go"), read(t, "main.go"))
	run(t, dir, "go", "build", "-mod=mod", "-o", "uq-sqf", ".")

	out := run(t, dir, "./uq-sqf", "sim", "--qdisc", "sqf limit 100", "--qdisc", "tbf rate 10mbit burst 20kb latency 50ms [sqf]")
	for _, want := range []string{`(?m)^ *sqf +28937 `, `(?m)^qdisc sqf$`, `(?m)^qdisc tbf .*\[sqf\]$`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if out := run(t, dir, "./uq-sqf", "sim", "--qdisc-help", "sqf"); !strings.Contains(out, "packets queued (1000)") {
		t.Errorf("help says\n%s", out)
	}
}

// TestShownInREADME checks that the README shows this very program.
func TestShownInREADME(t *testing.T) {
	_, code, _ := strings.Cut(read(t, "main.go"), "func main() {")
	if !strings.Contains(read(t, "../../README.md"), "func main() {"+code) {
		t.Error("README.md shows another program than cmd/example-sqf/main.go")
	}
	if n := strings.Count(read(t, "main.go"), "\n"); n >= 50 {
		t.Errorf("%d lines: it is to be under 50", n)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
