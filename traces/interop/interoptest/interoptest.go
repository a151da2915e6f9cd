// Package interoptest gives the tests of exports runs to write.
package interoptest

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/corpus"
	"github.com/uqtool/uq/traces/interop"
)

// Ports makes the ports of tests.
var Ports = egress.Maker{Qdiscs: builtin.Kinds(), ReadFile: os.ReadFile}

// Run describes the runs of Simulate.
func Run(qdisc, link string) interop.Run {
	return interop.Run{
		Trace: "sample.zst", Tool: "uq test", Qdisc: qdisc, Link: link, Seed: 1,
		Rate: 20_000_000, StartNs: 1_700_000_000_123_456_789,
	}
}

// Simulate runs a trace of the corpus through a qdisc and a link into w, which
// it closes, and into also.
func Simulate(t testing.TB, trace, qdisc, link string, w interop.Writer, also ...egress.Sink) {
	t.Helper()
	data, err := corpus.Read(trace)
	if err != nil {
		t.Fatal(err)
	}
	r, err := traces.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	src, err := traces.NewSource(r, traces.SourceOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	pool, sink := &pkt.Pool{}, interop.NewFromPort(w)
	port, err := Ports.Port(egress.Config{Qdisc: qdisc, Link: link, Seed: 1}, egress.Tee(append(also, sink)...), pool)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Run(src, port, pool); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
}

// Text writes a trace's text form into w, which it closes.
func Text(t testing.TB, text string, w interop.Writer) {
	t.Helper()
	r, err := traces.NewTextReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := traces.Copy(interop.NewFromTrace(w, r.Header()), r, nil); err != nil {
		t.Fatal(err)
	}
}

// Sample is a trace with one packet of every kind and fate.
const Sample = `uq-trace-text 1
header {"link_header":14,"anchor":{"monotonic_ns":5,"realtime_ns":1700000000123456789},"scheduler":{"qdisc":"fq_codel","link":"rate 20mbit","seed":1,"gso":"whole"}}
p time=0.001 flow=tcp,10.0.0.1:1000>10.0.0.2:80 hdr=40 len=40 flags=0x2 seq=7 verdict=accept due=0.0015 dequeued=0.001 vtime=0.0016
p time=0.002 flow=tcp,10.0.0.1:1000>10.0.0.2:80 segs=3 hdr=52 len=4396 ds=0x2 info=gso flags=0x18 seq=8 ack=2 verdict=mark_ce reason=aqm due=0.014 dequeued=0.012 vtime=0.0141
p time=0.003 flow=udp,10.0.0.1:1000>10.0.0.2:53 hdr=28 len=80 verdict=drop reason=overlimit due=0.003 dequeued=0.003 vtime=0.0031
event time=0.0035 kind=queue_full count=7 text="queue limit of 100"
p time=0.004 flow=icmp6,fd00::1>fd00::2 hdr=48 len=104 flags=0x8000 seq=65537 verdict=drop reason=link_loss due=0.013 dequeued=0.005 vtime=0.0131
p time=0.004 flow=sctp,10.0.0.1:9>10.0.0.2:9 hdr=32 len=60 ds=0xb8 verdict=lost due=0.02 vtime=0.02
p time=0.005 flow=0,0.0.0.0>0.0.0.0 len=42 info=undecoded verdict=accept vtime=0.0051
p time=0.006 flow=tcp,[fd00::1]:1000>[fd00::2]:80 segs=48 hdr=60 len=70000 info=gso flags=0x10 seq=1 ack=1
p time=0.007 flow=udp,10.0.0.3:1>10.0.0.4:2 hdr=20 len=1500 ds=0x1 info=fragment verdict=drop reason=aqm due=0.009 dequeued=0.009 vtime=0.0091
end {"duration_ns":30000000,"clean":true}
`

// List collects events.
type List struct {
	Events  []interop.Event
	Records []traces.Record
	End     pkt.Time
}

// Event implements interop.Writer.
func (l *List) Event(e *interop.Event) error {
	l.Events = append(l.Events, *e)
	l.Records = append(l.Records, *e.Record)
	return nil
}

// Close implements interop.Writer.
func (l *List) Close(end pkt.Time) error {
	for i := range l.Events {
		l.Events[i].Record = &l.Records[i]
	}
	l.End = end
	return nil
}
