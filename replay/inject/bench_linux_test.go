package inject

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// The benchmark of injection alone: a wire without a queue. Environment:
// UQ_BENCH_SECONDS is how long the trace is, UQ_BENCH_DIR where to leave it as
// bench.zst for other runs.
const (
	envNoQueue = "UQ_BENCH_NO_QUEUE"
	benchGap   = 50 * time.Microsecond // 20 kpps
	benchSize  = 200
	replayer   = "tcpreplay"
)

// BenchmarkLiveInjection sends the same packets with uq's source and, where it
// is installed, with tcpreplay, over the same links, and compares when they
// come out: late is against the recorded times and the most punctual packet.
func BenchmarkLiveInjection(b *testing.B) {
	if err := netns.Available(); err != nil {
		b.Skip(err)
	}
	seconds, err := strconv.Atoi(os.Getenv("UQ_BENCH_SECONDS"))
	if err != nil {
		seconds = 1
	}
	dir := os.Getenv("UQ_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	trace := filepath.Join(dir, "bench.zst")
	due := writeBenchTrace(b, trace, seconds)
	b.Setenv(envNoQueue, "1")
	for _, tool := range []string{"uq", replayer} {
		b.Run(tool, func(b *testing.B) {
			task := testTask{Task: Task{Timer: replay.Hybrid, Scheduler: traces.Scheduler{Qdisc: "pfifo", Link: "unlimited"}}}
			if tool == replayer {
				if _, err := exec.LookPath(replayer); err != nil {
					b.Skip("tcpreplay is not installed")
				}
				task.Pcap = filepath.Join(b.TempDir(), "bench.pcap")
				writePcap(b, trace, task.Pcap)
			}
			for b.Loop() {
				reportLate(b, inject(b, trace, task), due)
			}
		})
	}
}

// writeBenchTrace makes a trace of jittered UDP and returns when its packets
// are due.
func writeBenchTrace(b *testing.B, name string, seconds int) (due []pkt.Time) {
	b.Helper()
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w, err := traces.NewWriter(f, traces.Header{LinkHeader: 14, Synthetic: "UDP, 20 kpps, jitter of 40 us, seed 1"}, traces.WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	k, err := pkt.ParseFlowKey("udp 10.0.0.1:4000>10.0.0.2:5000")
	if err != nil {
		b.Fatal(err)
	}
	n := seconds * int(time.Second/benchGap)
	for i := range n {
		r := traces.Record{
			Time: pkt.Time(i)*pkt.Time(benchGap) + pkt.Time(rng.Int64N(40_000)), Flow: k, Len: benchSize, HdrLen: 28, Segs: 1,
			KernelTime: traces.NoTime, VerdictTime: traces.NoTime, Dequeued: traces.NoTime, Due: traces.NoTime,
		}
		due = append(due, r.Time)
		if err := w.Append(&r); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(traces.End{Clean: true, DurationNs: int64(due[n-1])}); err != nil {
		b.Fatal(err)
	}
	return due
}

// writePcap makes a capture file of a trace, with the frames that uq sends.
func writePcap(b *testing.B, trace, name string) {
	b.Helper()
	in, err := os.Open(trace)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	feed, err := NewFeed(func() (*traces.Reader, error) { return OpenTrace(in) }, Selection{})
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	w := pcapgo.NewWriterNanos(out)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		b.Fatal(err)
	}
	frames := framer{to: netns.WireRouterMAC(), from: make([]byte, 6)}
	var r traces.Record
	var frame []byte
	for n := uint64(0); ; n++ {
		if ok, err := feed.Next(&r); err != nil {
			b.Fatal(err)
		} else if !ok {
			break
		}
		frame, _ = frames.append(frame[:0], &r, n)
		frame = append(frame[vnetLen:], make([]byte, r.Len-uint32(r.HdrLen))...)
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(1e9, int64(r.Time)), CaptureLength: len(frame), Length: len(frame)}
		if err := w.WritePacket(ci, frame); err != nil {
			b.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
}

// sendPcap is a source that leaves the sending to tcpreplay.
func sendPcap(ctx context.Context, link, pcap string) (any, error) {
	out, err := exec.CommandContext(ctx, replayer, "--quiet", "--preload-pcap", "-i", link, pcap).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", replayer, err, out)
	}
	time.Sleep(settle)
	return SourceResult{}, nil
}

// inject sends the trace over a wire without a queue and returns when packets
// came out, by number; 0 for lost ones.
func inject(b *testing.B, trace string, task testTask) []int64 {
	b.Helper()
	in, err := os.Open(trace)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	r := &run{}
	if err := r.open(Files{Trace: in}); err != nil {
		b.Fatal(err)
	}
	defer r.close()
	payload, err := json.Marshal(task)
	if err != nil {
		b.Fatal(err)
	}
	cfg := netns.Config{Wire: &netns.Wire{}, Payload: payload}
	if _, err := netns.Run(b.Context(), cfg, netns.Stdio{Err: os.Stderr, Extra: r.files}); err != nil {
		b.Fatal(err)
	}
	received, err := r.section(receivedFile)
	if err != nil {
		b.Fatal(err)
	}
	var at []int64
	for log := newLogReader(received); ; {
		var e receivedEntry
		ok, err := log.next(e.get)
		if err != nil {
			b.Fatal(err)
		}
		if !ok {
			return at
		}
		// Numbers are consecutive but for losses.
		for tagOf(uint64(len(at)), false) != e.tag && len(at) < 1<<24 {
			at = append(at, 0)
		}
		at = append(at, e.at)
	}
}

// reportLate prints how late the packets were.
func reportLate(b *testing.B, at []int64, due []pkt.Time) {
	b.Helper()
	if len(at) == 0 || len(at) > len(due) {
		b.Fatalf("%d packets came out of %d", len(at), len(due))
	}
	best, lost := int64(1)<<62, len(due)-len(at)
	var late []int64
	for i, t := range at {
		if t == 0 {
			lost++
			continue
		}
		late = append(late, t-int64(due[i]))
		best = min(best, t-int64(due[i]))
	}
	tail := slices.Clone(late[len(late)-len(late)/20-1:])
	slices.Sort(tail)
	slices.Sort(late)
	us := func(ns int64) float64 { return float64(ns-best) / 1e3 }
	b.ReportMetric(us(late[len(late)/2]), "us-late-p50")
	b.ReportMetric(us(late[len(late)*99/100]), "us-late-p99")
	b.ReportMetric(us(late[len(late)-1]), "us-late-max")
	b.ReportMetric(us(tail[len(tail)/2]), "us-late-p50-at-the-end")
	b.ReportMetric(float64(lost), "lost")
	b.ReportMetric(0, "ns/op")
}
