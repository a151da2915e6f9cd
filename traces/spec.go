package traces

import (
	"slices"

	"github.com/uqtool/uq/sim/pkt"
)

// Column is one row of the format's table: a field of the records as packets
// blocks store it and as the text form writes it. The table drives the binary
// encoder and decoder and the text writer and reader, and a test holds
// FORMAT.md against it.
type Column struct {
	// ID numbers the column in a block's directory. IDs are never reused, and
	// blocks hold their columns in the table's order.
	ID uint8
	// Name is the field's name in the text form.
	Name string
	// Width is the size of a stored value in bytes: its number of planes.
	Width int
	// Stored says in words what value is stored, for FORMAT.md.
	Stored string
	// Text says in words how the text form writes the field, empty when another
	// column's text covers this one.
	Text string
	// Default is the text of the value that the text form leaves out; empty when
	// the field must be there.
	Default string

	predictor
	textField
}

// Columns returns a copy of the table.
func Columns() []Column { return slices.Clone(columns[:]) }

// columns is the specification. Order matters: a column's predictor may use the
// columns above it.
var columns = [...]Column{
	{1, "time", 8, "difference to the previous record; to the block's base for the first",
		"seconds", "", timeColumn(), textTime(func(r *Record) *pkt.Time { return &r.Time })},
	{2, "flow", 2, "index into the flow dictionary",
		"PROTO,SRC>DST", "", flowColumn(), textFlow()},
	{3, "segs", 2, "value - 1",
		"number", "1", segsColumn(), textUint(func(r *Record) *uint16 { return &r.Segs })},
	{4, "hdr", 2, "z(flow difference)",
		"number", "0", flowDelta(func(b *Block) []uint16 { return b.HdrLen }).with(hdrTogether), textUint(func(r *Record) *uint16 { return &r.HdrLen })},
	{5, "len", 4, "z(value - hdr - segs * m), m the flow's greatest payload / segs so far",
		"number", "0", lenColumn(), textUint(func(r *Record) *uint32 { return &r.Len })},
	{6, "ds", 1, "z(flow difference)",
		"hex", "0x0", flowDelta(func(b *Block) []uint8 { return b.DSField }).with(dsTogether), textHex(func(r *Record) *uint8 { return &r.DSField })},
	{7, "info", 2, "z(flow difference) of the value with bit 0 inverted when segs > 1",
		"names and hex joined by |", "none", infoColumn(), textInfo()},
	{8, "flags", 2, "z(flow difference)",
		"hex", "0x0", flowDelta(func(b *Block) []uint16 { return b.L4Flags }).with(flagsTogether), textHex(func(r *Record) *uint16 { return &r.L4Flags })},
	{9, "seq", 4, "z(flow difference - payload of the flow's previous record if TCP)",
		"number", "0", seqColumn(), textUint(func(r *Record) *uint32 { return &r.Seq })},
	{10, "ack", 4, "z(flow difference)",
		"number", "0", flowDelta(func(b *Block) []uint32 { return b.Ack }).with(ackTogether), textUint(func(r *Record) *uint32 { return &r.Ack })},
	{11, "mark", 4, "z(flow difference)",
		"hex", "0x0", flowDelta(func(b *Block) []uint32 { return b.Mark }), textHex(func(r *Record) *uint32 { return &r.Mark })},
	{12, "path", 2, "index into the path dictionary",
		"HOOK,IN,OUT", "prerouting,0,0", pathColumn(), textPath()},
	{13, "verdict", 1, "value",
		"name", "none", plain(func(b *Block) []Verdict { return b.Verdict }), textVerdict()},
	{14, "reason", 1, "value XOR that of the last record whose verdict is equal modulo 8",
		"name", "none", reasonColumn(), textReason()},
	{15, "ktime", 8, "0 for none, else 1 + z(floor(time/1000) - floor(value/1000))",
		"seconds", "never", ktimeColumn(), textTime(func(r *Record) *pkt.Time { return &r.KernelTime })},
	{16, "ktime_ns", 2, "ktime modulo 1000; the previous record's where there is none",
		"", "", ktimeNsColumn(), textField{}},
	{17, "due", 8, "0 for none, else 1 + z(tx - p), tx = due - (dequeued or time), p the tx of the last record not dropped whose len is equal modulo 1024; 0 for a dropped one",
		"seconds", "never", dueColumn(), textTime(func(r *Record) *pkt.Time { return &r.Due })},
	{18, "dequeued", 8, "0 for none, else 1 + z(value - max(time, last due of a record not dropped)); of a record over the limit, value - time",
		"seconds", "never", dequeuedColumn(), textTime(func(r *Record) *pkt.Time { return &r.Dequeued })},
	{19, "vtime", 8, "0 for none, else 1 + z(value - due), or without due 1 + z(value - max(time, last vtime))",
		"seconds", "never", vtimeColumn(), textTime(func(r *Record) *pkt.Time { return &r.VerdictTime })},
}

// describesPacket says whether the column tells of the packet itself and not of
// its capture or its fate. No such column's predictor uses one that does not.
func (c *Column) describesPacket() bool { return c.ID <= 10 && c.Name != "info" }

// columnByID returns the table's index of a column, or -1.
func columnByID(id uint8) int {
	if id == 0 || int(id) > len(columns) {
		return -1
	}
	return int(id) - 1
}
