package inject

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/uqtool/uq/traces/corpus"
)

// superviseForTest is a process that replays, to be killed.
func superviseForTest(arg string) int {
	var t testTask
	if err := json.Unmarshal([]byte(arg), &t); err != nil {
		return 2
	}
	b, err := corpus.Read("udp.zst")
	if err != nil {
		return 2
	}
	f, err := emptyFile("uq-test-*")
	if err != nil {
		return 2
	}
	if _, err := f.Write(b); err != nil {
		return 2
	}
	if _, err := Run(context.Background(), &t.Task, []byte(arg), Files{Trace: f, Stderr: os.Stderr}, false); err != nil {
		return 1
	}
	return 0
}

// TestLiveKill kills the supervisor: nothing is left.
func TestLiveKill(t *testing.T) {
	needLab(t)
	token := mark(t)
	arg, err := json.Marshal(defaultTask("5mbit"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.StartProcess("/proc/self/exe", []string{os.Args[0]}, &os.ProcAttr{
		Env: append(os.Environ(), "UQ_TEST_SUPERVISOR="+string(arg)), Files: []*os.File{nil, nil, os.Stderr}})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, "the lab's processes", func() bool { return len(processes(token, "")) == 4 })
	time.Sleep(300 * time.Millisecond)
	if err := errors.Join(p.Kill(), func() error { _, err := p.Wait(); return err }()); err != nil {
		t.Fatal(err)
	}
	wait(t, "their end", func() bool { return len(processes(token, "")) == 0 })
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// mark puts a token into the environment, by which all processes started from
// now on can be found.
func mark(t *testing.T) (token string) {
	t.Helper()
	token = fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())
	t.Setenv("UQ_TEST_TOKEN", token)
	return "UQ_TEST_TOKEN=" + token
}

// processes lists the processes, but this one, whose environment holds token
// and whose command line holds arg.
func processes(token, arg string) []int {
	var out []int
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(b, []byte(token)) {
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
		if err != nil || !bytes.Contains(cmdline, []byte(arg)) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil && pid != os.Getpid() {
			out = append(out, pid)
		}
	}
	return out
}
