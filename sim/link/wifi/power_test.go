package wifi

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// sleepers is a cell with beacons each 102.4 ms, at 24 Mbit/s, every second one a
// DTIM, and a station for each number of beacons to sleep through.
func sleepers(sleep ...int) Config {
	c := DefaultConfig()
	c.BeaconInterval, c.DTIM, c.Basic = 100*TU, 2, ofdm(24)
	for i, n := range sleep {
		c.Stations = append(c.Stations, Station{
			Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 2)}), Mode: ofdm(54), Sleep: n, Linger: 5 * time.Millisecond,
		})
	}
	return c
}

// sleepy drives a cell of sleepers.
type sleepy struct {
	*port
	src   link.Source
	flows []*pkt.Flow
	id    uint64
}

func newSleepy(c Config, knows bool) *sleepy {
	m := New(c, link.Env{Seed: 1})
	s := &sleepy{port: newPort(m), flows: anyFlows(m)}
	s.src = s.port
	if knows {
		s.src = knowing{s.port}
	}
	return s
}

// send has a packet of 1500 bytes of one of the flows arrive at the instant at.
func (s *sleepy) send(at time.Duration, flow int) {
	s.until(pkt.Time(at), s.src)
	s.arrive(&pkt.Packet{ID: s.id, Flow: s.flows[flow], Arrival: s.now, Segs: 1, L3Len: 1500}, s.src)
	s.id++
}

// TestDTIM checks when group frames are received that arrive in a cell with a
// sleeping station: behind the DTIM beacon and PIFS. The beacon takes 108 us at 24
// Mbit/s, the frame 536.
func TestDTIM(t *testing.T) {
	const group = 4
	const dtim = 204800 * us
	const behind = 108*us + 25*us + 536*us
	for _, knows := range []bool{false, true} {
		for _, c := range []struct {
			sleep   int
			arrives time.Duration
			want    time.Duration // 0 is within a millisecond
		}{
			{1, 10 * time.Millisecond, dtim + behind},
			{1, 102500 * us, dtim + behind},
			{1, dtim - us, dtim + behind},
			{1, dtim + time.Millisecond, 2*dtim + behind},
			{0, 10 * time.Millisecond, 0},
			{1, 2 * time.Millisecond, 0}, // it is still awake
		} {
			s := newSleepy(sleepers(0, c.sleep), knows)
			s.send(c.arrives, group)
			s.until(s.now.Add(time.Second), s.src)
			got := s.last.Sub(0)
			if c.want == 0 && got-c.arrives > time.Millisecond || c.want > 0 && got != c.want || s.got != 1 {
				t.Errorf("knows stations: %v, sleep %d: a group frame of %v is received at %v, want %v", knows, c.sleep, c.arrives, got, c.want)
			}
		}
	}
}

// TestDTIMWait checks the mean wait of group frames at any time: half of the DTIM
// interval.
func TestDTIMWait(t *testing.T) {
	s := newSleepy(sleepers(1), true)
	sum, most := time.Duration(0), time.Duration(0)
	const n, gap = 4000, 1234567 * time.Nanosecond * 100
	for i := range n {
		at := time.Duration(i+1) * gap
		s.send(at, 2)
	}
	s.until(s.now.Add(time.Second), s.src)
	for i, at := range s.ats {
		wait := at.Sub(pkt.Time(time.Duration(i+1) * gap))
		sum, most = sum+wait, max(most, wait)
	}
	if mean := sum / n; len(s.ats) != n || mean < 101*time.Millisecond || mean > 105*time.Millisecond {
		t.Errorf("%d group frames waited for %v on average, want 102.4 ms and the frames", len(s.ats), mean)
	}
	if most < 204*time.Millisecond || most > 208*time.Millisecond {
		t.Errorf("the longest wait was %v, want 204.8 ms and the frames", most)
	}
}

// TestSleep checks when frames are received that arrive for a sleeping station:
// after the next beacon that it listens to, and at once while it lingers.
func TestSleep(t *testing.T) {
	const beacon = 102400 * us
	for _, knows := range []bool{false, true} {
		for sleep, wait := range map[int]time.Duration{0: 0, 1: beacon, 3: 3 * beacon} {
			s := newSleepy(sleepers(sleep), knows)
			times := ""
			look := func(at time.Duration) {
				s.until(pkt.Time(at), s.src)
				times += fmt.Sprint(s.got, " ")
			}
			s.send(10*time.Millisecond, 0)
			look(11 * time.Millisecond)
			look(max(wait, 10*time.Millisecond) + 4*time.Millisecond)
			s.send(s.now.Sub(0), 0) // it lingers
			look(s.now.Sub(0) + time.Millisecond)
			s.send(wait+50*time.Millisecond, 0)
			look(s.now.Sub(0) + time.Millisecond)
			look(2*wait + 55*time.Millisecond)
			want := "0 1 2 2 3 "
			if sleep == 0 {
				want = "1 1 2 3 3 "
			}
			if times != want {
				t.Errorf("knows stations: %v, sleep %d: received at the times looked at: %s, want %s", knows, sleep, times, want)
			}
		}
	}
}

// TestSaved checks how much the access point keeps: the oldest is lost.
func TestSaved(t *testing.T) {
	for _, c := range []struct {
		flow, got, lost int
	}{{0, 64, 6}, {2, 128, 22}} {
		s := newSleepy(sleepers(1), false)
		for range c.got + c.lost {
			s.send(10*time.Millisecond, c.flow)
		}
		s.until(s.now.Add(time.Second), s.src)
		if s.got != c.got || s.lost != c.lost {
			t.Errorf("flow %d: %d packets received and %d lost, want %d and %d", c.flow, s.got, s.lost, c.got, c.lost)
		}
	}
}

// TestSilence checks that a long silence counts as if each beacon had been sent.
func TestSilence(t *testing.T) {
	var stats [2]Stats
	for i := range stats {
		s := newSleepy(sleepers(0), false)
		if i == 1 {
			s.m.OnAir = func(Air) {}
		}
		s.send(time.Millisecond, 0)
		s.send(time.Hour+33*time.Millisecond, 0)
		s.until(s.now.Add(time.Second), s.src)
		stats[i] = *s.m.Stats()
	}
	if got, want := fmt.Sprint(stats[0]), fmt.Sprint(stats[1]); got != want || stats[0].Beacons != 35157 {
		t.Errorf("%d beacons in an hour, want 35157; time by kind %v, beacon by beacon %v", stats[0].Beacons, stats[0].Time, stats[1].Time)
	}
}

// TestBeaconCollision checks that a beacon that meets a packet of a station is lost
// like the packet, which is sent again: whoever waits for it waits for the next.
func TestBeaconCollision(t *testing.T) {
	c := sleepers(1, 0)
	c.Stations[1].Uplink = &Uplink{AC: pkt.ACVO, Bytes: 100, Gap: 3 * c.BeaconInterval}
	s := newSleepy(c, true)
	for _, f := range s.m.functions {
		if f.q != nil {
			f.q.own.next = 0 // with the beacons
		}
	}
	s.send(250*time.Millisecond, 0) // 307.2 is the instant of both
	s.until(pkt.Time(600*time.Millisecond), s.src)
	if n := s.m.stats.Collisions; n != 1 || s.m.stats.Beacons != 4 || s.m.stats.Stations[1].UpPackets != 2 {
		t.Errorf("%d collisions, %d beacons, %d packets of the station; want 1, 4 and 2", n, s.m.stats.Beacons, s.m.stats.Stations[1].UpPackets)
	}
	if s.got != 1 || s.last < pkt.Time(4*c.BeaconInterval) || s.last > pkt.Time(4*c.BeaconInterval+time.Millisecond) {
		t.Errorf("%d packets received, the last at %v, want one after the beacon at 409.6 ms", s.got, s.last)
	}
}
