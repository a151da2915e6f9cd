package schedtest

import (
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// mostOps bounds one script of [Ops].
const mostOps = 4096

// Ops plays a script of calls made of any bytes, for fuzzing: the calls of
// [Conformance] with its checks, then drains the queue. The first byte of an
// operation chooses it:
//
//	0-3 mod 8  Enqueue: flow, length and DS field are the next three bytes
//	4-5 mod 8  Dequeue
//	6 mod 8    time passes, 2^n ns, n from the next byte
//	7 mod 8    time passes until NextWake, then Dequeue
func Ops(t testing.TB, mk Make, prop Properties, script []byte) {
	t.Helper()
	prop.Reorders = true // a flow's DS field changes
	b := newBench(t, mk, prop, "script")
	next := func() (v byte) {
		if len(script) > 0 {
			v, script = script[0], script[1:]
		}
		return v
	}
	for id := uint64(0); id < mostOps && len(script) > 0; {
		switch op := next() & 7; op {
		case 4, 5:
			b.dequeue()
		case 6:
			b.now = min(b.now.Add(1<<(next()%48)), pkt.Horizon)
		case 7:
			if b.w != nil && b.wake > b.now && b.wake < pkt.Horizon {
				b.now = b.wake
			}
			b.dequeue()
		default:
			n := next()
			b.enqueue(scriptPacket(id, b.now, n, next(), next()))
			id++
		}
	}
	b.drain(b.now.Add(time.Millisecond))
}

// scriptPacket is a packet of one of 64 flows; every eighth length is a
// super-packet's.
func scriptPacket(id uint64, now pkt.Time, flow, length, ds byte) *pkt.Packet {
	segs := uint16(1)
	if length%8 == 7 {
		segs = uint16(length/8) + 2
	}
	l3 := uint32(length)*5 + 40
	return &pkt.Packet{
		ID: id, Arrival: now, Flow: testFlow(int(flow&63), 1, flow&64 != 0), HdrLen: 40, DSField: ds,
		L3Len: l3 * uint32(segs), Len: (l3 + 14) * uint32(segs), Segs: segs,
	}
}
