package traces

import (
	"encoding/binary"

	"github.com/uqtool/uq/sim/pkt"
)

// The columns that say of a packet what its flow's packets mostly have in common
// are decoded together, eight records at a time: where what is stored of all of
// them is 0, and in most places it is, the flow's state says everything.

// together numbers these columns.
type together int

const (
	alone together = iota // none of them
	hdrTogether
	lenTogether
	dsTogether
	flagsTogether
	seqTogether
	ackTogether // the last
	numTogether
)

// eight is how many records are decoded at once: bytes of a machine word.
const eight = 8

// stored is a column as a block has it; the zero value is one that it does not
// have.
type stored struct {
	mask   uint8  // of the planes
	rest   uint64 // the planes that are constant
	planes []byte // the others, one after the other
}

// bytes says whether the column is one plane, that of the least byte.
func (s stored) bytes() bool { return s.mask == 1 && s.rest == 0 }

// split appends to list the column's planes, each with its place in the value.
func (s *stored) split(list []plane, n int) []plane {
	for p, m, at := 0, s.mask, 0; m != 0; p, m = p+1, m>>1 {
		if m&1 != 0 {
			list = append(list, plane{s.planes[at:][:n], 8 * p})
			at += n
		}
	}
	return list
}

// plane is one byte of every value of a column.
type plane struct {
	bytes []byte
	shift int
}

// octet is a column's values of eight records.
type octet [eight]uint32

// join sets o to the values from record i on.
func (o *octet) join(rest uint32, planes []plane, i int) {
	*o = octet{rest, rest, rest, rest, rest, rest, rest, rest}
	for k := range planes {
		w, s := word(planes[k].bytes, i), planes[k].shift&31
		if w == 0 {
			continue
		}
		o[0] |= uint32(byte(w)) << s
		o[1] |= uint32(byte(w>>8)) << s
		o[2] |= uint32(byte(w>>16)) << s
		o[3] |= uint32(byte(w>>24)) << s
		o[4] |= uint32(byte(w>>32)) << s
		o[5] |= uint32(byte(w>>40)) << s
		o[6] |= uint32(byte(w>>48)) << s
		o[7] |= uint32(byte(w>>56)) << s
	}
}

// word is the eight bytes from i on, with zeros behind the end.
func word(b []byte, i int) uint64 {
	if b = b[i:]; len(b) >= eight {
		return binary.LittleEndian.Uint64(b)
	}
	return lastWord(b)
}

func lastWord(b []byte) uint64 {
	var rest [eight]byte
	copy(rest[:], b)
	return binary.LittleEndian.Uint64(rest[:])
}

// flowState is what the predictors remember of a flow.
type flowState struct {
	full, next, ack uint32 // greatest payload / segs, the sequence number expected
	tcp             uint32 // all bits if it is TCP, else none
	hdr, flags      uint16
	ds              uint8
}

func (c *codec) flowStates(b *Block) []flowState {
	c.flows = grow(c.flows, len(b.Flows))
	for i := range c.flows {
		c.flows[i] = flowState{}
		if b.Flows[i].Proto == pkt.ProtoTCP {
			c.flows[i].tcp = ^uint32(0)
		}
	}
	return c.flows
}

// joint decodes these columns of one block, in order.
type joint struct {
	n, done int // records of the block, and those decoded
	flows   []flowState
	cols    [numTogether]struct {
		rest   uint32
		planes []plane
		values octet
	}
	list   []plane // of all columns
	all    []plane // of those up to ack
	always bool    // a value of these is never 0
}

// decodeTogether decodes the columns that c.together holds into b, whose flows
// and segments are known, or prepares it if b is to be decoded by windows.
func (c *codec) decodeTogether(b *Block) {
	d := &c.joint
	d.n, d.done, d.flows, d.always = len(b.Flow), 0, c.flowStates(b), false
	d.list = grow(d.list, int(numTogether)*maxWidth)[:0]
	for k := hdrTogether; k < numTogether; k++ {
		if k >= flagsTogether && b.byWindows && b.noTransport {
			c.together[k] = stored{}
		}
		at := len(d.list)
		d.list = c.together[k].split(d.list, d.n)
		d.cols[k].planes, d.cols[k].rest = d.list[at:], uint32(c.together[k].rest)
		if k < ackTogether {
			d.all, d.always = d.list, d.always || d.cols[k].rest != 0
		}
	}
	if b.byWindows && b.HeadersOnly {
		b.rest = d
		return
	}
	d.decode(b, d.n, 0)
}

// windowRecords is how many records are decoded at once where that is the wish. What
// they take then stays in the processor's nearest cache.
const windowRecords = 128

// decodeWindow decodes the next records' columns to b's first places, and returns
// the numbers of the first and of the one after the last.
func (b *Block) decodeWindow() (from, to int) {
	from = b.rest.done
	b.rest.decode(b, min(from+windowRecords, b.rest.n), from)
	return from, b.rest.done
}

// decode decodes what comes before record number to; record number base is b's
// first.
func (d *joint) decode(b *Block, to, base int) {
	i, ack := d.done, &d.cols[ackTogether]
	for ; i+eight <= to; i += eight {
		ack.values.join(ack.rest, ack.planes, i)
		if d.quiet(i) {
			d.same(b, i, i-base)
		} else {
			d.differ(b, i, i-base, eight)
		}
	}
	ack.values.join(ack.rest, ack.planes, i)
	d.differ(b, i, i-base, to-i)
	d.done = to
}

// quiet says whether all that is stored of the columns up to ack is 0 for the
// eight records from i on.
func (d *joint) quiet(i int) bool {
	if d.always {
		return false
	}
	x := uint64(0)
	for k := range d.all {
		x |= binary.LittleEndian.Uint64(d.all[k].bytes[i:])
	}
	return x == 0
}

// same decodes eight records from i on, to place at, of which all that is stored
// is 0, but for ack.
func (d *joint) same(b *Block, i, at int) {
	flows, segs, hdrs, lens := (*[eight]uint16)(b.Flow[i:]), (*[eight]uint16)(b.Segs[i:]), (*[eight]uint16)(b.HdrLen[at:]), (*octet)(b.Len[at:])
	ds, flags, seqs, acks := (*[eight]uint8)(b.DSField[at:]), (*[eight]uint16)(b.L4Flags[at:]), (*octet)(b.Seq[at:]), (*octet)(b.Ack[at:])
	codes := &d.cols[ackTogether].values
	for j, f := range flows {
		s := &d.flows[f]
		l := uint32(s.hdr) + uint32(segs[j])*s.full
		hdrs[j], lens[j], ds[j], flags[j] = s.hdr, l, s.ds, s.flags
		seqs[j] = s.next
		s.next += payload(l, s.hdr) & s.tcp
		s.ack += zag32(codes[j])
		acks[j] = s.ack
	}
}

// differ decodes n records from i on, to place at.
func (d *joint) differ(b *Block, i, at, n int) {
	for k := hdrTogether; k < ackTogether; k++ {
		d.cols[k].values.join(d.cols[k].rest, d.cols[k].planes, i)
	}
	for j := range n {
		s, segs, at := &d.flows[b.Flow[i+j]], b.Segs[i+j], at+j
		stored := func(k together) uint32 { return zag32(d.cols[k].values[j]) }
		s.hdr += uint16(stored(hdrTogether))
		l := stored(lenTogether) + uint32(s.hdr) + uint32(segs)*s.full
		s.full = max(s.full, perSegment(l, s.hdr, segs))
		s.ds += uint8(stored(dsTogether))
		s.flags += uint16(stored(flagsTogether))
		s.next += stored(seqTogether)
		s.ack += stored(ackTogether)
		b.HdrLen[at], b.Len[at], b.DSField[at], b.L4Flags[at] = s.hdr, l, s.ds, s.flags
		b.Seq[at], b.Ack[at] = s.next, s.ack
		s.next += payload(l, s.hdr) & s.tcp
	}
}

// zag32 is zag of a value of at most four bytes.
func zag32(z uint32) uint32 { return z>>1 ^ -(z & 1) }
