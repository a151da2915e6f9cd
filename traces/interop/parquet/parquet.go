// Package parquet writes the tables of the package table as Parquet, for pandas,
// Polars and DuckDB. It alone imports parquet-go.
package parquet

import (
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop"
	"github.com/uqtool/uq/traces/interop/table"
)

// Packet is a row of the table of packets.
type Packet struct {
	Packet    uint64 `parquet:"packet,delta"`
	Time      int64  `parquet:"time_ns,delta"`
	Proto     string `parquet:"proto,dict"`
	Src       string `parquet:"src,dict"`
	SrcPort   uint32 `parquet:"sport,dict"`
	Dst       string `parquet:"dst,dict"`
	DstPort   uint32 `parquet:"dport,dict"`
	Len       uint32 `parquet:"len,dict"`
	Size      uint32 `parquet:"size,dict"`
	Segs      uint32 `parquet:"segs,dict"`
	HdrLen    uint32 `parquet:"hdr,dict"`
	DSCP      uint32 `parquet:"dscp,dict"`
	ECN       string `parquet:"ecn,dict"`
	Flags     uint32 `parquet:"flags,dict"`
	Seq       uint32 `parquet:"seq"`
	Ack       uint32 `parquet:"ack"`
	Verdict   string `parquet:"verdict,dict"`
	Reason    string `parquet:"reason,dict"`
	Dequeued  *int64 `parquet:"dequeued_ns,optional"`
	Delivered *int64 `parquet:"delivered_ns,optional"`
	Dropped   *int64 `parquet:"dropped_ns,optional"`
	Sojourn   *int64 `parquet:"sojourn_ns,optional"`
	Delay     *int64 `parquet:"delay_ns,optional"`
	Flaws     string `parquet:"flaws,dict"`
}

// Event is a row of the table of events.
type Event struct {
	Time    int64  `parquet:"time_ns,delta"`
	Event   string `parquet:"event,dict"`
	Reason  string `parquet:"reason,dict"`
	Packet  uint64 `parquet:"packet,delta"`
	Age     int64  `parquet:"age_ns"`
	Proto   string `parquet:"proto,dict"`
	Src     string `parquet:"src,dict"`
	SrcPort uint32 `parquet:"sport,dict"`
	Dst     string `parquet:"dst,dict"`
	DstPort uint32 `parquet:"dport,dict"`
	Len     uint32 `parquet:"len,dict"`
	Size    uint32 `parquet:"size,dict"`
	Segs    uint32 `parquet:"segs,dict"`
	DSCP    uint32 `parquet:"dscp,dict"`
	ECN     string `parquet:"ecn,dict"`
}

const (
	// rowGroup is how many rows are compressed together; the memory of a run.
	rowGroup = 1 << 16
	// batch is how many rows are handed over at once.
	batch = 256
)

// writer collects rows of one type.
type writer[T any] struct {
	w    *parquet.GenericWriter[T]
	rows *table.Rows
	fill func(*T, *spans, *table.Row)
	buf  [batch]T
	// spans are what the rows' pointers point to.
	spans [batch]spans
	n     int
	total int
}

// spans are the columns that may be absent.
type spans [5]int64

// New starts a table on w; the file's metadata says what run it is.
func New(w io.Writer, run interop.Run, k table.Kind) interop.Writer {
	if k == table.Events {
		return start(w, run, k, fillEvent)
	}
	return start(w, run, k, fillPacket)
}

func start[T any](w io.Writer, run interop.Run, k table.Kind, fill func(*T, *spans, *table.Row)) *writer[T] {
	opts := []parquet.WriterOption{
		parquet.Compression(&parquet.Zstd), parquet.CreatedBy("uq", run.Tool, ""),
		parquet.KeyValueMetadata("uq.trace", run.Trace),
		parquet.KeyValueMetadata("uq.start_ns", strconv.FormatInt(run.StartNs, 10)),
	}
	if run.Qdisc != "" {
		opts = append(opts, parquet.KeyValueMetadata("uq.qdisc", run.Qdisc), parquet.KeyValueMetadata("uq.link", run.Link),
			parquet.KeyValueMetadata("uq.seed", strconv.FormatUint(run.Seed, 10)))
	}
	return &writer[T]{w: parquet.NewGenericWriter[T](w, opts...), rows: table.NewRows(k), fill: fill}
}

// Event implements interop.Writer.
func (t *writer[T]) Event(e *interop.Event) error {
	r := t.rows.Row(e)
	if r == nil {
		return nil
	}
	t.fill(&t.buf[t.n], &t.spans[t.n], r)
	if t.n++; t.n < batch {
		return nil
	}
	return t.flush()
}

func (t *writer[T]) flush() error {
	n := t.n
	t.n = 0
	if _, err := t.w.Write(t.buf[:n]); err != nil {
		return err
	}
	if t.total += n; t.total < rowGroup {
		return nil
	}
	t.total = 0
	return t.w.Flush()
}

// Close implements interop.Writer.
func (t *writer[T]) Close(pkt.Time) error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.w.Close()
}

func fillPacket(p *Packet, s *spans, r *table.Row) {
	rec := r.Record
	*p = Packet{
		Packet: r.ID, Time: int64(rec.Time), Proto: pkt.ProtoName(rec.Flow.Proto),
		Src: r.Src, SrcPort: uint32(rec.Flow.SrcPort), Dst: r.Dst, DstPort: uint32(rec.Flow.DstPort),
		Len: rec.Len, Size: r.Size, Segs: uint32(rec.Segs), HdrLen: uint32(rec.HdrLen), DSCP: uint32(r.DSCP()), ECN: r.ECN(),
		Flags: uint32(rec.L4Flags), Seq: rec.Seq, Ack: rec.Ack, Verdict: rec.Verdict.String(), Reason: r.Reason(), Flaws: r.FlawNames(),
	}
	for i, f := range [len(s)]struct {
		to **int64
		t  pkt.Time
	}{{&p.Dequeued, r.Dequeued}, {&p.Delivered, r.Delivered}, {&p.Dropped, r.Dropped}, {&p.Sojourn, r.Sojourn}, {&p.Delay, r.Delay}} {
		if f.t != traces.NoTime {
			s[i] = int64(f.t)
			*f.to = &s[i]
		}
	}
}

func fillEvent(e *Event, _ *spans, r *table.Row) {
	rec := r.Record
	*e = Event{
		Time: int64(r.Time), Event: interop.KindName(r.Kind), Reason: r.Reason(), Packet: r.ID, Age: int64(r.Time - rec.Time),
		Proto: pkt.ProtoName(rec.Flow.Proto),
		Src:   r.Src, SrcPort: uint32(rec.Flow.SrcPort), Dst: r.Dst, DstPort: uint32(rec.Flow.DstPort),
		Len: rec.Len, Size: r.Size, Segs: uint32(rec.Segs), DSCP: uint32(r.DSCP()), ECN: r.ECN(),
	}
}
