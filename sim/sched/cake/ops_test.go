package cake

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// optionSets is every option at least once.
var optionSets = []string{
	"",
	"bandwidth 10mbit besteffort ack-filter",
	"bandwidth 1mbit diffserv4 rtt 20ms ingress wash dual-srchost ack-filter-aggressive",
	"bandwidth 5mbit autorate-ingress precedence dual-dsthost",
	"autorate-ingress besteffort",
	"diffserv8 hosts memlimit 20k no-split-gso ack-filter",
	"bandwidth 20mbit flowblind ack-filter docsis memlimit 10k",
	"bandwidth 8mbit srchost pppoe-ptm ether-vlan ack-filter-aggressive ingress",
	"bandwidth 2mbit dsthost conservative satellite memlimit 64k ingress",
	"bandwidth 300mbit flows overhead -20 mpu 64 datacentre",
	"bandwidth 400kbit raw ptm metro nat fwmark 0xf memlimit 5k",
	"bandwidth 8bit interplanetary",
	"flows memlimit 1",
}

// play runs a script of bytes, two or three for an operation, and counts packets
// in and out.
func play(t *testing.T, words string, script []byte) {
	r := newRig(t, words)
	in, out := 0, 0
	for n := 0; len(script) >= 3; n++ {
		op, arg, more := script[0], script[1], script[2]
		script = script[3:]
		switch op % 4 {
		case 0, 1:
			r.anyPacket(op>>2, arg, more)
			in++
		case 2:
			if p := r.q.Dequeue(r.now); p != nil {
				out++
				r.pool.Put(p)
			} else if w := r.q.NextWake(); w <= r.now {
				t.Fatalf("NextWake %v at %v", w, r.now)
			}
		case 3:
			r.now = r.now.Add(time.Duration(arg) << (more % 32))
		}
		if n%16 == 0 {
			r.check()
		}
	}
	r.check()
	for r.q.packets > 0 {
		if p := r.deq(); p != nil {
			out++
			r.pool.Put(p)
		} else if r.q.packets > 0 {
			t.Fatalf("%d packets do not come out", r.q.packets)
		}
	}
	r.check()
	if in != out+len(r.dropped) {
		t.Fatalf("%q: %d in, %d out, %d dropped", words, in, out, len(r.dropped))
	}
	if n := r.pool.Out(); n != 0 {
		t.Fatalf("%d packets are lost", n)
	}
}

// anyPacket queues a packet made of three bytes.
func (r *rig) anyPacket(a, b, c byte) {
	f := flowFrom(int(a%5), int(b%3), int(c%4))
	if a&8 != 0 {
		f = tcpFlow(int(b%4), b&4 != 0)
	}
	r.enq(f, int(b)*int(c)/43, func(p *pkt.Packet) {
		p.DSField = b ^ c
		if a&16 != 0 {
			p.Segs = uint16(c%45) + 1
			p.Len *= uint32(p.Segs)
		}
		if a&8 != 0 {
			p.TCPFlags, p.Ack = flagACK|uint16(c&0xc1), r.lastAck()+uint32(c%3)
			if c&2 != 0 {
				p.HdrLen, p.L3Len = 40+uint16(b&8)*5/2, 40+uint32(b&8)*5/2
			}
		}
		if a&32 != 0 {
			p.Len, p.L3Len, p.HdrLen = uint32(b), uint32(c), uint16(a)<<8
		}
	})
}

func (r *rig) lastAck() uint32 { return uint32(r.id / 3) }

// TestOps plays random scripts under every set of options.
func TestOps(t *testing.T) {
	for _, words := range optionSets {
		t.Run(words, func(t *testing.T) {
			for seed := range uint64(6) {
				rng := rand.New(rand.NewPCG(seed, 7))
				script := make([]byte, 3000)
				for i := range script {
					script[i] = byte(rng.Uint32())
				}
				play(t, words, script)
			}
		})
	}
}

// FuzzOps plays any script. The first byte chooses the options.
func FuzzOps(f *testing.F) {
	for i := range optionSets {
		f.Add([]byte{byte(i), 0, 10, 200, 4, 10, 201, 2, 0, 0, 36, 9, 9, 36, 9, 10, 36, 9, 11, 3, 9, 22, 2, 0, 0, 2, 0, 0})
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 3000 {
			return
		}
		play(t, optionSets[int(script[0])%len(optionSets)], script[1:])
	})
}

// TestAllocations checks that packets cost no allocation, overflows, ack filter
// and all.
func TestAllocations(t *testing.T) {
	for _, words := range []string{"memlimit 100k", "bandwidth 30mbit ingress diffserv8 ack-filter-aggressive memlimit 100k"} {
		r := newRig(t, words)
		r.q.drop = func(_ pkt.Time, p *pkt.Packet, _ pkt.Reason) { r.pool.Put(p) }
		var flows []*pkt.Flow
		for i := range 64 {
			flows = append(flows, flowFrom(i%7, i%5, i), tcpFlow(i, false))
		}
		step := func() {
			for i := range 1000 {
				p := r.pool.Get()
				r.id++
				*p = pkt.Packet{ID: r.id, Arrival: r.now, Flow: flows[i*i%128], Len: 1014, L3Len: 1000, Segs: 1, HdrLen: 52, DSField: uint8(i)}
				if i%3 == 0 {
					p.L3Len, p.TCPFlags, p.Ack = 52, flagACK, uint32(r.id)
				}
				r.q.Enqueue(r.now, p)
				r.now = r.now.Add(200 * time.Microsecond)
				if p := r.q.Dequeue(r.now); p != nil {
					r.pool.Put(p)
				}
			}
		}
		step()
		if n := testing.AllocsPerRun(20, step); n > 0 {
			t.Errorf("%q: %v allocations in a thousand packets", words, n)
		}
	}
}
