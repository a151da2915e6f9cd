package traces

import (
	"errors"
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
)

// Block holds records as columns, all of one length: record i is made of
// element i of each. A reader that is given the same Block again reuses its
// memory; nothing in it may be kept across that.
type Block struct {
	// First is the number of the first record in the trace.
	First uint64

	// HeadersOnly is the caller's wish to have only the columns that describe
	// packets (time, flow, lengths, DS field and transport fields), which is
	// faster. The others then have no elements, and Record must not be called.
	HeadersOnly bool
	// byWindows is the wish to have those that are decoded together, of a block of
	// headers only, a window at a time, from rest, until the next block is read.
	byWindows   bool
	noTransport bool   // and not flags, seq and ack
	rest        *joint // nil where they are all there

	// Flows and Paths are the dictionaries that Flow and Path index, in order of
	// first appearance in the block.
	Flows []pkt.FlowKey
	Paths []Path

	// The columns; see Record for their meaning.
	Time, KernelTime           []pkt.Time
	Flow                       []uint16
	Len                        []uint32
	Segs, HdrLen               []uint16
	DSField                    []uint8
	Info                       []Info
	L4Flags                    []uint16
	Seq, Ack, Mark             []uint32
	Path                       []uint16
	Verdict                    []Verdict
	Reason                     []pkt.Reason
	VerdictTime, Dequeued, Due []pkt.Time
}

// Records is how many records the block holds.
func (b *Block) Records() int { return len(b.Time) }

// Record copies record i into r.
func (b *Block) Record(i int, r *Record) {
	*r = Record{
		Time: b.Time[i], KernelTime: b.KernelTime[i],
		Flow: b.Flows[b.Flow[i]],
		Len:  b.Len[i], Segs: b.Segs[i], HdrLen: b.HdrLen[i],
		DSField: b.DSField[i], Info: b.Info[i], L4Flags: b.L4Flags[i],
		Seq: b.Seq[i], Ack: b.Ack[i], Mark: b.Mark[i],
		Path: b.Paths[b.Path[i]], Verdict: b.Verdict[i], Reason: b.Reason[i],
		VerdictTime: b.VerdictTime[i], Dequeued: b.Dequeued[i], Due: b.Due[i],
	}
}

// dropOthers empties the columns that HeadersOnly leaves out.
func (b *Block) dropOthers() {
	b.KernelTime, b.VerdictTime, b.Dequeued, b.Due = b.KernelTime[:0], b.VerdictTime[:0], b.Dequeued[:0], b.Due[:0]
	b.Info, b.Mark, b.Path = b.Info[:0], b.Mark[:0], b.Path[:0]
	b.Verdict, b.Reason = b.Verdict[:0], b.Reason[:0]
}

// resize gives every column n elements of unspecified value.
func (b *Block) resize(n int) {
	b.Time, b.KernelTime = grow(b.Time, n), grow(b.KernelTime, n)
	b.Flow, b.Path = grow(b.Flow, n), grow(b.Path, n)
	b.Len, b.Segs, b.HdrLen = grow(b.Len, n), grow(b.Segs, n), grow(b.HdrLen, n)
	b.DSField, b.Info, b.L4Flags = grow(b.DSField, n), grow(b.Info, n), grow(b.L4Flags, n)
	b.Seq, b.Ack, b.Mark = grow(b.Seq, n), grow(b.Ack, n), grow(b.Mark, n)
	b.Verdict, b.Reason = grow(b.Verdict, n), grow(b.Reason, n)
	b.VerdictTime, b.Dequeued, b.Due = grow(b.VerdictTime, n), grow(b.Dequeued, n), grow(b.Due, n)
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// builder fills a Block record by record.
type builder struct {
	Block
	flows map[pkt.FlowKey]uint16
	paths map[Path]uint16
}

func newBuilder() *builder {
	return &builder{flows: make(map[pkt.FlowKey]uint16), paths: make(map[Path]uint16)}
}

// reset empties the block; its next record is number first.
func (b *builder) reset(first uint64) {
	b.First = first
	b.resize(0)
	b.Flows, b.Paths = b.Flows[:0], b.Paths[:0]
	clear(b.flows)
	clear(b.paths)
}

// add appends a copy of r, or explains why the format cannot hold it.
func (b *builder) add(r *Record) error {
	if err := checkRecord(r); err != nil {
		return err
	}
	flow, err := b.flow(&r.Flow)
	if err != nil {
		return err
	}
	b.Time, b.KernelTime = append(b.Time, r.Time), append(b.KernelTime, r.KernelTime)
	b.Flow, b.Path = append(b.Flow, flow), append(b.Path, b.path(r.Path))
	b.Len, b.Segs, b.HdrLen = append(b.Len, r.Len), append(b.Segs, r.Segs), append(b.HdrLen, r.HdrLen)
	b.DSField, b.Info, b.L4Flags = append(b.DSField, r.DSField), append(b.Info, r.Info), append(b.L4Flags, r.L4Flags)
	b.Seq, b.Ack, b.Mark = append(b.Seq, r.Seq), append(b.Ack, r.Ack), append(b.Mark, r.Mark)
	b.Verdict, b.Reason = append(b.Verdict, r.Verdict), append(b.Reason, r.Reason)
	b.VerdictTime = append(b.VerdictTime, r.VerdictTime)
	b.Dequeued, b.Due = append(b.Dequeued, r.Dequeued), append(b.Due, r.Due)
	return nil
}

func (b *builder) flow(k *pkt.FlowKey) (uint16, error) {
	// Packets come in trains: most often it is the flow of the last record.
	if n := len(b.Flow); n > 0 && b.Flows[b.Flow[n-1]] == *k {
		return b.Flow[n-1], nil
	}
	if i, ok := b.flows[*k]; ok {
		return i, nil
	}
	if err := checkFlow(*k); err != nil {
		return 0, err
	}
	i := uint16(len(b.Flows))
	b.Flows = append(b.Flows, *k)
	b.flows[*k] = i
	return i, nil
}

func (b *builder) path(p Path) uint16 {
	if n := len(b.Path); n > 0 && b.Paths[b.Path[n-1]] == p {
		return b.Path[n-1]
	}
	i, ok := b.paths[p]
	if !ok {
		i = uint16(len(b.Paths))
		b.Paths = append(b.Paths, p)
		b.paths[p] = i
	}
	return i
}

// checkRecord refuses records that the format cannot hold.
func checkRecord(r *Record) error {
	if r.Segs == 0 {
		return errors.New("segs is 0: a packet is at least 1 packet on the wire")
	}
	if outOfRange(r.Time) {
		return fmt.Errorf("time %s is out of range: times count from the trace's start", r.Time)
	}
	for _, t := range [...]pkt.Time{r.KernelTime, r.VerdictTime, r.Dequeued, r.Due} {
		if outOfRange(t) && t != NoTime {
			return fmt.Errorf("time %s is out of range: use NoTime for an absent time", t)
		}
	}
	return nil
}

// checkFlow refuses keys that are not canonical: two spellings of one flow
// would be two flows.
func checkFlow(k pkt.FlowKey) error {
	if !k.V6 && [12]byte(k.Src[4:]) != [12]byte{} || !k.V6 && [12]byte(k.Dst[4:]) != [12]byte{} {
		return fmt.Errorf("flow %s: an IPv4 address has bytes after the fourth", k)
	}
	if !k.HasPorts() && (k.SrcPort != 0 || k.DstPort != 0) {
		return fmt.Errorf("flow %s: protocol %d has no ports", k, k.Proto)
	}
	return nil
}

func outOfRange(t pkt.Time) bool { return t < -MaxTime || t >= MaxTime }
