package traces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/uqtool/uq/sim/pkt"
)

// placedEvent is an event and its place among the records: it comes after the
// first before records of the trace.
type placedEvent struct {
	Event
	before uint64
}

// appendEvents appends the events block that holds events.
func appendEvents(b []byte, events []placedEvent) []byte {
	for _, e := range events {
		b = binary.AppendUvarint(b, e.before)
		b = binary.AppendVarint(b, int64(e.Time))
		b = append(b, byte(e.Kind))
		b = binary.AppendUvarint(b, e.Count)
		b = binary.AppendUvarint(b, uint64(len(e.Text)))
		b = append(b, e.Text...)
	}
	return b
}

// decodeEvents appends the n events of an events block to dst.
func decodeEvents(raw []byte, n uint32, dst []placedEvent) ([]placedEvent, error) {
	in := varints{raw: raw}
	for range n {
		e := placedEvent{before: in.uvarint()}
		e.Time = pkt.Time(in.varint())
		e.Kind = EventKind(in.byte())
		e.Count = in.uvarint()
		e.Text = in.text()
		if in.bad || outOfRange(e.Time) {
			return dst, fmt.Errorf("events block is cut or has an impossible number at event %d", len(dst))
		}
		dst = append(dst, e)
	}
	if len(in.raw) != 0 {
		return dst, fmt.Errorf("events block has %d bytes too many", len(in.raw))
	}
	return dst, nil
}

// varints reads an events block's fields. After a failure all reads give 0.
type varints struct {
	raw []byte
	bad bool
}

func (v *varints) take(n int) {
	if n <= 0 {
		v.raw, v.bad = nil, true
		return
	}
	v.raw = v.raw[n:]
}

func (v *varints) uvarint() uint64 {
	u, n := binary.Uvarint(v.raw)
	v.take(n)
	return u
}

func (v *varints) varint() int64 {
	i, n := binary.Varint(v.raw)
	v.take(n)
	return i
}

func (v *varints) byte() byte {
	if len(v.raw) == 0 {
		v.bad = true
		return 0
	}
	b := v.raw[0]
	v.raw = v.raw[1:]
	return b
}

func (v *varints) text() string {
	n := v.uvarint()
	if n > MaxEventText || n > uint64(len(v.raw)) {
		v.raw, v.bad = nil, true
		return ""
	}
	s := string(v.raw[:n])
	v.raw = v.raw[n:]
	return s
}

// cutText shortens s to n bytes at a character's edge.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

var eventNames = [...]string{
	IDGap: "id_gap", ENOBUFS: "enobufs", KernelFlush: "kernel_flush", QueueFull: "queue_full",
	WriterOverrun: "writer_overrun", Note: "note", Late: "late", Undecodable: "undecodable",
}

// String returns the kind's name in texts, in End.Lost and in reports.
func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return fmt.Sprintf("event%d", uint8(k))
}

// Lossy says whether events of this kind tell of packets or records lost, as
// far as the kind is known.
func (k EventKind) Lossy() bool { return k != Note && k != Late }

// ParseEventKind is the inverse of String.
func ParseEventKind(s string) (EventKind, error) {
	for k, n := range eventNames {
		if n == s && n != "" {
			return EventKind(k), nil
		}
	}
	if num, ok := strings.CutPrefix(s, "event"); ok {
		v, err := parseUint(num, 8)
		if err == nil && EventKind(v).String() == s {
			return EventKind(v), nil
		}
	}
	return 0, errors.New("want id_gap, enobufs, kernel_flush, queue_full, writer_overrun, note, late or undecodable")
}

var verdictNames = [...]string{NoVerdict: "none", Accept: "accept", Drop: "drop", MarkCE: "mark_ce", Lost: "lost"}

// String returns the verdict's name in texts and reports.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict%d", uint8(v))
}

// ParseVerdict is the inverse of String.
func ParseVerdict(s string) (Verdict, error) {
	for v, n := range verdictNames {
		if n == s {
			return Verdict(v), nil
		}
	}
	if num, ok := strings.CutPrefix(s, "verdict"); ok {
		v, err := parseUint(num, 8)
		if err == nil && Verdict(v).String() == s {
			return Verdict(v), nil
		}
	}
	return 0, errors.New("want none, accept, drop, mark_ce or lost")
}
