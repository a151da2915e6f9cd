package traces_test

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Write a trace of one packet and print it as text.
func Example() {
	var file bytes.Buffer
	w, err := traces.NewWriter(&file, traces.Header{Comment: "one ping"}, traces.WriterOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := traces.Record{
		Time: pkt.Time(1500 * time.Microsecond), Flow: pkt.FlowKey{Proto: pkt.ProtoICMP},
		Len: 84, HdrLen: 28, Segs: 1, L4Flags: 8 << 8, Seq: 77<<16 | 1,
		Verdict: traces.Accept, VerdictTime: pkt.Time(1520 * time.Microsecond),
		KernelTime: traces.NoTime, Dequeued: traces.NoTime, Due: traces.NoTime,
	}
	r.Flow.SetAddrs(netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"))
	if err := w.Append(&r); err != nil {
		fmt.Println(err)
	}
	if err := w.Close(traces.End{Clean: true}); err != nil {
		fmt.Println(err)
	}

	src, err := traces.NewReader(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := traces.NewTextWriter(os.Stdout, src.Header())
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := traces.Copy(text, src, nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	// uq-trace-text 1
	// header {"version":"1.0","comment":"one ping","link_header":0}
	// p time=0.001500000 flow=icmp,192.0.2.1>192.0.2.2 hdr=28 len=84 flags=0x800 seq=5046273 verdict=accept vtime=0.001520000
	// end {"records":1,"events":0,"duration_ns":0,"clean":true}
}

// Count the bytes of a trace block by block, the fastest way.
func ExampleReader_NextBlock() {
	file, err := os.Open("testdata/v1.zst")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	r, err := traces.NewReader(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	r.OnEvent(func(e traces.Event) {
		if e.Kind == traces.IDGap {
			fmt.Println(e.Count, "packets missed")
		}
	})
	var b traces.Block // its memory is reused
	packets, bytes := 0, uint64(0)
	for {
		err := r.NextBlock(&b)
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		packets += b.Records()
		for _, l := range b.Len {
			bytes += uint64(l)
		}
	}
	fmt.Println(packets, "packets,", bytes, "bytes")
	// Output:
	// 3 packets missed
	// 11 packets, 4295032945 bytes
}
