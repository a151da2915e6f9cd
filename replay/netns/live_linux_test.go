package netns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nft"
	"github.com/uqtool/uq/replay/netns/traffic"
)

// The live tests build real labs, each in processes and namespaces of its own;
// where the kernel cannot they are skipped with the reason.

func TestMain(m *testing.M) {
	if code, ours := Hidden(os.Args, Roles{Capture: acceptAll, Source: clientEndForTest, Sink: serverEndForTest}); ours {
		os.Exit(code)
	}
	if cfg := os.Getenv("UQ_TEST_SUPERVISOR"); cfg != "" {
		os.Exit(superviseForTest(cfg))
	}
	// Under the race detector every process of a lab would sleep for a second
	// before it exits.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=1"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// captured is what the test's capture function reports.
type captured struct {
	Packets, Bytes uint64
	Rule           string
	Why            string
	Counter        nft.Counter
	Loss           nfq.Loss
	// ECT counts packets of an ECN transport, and ECE TCP's echoes of CE.
	ECT, ECE uint64
	// Down counts packets to the client.
	Down uint64
}

// lookAt counts what the headers of an IPv4 packet say about ECN, and returns
// whether it may be marked.
func (c *captured) lookAt(b []byte) (ect bool) {
	if len(b) < 40 || b[0] != 0x45 {
		return false
	}
	if ect = b[1]&3 != 0; ect {
		c.ECT++
	}
	const tcp, syn, ece = 6, 0x02, 0x40
	if flags := b[20+13]; b[9] == tcp && flags&syn == 0 && flags&ece != 0 {
		c.ECE++
	}
	return ect
}

// acceptAll is the capture function of the tests: it accepts every packet at
// once, ECT ones with the CE mark if there is one. A payload of "fail" makes it fail instead.
func acceptAll(ctx context.Context, l *Lab) (any, error) {
	if string(l.Config.Payload) == `"fail"` {
		return nil, errors.New("capture was told to fail")
	}
	if string(l.Config.Payload) == `"copies"` {
		return copyAll(ctx, l)
	}
	if l.Config.Ends {
		return standBetween(ctx, l)
	}
	q, err := nfq.Open(nfq.Config{Queue: l.Config.Queue, GSO: true})
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, q.Shutdown)()
	l.Ready()
	c := &captured{Rule: l.Rule}
	if err := c.serve(q, l.Config.CEMark); err != nil {
		return c, err
	}
	for _, f := range l.Files {
		if _, err := fmt.Fprintf(f, "%d packets\n", c.Packets); err != nil {
			return c, err
		}
	}
	c.Why = context.Cause(ctx).Error()
	c.Counter, err = l.Counter()
	return c, errors.Join(err, q.Close())
}

// serve accepts packets until the queue is shut down.
func (c *captured) serve(q *nfq.Queue, mark uint32) error {
	var verdicts []nfq.Verdict
	for {
		b, err := q.Receive(nfq.Forever)
		c.Loss.Add(b.Loss)
		verdicts = verdicts[:0]
		for i := range b.Packets {
			p := &b.Packets[i]
			c.Packets++
			c.Bytes += uint64(p.Len)
			ect := c.lookAt(p.Payload)
			verdicts = append(verdicts, nfq.Verdict{ID: p.ID, Action: nfq.Accept, SetMark: ect && mark != 0, Mark: mark})
		}
		if err := q.Send(verdicts); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// needLab skips where no lab can run, and bounds the test.
func needLab(t *testing.T) context.Context {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// runLab runs a lab and returns its result, the capture's, and the command's
// output.
func runLab(t *testing.T, cfg Config) (*Result, captured, string) {
	t.Helper()
	ctx := needLab(t)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := Run(ctx, cfg, Stdio{Out: out, Err: os.Stderr})
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	text, err := os.ReadFile(out.Name())
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	var c captured
	if err := json.Unmarshal(res.Capture, &c); err != nil {
		t.Fatalf("capture's result %s: %v", res.Capture, err)
	}
	for _, r := range res.Traffic {
		t.Log(r)
	}
	t.Logf("code %d, capture %+v, shaper %+v, delayed %+v, notes %q", res.Code, c, res.Shaper, res.Delayed, res.Notes)
	return res, c, string(text)
}

// find returns the report of the named source.
func find(t *testing.T, rs []traffic.Report, name string) traffic.Report {
	t.Helper()
	for _, r := range rs {
		if strings.HasPrefix(r.Source, name+":") {
			if r.Err != "" {
				t.Errorf("%s: %s", name, r.Err)
			}
			return r
		}
	}
	t.Fatalf("no report of %s in %v", name, rs)
	return traffic.Report{}
}

func TestLiveMixThroughBottleneck(t *testing.T) {
	const rate, delay = 20_000_000, 20 * time.Millisecond
	for _, name := range []string{"mix", "ipv6"} {
		t.Run(name, func(t *testing.T) {
			res, c, _ := runLab(t, Config{
				Direction:  Down,
				Queue:      7,
				Bottleneck: &Bottleneck{Rate: rate, Delay: delay, Limit: 100},
				ECN:        true,
				Traffic:    &traffic.Mix{Name: name, Duration: 1500 * time.Millisecond, Seed: 1},
			})
			ping := find(t, res.Traffic, "ping")
			if ping.Received < 3 || ping.Time.Min < delay {
				t.Errorf("ping %+v: want replies, none faster than %s", ping, delay)
			}
			var bps uint64
			for _, n := range []string{"tcp1", "tcp2", "web"} {
				bps += find(t, res.Traffic, n).BitsPerSecond()
			}
			// A client that is late to end has carried more than its time had room for.
			if bps < rate/4 || bps > rate*2 {
				t.Errorf("TCP got %d bit/s through a bottleneck of %d", bps, rate)
			}
			if c.Packets == 0 || c.Loss.Any() || c.Why != "traffic finished" {
				t.Errorf("capture %+v: want packets, no loss and a known end", c)
			}
			if c.Packets > c.Counter.Packets || c.Counter.Packets > c.Packets+50 {
				t.Errorf("rule counted %d packets, capture %d", c.Counter.Packets, c.Packets)
			}
			if res.Shaper == nil || res.Shaper.Packets == 0 || res.Delayed == nil || res.Delayed.Packets == 0 {
				t.Errorf("shaper %+v, delay line %+v: want both to have worked", res.Shaper, res.Delayed)
			}
		})
	}
}

func TestLiveUDPBothWays(t *testing.T) {
	const rate = 4_000_000
	res, _, _ := runLab(t, Config{Direction: Both, Bottleneck: &Bottleneck{Rate: rate, Limit: 20},
		Traffic: &traffic.Mix{Name: "udp", Duration: time.Second, Seed: 1}})
	for _, suffix := range []string{"", "-down"} {
		var bps uint64
		for i := range 4 {
			bps += find(t, res.Traffic, fmt.Sprintf("cbr%d%s", i+1, suffix)).BitsPerSecond()
		}
		if bps < rate/4 || bps > rate*13/10 {
			t.Errorf("UDP%s got %d bit/s through a bottleneck of %d", suffix, bps, rate)
		}
	}
	if res.Shaper.Drops == 0 {
		t.Error("twice the rate was offered and nothing dropped")
	}
}

// TestLiveStations has three hosts behind the queue, over either family.
func TestLiveStations(t *testing.T) {
	for _, name := range []string{"mix", "ipv6"} {
		res, _, _ := runLab(t, Config{Direction: Both, Stations: 3, Bottleneck: &Bottleneck{Rate: 20_000_000},
			Traffic: &traffic.Mix{Name: name, Duration: 700 * time.Millisecond, Seed: 1}})
		for i := range 3 {
			for _, source := range []string{"tcp1", "tcp1-down", "voip", "ping"} {
				if r := find(t, res.Traffic, fmt.Sprintf("sta%d.%s", i+1, source)); r.Bytes == 0 {
					t.Errorf("%s: %s", name, r)
				}
			}
		}
	}
}

func TestLiveBulkUsesGSO(t *testing.T) {
	res, c, _ := runLab(t, Config{Direction: Up,
		Traffic: &traffic.Mix{Name: "bulk", Duration: 500 * time.Millisecond, Seed: 1}})
	if bps := find(t, res.Traffic, "tcp1").BitsPerSecond(); bps < 20_000_000 {
		t.Errorf("tcp1 got %d bit/s without a bottleneck", bps)
	}
	if c.Packets == 0 || c.Bytes/c.Packets < 2*MTU {
		t.Errorf("capture %+v: want super-packets", c)
	}
}

// TestLiveCEMark has the verdicts mark whatever is ECT: the receivers must have
// seen CE, since they echo it.
func TestLiveCEMark(t *testing.T) {
	cfg := Config{Direction: Both, ECN: true, Bottleneck: &Bottleneck{Delay: 2 * time.Millisecond}}
	// A slow machine needs more time to connect.
	run := func(enough func(captured) bool) (c captured) {
		for d := 200 * time.Millisecond; d < 4*time.Second; d *= 2 {
			cfg.Traffic = &traffic.Mix{Name: "mix", Duration: d, Seed: 1}
			if _, c, _ = runLab(t, cfg); enough(c) {
				break
			}
		}
		return c
	}
	if c := run(func(c captured) bool { return c.ECT > 0 }); c.ECT == 0 || c.ECE != 0 {
		t.Errorf("unmarked: %d ECT packets, %d echoes: want some and none", c.ECT, c.ECE)
	}
	cfg.CEMark = 0x75
	if c := run(func(c captured) bool { return c.ECE > 0 }); c.ECT == 0 || c.ECE == 0 {
		t.Errorf("marked: %d ECT packets, %d echoes: want some of either", c.ECT, c.ECE)
	}
	cfg.ECN = false
	if c := run(func(c captured) bool { return c.Packets > 0 }); c.Packets == 0 || c.ECT != 0 || c.ECE != 0 {
		t.Errorf("without ECN: %d ECT packets, %d echoes of %d: want none", c.ECT, c.ECE, c.Packets)
	}
}

func TestLiveCommand(t *testing.T) {
	dir := t.TempDir()
	extra, err := os.Create(filepath.Join(dir, "extra"))
	if err != nil {
		t.Fatal(err)
	}
	ctx := needLab(t)
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := Run(ctx, Config{
		Command:  []string{"sh", "-c", "echo server $UQ_SERVER $UQ_SERVER6, stations $UQ_STATIONS, $UQ_STATIONS6; exit 3"},
		Stations: 2,
	}, Stdio{Out: out, Err: os.Stderr, Extra: []*os.File{extra}})
	if err != nil || res.Code != 3 || res.Interrupted {
		t.Errorf("result %+v, error %v: want exit code 3", res, err)
	}
	text, _ := os.ReadFile(out.Name())
	if want := "server 10.0.2.2 fd00:2::2, stations 10.0.2.2 10.0.2.3, fd00:2::2 fd00:2::3\n"; string(text) != want {
		t.Errorf("command printed %q, want %q", text, want)
	}
	if text, _ := os.ReadFile(extra.Name()); !strings.HasSuffix(string(text), " packets\n") {
		t.Errorf("capture wrote %q to the inherited file", text)
	}
}

func TestLiveErrors(t *testing.T) {
	ctx := needLab(t)
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{Command: []string{"/no/such/program"}}, "start /no/such/program"},
		{Config{Command: []string{"true"}, Server: []string{"/no/such/server"}}, "server: start /no/such/server"},
		{Config{Command: []string{"sleep", "60"}, Payload: json.RawMessage(`"fail"`)}, "told to fail"},
	} {
		if _, err := Run(ctx, tt.cfg, Stdio{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q", tt.cfg, err, tt.want)
		}
	}
}

// TestLiveInterrupt ends the lab from outside once its command runs.
func TestLiveInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(needLab(t))
	defer cancel()
	out, up, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	defer up.Close()
	var begin time.Time
	go func() {
		_, _ = out.Read(make([]byte, 3))
		begin = time.Now()
		cancel()
	}()
	res, err := Run(ctx, Config{Command: []string{"sh", "-c", "echo up; exec sleep 60"}}, Stdio{Out: up})
	checkEnded(t, res, err, "interrupted")
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("the lab took %s to end", d)
	}
}

// TestLiveDeadline gives labs less and then more time than they need to stand.
func TestLiveDeadline(t *testing.T) {
	ctx := needLab(t)
	for d := 300 * time.Millisecond; ; d *= 2 {
		ctx, cancel := context.WithTimeout(ctx, d)
		res, err := Run(ctx, Config{Command: []string{"sleep", "60"}}, Stdio{})
		cancel()
		if err == nil && res.Interrupted && res.Code == 0 && d < 5*time.Second {
			continue // the command was not running yet
		}
		checkEnded(t, res, err, context.DeadlineExceeded.Error())
		return
	}
}

// checkEnded expects a command that was ended and a capture that was told why.
func checkEnded(t *testing.T, res *Result, err error, why string) {
	t.Helper()
	if err != nil || !res.Interrupted || res.Code != 128+int(syscall.SIGTERM) {
		t.Fatalf("result %+v, error %v: want a command that was ended", res, err)
	}
	var c captured
	if err := json.Unmarshal(res.Capture, &c); err != nil || c.Why != why {
		t.Errorf("capture %s was told %q, want %q", res.Capture, c.Why, why)
	}
}
