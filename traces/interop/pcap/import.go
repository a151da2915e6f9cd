package pcap

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sort"
	"strconv"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/uqtool/uq/record/decode"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Options choose what to import. The zero value takes everything from the only
// interface.
type Options struct {
	// Interface is a pcapng interface's name or number, "all" for every one.
	// Empty refuses captures with packets of several.
	Interface string
	// Direction is "in" or "out", as the capture's flags say; "" takes both.
	Direction string
	// Src and Dst are prefixes that addresses must be in; zero ones take any.
	Src, Dst netip.Prefix
	// MTU is what a packet must exceed, at layer 3, to count as a super-packet of
	// segmentation offload; 0 means decode.DefaultMTU.
	MTU int
	// Tool is who imports, Name what.
	Tool, Name string
}

// Import reads a capture. Make it with Open.
type Import struct {
	opts   Options
	cap    capture
	decode *decode.Decoder
	link   struct { // of the packet before
		typ layers.LinkType
		d   gopacket.Decoder
	}
	chosen  int // interface, -1 before the first packet
	frame   frame
	order   byTime
	zero    int64 // ns since 1970 of time zero
	last    pkt.Time
	ended   error
	report  Report
	skipped map[string]uint64
	header  traces.Header
}

// Skip counts packets left out for one reason.
type Skip struct {
	Why     string `json:"why"`
	Packets uint64 `json:"packets"`
}

// Report says what became of a capture's packets.
type Report struct {
	Format string `json:"format"`
	// Packets are those in the file, Imported those in the trace.
	Packets  uint64 `json:"packets"`
	Imported uint64 `json:"imported"`
	Skipped  []Skip `json:"skipped"`
	// Cut packets lack bytes in the capture; their length is right all the same.
	Cut uint64 `json:"cut"`
	// Super are longer than the MTU.
	Super uint64 `json:"super_packets"`
	// Early packets had an earlier time than one that was a window before them;
	// they got that one's time. EarlyNs is by how much at most.
	Early   uint64 `json:"early"`
	EarlyNs int64  `json:"early_ns"`
	// Lost is what the capture itself says it lost.
	Lost uint64 `json:"lost"`
	// Blocks are pcapng blocks of other kinds: names, secrets, comments.
	Blocks uint64 `json:"other_blocks"`
}

// ErrSeveral is the error of a capture of several interfaces of which none was
// chosen.
var ErrSeveral = errors.New("packets of several interfaces")

// ErrInterface is the error of a capture without the interface that was chosen.
var ErrInterface = errors.New("no such interface")

// ErrLink is the error of a link type that cannot be read.
var ErrLink = errors.New("unknown link type")

// Open reads as much of a capture as it takes to know when it begins.
func Open(r io.Reader, opts Options) (*Import, error) {
	c, format, err := openCapture(r)
	if err != nil {
		return nil, err
	}
	m := &Import{opts: opts, cap: c, decode: decode.New(opts.MTU), chosen: -1, zero: -1, skipped: map[string]uint64{}}
	m.report.Format = format
	if m.opts.MTU <= 0 {
		m.opts.MTU = decode.DefaultMTU
	}
	m.fill()
	if refused(m.ended) {
		return nil, m.ended
	}
	m.begin()
	return m, nil
}

// refused says whether err is about the choice of what to import rather than
// damage behind which nothing can be read.
func refused(err error) bool { return errors.Is(err, ErrSeveral) || errors.Is(err, ErrLink) }

// begin makes the trace's header.
func (m *Import) begin() {
	m.header = traces.Header{
		Tool: m.opts.Tool, Comment: "imported from " + m.opts.Name,
		Capture:     &traces.Capture{Mode: "import", GSO: true, SegmentMTU: m.opts.MTU},
		NotCaptured: []string{"payload", "what became of the packets"},
	}
	if len(m.order) > 0 {
		m.zero = m.order[0].ns
		m.header.Anchor = &traces.Anchor{RealtimeNs: m.zero}
	}
	if framed(m.link.typ) {
		m.header.LinkHeader = 14
	} else if c, ok := m.cap.(*ng); ok {
		m.header.LinkHeader = c.linkHeader()
	}
	if m.report.Format == "pcapng" {
		for i := range m.cap.interfaces() {
			name := m.cap.name(i)
			if name == "" {
				name = "interface " + strconv.Itoa(i)
			}
			m.header.Devices = append(m.header.Devices, traces.Device{Index: uint32(i) + 1, Name: name})
		}
	}
}

// Header is the header of the trace.
func (m *Import) Header() traces.Header { return m.header }

// Report says what became of the packets so far.
func (m *Import) Report() Report {
	r := m.report
	r.Skipped = []Skip{}
	if c, ok := m.cap.(*ng); ok {
		r.Blocks, r.Lost = c.blocks.skipped, max(r.Lost, c.dropped)
		if n := c.blocks.simple; n > 0 {
			r.Packets += n
			r.Skipped = append(r.Skipped, Skip{whyNoTime, n})
		}
	}
	for why, n := range m.skipped {
		r.Skipped = append(r.Skipped, Skip{why, n})
	}
	sort.Slice(r.Skipped, func(i, j int) bool {
		a, b := r.Skipped[i], r.Skipped[j]
		return a.Packets > b.Packets || a.Packets == b.Packets && a.Why < b.Why
	})
	return r
}

// Damage is the error of a capture that could not be read to its end.
type Damage struct {
	// Packets is how many were read before.
	Packets uint64
	Err     error
}

// Error implements error.
func (d *Damage) Error() string {
	if errors.Is(d.Err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("capture is cut after %d packets", d.Packets)
	}
	return fmt.Sprintf("capture is damaged after %d packets: %v", d.Packets, d.Err)
}

// Unwrap returns the cause.
func (d *Damage) Unwrap() error { return d.Err }

// Copy writes the packets to t and completes it, of a damaged capture those
// before the damage: its error is then a *Damage.
func (m *Import) Copy(t traces.Sink) error {
	for len(m.order) > 0 {
		q := m.order.pop()
		if err := m.write(t, &q); err != nil {
			return err
		}
		m.fill()
	}
	if refused(m.ended) {
		return m.ended
	}
	if m.chosen < 0 && m.report.Packets > 0 {
		return fmt.Errorf("%w: %q: there are %s", ErrInterface, m.opts.Interface, m.interfaces())
	}
	if n := m.Report().Lost; n > 0 {
		note := traces.Event{Time: m.last, Kind: traces.Note, Text: fmt.Sprintf("the capture says that it lost %d packets", n)}
		if err := t.Event(note); err != nil {
			return err
		}
	}
	end := traces.End{Clean: true, DurationNs: int64(m.last), Why: "end of the capture"}
	var damage error
	if m.ended != io.EOF {
		damage = &Damage{m.report.Packets, m.ended}
		end.Clean, end.Why = false, damage.Error()
	}
	if err := t.Close(end); err != nil {
		return err
	}
	return damage
}

// write gives q its time.
func (m *Import) write(t traces.Sink, q *captured) error {
	at := pkt.Time(q.ns - m.zero)
	if at < m.last {
		m.report.Early++
		m.report.EarlyNs = max(m.report.EarlyNs, int64(m.last-at))
		at = m.last
	}
	if at >= traces.MaxTime {
		m.skip(whyTime)
		return nil
	}
	m.last = at
	q.rec.Time = at
	m.report.Imported++
	if q.lost > 0 {
		m.report.Lost += q.lost
		if err := t.Event(traces.Event{Time: at, Kind: traces.IDGap, Count: q.lost, Text: "lost by the capture"}); err != nil {
			return err
		}
	}
	return t.Append(&q.rec)
}

// fill reads until the window is full or the capture ends.
func (m *Import) fill() {
	for m.ended == nil && len(m.order) < window {
		if m.ended = m.cap.next(&m.frame); m.ended != nil {
			return
		}
		m.report.Packets++
		m.take(&m.frame)
	}
}

func (m *Import) skip(why string) {
	if _, known := m.skipped[why]; !known && len(m.skipped) >= maxReasons {
		why = "other"
	}
	m.skipped[why]++
}

// take puts a frame into the window, or counts why not.
func (m *Import) take(f *frame) {
	if !m.ours(f) {
		return
	}
	switch {
	case f.ns < 0:
		m.skip(whyTime)
		return
	case len(f.data) == 0:
		m.skip(whyEmpty)
		return
	}
	at := find(f.data, m.link.d)
	if at.why != "" {
		m.skip(at.why)
		return
	}
	if f.dir == unknown {
		f.dir = at.dir
	}
	if m.opts.Direction == "in" && f.dir != in || m.opts.Direction == "out" && f.dir != out {
		m.skip(whyDirection)
		return
	}
	q := captured{ns: f.ns, seq: m.report.Packets, lost: f.lost}
	m.describe(&q.rec, f, at.offset)
	if src, dst := q.rec.Flow.Addrs(); !within(m.opts.Src, src) || !within(m.opts.Dst, dst) {
		m.skip(whyAddress)
		return
	}
	if len(f.data) < f.wire {
		m.report.Cut++
	}
	if q.rec.Info&traces.GSO != 0 {
		m.report.Super++
	}
	m.order.push(q)
}

// ours says whether to import from the frame's interface, and finds its
// decoder.
func (m *Import) ours(f *frame) bool {
	if f.iface != m.chosen {
		switch name := m.cap.name(f.iface); {
		case m.opts.Interface == "all":
		case m.opts.Interface != "":
			if m.opts.Interface != name && m.opts.Interface != strconv.Itoa(f.iface) {
				m.skip(whyInterface)
				return false
			}
		case m.chosen >= 0:
			m.ended = fmt.Errorf("%w: %s and %s", ErrSeveral, m.numbered(m.chosen), m.numbered(f.iface))
			return false
		}
		m.chosen = f.iface
	}
	if m.link.d == nil || f.link != m.link.typ {
		m.link.typ, m.link.d = f.link, decoder(f.link)
		if m.link.d == nil {
			m.ended = fmt.Errorf("%w: %d (see tcpdump.org/linktypes.html)", ErrLink, f.link)
			return false
		}
	}
	return true
}

// interfaces lists the capture's, at most a dozen.
func (m *Import) interfaces() string {
	const most = 12
	var all []string
	for i := range min(m.cap.interfaces(), most) {
		all = append(all, m.numbered(i))
	}
	if m.cap.interfaces() > most {
		all = append(all, "...")
	}
	return strings.Join(all, ", ")
}

// numbered is an interface's number with its name, if it has one.
func (m *Import) numbered(i int) string {
	if name := m.cap.name(i); name != "" {
		return fmt.Sprintf("%d (%s)", i, name)
	}
	return strconv.Itoa(i)
}

// within says whether a prefix, if there is one, holds a.
func within(p netip.Prefix, a netip.Addr) bool { return !p.IsValid() || p.Contains(a) }

// describe makes the record of a frame whose IP header is at offset.
func (m *Import) describe(r *traces.Record, f *frame, offset int) {
	packet := f.data[offset:]
	l3 := ipLength(packet, f.wire-offset)
	if len(packet) > l3 {
		packet = packet[:l3] // what follows is padding or a trailer
	}
	info := traces.Info(0)
	if l3 > m.opts.MTU {
		info = traces.GSO
	}
	*r = traces.Record{KernelTime: traces.NoTime, VerdictTime: traces.NoTime, Dequeued: traces.NoTime, Due: traces.NoTime}
	m.decode.Decode(packet, uint32(l3), info, r)
	switch dev := uint32(f.iface) + 1; {
	case m.report.Format != "pcapng":
	case f.dir == out:
		r.Path.OutDev = dev
	default:
		r.Path.InDev = dev
	}
}

// ipLength is the length of a packet in bytes: its header's, which leaves out
// the padding of short frames, as far as the frame had room for it. A header that
// says 0 is of a super-packet beyond 64 KiB.
func ipLength(packet []byte, room int) int {
	n := 0
	switch {
	case len(packet) >= 4 && packet[0]>>4 == 4:
		n = int(packet[2])<<8 | int(packet[3])
	case len(packet) >= 6 && packet[0]>>4 == 6:
		if n = int(packet[4])<<8 | int(packet[5]); n > 0 {
			n += 40
		}
	}
	if n == 0 || n > room {
		return room
	}
	return n
}
