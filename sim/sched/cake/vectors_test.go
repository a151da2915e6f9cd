package cake

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// TestAdjust has what packets cost on links of several kinds.
func TestAdjust(t *testing.T) {
	for _, c := range []struct {
		words     string
		len, want int
	}{
		{"overhead 44 atm", 1500, 1749}, // 33 cells
		{"overhead 40 atm", 1500, 1749},
		{"overhead 32 atm", 1492, 1696}, // 32 cells
		{"overhead 44 atm", 40, 106},
		{"pppoe-llcsnap", 1500, 1749},
		{"conservative", 1, 106},
		{"pppoe-ptm", 1500, 1554}, // 1530 and 24
		{"pppoe-ptm", 64, 96},
		{"docsis", 40, 64},
		{"docsis", 1500, 1518},
		{"ethernet", 28, 84},
		{"ethernet ether-vlan", 1500, 1542},
		{"overhead -64", 40, 0},
		{"overhead -64 mpu 9", 40, 9},
		{"", 1500, 1514},
		{"raw overhead 10", 1500, 1524},
		{"raw ether-vlan", 1500, 1518},
		{"mpu 200", 100, 200},
		{"atm", 82, 106}, // 96 with its link header: two cells
	} {
		r := newRig(t, c.words)
		p := &pkt.Packet{Len: uint32(c.len) + 14, L3Len: uint32(c.len), Segs: 1}
		if got := r.q.overhead.charge(p); got != c.want {
			t.Errorf("%q: %d bytes cost %d, want %d", c.words, c.len, got, c.want)
		}
	}
}

// TestAdjustTunnel has a packet from a device without link header: nothing is
// taken off.
func TestAdjustTunnel(t *testing.T) {
	p := &pkt.Packet{Len: 1500, L3Len: 1500, Segs: 1}
	if got := newRig(t, "docsis").q.overhead.charge(p); got != 1518 {
		t.Errorf("1500 bytes cost %d, want 1518", got)
	}
}

// TestAdjustSegments checks that a super-packet costs what its segments cost.
func TestAdjustSegments(t *testing.T) {
	for _, words := range []string{"", "pppoe-ptm", "conservative", "docsis", "ethernet ether-vlan", "raw atm overhead 3"} {
		r := newRig(t, words+" no-split-gso")
		for _, n := range []int{2, 3, 44} {
			for _, last := range []int{1, 700, 1448} {
				payload := (n-1)*1448 + last
				super := &pkt.Packet{Flow: &pkt.Flow{}, Segs: uint16(n), HdrLen: 52, L3Len: uint32(52 + payload)}
				super.Len = super.L3Len + uint32((n-1)*52+n*14)
				got, want := r.q.overhead.charge(super), 0
				for s := wires(super, 1500); s.Left() > 0; {
					var p pkt.Packet
					s.Next(&p)
					want += r.q.overhead.charge(&p)
				}
				// Without the MTU the payload is shared out evenly.
				if slack := 53 * n; got < want-slack || got > want+slack || last == 1448 && got != want {
					t.Errorf("%q: %d segments, the last with %d bytes: cost %d, want %d", words, n, last, got, want)
				}
			}
		}
	}
}

func wires(p *pkt.Packet, mtu uint32) *pkt.Splitter {
	var s pkt.Splitter
	s.Start(p, mtu)
	return &s
}

// TestTinParams has what COBALT is given at several rates.
func TestTinParams(t *testing.T) {
	for _, c := range []struct {
		rate             string
		quantum          int
		target, interval time.Duration
	}{
		{"500kbit", 300, 36336 * time.Microsecond, 131336 * time.Microsecond},
		{"1mbit", 300, 18168 * time.Microsecond, 113168 * time.Microsecond},
		{"2mbit", 300, 9084 * time.Microsecond, 104084 * time.Microsecond},
		{"5mbit", 300, 5 * ms, 100 * ms},
		{"10mbit", 305, 5 * ms, 100 * ms},
		{"50mbit", 1514, 5 * ms, 100 * ms},
		{"10gbit", 1514, 5 * ms, 100 * ms},
		{"unlimited", 1514, 5 * ms, 100 * ms},
		// At 100 kbit/s the interval is twice the target: 1.5·1514·8/100000 s.
		{"100kbit", 300, 181680 * time.Microsecond, 363360 * time.Microsecond},
	} {
		tin := newRig(t, "besteffort bandwidth "+c.rate).q.tins[0]
		near := func(got, want time.Duration) bool { return got <= want && got >= want-time.Microsecond }
		if tin.flowQuantum != c.quantum || !near(tin.par.Target, c.target) || !near(tin.par.Interval, c.interval) {
			t.Errorf("%s: quantum %d target %v interval %v, want %d %v %v", c.rate, tin.flowQuantum, tin.par.Target, tin.par.Interval, c.quantum, c.target, c.interval)
		}
	}
}

// TestThresholds has the tins' rates at 80 Mbit/s in tc's order, and their
// rounds where there is no shaper.
func TestThresholds(t *testing.T) {
	for _, c := range []struct{ mode, rates, quanta string }{
		{"besteffort", "80Mbit", "65535"},
		{"diffserv3", "5Mbit 80Mbit 20Mbit", "64 1024 256"},
		{"diffserv4", "5Mbit 80Mbit 40Mbit 20Mbit", "64 1024 512 256"},
		{"diffserv8", "80Mbit 70Mbit 61250Kbit 53593744bit 46894520bit 41032704bit 35903616bit 31415664bit", "256 224 196 171 149 130 113 98"},
		{"precedence", "80Mbit 70Mbit 61250Kbit 53593744bit 46894520bit 41032704bit 35903616bit 31415664bit", "256 224 196 171 149 130 113 98"},
	} {
		r := newRig(t, "bandwidth 80mbit "+c.mode)
		var rates, quanta []string
		for i, fields := range r.q.Tins() {
			rates = append(rates, exactRate(8*fields[0].Num))
			quanta = append(quanta, fmt.Sprint(r.q.tins[r.q.mode.shown[i]].quantum))
		}
		if got := strings.Join(rates, " "); got != c.rates {
			t.Errorf("%s: rates %s, want %s", c.mode, got, c.rates)
		}
		if got := strings.Join(quanta, " "); got != c.quanta {
			t.Errorf("%s: quanta %s, want %s", c.mode, got, c.quanta)
		}
	}
}

func exactRate(bps int64) string {
	switch {
	case bps%1e6 == 0:
		return fmt.Sprintf("%dMbit", bps/1e6)
	case bps%1e3 == 0:
		return fmt.Sprintf("%dKbit", bps/1e3)
	}
	return fmt.Sprintf("%dbit", bps)
}

// TestCodepoints has the tin of every named codepoint, by what tc calls it.
func TestCodepoints(t *testing.T) {
	names := map[string][]uint8{
		"DF": {0}, "LE": {1}, "TOS1": {2}, "TOS4": {4}, "CS1": {8}, "AF1x": {10, 12, 14}, "CS2": {16}, "AF2x": {18, 20, 22},
		"CS3": {24}, "AF3x": {26, 28, 30}, "CS4": {32}, "AF4x": {34, 36, 38}, "CS5": {40}, "VA": {44}, "EF": {46},
		"CS6": {48}, "CS7": {56}, "unknown": {3, 5, 7, 9, 11, 13, 15, 17, 33, 35, 41, 43, 45, 47, 50, 63},
	}
	for mode, tins := range map[string]map[int]string{
		"besteffort": {0: "DF LE TOS1 TOS4 CS1 AF1x CS2 AF2x CS3 AF3x CS4 AF4x CS5 VA EF CS6 CS7 unknown"},
		"diffserv3":  {1: "LE CS1", 0: "DF TOS1 AF1x CS2 AF2x CS3 AF3x CS4 AF4x CS5 unknown", 2: "TOS4 VA EF CS6 CS7"},
		"diffserv4":  {1: "LE CS1", 0: "DF TOS1 AF1x unknown", 2: "TOS4 CS2 AF2x CS3 AF3x AF4x", 3: "CS4 CS5 VA EF CS6 CS7"},
		"diffserv8": {
			0: "LE", 1: "TOS1 CS1 AF1x", 2: "DF unknown", 3: "CS3 AF3x AF4x", 4: "TOS4 AF2x", 5: "CS2", 6: "CS4 CS5 VA EF", 7: "CS6 CS7",
		},
		"precedence": {0: "DF LE TOS1 TOS4", 1: "CS1 AF1x", 2: "CS2 AF2x", 3: "CS3 AF3x", 4: "CS4 AF4x", 5: "CS5 VA EF", 6: "CS6", 7: "CS7"},
	} {
		table := findMode(mode).table()
		for tin, classes := range tins {
			for _, class := range strings.Fields(classes) {
				for _, code := range names[class] {
					if int(table[code]) != tin {
						t.Errorf("%s: DSCP %d (%s) goes to tin %d, want %d", mode, code, class, table[code], tin)
					}
				}
			}
		}
	}
}

// TestMemoryLimit has the limit that follows from rate and rtt.
func TestMemoryLimit(t *testing.T) {
	const most = 10240 * 1514
	for words, want := range map[string]int{
		"":                             most,
		"bandwidth 1mbit":              4 << 20,
		"bandwidth 100mbit":            100e6 / 8 / 10 * 4, // of 100 ms, four times
		"bandwidth 1gbit":              most,
		"bandwidth 100mbit rtt 200ms":  100e6 / 8 / 5 * 4,
		"bandwidth 1gbit memlimit 64m": 64 << 20,
		"memlimit 10k":                 10240,
	} {
		if got := newRig(t, words).q.memoryLimit; got != want {
			t.Errorf("%q: %d bytes, want %d", words, got, want)
		}
	}
}

// TestFirstExcursion is COBALT's quirk seen through cake: a fresh queue's first
// excursion is signalled at the next packet, the next one after 100 ms/√2.
func TestFirstExcursion(t *testing.T) {
	r := newRig(t, "besteffort")
	f := flowFrom(1, 1, 1)
	for range 100 {
		r.enq(f, 1000)
	}
	var drops []time.Duration
	for now := ms; now < 100*ms; now += ms {
		r.now = pkt.Time(now)
		before := len(r.dropped)
		r.deq()
		if len(r.dropped) > before {
			drops = append(drops, now)
		}
	}
	if want := []time.Duration{7 * ms, 77 * ms}; fmt.Sprint(drops) != fmt.Sprint(want) {
		t.Errorf("drops at %v, want %v", drops, want)
	}
}
