package wifi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// watch runs a saturated downlink of packets of l3 bytes for a time, and notes all
// that the medium does.
func watch(c Config, l3 int, span time.Duration) (airs []Air, m *Medium, s *saturated) {
	m = New(c, link.Env{Seed: 1})
	m.OnAir = func(a Air) { airs = append(airs, a) }
	s = newSaturated(m, l3)
	drive(m, s, s, span)
	return airs, m, s
}

// TestTXOP checks how many frames of 1538 bytes go into a transmission
// opportunity: each takes 252 us at 54 Mbit/s, SIFS and the acknowledgement 44,
// and SIFS is between them.
func TestTXOP(t *testing.T) {
	for _, c := range []struct {
		txop time.Duration
		want int
	}{
		{0, 1}, {296 * us, 1}, {607 * us, 1}, {608 * us, 2}, {1504 * us, 4}, {3008 * us, 9},
	} {
		conf := cell(ofdm(54))
		conf.EDCA[pkt.ACBE].TXOP = c.txop
		airs, _, _ := watch(conf, 1500, time.Second)
		frames, start := 0, pkt.Time(0)
		for i, a := range airs {
			switch a.Kind {
			case Contention:
				if i > 0 && frames != c.want {
					t.Fatalf("a TXOP of %v has %d frames, want %d", c.txop, frames, c.want)
				}
				if used := a.Start.Sub(start); i > 0 && c.txop > 0 && used > c.txop {
					t.Fatalf("a TXOP of %v takes %v", c.txop, used)
				}
				frames, start = 0, a.End
			case Down:
				if frames++; frames > 1 && a.Start != airs[i-2].End.Add(16*us) {
					t.Fatalf("a frame begins at %v, the answer before ends at %v", a.Start, airs[i-2].End)
				}
			}
		}
	}
}

// TestTXOPAggregates checks that an aggregate leaves room in a transmission
// opportunity for its answer, and for what precedes it: 88 us of RTS and CTS, or 60
// of CTS alone, where 7 MPDUs of 1538 bytes take 1416.
func TestTXOPAggregates(t *testing.T) {
	for _, c := range []struct {
		txop    time.Duration
		rts     int
		protect Mode
		mpdus   int
	}{
		{1415 * us, 0, Mode{}, 6}, {1416 * us, 0, Mode{}, 7}, {1503 * us, 1, Mode{}, 6}, {1504 * us, 1, Mode{}, 7},
		{1475 * us, 0, ofdm(6), 6}, {1476 * us, 0, ofdm(6), 7},
	} {
		conf := cell(ht(20, 7, 800))
		conf.EDCA[pkt.ACBE].TXOP, conf.RTS, conf.Protect = c.txop, c.rts, c.protect
		airs, _, _ := watch(conf, 1500, time.Second)
		n := 0
		for i, a := range airs {
			if a.Kind != Down {
				continue
			}
			start := a.Start
			if airs[i-1].Kind == Protection {
				start = airs[i-1].Start
			}
			n++
			if used := airs[i+1].End.Sub(start); used > c.txop || a.MPDUs != c.mpdus {
				t.Fatalf("RTS above %d bytes, CTS %s: an exchange of %d MPDUs takes %v, want %d within %v",
					c.rts, c.protect.String(), a.MPDUs, used, c.mpdus, c.txop)
			}
		}
		if n < 500 {
			t.Errorf("%d aggregates in a second", n)
		}
	}
}

// TestUplinkTXOP checks how many frames the stations of INET's cell send in an
// opportunity of 3008 us: 12 of 186 us each, with its answer, or one of 1450.
func TestUplinkTXOP(t *testing.T) {
	conf := dcf(cell(ofdm(6), ofdm(54), ofdm(54), ofdm(54), ofdm(54)))
	for i := range conf.Stations {
		conf.Stations[i].Uplink = &Uplink{AC: pkt.ACBE, Bytes: 1028}
	}
	conf.StationEDCA[pkt.ACBE].TXOP = 3008 * us
	m := New(conf, link.Env{Seed: 1})
	turns, frames, last := [5]int{}, [5]int{}, AirKind(Idle)
	m.OnAir = func(a Air) {
		if a.Kind == Up {
			frames[a.Station]++
			if last == Contention {
				turns[a.Station]++
			}
		}
		last = a.Kind
	}
	drive(m, silent{}, nil, 10*time.Second)
	for i, n := range frames {
		want := 12
		if i == 0 {
			want = 1
		}
		if n > want*turns[i] || n <= want*(turns[i]-1) || turns[i] < 300 {
			t.Errorf("station %d: %d frames in %d opportunities, want %d in each", i, n, turns[i], want)
		}
	}
}

// TestProtection checks what precedes a frame, by its length: RTS of 20 bytes and
// CTS of 14 at 24 Mbit/s, 28 us each, or CTS alone, and SIFS after each.
func TestProtection(t *testing.T) {
	for _, c := range []struct {
		name     string
		mode     Mode
		rts      int
		protect  Mode
		ghz2     bool
		l3       int
		want     time.Duration
		preceded Mode
	}{
		{name: "none", mode: ofdm(54), l3: 1500},
		{name: "RTS", mode: ofdm(54), rts: 1000, l3: 1500, want: 88 * us},
		{name: "a short frame", mode: ofdm(54), rts: 1000, l3: 900},
		{name: "RTS at 2.4 GHz", mode: ofdm(54), rts: 1000, ghz2: true, l3: 1500, want: (2*34 + 2*10) * us},
		{name: "CTS at 6 Mbit/s", mode: ht(20, 15, 400), protect: ofdm(6), l3: 1500, want: 60 * us},
		{name: "CTS at 1 Mbit/s", mode: ofdm(54), protect: Mode{PHY: DSSS, Kbps: 1000}, ghz2: true, l3: 1500, want: 314 * us},
		{name: "not needed", mode: ofdm(54), protect: ofdm(6), l3: 1500},
		{name: "RTS does it", mode: ht(20, 15, 400), rts: 1, protect: ofdm(6), l3: 1500, want: 88 * us},
	} {
		conf := cell(c.mode)
		conf.RTS, conf.Protect, conf.GHz2 = c.rts, c.protect, c.ghz2
		airs, m, _ := watch(conf, c.l3, 100*time.Millisecond)
		frames := 0
		for _, a := range airs {
			if a.Kind == Down {
				frames++
			}
		}
		if got := m.stats.Time[Protection] / time.Duration(frames); got != c.want {
			t.Errorf("%s: %v before each frame, want %v", c.name, got, c.want)
		}
	}
}

// TestCollisionsWithRTS checks that a collision costs an RTS, not a frame.
func TestCollisionsWithRTS(t *testing.T) {
	for rts, want := range map[int]time.Duration{0: 186 * us, 500: 34 * us} {
		conf := dcf(cell(ofdm(54), ofdm(54), ofdm(54)))
		conf.RTS = rts
		for i := range conf.Stations {
			conf.Stations[i].Uplink = &Uplink{AC: pkt.ACBE, Bytes: 1028}
		}
		m := New(conf, link.Env{Seed: 1})
		drive(m, silent{}, nil, time.Second)
		if got := m.stats.Time[Collision] / time.Duration(m.stats.Collisions); m.stats.Collisions < 100 || got != want {
			t.Errorf("RTS above %d bytes: %d collisions of %v each, want %v", rts, m.stats.Collisions, got, want)
		}
	}
}

// TestAMSDU checks how many packets of 1500 bytes an MPDU has, and an aggregate.
// A subframe is 22 bytes longer than its packet, and padded but for the last.
func TestAMSDU(t *testing.T) {
	for _, c := range []struct {
		mode         Mode
		amsdu        int
		mpdu, mpdus  int // bytes of an MPDU, how many
		packets      int
		longestBytes int
	}{
		{ht(20, 15, 400), 0, 1538, 42, 42, 65535},
		{ht(20, 15, 400), 3839, 3076, 21, 42, 65535},
		{ht(20, 15, 400), 7935, 3076, 21, 42, 65535}, // an A-MPDU's subframe has at most 4095 bytes
		{vht(80, 9, 1, 400), 0, 1538, 64, 64, 0},
		{vht(80, 9, 1, 400), 3839, 3076, 64, 128, 0},
		{vht(80, 9, 1, 400), 11398, 26 + 6*1524 + 1522 + 4, 20, 140, 0},
		{ofdm(54), 7935, 1538, 1, 1, 0},
	} {
		conf := cell(c.mode)
		conf.AMSDU, conf.Hardware, conf.Driver = c.amsdu, 1, 1000
		airs, _, s := watch(conf, 1500, 200*time.Millisecond)
		ppdus, last := 0, Air{}
		for _, a := range airs {
			if a.Kind == Down {
				ppdus++
				last = a
			}
		}
		bytes := (c.mpdus-1)*subframe(c.mpdu) + delimiter + c.mpdu
		if c.mode.PHY == OFDM {
			bytes = c.mpdu
		}
		if last.MPDUs != c.mpdus || last.Bytes != bytes || int(s.got[0])/ppdus != c.packets {
			t.Errorf("%s, A-MSDU of %d bytes: %d packets in %d MPDUs, %d bytes; want %d in %d, %d", c.mode.String(), c.amsdu,
				int(s.got[0])/ppdus, last.MPDUs, last.Bytes, c.packets, c.mpdus, bytes)
		}
	}
}

// TestSuperPackets checks that the segments of super-packets fill aggregates as
// packets do, over the bounds of packets, and are joined as well.
func TestSuperPackets(t *testing.T) {
	for _, c := range []struct {
		segs, amsdu, mpdus, bytes int
	}{{1, 0, 42, 1526}, {10, 0, 42, 1526}, {45, 0, 42, 1526}, {10, 3839, 21, 26 + 2*1512 + 4}} {
		conf := cell(ht(20, 15, 400))
		conf.AMSDU, conf.Hardware, conf.Driver = c.amsdu, 1, 64
		m := New(conf, link.Env{Seed: 1})
		most := 0
		m.OnAir = func(a Air) { most = max(most, a.MPDUs) }
		s := &supers{saturated: *newSaturated(m, 40+c.segs*1448), segs: c.segs}
		drive(m, s, s, 200*time.Millisecond)
		if u := newUnit(s.Take(0), m.txqs[0][pkt.ACBE].limits.amsdu); most != c.mpdus || u.bytes != c.bytes {
			t.Errorf("%d segments, A-MSDU of %d bytes: up to %d MPDUs of %d bytes, want %d of %d", c.segs, c.amsdu, most, u.bytes, c.mpdus, c.bytes)
		}
	}
}

// supers gives super-packets.
type supers struct {
	saturated
	segs int
}

func (s *supers) Take(now pkt.Time) *pkt.Packet {
	p := s.saturated.Take(now)
	p.Segs, p.HdrLen = uint16(s.segs), 40
	return p
}

// TestRetries checks that an MPDU is sent so often again before it is given up, and
// only what was not received is.
func TestRetries(t *testing.T) {
	for _, mode := range []Mode{ofdm(54), ht(20, 15, 400)} {
		conf := cell(mode)
		conf.Retries, conf.Stations[0].Error = 3, 1<<31
		airs, m, s := watch(conf, 1500, 10*time.Second)
		sent, again, lost := 0, 0, 0
		for _, a := range airs {
			if a.Kind == Down || a.Kind == Failed {
				sent, again, lost = sent+a.MPDUs, again+a.Again, lost+a.Lost
			}
		}
		st := m.stats.Stations[0]
		if again > int(st.Retries) || again < int(st.Retries)-64 || lost != int(st.Retries+st.GivenUp) {
			t.Errorf("%s: %d MPDUs sent, %d again, %d lost; counted %d retries and %d given up", mode.String(), sent, again, lost, st.Retries, st.GivenUp)
		}
		// of those that are settled one in 2^4 is given up
		if part := float64(st.GivenUp) / float64(st.GivenUp+s.got[0]); part < 0.055 || part > 0.07 {
			t.Errorf("%s: %.4f of the packets are given up, want 1/16", mode.String(), part)
		}
	}
}

// TestAir has what a cell does in its first milliseconds, for a reader to judge: a
// beacon after PIFS, an aggregate after AIFS, and three packets of a higher
// category in one TXOP, a SIFS apart.
func TestAir(t *testing.T) {
	conf := cell(ht(20, 7, 800), ofdm(54))
	conf.BeaconInterval, conf.EDCA[pkt.ACBE].AIFSN = 100*TU, 3
	conf.Stations[1].Uplink = &Uplink{AC: pkt.ACVI, Bytes: 200, Gap: 2 * time.Millisecond}
	airs, _, _ := watch(conf, 1500, 20*time.Millisecond)
	var b strings.Builder
	for _, a := range airs[:14] {
		fmt.Fprintf(&b, "%7.1f %7.1f %s %d", float64(a.Start)/1e3, float64(a.End)/1e3, a.Kind, a.Station)
		if a.MPDUs > 0 {
			fmt.Fprintf(&b, " %d MPDUs %d bytes", a.MPDUs, a.Bytes)
		}
		b.WriteByte('\n')
	}
	want := `
    0.0    25.0 contention -1
   25.0   385.0 beacon -1 1 MPDUs 250 bytes
  385.0   428.0 contention -1
  428.0  4268.0 down 0 20 MPDUs 30878 bytes
 4268.0  4316.0 response 0
 4316.0  4386.0 contention -1
 4386.0  4442.0 up 1 1 MPDUs 238 bytes
 4442.0  4486.0 response 1
 4486.0  4502.0 response 1
 4502.0  4558.0 up 1 1 MPDUs 238 bytes
 4558.0  4602.0 response 1
 4602.0  4618.0 response 1
 4618.0  4674.0 up 1 1 MPDUs 238 bytes
 4674.0  4718.0 response 1
`
	if b.String() != want[1:] {
		t.Errorf("the medium:\n%s", b.String())
	}
}
