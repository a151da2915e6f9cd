package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/replay/netns"
)

// TestLiveGather looks at this machine and finds what the rest of the tests
// need; figures have to be possible ones.
func TestLiveGather(t *testing.T) {
	if err := netns.Available(); err != nil {
		t.Skip(err)
	}
	start := time.Now()
	var tried []string
	f, err := Gather(t.Context(), Options{Progress: func(probe string) { tried = append(tried, probe) }})
	if err != nil {
		t.Fatal(err)
	}
	if len(tried) < 15 || slices.Contains(tried, "") {
		t.Errorf("progress was told of %q", tried)
	}
	if d := time.Since(start); d > gatherLimit+2*time.Second {
		t.Errorf("it took %v", d)
	}
	r := Judge(f)
	t.Log(words(t, r))
	if lacking := r.Lacking(); len(lacking) > 0 {
		t.Errorf("the lab works, but not %q", lacking)
	}
	if c := f.CapLen.Found; !f.CapLen.ok() || c.Sent != c.Told || c.Copied != 64 {
		t.Errorf("length: %+v", f.CapLen)
	}
	if !f.CE.ok() || f.CE.Found.ECN != 3 {
		t.Errorf("CE: %+v", f.CE)
	}
	if !f.GSO.ok() || f.GSO.Found.Largest <= 1500 || f.GSO.Found.Largest > 65535 {
		t.Errorf("GSO: %+v", f.GSO)
	}
	if late(t, f.RcvBuf.Fault, f.Verdicts.Fault, f.Rate.Fault, f.Timers.Fault) {
		return
	}
	if b := f.RcvBuf.Found; !f.RcvBuf.ok() || b.Granted <= 0 || b.Held <= 0 || b.Held > b.Sent {
		t.Errorf("receive buffer: %+v", f.RcvBuf)
	}
	if v := f.Verdicts.Found; !f.Verdicts.ok() || v.OldestNs <= 0 || v.NewestNs <= 0 {
		t.Errorf("verdicts: %+v", f.Verdicts)
	}
	if p := f.Rate.Found; !f.Rate.ok() || p.Queued <= 0 || p.Plain <= 0 {
		t.Errorf("rate: %+v", f.Rate)
	}
	if f.Clock.Found.ReadNs <= 0 || len(f.Timers.Found) != 3 {
		t.Errorf("clock %+v, timers %+v", f.Clock, f.Timers)
	}
	for _, c := range f.Timers.Found {
		if c.P50Ns < 0 || c.P50Ns > c.P99Ns || c.P99Ns > c.MaxNs {
			t.Errorf("timer %+v", c)
		}
	}
}

// late says whether the machine was too busy for one of the measurements, which
// proves nothing.
func late(t *testing.T, faults ...*Fault) bool {
	t.Helper()
	for _, f := range faults {
		if f != nil && f.Kind == TimedOut {
			t.Logf("too busy to measure: %s", f.Text)
			return true
		}
	}
	return false
}

// TestLiveNothingLeft compares the caller's network namespace before and after,
// and looks for processes that stayed.
func TestLiveNothingLeft(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		before := inventory(t)
		f, err := Gather(t.Context(), Options{Quick: true})
		if err != nil {
			t.Fatal(err)
		}
		if !f.Veth.ok() || !f.Bind.ok() || !f.Rule.ok() || !f.Host.ok() {
			t.Errorf("the probes did not get to make anything: veth %+v, bind %+v, rule %+v, host %+v", f.Veth, f.Bind, f.Rule, f.Host)
		}
		if after := inventory(t); after != before {
			t.Errorf("before:\n%safter:\n%s", before, after)
		}
		if left := childrenOf(t, os.Getpid()); len(left) > 0 {
			t.Errorf("processes %v are left", left)
		}
		// Queue 0 is free.
		q, err := nfq.Open(nfq.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
}

// inventory lists the links, qdiscs and nft tables of this network namespace.
func inventory(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		b.WriteString("link " + l.Attrs().Name + " " + l.Attrs().Flags.String() + "\n")
		qs, err := netlink.QdiscList(l)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range qs {
			b.WriteString("qdisc " + q.Type() + "\n")
		}
	}
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := c.ListTables()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		b.WriteString("table " + table.Name + "\n")
	}
	return b.String()
}

// childrenOf lists the living children of a process.
func childrenOf(t *testing.T, parent int) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // gone
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) > 1 && f[1] == strconv.Itoa(parent) && f[0] != "Z" {
			pids = append(pids, filepath.Base(filepath.Dir(name)))
		}
	}
	return pids
}

// TestLiveKilled kills a doctor in the middle of its work; its probe must go
// with it.
func TestLiveKilled(t *testing.T) {
	if err := netns.Available(); err != nil {
		t.Skip(err)
	}
	for _, after := range []time.Duration{0, 20 * time.Millisecond, 300 * time.Millisecond} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Args[0] = os.Args[0]
		cmd.Env = append(os.Environ(), envReport+"=full")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var probes []string
		for end := time.Now().Add(5 * time.Second); len(probes) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
			probes = childrenOf(t, cmd.Process.Pid)
		}
		time.Sleep(after)
		probes = append(probes, childrenOf(t, cmd.Process.Pid)...)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if len(probes) == 0 {
			t.Fatal("no probe was ever seen")
		}
		for _, pid := range probes {
			if !gone(pid) {
				t.Errorf("probe %s outlives its doctor", pid)
			}
		}
	}
}

func gone(pid string) bool {
	for range 200 {
		b, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || bytes.Contains(b, []byte(") Z ")) {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// TestLiveWithout takes away from a process what a machine may not have, and
// reads what the doctor says.
func TestLiveWithout(t *testing.T) {
	if err := netns.Available(); err != nil {
		t.Skip(err)
	}
	want := map[string]map[string]State{
		// Without capabilities, in a namespace as good as any: the way is a user
		// namespace, and the queue of this namespace is not for it.
		"nothing": {"network_namespaces": OK, "user_namespaces": OK, "lab": OK, "record_on_host": Missing},
		"user namespaces": {"user_namespaces": Missing, "network_namespaces": Missing, "nfqueue_bind": Unknown, "lab": Unknown,
			"record_on_host": Missing, "clock": OK},
		"network namespaces": {"user_namespaces": OK, "network_namespaces": Missing, "queue_rule": Unknown, "lab": Unknown},
		"clone":              {"user_namespaces": Missing, "network_namespaces": Missing, "lab": Unknown, "clock": OK},
		"netfilter": {"network_namespaces": OK, "veth": OK, "shaper": OK, "nfqueue_bind": Missing, "queue_rule": Missing, "ce_rule": Missing,
			"lab": Missing, "queue_gso": Missing, "record_on_host": Missing},
	}
	// A program with capabilities of its own is shown less of /proc, but not less
	// of the rest.
	want["dumping"] = want["nothing"]
	for what, states := range want {
		t.Run(strings.ReplaceAll(what, " ", "_"), func(t *testing.T) {
			r := reportWithout(t, what)
			for id, state := range states {
				i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.ID == id })
				if i < 0 || r.Checks[i].State != state {
					t.Errorf("%s: want %s", id, state)
				}
			}
			if lab := what == "nothing" || what == "dumping"; r.Can.Lab != lab || (len(r.Lacking()) == 0) != lab {
				t.Errorf("can %+v, lacking %q", r.Can, r.Lacking())
			}
			if t.Failed() {
				t.Log(words(t, r))
			}
		})
	}
}

// reportWithout runs the doctor in a user namespace of its own, without what.
func reportWithout(t *testing.T, what string) *Report {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), envWithout+"="+what, envReport+"=quick")
	cmd.SysProcAttr = inUserNS.attr()
	if what == "dumping" {
		cmd.SysProcAttr.UidMappings[0].ContainerID = 1000 // who has no capabilities
	}
	cmd.SysProcAttr.Pdeathsig = 0 // of a thread that may end before
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, &errs)
	}
	r := &Report{}
	if err := json.Unmarshal(out.Bytes(), r); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	return r
}

// TestLiveProbes meets probes that misbehave: each is told, none is waited for.
func TestLiveProbes(t *testing.T) {
	g := gatherer{ctx: t.Context(), progress: func(string) {}}
	if got := try[Rule](&g, "no such probe", inHere); got.Fault == nil || !strings.Contains(got.Fault.Text, "no such probe") {
		t.Errorf("unknown probe: %+v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	g.ctx = ctx
	start := time.Now()
	if got := try[[]Timer](&g, probeTimers, inHere); got.Fault == nil || got.Fault.Kind != TimedOut {
		t.Errorf("probe that takes too long: %+v", got)
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("it was waited for: %v", d)
	}
	if got := try[Clock](&g, probeClock, inHere); got.Fault == nil || got.Fault.Kind != TimedOut {
		t.Errorf("probe after the end of time: %+v", got)
	}
}

// TestForkBomb makes sure that a main without Hidden is an error, not a chain
// of programs that call themselves.
func TestForkBomb(t *testing.T) {
	t.Setenv(insideEnv, "1")
	if _, err := Gather(t.Context(), Options{Quick: true}); err == nil || !strings.Contains(err.Error(), "doctor.Hidden") {
		t.Errorf("got %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Gather(ctx, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestFaultOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind Kind
	}{
		{syscall.EPERM, Denied}, {syscall.EACCES, Denied}, {nfq.ErrPermission, Denied},
		{syscall.ENOSPC, Full}, {syscall.EUSERS, Full},
		{syscall.EOPNOTSUPP, Absent}, {os.ErrNotExist, Absent}, {nfq.ErrUnsupported, Absent},
		{context.DeadlineExceeded, TimedOut}, {syscall.EIO, OtherFailed}, {nfq.ErrBusy, OtherFailed},
	} {
		if f := faultOf(errors.Join(errors.New("first"), c.err)); f.Kind != c.kind || strings.Contains(f.Text, "\n") {
			t.Errorf("%v: %+v, want %s", c.err, f, c.kind)
		}
	}
	if f := faultOf(nil); f != nil {
		t.Errorf("no error: %+v", f)
	}
}
