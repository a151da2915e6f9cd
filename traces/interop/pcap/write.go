package pcap

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/uqtool/uq/record/decode"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop"
)

// The interfaces of an exported file. A packet has the same epb_packetid on each
// that it is seen on.
const (
	arrivals = iota
	departures
	drops
)

var sides = [...]struct{ name, what string }{
	{"arrivals", "packets as they come to the queue"},
	{"departures", "packets as they reach the far end of the link"},
	{"drops", "packets when they are dropped"},
}

// Writer writes a run as pcapng: headers made anew from what is known of each
// packet, without payload, on three interfaces; what the queue did is in the
// comments. It implements interop.Writer.
type Writer struct {
	w       *pcapgo.NgWriter
	start   int64
	build   decode.Builder
	packets [len(sides)]uint64
	lost    uint64 // since the last arrival
	all     uint64 // lost in total
	trouble []string
	text    []byte
}

// NewWriter starts a file on w.
func NewWriter(w io.Writer, run interop.Run) (*Writer, error) {
	section := pcapgo.NgSectionInfo{Application: run.Tool, Comment: about(run)}
	intf := func(i int) pcapgo.NgInterface {
		return pcapgo.NgInterface{Name: sides[i].name, Description: described(sides[i].what, run.Header.LinkHeader), LinkType: layers.LinkTypeRaw}
	}
	n, err := pcapgo.NewNgWriterInterface(w, intf(arrivals), pcapgo.NgWriterOptions{SectionInfo: section})
	if err != nil {
		return nil, err
	}
	for i := departures; i < len(sides); i++ {
		if _, err := n.AddInterface(intf(i)); err != nil {
			return nil, err
		}
	}
	return &Writer{w: n, start: run.StartNs}, nil
}

// linkHeaderWord begins how long the packets' link-layer header was, which their
// length counts and a raw capture cannot show.
const linkHeaderWord = ", link_header "

// described is an interface's description, which an import reads.
func described(what string, linkHeader int) string {
	if linkHeader == 0 {
		return what
	}
	return what + linkHeaderWord + strconv.Itoa(linkHeader)
}

// about is the section's comment.
func about(run interop.Run) string {
	s := "trace " + run.Trace
	if run.Qdisc != "" {
		s += "\nqdisc " + run.Qdisc + "\nlink " + run.Link
		if run.Seed != 0 {
			s += "\nseed " + strconv.FormatUint(run.Seed, 10)
		}
	}
	return s + "\nheaders are made from the trace, whose packets have no payload: checksums are not right"
}

// Event implements interop.Writer.
func (w *Writer) Event(e *interop.Event) error {
	switch e.Kind {
	case egress.Enqueue, egress.Uplink:
		return w.packet(arrivals, e)
	case egress.Deliver:
		return w.packet(departures, e)
	case egress.Drop:
		return w.packet(drops, e)
	}
	return nil
}

// packet writes one as side sees it.
func (w *Writer) packet(side int, e *interop.Event) error {
	w.packets[side]++
	head := w.headers(e.Record, e.ID)
	dir := pcapgo.NgEpbFlagDirectionOutbound
	if side == arrivals {
		dir = pcapgo.NgEpbFlagDirectionInbound
	}
	opts := pcapgo.NgPacketOptions{PacketID: &e.ID, Flags: &pcapgo.NgEpbFlags{Direction: dir}}
	if c := w.comment(side, e, len(head) == 0); c != "" {
		opts.Comments = append(opts.Comments, c)
	}
	if side == arrivals {
		opts.Comments = append(opts.Comments, w.trouble...)
		w.trouble = w.trouble[:0]
		if lost := w.lost; lost > 0 {
			opts.DropCount, w.lost = &lost, 0
		}
	}
	return w.w.WritePacketWithOptions(gopacket.CaptureInfo{
		Timestamp: w.at(e.Time), CaptureLength: len(head), Length: max(int(e.Record.Len), len(head)), InterfaceIndex: side,
	}, head, opts)
}

// headers are the packet's, or what of them can be known.
func (w *Writer) headers(r *traces.Record, id uint64) []byte {
	h, err := w.build.Build(r, uint32(id))
	if err != nil {
		// The length of its headers does not exist, or it was cut short.
		ip := *r
		ip.HdrLen, ip.Info = 20, ip.Info|traces.Truncated
		if r.Flow.V6 {
			ip.HdrLen = 40
		}
		if h, err = w.build.Build(&ip, uint32(id)); err != nil {
			return nil
		}
	}
	if r.Len > maxIP {
		jumbo(h.Bytes)
	}
	return h.Bytes
}

// maxIP is the longest packet that the length of an IP header can say.
const maxIP = 65535

// jumbo makes the length 0, as Linux does for longer ones.
func jumbo(ip []byte) {
	if ip[0]>>4 == 6 {
		binary.BigEndian.PutUint16(ip[4:], 0)
		return
	}
	old := binary.BigEndian.Uint16(ip[2:])
	binary.BigEndian.PutUint16(ip[2:], 0)
	sum := uint32(^binary.BigEndian.Uint16(ip[10:])) + uint32(^old) // RFC 1624, eqn. 3
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum>>16+sum&0xffff))
}

// comment says what the queue did, in words as elsewhere:
//
//	verdict mark_ce aqm sojourn 0.012000000 delay 0.022000000
func (w *Writer) comment(side int, e *interop.Event, headless bool) string {
	r, b := e.Record, w.text[:0]
	if r.Verdict != traces.NoVerdict {
		b = append(append(b, "verdict "...), r.Verdict.String()...)
		if r.Reason != pkt.NoReason {
			b = append(append(b, ' '), r.Reason.String()...)
		}
	}
	if r.Verdict != traces.NoVerdict && r.Dequeued != traces.NoTime {
		b = (r.Dequeued - r.Time).Append(append(b, " sojourn "...))
	}
	if end := e.Time; side == departures {
		b = (end - r.Time).Append(append(b, " delay "...))
	}
	for i, flaw := range [...]string{" duplicate", " corrupt", " reordered"} {
		if e.Flaws&(1<<i) != 0 {
			b = append(b, flaw...)
		}
	}
	if e.Up {
		b = append(b, " uplink"...)
	}
	if r.Segs > 1 {
		b = strconv.AppendUint(append(b, " segs "...), uint64(r.Segs), 10)
	}
	if headless {
		b = append(b, " headers not known"...)
	}
	w.text = b
	return strings.TrimSpace(string(b))
}

// maxTrouble bounds the comments that wait for the next packet.
const maxTrouble = 16

// Trouble implements interop.Troubled: it is told with the next packet that
// arrives.
func (w *Writer) Trouble(e traces.Event) error {
	if e.Kind.Lossy() && e.Kind != traces.WriterOverrun {
		w.lost += e.Count
		w.all += e.Count
	}
	if len(w.trouble) < maxTrouble {
		w.trouble = append(w.trouble, strings.TrimSpace(fmt.Sprintf("event %s count %d %s", e.Kind, e.Count, e.Text)))
	}
	return nil
}

// Close implements interop.Writer.
func (w *Writer) Close(end pkt.Time) error {
	for i, n := range w.packets {
		stats := pcapgo.NgInterfaceStatistics{LastUpdate: w.at(end), StartTime: w.at(0), EndTime: w.at(end), PacketsReceived: n}
		if i == arrivals {
			stats.PacketsDropped = w.all
		}
		if err := w.w.WriteInterfaceStats(i, stats); err != nil {
			return err
		}
	}
	return w.w.Flush()
}

func (w *Writer) at(t pkt.Time) time.Time { return time.Unix(0, w.start+int64(t)).UTC() }
