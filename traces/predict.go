package traces

import (
	"errors"
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
)

// predictor turns a column into small numbers and back. encode fills c.res from
// the block, decode the block from c.res; c.zero says that all of c.res is 0.
type predictor struct {
	encode func(c *codec, b *Block)
	decode func(c *codec, b *Block) error
}

// codec is the working memory that predictors share, for one block at a time.
type codec struct {
	// res are the stored values of the column at hand, one a record.
	res  []uint64
	zero bool
	// planes collects byte planes while encoding.
	planes []byte
	// prev is for each record the previous one of its flow, or -1.
	prev []int32
	// byFlow is scratch with one element a flow.
	byFlow []uint32
	// base is the block's base time.
	base pkt.Time
}

// link computes prev from the block's flow column.
func (c *codec) link(b *Block) {
	last := grow(c.byFlow, len(b.Flows))
	clear(last)
	c.byFlow, c.prev = last, grow(c.prev, len(b.Flow))
	for i, f := range b.Flow {
		c.prev[i] = int32(last[f]) - 1
		last[f] = uint32(i) + 1
	}
}

type unsigned interface{ ~uint8 | ~uint16 | ~uint32 }

// zig and zag map small differences of either sign to small numbers and back.
func zig[T unsigned](d T) T { return d<<1 ^ -(d / (^T(0)>>1 + 1)) }
func zag[T unsigned](z T) T { return z>>1 ^ -(z & 1) }

func zig64(d pkt.Time) uint64 { return uint64(d)<<1 ^ uint64(d>>63) }
func zag64(z uint64) pkt.Time { return pkt.Time(z>>1) ^ -pkt.Time(z&1) }

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
	return base + zag64(code-1)
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
func plain[T unsigned](col func(*Block) []T) predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			for i, v := range col(b) {
				c.res[i] = uint64(v)
			}
		},
		decode: func(c *codec, b *Block) error {
			v := col(b)
			for i, r := range c.res {
				v[i] = T(r)
			}
			return nil
		},
	}
}

// flowDelta stores the difference to the flow's previous record.
func flowDelta[T unsigned](col func(*Block) []T) predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			v := col(b)
			for i, p := range c.prev {
				d := v[i]
				if p >= 0 {
					d -= v[p]
				}
				c.res[i] = uint64(zig(d))
			}
		},
		decode: func(c *codec, b *Block) error {
			v := col(b)
			if c.zero {
				clear(v)
				return nil
			}
			for i, p := range c.prev {
				d := zag(T(c.res[i]))
				if p >= 0 {
					d += v[p]
				}
				v[i] = d
			}
			return nil
		},
	}
}

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
			for i, d := range c.res {
				t += pkt.Time(d)
				x |= excess(t)
				back |= d
				b.Time[i] = t
			}
			if back>>63 != 0 {
				return errors.New("time runs backwards")
			}
			return checkExcess(x)
		},
	}
}

func flowColumn() predictor {
	p := plain(func(b *Block) []uint16 { return b.Flow })
	values := p.decode
	p.decode = func(c *codec, b *Block) error {
		values(c, b)
		if err := checkIndex(b.Flow, len(b.Flows)); err != nil {
			return err
		}
		c.link(b)
		return nil
	}
	return p
}

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

func segsColumn() predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			for i, s := range b.Segs {
				c.res[i] = uint64(s - 1)
			}
		},
		decode: func(c *codec, b *Block) error {
			least := ^uint16(0)
			for i, r := range c.res {
				b.Segs[i] = uint16(r) + 1
				least = min(least, uint16(r)+1)
			}
			if least == 0 {
				return errors.New("a packet has 0 segments")
			}
			return nil
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

// lenColumn predicts full segments: of a bulk flow only the tails differ.
func lenColumn() predictor {
	perSeg := func(b *Block, i int) uint32 {
		p, s := payload(b.Len[i], b.HdrLen[i]), b.Segs[i]
		if s == 1 {
			return p
		}
		return p / uint32(s)
	}
	start := func(c *codec, b *Block) []uint32 {
		c.byFlow = grow(c.byFlow, len(b.Flows))
		clear(c.byFlow)
		return c.byFlow
	}
	return predictor{
		encode: func(c *codec, b *Block) {
			mss := start(c, b)
			for i, f := range b.Flow {
				c.res[i] = uint64(zig(b.Len[i] - uint32(b.HdrLen[i]) - uint32(b.Segs[i])*mss[f]))
				mss[f] = max(mss[f], perSeg(b, i))
			}
		},
		decode: func(c *codec, b *Block) error {
			mss := start(c, b)
			for i, f := range b.Flow {
				b.Len[i] = zag(uint32(c.res[i])) + uint32(b.HdrLen[i]) + uint32(b.Segs[i])*mss[f]
				mss[f] = max(mss[f], perSeg(b, i))
			}
			return nil
		},
	}
}

// infoColumn takes out what segs already says about the GSO remark.
func infoColumn() predictor {
	flip := func(b *Block) {
		for i, s := range b.Segs {
			if s > 1 {
				b.Info[i] ^= GSO
			}
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
func seqColumn() predictor {
	follow := func(b *Block, i, p int) uint32 {
		if b.Flows[b.Flow[i]].Proto != pkt.ProtoTCP {
			return b.Seq[p]
		}
		return b.Seq[p] + payload(b.Len[p], b.HdrLen[p])
	}
	return predictor{
		encode: func(c *codec, b *Block) {
			for i, p := range c.prev {
				d := b.Seq[i]
				if p >= 0 {
					d -= follow(b, i, int(p))
				}
				c.res[i] = uint64(zig(d))
			}
		},
		decode: func(c *codec, b *Block) error {
			for i, p := range c.prev {
				v := zag(uint32(c.res[i]))
				if p >= 0 {
					v += follow(b, i, int(p))
				}
				b.Seq[i] = v
			}
			return nil
		},
	}
}
