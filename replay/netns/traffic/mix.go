// Package traffic makes the lab's built-in traffic over real kernel sockets: a
// server that answers and a client that runs a named mix of sources for a
// bounded time.
//
//	client                                          server (Port)
//	bulk   TCP  "UP 0 cubic"  ──────data──────────►  discards, counts
//	       TCP  "DOWN 0 cubic" ◄─────data──────────  sends until closed
//	web    TCP  the same with a size, flow after flow
//	voip   UDP  ───────────────datagram───────────►  sends it back
//	cbr    UDP  ───────────────datagrams──────────►  counts, or generates
//	ping   ICMP echo, answered by the kernel
//
// The sizes, think times and phases are drawn from the mix's seed; what the
// kernel's TCP and scheduler make of them is not repeatable.
package traffic

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Port is the server's TCP and UDP port in the lab's own namespace.
const Port = 5201

// Limits of a mix, so that a typing error cannot keep a lab busy for ever.
const (
	MaxDuration = 24 * time.Hour
	MaxStations = 200
	maxPayload  = 1452 // a UDP payload that fits 1500 bytes over IPv6 with 8 to spare
	// defaultRate is what the udp mix assumes where no bottleneck is set, in
	// bit/s.
	defaultRate = 20_000_000
)

// Names lists the mixes.
func Names() []string { return []string{"mix", "udp", "ipv6", "bulk"} }

// Mix says what to run. It travels to the namespaces as JSON.
type Mix struct {
	// Name is one of Names.
	Name string `json:"name"`
	// Duration is how long the client sends.
	Duration time.Duration `json:"duration_ns"`
	// Seed decides sizes, think times and phases.
	Seed uint64 `json:"seed"`
	// Down makes the server the sender of the load, Both runs it either way;
	// without them the client sends.
	Down bool `json:"down,omitempty"`
	Both bool `json:"both,omitempty"`
	// Rate is the bottleneck's in bit/s, 0 for none: the udp mix offers twice
	// as much.
	Rate uint64 `json:"rate_bps,omitempty"`
	// Stations, unless 0, runs the mix once with each of so many servers, whose
	// addresses follow each other.
	Stations int `json:"stations,omitempty"`
	// Congestion is TCP's congestion control; cubic when empty. Where the
	// kernel lacks it the namespace's default is used and the report says so.
	Congestion string `json:"congestion,omitempty"`
}

// Validate names what cannot work.
func (m Mix) Validate() error {
	if m.sources() == nil {
		return fmt.Errorf("traffic %q: want one of %s", m.Name, strings.Join(Names(), ", "))
	}
	if m.Duration <= 0 || m.Duration > MaxDuration {
		return fmt.Errorf("traffic duration %s: want more than 0 and at most %s", m.Duration, MaxDuration)
	}
	if m.Stations < 0 || m.Stations > MaxStations {
		return fmt.Errorf("traffic with %d stations: want at most %d", m.Stations, MaxStations)
	}
	if err := CheckCongestion(m.congestion()); err != nil {
		return fmt.Errorf("congestion control %s: %w", m.congestion(), err)
	}
	return nil
}

// V6 says whether the mix runs over IPv6.
func (m Mix) V6() bool { return m.Name == "ipv6" }

// Describe gives one line a source, for people and for trace headers.
func (m Mix) Describe() []string {
	var out []string
	for _, s := range m.sources() {
		out = append(out, s.String())
	}
	return out
}

// kind is what a source does.
type kind uint8

const (
	bulk kind = iota
	web
	voip
	cbr
	ping
)

// source is one sender of a mix. All its choices are made when it is built,
// except those it draws from its own generator on the way.
type source struct {
	name string
	kind kind
	nth  int // server, from 0
	down bool
	v6   bool
	cc   string // bulk, web

	size     int           // voip, cbr, ping: payload of one datagram, bytes
	interval time.Duration // voip, cbr, ping: from datagram to datagram
	batch    int           // cbr: datagrams a write, by UDP GSO when above 1
	phase    time.Duration // first send after the start
	seed     uint64        // of the source's own generator
}

// rand is the source's own generator: its draws do not depend on how the
// kernel interleaves the sources.
func (s source) rand() *rand.Rand { return rand.New(rand.NewPCG(s.seed, 0x7571)) }

// String describes the source: what, which way, how much.
func (s source) String() string {
	way, ip := "client to server", "IPv4"
	if s.down {
		way = "server to client"
	}
	if s.v6 {
		ip = "IPv6"
	}
	switch s.kind {
	case bulk:
		return fmt.Sprintf("%s: TCP %s bulk, %s, %s", s.name, s.cc, way, ip)
	case web:
		return fmt.Sprintf("%s: TCP %s flows of %d to %d kB, think time %s to %s, %s, %s",
			s.name, s.cc, webMin/1000, webMax/1000, thinkMin, thinkMax, way, ip)
	case voip:
		return fmt.Sprintf("%s: UDP %d B each %s, echoed, %s", s.name, s.size, s.interval, ip)
	case ping:
		return fmt.Sprintf("%s: ICMP echo %d B each %s, %s", s.name, s.size, s.interval, ip)
	}
	bps := int64(s.size+udpHeaders(s.v6)) * int64(s.batch) * 8 * int64(time.Second) / int64(s.interval)
	return fmt.Sprintf("%s: UDP %d x %d B each %s (%d kbit/s), %s, %s", s.name, s.batch, s.size, s.interval, bps/1000, way, ip)
}

// udpHeaders is the length of IP and UDP header in bytes.
func udpHeaders(v6 bool) int {
	if v6 {
		return 48
	}
	return 28
}

// sources builds the mix, nil when it has no such name.
func (m Mix) sources() []source {
	out := m.perServer()
	if m.Stations > 0 {
		one := out
		out = nil
		for nth := range m.Stations {
			for _, s := range one {
				s.nth, s.name = nth, fmt.Sprintf("sta%d.%s", nth+1, s.name)
				out = append(out, s)
			}
		}
	}
	r := rand.New(rand.NewPCG(m.Seed, 0x6d6978))
	for i := range out {
		s := &out[i]
		s.v6, s.seed, s.cc = m.V6(), r.Uint64(), m.congestion()
		s.batch = max(s.batch, 1)
		if s.kind != bulk {
			s.phase = time.Duration(r.Int64N(int64(20 * time.Millisecond)))
		}
	}
	return out
}

// perServer is what runs with one server.
func (m Mix) perServer() (out []source) {
	for i, down := range m.directions() {
		switch m.Name {
		case "mix", "ipv6":
			out = append(out, m.household(down, i)...)
		case "udp":
			out = append(out, m.flood(down, i)...)
		case "bulk":
			out = append(out, source{name: "tcp1", kind: bulk, down: down}, source{name: "tcp2", kind: bulk, down: down},
				source{name: "gso", kind: cbr, down: down, size: 1400, batch: 16, interval: 20 * time.Millisecond})
		}
	}
	for i := range out {
		if s := &out[i]; m.Both && s.down && s.kind != voip && s.kind != ping {
			s.name += "-down"
		}
	}
	return out
}

// directions lists the load's directions as "is it down".
func (m Mix) directions() []bool {
	if m.Both {
		return []bool{false, true}
	}
	return []bool{m.Down}
}

func (m Mix) congestion() string {
	if m.Congestion == "" {
		return "cubic"
	}
	return m.Congestion
}

// household is two downloads (or uploads), somebody browsing, a call and a
// ping; the last two run once, whatever the directions.
func (m Mix) household(down bool, nth int) []source {
	out := []source{{name: "tcp1", kind: bulk, down: down}, {name: "tcp2", kind: bulk, down: down},
		{name: "web", kind: web, down: down}}
	if nth > 0 {
		return out
	}
	return append(out,
		source{name: "voip", kind: voip, size: 200, interval: 20 * time.Millisecond},
		source{name: "ping", kind: ping, size: 56, interval: 100 * time.Millisecond})
}

// flood is constant bit rate at twice the bottleneck, unevenly shared, and one
// sparse call in between.
func (m Mix) flood(down bool, nth int) []source {
	rate := m.Rate
	if rate == 0 {
		rate = defaultRate
	}
	var out []source
	for i, f := range []struct {
		size   int
		tenths uint64 // of the bottleneck's rate
	}{{1400, 8}, {1000, 6}, {500, 4}, {200, 2}} {
		bits := uint64(f.size+udpHeaders(m.V6())) * 8
		out = append(out, source{name: fmt.Sprintf("cbr%d", i+1), kind: cbr, down: down, size: f.size,
			interval: max(time.Duration(bits*10*uint64(time.Second)/(rate*f.tenths)), minInterval)})
	}
	if nth == 0 {
		out = append(out, source{name: "voip", kind: voip, size: 172, interval: 20 * time.Millisecond})
	}
	return out
}
