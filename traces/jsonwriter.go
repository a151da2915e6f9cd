package traces

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/uqtool/uq/sim/pkt"
)

// JSONWriter writes a trace as JSON lines, for other programs: the header, one
// object a packet or event, the end; FORMAT.md lists their keys. Its methods are
// Writer's. Nothing reads this form back.
type JSONWriter struct {
	w      *bufio.Writer
	enc    *json.Encoder
	counts End
}

type jsonHeader struct {
	Type string `json:"type"`
	Header
}

type jsonEnd struct {
	Type string `json:"type"`
	End
}

type jsonEvent struct {
	Type  string `json:"type"`
	Time  int64  `json:"time_ns"`
	Kind  string `json:"kind"`
	Count uint64 `json:"count"`
	Text  string `json:"text,omitempty"`
}

type jsonPacket struct {
	Type        string   `json:"type"`
	Record      uint64   `json:"record"`
	Time        int64    `json:"time_ns"`
	Proto       string   `json:"proto"`
	Src         string   `json:"src"`
	SrcPort     uint16   `json:"sport"`
	Dst         string   `json:"dst"`
	DstPort     uint16   `json:"dport"`
	Segs        uint16   `json:"segs"`
	HdrLen      uint16   `json:"hdr"`
	Len         uint32   `json:"len"`
	DSField     uint8    `json:"ds"`
	DSCP        uint8    `json:"dscp"`
	ECN         string   `json:"ecn"`
	Info        []string `json:"info"`
	L4Flags     uint16   `json:"flags"`
	Seq         uint32   `json:"seq"`
	Ack         uint32   `json:"ack"`
	Mark        uint32   `json:"mark"`
	Hook        string   `json:"hook"`
	InDev       uint32   `json:"in_dev"`
	OutDev      uint32   `json:"out_dev"`
	Verdict     string   `json:"verdict"`
	Reason      string   `json:"reason"`
	KernelTime  *int64   `json:"ktime_ns,omitempty"`
	Due         *int64   `json:"due_ns,omitempty"`
	Dequeued    *int64   `json:"dequeued_ns,omitempty"`
	VerdictTime *int64   `json:"vtime_ns,omitempty"`
}

// NewJSONWriter starts the lines of a trace on w.
func NewJSONWriter(w io.Writer, h Header) (*JSONWriter, error) {
	h.Version = fmt.Sprintf("%d.%d", Major, Minor)
	b := bufio.NewWriter(w)
	j := &JSONWriter{w: b, enc: json.NewEncoder(b)}
	j.enc.SetEscapeHTML(false)
	if err := j.enc.Encode(jsonHeader{"header", h}); err != nil {
		return nil, fmt.Errorf("write the header: %w", err)
	}
	return j, nil
}

// Append writes r as a line.
func (j *JSONWriter) Append(r *Record) error {
	if err := errors.Join(checkRecord(r), checkFlow(r.Flow)); err != nil {
		return fmt.Errorf("append record %d: %w", j.counts.Records, err)
	}
	src, dst := r.Flow.Addrs()
	hook, _, _ := strings.Cut(r.Path.String(), ",")
	p := jsonPacket{
		Type: "packet", Record: j.counts.Records, Time: int64(r.Time),
		Proto: pkt.ProtoName(r.Flow.Proto), Src: src.String(), SrcPort: r.Flow.SrcPort, Dst: dst.String(), DstPort: r.Flow.DstPort,
		Segs: r.Segs, HdrLen: r.HdrLen, Len: r.Len,
		DSField: r.DSField, DSCP: r.DSField >> 2, ECN: pkt.ECN(r.DSField & 3).String(), Info: []string{},
		L4Flags: r.L4Flags, Seq: r.Seq, Ack: r.Ack, Mark: r.Mark,
		Hook: hook, InDev: r.Path.InDev, OutDev: r.Path.OutDev,
		Verdict: r.Verdict.String(), Reason: r.Reason.String(),
		KernelTime: instant(r.KernelTime), Due: instant(r.Due), Dequeued: instant(r.Dequeued), VerdictTime: instant(r.VerdictTime),
	}
	if r.Info != 0 {
		p.Info = strings.Split(r.Info.String(), "|")
	}
	j.counts.Records++
	return j.enc.Encode(&p)
}

// instant is nil for an absent time.
func instant(t pkt.Time) *int64 {
	if t == NoTime {
		return nil
	}
	ns := int64(t)
	return &ns
}

// Event writes e as a line.
func (j *JSONWriter) Event(e Event) error {
	j.counts.Events++
	return j.enc.Encode(jsonEvent{"event", int64(e.Time), e.Kind.String(), e.Count, e.Text})
}

// Flush hands everything so far to the underlying writer.
func (j *JSONWriter) Flush() error { return j.w.Flush() }

// Close writes the end, with the counts set as Writer does, and flushes.
func (j *JSONWriter) Close(e End) error {
	e.Records, e.Events = j.counts.Records, j.counts.Events
	return errors.Join(j.enc.Encode(jsonEnd{"end", e}), j.w.Flush())
}
