package traces

import (
	"errors"
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
)

// predictor turns a column into small numbers and back. encode fills c.res from
// the block, decode the block from c.res; c.zero says that all of c.res is 0.
//
// The functions that make one are not to be inlined: their closures, copied to
// where they are inlined, would do without inlining themselves.
type predictor struct {
	encode func(c *codec, b *Block)
	decode func(c *codec, b *Block) error
	// direct, if not nil, decodes usual columns from their planes, without c.res;
	// it says of others that it did not.
	direct func(c *codec, s stored, b *Block) (done bool, err error)
	// together is set instead of decode for columns that are decoded together.
	together together
}

// with makes p one of the columns that are decoded together.
func (p predictor) with(t together) predictor {
	p.decode, p.together = nil, t
	return p
}

// codec is the working memory that predictors share, for one block at a time.
type codec struct {
	// res are the stored values of the column at hand, one a record.
	res  []uint64
	zero bool
	// planes collects byte planes while encoding.
	planes []byte
	// cuts are the offsets of the planes in the encoded block.
	cuts []int
	// perFlow is scratch with one element a flow.
	perFlow []uint32
	masks   []uint32
	// together are the columns that are decoded together, as they are met, flows
	// what is known of each flow then, and joint their decoder.
	together [numTogether]stored
	flows    []flowState
	joint    joint
	// noDue says that the column due is absent.
	noDue bool
	// base is the block's base time.
	base pkt.Time
}

// state returns one zero for each flow.
func (c *codec) state(b *Block) []uint32 {
	c.perFlow = grow(c.perFlow, len(b.Flows))
	clear(c.perFlow)
	return c.perFlow
}

type unsigned interface{ ~uint8 | ~uint16 | ~uint32 }

// zig and zag map small differences of either sign to small numbers and back.
func zig[T unsigned](d T) T { return d<<1 ^ -(d / (^T(0)>>1 + 1)) }
func zag(z uint64) uint64   { return z>>1 ^ -(z & 1) }

func zig64(d pkt.Time) uint64 { return uint64(d)<<1 ^ uint64(d>>63) }

// timeCode and codeTime store a time that may be absent, relative to base.
func timeCode(t, base pkt.Time) uint64 {
	if t == NoTime {
		return 0
	}
	return 1 + zig64(t-base)
}

func codeTime(code uint64, base pkt.Time) pkt.Time {
	if code == 0 {
		return NoTime
	}
	return base + pkt.Time(zag(code-1))
}

// excess is nonzero in its top two bits when t is out of range: cheap enough to
// collect over a column and check once.
func excess(t pkt.Time) uint64 { return uint64(t + MaxTime) }

func checkExcess(x uint64) error {
	if x>>62 != 0 {
		return errors.New("a time is out of range")
	}
	return nil
}

// plain stores values as they are.
//
//go:noinline
func plain[T unsigned](col func(*Block) []T) predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			for i, v := range col(b) {
				c.res[i] = uint64(v)
			}
		},
		decode: func(c *codec, b *Block) error {
			v := col(b)[:len(c.res)]
			for i, r := range c.res {
				v[i] = T(r)
			}
			return nil
		},
	}
}

// flowDelta stores the difference to the flow's previous record.
//
//go:noinline
func flowDelta[T unsigned](col func(*Block) []T) predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			v, last := col(b), c.state(b)
			for i, f := range b.Flow {
				c.res[i] = uint64(zig(v[i] - T(last[f])))
				last[f] = uint32(v[i])
			}
		},
		decode: func(c *codec, b *Block) error {
			flows := b.Flow
			v, res, last := col(b)[:len(flows)], c.res[:len(flows)], c.state(b)
			if c.zero {
				clear(v)
				return nil
			}
			for i, f := range flows {
				d := T(last[f]) + T(zag(res[i]))
				last[f] = uint32(d)
				v[i] = d
			}
			return nil
		},
	}
}

//go:noinline
func timeColumn() predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			last := c.base
			for i, t := range b.Time {
				c.res[i] = uint64(t - last)
				last = t
			}
		},
		decode: func(c *codec, b *Block) error {
			t, x, back := c.base, uint64(0), uint64(0)
			times := b.Time[:len(c.res)]
			for i, d := range c.res {
				t += pkt.Time(d)
				x |= excess(t)
				back |= d
				times[i] = t
			}
			if back>>63 != 0 {
				return errors.New("time runs backwards")
			}
			return checkExcess(x)
		},
		// Differences of up to 16 ms are not negative, and their sum cannot overflow.
		direct: func(c *codec, s stored, b *Block) (bool, error) {
			n, t := len(b.Time), c.base
			if s.mask != 1<<3-1 || s.rest != 0 {
				return false, nil
			}
			times, p0, p1, p2 := b.Time, s.planes[:n], s.planes[n:][:n], s.planes[2*n:][:n]
			for i := range times {
				t += pkt.Time(uint32(p0[i]) | uint32(p1[i])<<8 | uint32(p2[i])<<16)
				times[i] = t
			}
			return true, checkExcess(excess(t))
		},
	}
}

//go:noinline
func flowColumn() predictor {
	p := plain(func(b *Block) []uint16 { return b.Flow })
	values := p.decode
	p.decode = func(c *codec, b *Block) error {
		values(c, b)
		return checkIndex(b.Flow, len(b.Flows))
	}
	p.direct = func(_ *codec, s stored, b *Block) (bool, error) {
		if !s.bytes() {
			return false, nil
		}
		flow, top := b.Flow[:len(s.planes)], uint8(0)
		for i, v := range s.planes {
			flow[i] = uint16(v)
			top = max(top, v)
		}
		return true, checkIndex([]uint16{uint16(top)}, len(b.Flows))
	}
	return p
}

//go:noinline
func pathColumn() predictor {
	p := plain(func(b *Block) []uint16 { return b.Path })
	values := p.decode
	p.decode = func(c *codec, b *Block) error {
		values(c, b)
		return checkIndex(b.Path, len(b.Paths))
	}
	return p
}

func checkIndex(index []uint16, n int) error {
	top := uint16(0)
	for _, i := range index {
		top = max(top, i)
	}
	if int(top) >= n {
		return fmt.Errorf("index %d is beyond the dictionary of %d", top, n)
	}
	return nil
}

//go:noinline
func segsColumn() predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			for i, s := range b.Segs {
				c.res[i] = uint64(s - 1)
			}
		},
		decode: func(c *codec, b *Block) error {
			least := ^uint16(0)
			segs := b.Segs[:len(c.res)]
			for i, r := range c.res {
				segs[i] = uint16(r) + 1
				least = min(least, uint16(r)+1)
			}
			if least == 0 {
				return errors.New("a packet has 0 segments")
			}
			return nil
		},
		direct: func(_ *codec, s stored, b *Block) (bool, error) {
			if !s.bytes() {
				return false, nil
			}
			segs := b.Segs[:len(s.planes)]
			for i, v := range s.planes {
				segs[i] = uint16(v) + 1
			}
			return true, nil
		},
	}
}

// payload is the length behind the headers, 0 when the headers claim more than
// there is.
func payload(length uint32, hdr uint16) uint32 {
	if length < uint32(hdr) {
		return 0
	}
	return length - uint32(hdr)
}

// perSegment is the payload of a full segment, if the last one was full too.
func perSegment(length uint32, hdr, segs uint16) uint32 {
	p := payload(length, hdr)
	if segs == 1 {
		return p
	}
	return p / uint32(segs)
}

// lenColumn predicts full segments: of a bulk flow only the tails differ.
//
//go:noinline
func lenColumn() predictor {
	return predictor{
		together: lenTogether,
		encode: func(c *codec, b *Block) {
			full := c.state(b)
			for i, f := range b.Flow {
				hdr, segs := b.HdrLen[i], b.Segs[i]
				c.res[i] = uint64(zig(b.Len[i] - uint32(hdr) - uint32(segs)*full[f]))
				full[f] = max(full[f], perSegment(b.Len[i], hdr, segs))
			}
		},
	}
}

// infoColumn takes out what segs already says about the GSO remark.
//
//go:noinline
func infoColumn() predictor {
	flip := func(b *Block) {
		info := b.Info
		for i, s := range b.Segs {
			// 1 if s > 1, without a branch that nobody could predict.
			info[i] ^= Info((uint32(s)+0xfffe)>>16) * GSO
		}
	}
	p := flowDelta(func(b *Block) []Info { return b.Info })
	encode, decode := p.encode, p.decode
	p.encode = func(c *codec, b *Block) {
		flip(b)
		encode(c, b)
		flip(b)
	}
	p.decode = func(c *codec, b *Block) error {
		err := decode(c, b)
		flip(b)
		return err
	}
	return p
}

// seqColumn predicts that a TCP flow goes on where it was.
//
//go:noinline
func seqColumn() predictor {
	return predictor{
		together: seqTogether,
		encode: func(c *codec, b *Block) {
			next, tcp := c.state(b), c.tcpMasks(b)
			for i, f := range b.Flow {
				c.res[i] = uint64(zig(b.Seq[i] - next[f]))
				next[f] = b.Seq[i] + payload(b.Len[i], b.HdrLen[i])&tcp[f]
			}
		},
	}
}

// tcpMasks returns for each flow all bits if it is TCP, else none.
func (c *codec) tcpMasks(b *Block) []uint32 {
	c.masks = grow(c.masks, len(b.Flows))
	for i := range b.Flows {
		c.masks[i] = 0
		if b.Flows[i].Proto == pkt.ProtoTCP {
			c.masks[i] = ^uint32(0)
		}
	}
	return c.masks
}

// reasonColumn predicts that packets of the same fate have the same reason.
//
//go:noinline
func reasonColumn() predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			var last [8]pkt.Reason
			for i, v := range b.Verdict {
				c.res[i] = uint64(b.Reason[i] ^ last[v%8])
				last[v%8] = b.Reason[i]
			}
		},
		decode: func(c *codec, b *Block) error {
			if c.zero {
				clear(b.Reason)
				return nil
			}
			var last [8]pkt.Reason
			for i, v := range b.Verdict {
				last[v%8] ^= pkt.Reason(c.res[i])
				b.Reason[i] = last[v%8]
			}
			return nil
		},
	}
}
