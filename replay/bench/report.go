package bench

import (
	"fmt"
	"strings"
	"time"
)

// Format is the version of the JSON that Report makes.
const Format = 1

// Report is what uq bench prints.
type Report struct {
	Format  int     `json:"uq_format"`
	Command string  `json:"command"`
	Machine Machine `json:"machine"`
	Task    *Task   `json:"task"`
	// TookNs is how long the measurements took.
	TookNs int64 `json:"took_ns"`
	// Interrupted says that not all of the task was done.
	Interrupted bool      `json:"interrupted,omitempty"`
	Absent      []Absent  `json:"absent,omitempty"`
	Lines       []*Line   `json:"lines"`
	Targets     []*Target `json:"targets"`
	Samples     []Sample  `json:"samples"`
}

// Absent is a row that was asked for and could not be measured.
type Absent struct {
	Row Row    `json:"row"`
	Why string `json:"why"`
}

// Machine is where it was measured.
type Machine struct {
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	// Load is the system's load average of the minute before.
	Load float64 `json:"load"`
}

// Line is a row of the table: medians and spreads over its rounds. Ratios are
// computed in each round, then spread.
type Line struct {
	Row  Row    `json:"row"`
	GSO  bool   `json:"gso"`
	What string `json:"what"`
	// Rounds counts the samples in the line, Failed those without numbers.
	Rounds int `json:"rounds"`
	Failed int `json:"failed,omitempty"`

	// Times are in nanoseconds.
	Min  Spread `json:"rtt_min_ns"`
	Avg  Spread `json:"rtt_avg_ns"`
	Max  Spread `json:"rtt_max_ns"`
	Mdev Spread `json:"rtt_mdev_ns"`
	P50  Spread `json:"rtt_p50_ns"`
	P99  Spread `json:"rtt_p99_ns"`
	Bps  Spread `json:"tcp_bps"`
	Pps  Spread `json:"udp_pps"`
	Loss Spread `json:"udp_loss"` // 0 to 1
	// Burst is the rate in packets a second at which the program emptied its
	// queue; nil without a program, as all below.
	Burst *Spread `json:"burst_pps,omitempty"`

	// CPU is the program's in the flood, in nanoseconds a packet.
	CPU *Spread `json:"cpu_ns_per_packet,omitempty"`
	// Segment is the mean packet that the rule saw of TCP, in bytes.
	Segment *Spread `json:"tcp_packet_bytes,omitempty"`
	// Mallocs is in the flood, a packet; PauseMax is over all rounds. Only Go
	// has them.
	Mallocs  *Spread `json:"mallocs_per_packet,omitempty"`
	PauseMax *int64  `json:"gc_pause_max_ns,omitempty"`

	// Tools are the user's own.
	Ping  *Spread `json:"ping_avg_ns,omitempty"`
	Iperf *Spread `json:"iperf3_bps,omitempty"`

	OfNone *Ratios `json:"of_none,omitempty"`
	OfC    *Ratios `json:"of_c,omitempty"`
	// Then is what the same was in June 2018 on an APU2.
	Then *Then `json:"in_2018,omitempty"`
	// Notes are losses and whatever makes the numbers doubtful.
	Notes []string `json:"notes,omitempty"`
}

// Ratios relate a line to another of the same GSO setting, or to no queue.
type Ratios struct {
	Bps Spread `json:"tcp"`
	Pps Spread `json:"udp"`
	// Burst is nil where one has no program.
	Burst *Spread `json:"burst,omitempty"`
	RTT   Spread  `json:"rtt_avg"`
	P50   Spread  `json:"rtt_p50"`
}

// Then is a measurement of 2018: ping's mean and iperf3's TCP. Zero is none.
type Then struct {
	RTT time.Duration `json:"rtt_avg_ns"`
	Bps uint64        `json:"tcp_bps"`
}

// in2018 is the thread's table: an APU2, two containers on a veth. The round
// trip of the C program with GSO was "the same".
func in2018(k key) *Then {
	const mbit = 1_000_000
	switch k {
	case key{NoQueue, false}:
		return &Then{58 * time.Microsecond, 3790 * mbit}
	case key{C, false}:
		return &Then{123 * time.Microsecond, 142 * mbit}
	case key{C, true}:
		return &Then{123 * time.Microsecond, 3080 * mbit}
	case key{Plain, false}:
		return &Then{172 * time.Microsecond, 117 * mbit}
	}
	return nil
}

// what describes a line.
func (t *Task) what(k key) string {
	s := map[Row]string{
		NoQueue: "no queue", C: "C no-op", Plain: "go-nfqueue no-op", NoOp: "uq no-op", Record: "uq record", Live: "uq " + t.Qdisc,
	}[k.Row]
	if k.GSO {
		s += " GSO"
	}
	return s
}

// NewReport sums up samples of t.
func NewReport(t *Task, samples []Sample) *Report {
	r := &Report{Format: Format, Task: t, Samples: samples, Lines: []*Line{}}
	if r.Samples == nil {
		r.Samples = []Sample{}
	}
	g := group(samples)
	for _, k := range t.keys() {
		if len(g[k]) > 0 {
			r.Lines = append(r.Lines, newLine(t, k, g))
		}
	}
	r.Targets = targets(t, g)
	return r
}

// groups holds the samples of each line by their round.
type groups map[key]map[int]*Sample

func group(samples []Sample) groups {
	g := groups{}
	for i := range samples {
		s := &samples[i]
		k := key{s.Row, s.GSO}
		if g[k] == nil {
			g[k] = map[int]*Sample{}
		}
		g[k][s.Round] = s
	}
	return g
}

// values maps the good samples of a line, in the order of their rounds.
func (g groups) values(k key, f func(*Sample) float64) []float64 {
	var v []float64
	for _, s := range g.good(k) {
		v = append(v, f(s))
	}
	return v
}

// good lists the samples with numbers, in the order of their rounds.
func (g groups) good(k key) []*Sample {
	var out []*Sample
	for round := 0; len(out) < len(g[k]) && round < MaxRounds; round++ {
		if s := g[k][round]; s != nil && s.Err == "" {
			out = append(out, s)
		}
	}
	return out
}

// paired maps the rounds in which both a and b have numbers.
func (g groups) paired(a, b key, f func(a, b *Sample) (float64, bool)) []float64 {
	var v []float64
	for _, s := range g.good(a) {
		if o := g[b][s.Round]; o != nil && o.Err == "" {
			if x, ok := f(s, o); ok {
				v = append(v, x)
			}
		}
	}
	return v
}

func newLine(t *Task, k key, g groups) *Line {
	l := &Line{Row: k.Row, GSO: k.GSO, What: t.what(k), Then: in2018(k)}
	good := g.good(k)
	l.Rounds, l.Failed = len(good), len(g[k])-len(good)
	set := func(to *Spread, f func(*Sample) float64) { *to, _ = spread(g.values(k, f)) }
	set(&l.Min, func(s *Sample) float64 { return float64(s.Echo.Min) })
	set(&l.Avg, rtt)
	set(&l.Max, func(s *Sample) float64 { return float64(s.Echo.Max) })
	set(&l.Mdev, func(s *Sample) float64 { return float64(s.Echo.Mdev) })
	set(&l.P50, median)
	set(&l.P99, func(s *Sample) float64 { return float64(s.Echo.P99) })
	set(&l.Bps, bps)
	set(&l.Pps, pps)
	set(&l.Loss, func(s *Sample) float64 { return s.UDP.Loss() })
	if t.Tools.Ping != "" {
		l.Ping = &Spread{}
		set(l.Ping, func(s *Sample) float64 { return float64(s.Echo.Tool) })
	}
	if t.Tools.Iperf != "" {
		l.Iperf = &Spread{}
		set(l.Iperf, func(s *Sample) float64 { return float64(s.TCP.Tool) })
	}
	if k.Row != NoQueue {
		l.program(k, g)
	}
	if k.Row != NoQueue {
		l.OfNone = g.ratios(k, key{Row: NoQueue})
	}
	if k.Row != NoQueue && k.Row != C {
		l.OfC = g.ratios(k, key{C, k.GSO})
	}
	l.notes(g[k])
	return l
}

// program fills in what the queue program cost.
func (l *Line) program(k key, g groups) {
	l.CPU, l.Segment, l.Burst = &Spread{}, &Spread{}, &Spread{}
	*l.Burst, _ = spread(g.values(k, burst))
	*l.CPU, _ = spread(g.values(k, func(s *Sample) float64 { return per(float64(s.UDP.CPU), s.UDP.Arrived()) }))
	*l.Segment, _ = spread(g.values(k, func(s *Sample) float64 { return per(float64(s.TCP.Fed.Bytes), s.TCP.Fed.Packets) }))
	for _, s := range g.good(k) {
		if s.Program == nil || s.Program.Go == nil {
			return // C
		}
		if l.PauseMax == nil {
			l.PauseMax, l.Mallocs = new(int64), &Spread{}
		}
		*l.PauseMax = max(*l.PauseMax, s.Program.Go.PauseMax)
	}
	if l.Mallocs != nil {
		*l.Mallocs, _ = spread(g.values(k, mallocs))
	}
}

// The numbers of a sample that are compared.
func rtt(s *Sample) float64     { return float64(s.Echo.Avg) }
func median(s *Sample) float64  { return float64(s.Echo.P50) }
func bps(s *Sample) float64     { return float64(s.TCP.Bps) }
func pps(s *Sample) float64     { return float64(s.UDP.Pps) }
func burst(s *Sample) float64   { return s.Burst.Pps() }
func mallocs(s *Sample) float64 { return per(float64(s.Program.Go.Flood), s.UDP.Arrived()) }

// per is x for each of n, 0 of none.
func per(x float64, n uint64) float64 {
	if n == 0 {
		return 0
	}
	return x / float64(n)
}

// over makes the ratio of a number.
func over(f func(*Sample) float64) func(a, b *Sample) (float64, bool) {
	return func(a, b *Sample) (float64, bool) {
		if f(b) == 0 {
			return 0, false
		}
		return f(a) / f(b), true
	}
}

// ratios relates a to b, nil where they have no round in common.
func (g groups) ratios(a, b key) *Ratios {
	var r Ratios
	var ok bool
	if r.Bps, ok = spread(g.paired(a, b, over(bps))); !ok {
		return nil
	}
	r.Pps, _ = spread(g.paired(a, b, over(pps)))
	r.Burst = spreadOf(g.paired(a, b, over(burst)))
	r.RTT, _ = spread(g.paired(a, b, over(rtt)))
	r.P50, _ = spread(g.paired(a, b, over(median)))
	return &r
}

// notes says what was lost beside the flood and what makes the line doubtful.
func (l *Line) notes(samples map[int]*Sample) {
	var echoes, missing, overflows, failed, unrecorded, unseen, unruled, unqueued, unread uint64
	errs := map[string]int{}
	for round := range MaxRounds {
		s := samples[round]
		if s == nil {
			continue
		}
		if s.Err != "" {
			errs[s.Err]++
			if errs[s.Err] == 1 {
				l.note("round %d failed: %s", round+1, s.Err)
			}
			continue
		}
		echoes, unread = echoes+s.Echo.Lost, unread+s.UDP.Missed
		p := s.Program
		if p == nil {
			unruled += s.UDP.Sent - min(s.UDP.Arrived(), s.UDP.Sent)
			continue
		}
		missing, overflows = missing+s.missing(), overflows+p.Overflows
		failed, unrecorded = failed+p.Failed, unrecorded+p.Unrecorded
		unseen += s.unseen()
		unruled += s.UDP.Sent - min(s.UDP.Fed.Packets, s.UDP.Sent)
		unqueued += s.UDP.Fed.Packets - min(s.UDP.Arrived(), s.UDP.Fed.Packets)
	}
	l.count(echoes, "echoes were lost")
	l.count(missing, "packets did not fit the program's receive buffer")
	if missing == 0 {
		l.count(overflows, "times the program's receive buffer was full, or its library reported an error")
	}
	l.count(failed, "verdicts failed")
	l.count(unrecorded, "packets passed but are not in the trace")
	l.count(unqueued, "packets of the flood were lost at the queue")
	l.count(unruled, "packets of the flood never got as far")
	l.count(unread, "packets of the flood found the server's receive buffer full")
	l.count(unseen, "packets beside the flood never reached the program")
	if s := l.Segment; s != nil && l.GSO && l.Rounds > 0 && s.Median < superPacket {
		l.note("TCP came in packets of %.0f bytes: no super-packets, so GSO could not help", s.Median)
	}
}

// superPacket is more than any single packet of the lab, in bytes.
const superPacket = 2000

// missing counts packets that did not fit the program's receive buffer, as the
// kernel tells, or else the program.
func (s *Sample) missing() uint64 {
	if s.Kernel != nil {
		return s.Kernel.Undelivered
	}
	return s.Program.Missing
}

// unseen counts the packets that the rule fed and the program neither got nor
// missed, but for the flood's, which may find the queue full. Without GSO the
// kernel cuts packets behind the rule and the two cannot be compared.
func (s *Sample) unseen() uint64 {
	if !s.GSO {
		return 0
	}
	flood := s.UDP.Fed.Packets - min(s.UDP.Arrived(), s.UDP.Fed.Packets)
	return s.Fed.Packets - min(s.Program.Packets+max(s.missing(), flood)+s.MarksLost, s.Fed.Packets)
}

func (l *Line) count(n uint64, what string) {
	switch {
	case n == 1:
		l.note("1 %s", strings.NewReplacer("packets", "packet", "echoes", "echo", "verdicts", "verdict", "times", "time", " were ", " was ", " are ", " is ").Replace(what))
	case n > 1:
		l.note("%d %s", n, what)
	}
}

func (l *Line) note(format string, args ...any) {
	l.Notes = append(l.Notes, fmt.Sprintf(format, args...))
}
