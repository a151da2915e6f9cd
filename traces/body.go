package traces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/uqtool/uq/sim/pkt"
)

// Sizes of the parts of a packets block; FORMAT.md has the layout.
const (
	bodyHead  = 24 // records, flows, paths, columns, base time
	dirEntry  = 11 // id, width, plane mask, constant planes
	flowEntry = 38
	pathEntry = 9
	maxWidth  = 8
)

// appendBody appends the packets block that holds b, which must not be empty.
func (c *codec) appendBody(dst []byte, b *Block) []byte {
	n := b.Records()
	c.base = b.Time[0]
	c.res = grow(c.res, n)
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b.Flows)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b.Paths)))
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(c.base))
	c.planes = c.planes[:0]
	stored := uint32(0)
	for i := range columns {
		columns[i].encode(c, b)
		mask, rest := c.split(columns[i].Width)
		if mask == 0 && rest == 0 {
			continue
		}
		stored++
		dst = append(dst, columns[i].ID, uint8(columns[i].Width), mask)
		dst = binary.LittleEndian.AppendUint64(dst, rest)
	}
	binary.LittleEndian.PutUint32(dst[start+12:], stored)
	c.cuts = c.cuts[:0]
	flowsAt := len(dst) - start
	dst = appendFlows(dst, b.Flows)
	if n := len(b.Flows); n >= worthCutting {
		for j := range flowEntry {
			c.cuts = append(c.cuts, flowsAt+j*n)
		}
	}
	for _, p := range b.Paths {
		dst = append(dst, p.Hook)
		dst = binary.LittleEndian.AppendUint32(dst, p.InDev)
		dst = binary.LittleEndian.AppendUint32(dst, p.OutDev)
	}
	for at := 0; at < len(c.planes); at += n {
		c.cuts = append(c.cuts, len(dst)-start+at)
	}
	return append(dst, c.planes...)
}

// appendFlows appends the flow dictionary, transposed: the first byte of every
// key, then the second, ...
func appendFlows(dst []byte, flows []pkt.FlowKey) []byte {
	n, at := len(flows), len(dst)
	dst = slices.Grow(dst, n*flowEntry)[:at+n*flowEntry]
	for i := range flows {
		for j, v := range flows[i].Bytes() {
			dst[at+j*n+i] = v
		}
	}
	return dst
}

// split appends to c.planes those byte planes of c.res that are not constant,
// and returns which these are and the value of the constant ones.
func (c *codec) split(width int) (mask uint8, rest uint64) {
	first, differ := c.res[0], uint64(0)
	for _, r := range c.res {
		differ |= r ^ first
	}
	rest = first
	for p := range width {
		shift := 8 * p
		if differ>>shift&0xff == 0 {
			continue
		}
		mask |= 1 << p
		rest &^= 0xff << shift
		at := len(c.planes)
		c.planes = slices.Grow(c.planes, len(c.res))[:at+len(c.res)]
		plane := c.planes[at:]
		for i, r := range c.res {
			plane[i] = byte(r >> shift)
		}
	}
	return mask, rest
}

// body is a packets block being decoded.
type body struct {
	dir    []byte // the directory's entries that are left
	planes []byte // the planes that are left
	newer  bool   // written by a newer minor version
}

// decodeBody is the inverse of appendBody. m must have passed its checks.
func (c *codec) decodeBody(raw []byte, m *marker, b *Block) error {
	if len(raw) < bodyHead {
		return errors.New("packets block is too short")
	}
	n := binary.LittleEndian.Uint32(raw)
	flows, paths := binary.LittleEndian.Uint32(raw[4:]), binary.LittleEndian.Uint32(raw[8:])
	cols := binary.LittleEndian.Uint32(raw[12:])
	c.base = pkt.Time(binary.LittleEndian.Uint64(raw[16:]))
	if n == 0 || n != m.count || flows > n || paths > n || cols > 255 || outOfRange(c.base) {
		return errors.New("packets block has impossible counts")
	}
	raw = raw[bodyHead:]
	dirLen, flowsLen, pathsLen := int(cols)*dirEntry, int(flows)*flowEntry, int(paths)*pathEntry
	if len(raw) < dirLen+flowsLen+pathsLen {
		return errors.New("packets block is too short for its dictionaries")
	}
	in := body{dir: raw[:dirLen], newer: m.minor > Minor}
	raw = raw[dirLen:]
	b.First, b.rest = m.first, nil
	b.resize(int(n))
	c.res = grow(c.res, int(n))
	if err := b.readDictionaries(raw[:flowsLen], raw[flowsLen:flowsLen+pathsLen]); err != nil {
		return err
	}
	in.planes = raw[flowsLen+pathsLen:]
	return c.decodeColumns(&in, b)
}

func (b *Block) readDictionaries(flows, paths []byte) error {
	n := len(flows) / flowEntry
	b.Flows = grow(b.Flows, n)
	for i := range b.Flows {
		var e [flowEntry]byte
		for j := range e {
			e[j] = flows[j*n+i]
		}
		k := pkt.FlowKey{
			V6: e[0] == 6, Proto: e[1], Src: [16]byte(e[2:18]), Dst: [16]byte(e[18:34]),
			SrcPort: binary.BigEndian.Uint16(e[34:]), DstPort: binary.BigEndian.Uint16(e[36:]),
		}
		if e[0] != 4 && e[0] != 6 {
			return fmt.Errorf("flow %d has IP version %d", i, e[0])
		}
		if err := checkFlow(k); err != nil {
			return err
		}
		b.Flows[i] = k
	}
	b.Paths = grow(b.Paths, len(paths)/pathEntry)
	for i := range b.Paths {
		e := paths[i*pathEntry:]
		b.Paths[i] = Path{Hook: e[0], InDev: binary.LittleEndian.Uint32(e[1:]), OutDev: binary.LittleEndian.Uint32(e[5:])}
	}
	return nil
}

func (c *codec) decodeColumns(in *body, b *Block) error {
	for i := range columns {
		if err := in.skipUnknown(len(c.res)); err != nil {
			return err
		}
		if err := c.decodeColumn(in, &columns[i], b); err != nil {
			return fmt.Errorf("column %s: %w", columns[i].Name, err)
		}
	}
	if err := in.skipUnknown(len(c.res)); err != nil {
		return err
	}
	if b.HeadersOnly {
		b.dropOthers()
	}
	if len(in.dir) != 0 || len(in.planes) != 0 {
		return fmt.Errorf("packets block has %d bytes too many, or columns out of order", len(in.dir)+len(in.planes))
	}
	return nil
}

func (c *codec) decodeColumn(in *body, col *Column, b *Block) error {
	if b.HeadersOnly && !col.describesPacket() {
		return in.skip(col, len(c.res))
	}
	s, err := in.take(col, len(c.res))
	if err != nil {
		return err
	}
	if col.together != alone {
		c.together[col.together] = s
		if col.together == numTogether-1 {
			c.decodeTogether(b)
		}
		return nil
	}
	if col.direct != nil {
		if done, err := col.direct(c, s, b); done {
			return err
		}
	}
	if c.zero = s.mask == 0 && s.rest == 0; c.zero {
		clear(c.res)
	} else {
		joinPlanes(c.res, s.planes, s.mask, s.rest)
	}
	return col.decode(c, b)
}

// skipUnknown passes over the columns that this version does not know.
func (in *body) skipUnknown(n int) error {
	for len(in.dir) > 0 && columnByID(in.dir[0]) < 0 {
		if !in.newer {
			return fmt.Errorf("column %d is unknown", in.dir[0])
		}
		size := bits.OnesCount8(in.dir[2]) * n
		if size > len(in.planes) {
			return fmt.Errorf("column %d is cut", in.dir[0])
		}
		in.dir, in.planes = in.dir[dirEntry:], in.planes[size:]
	}
	return nil
}

// skip passes over column col, if the block has it.
func (in *body) skip(col *Column, n int) error {
	if len(in.dir) == 0 || in.dir[0] != col.ID {
		return nil
	}
	size := bits.OnesCount8(in.dir[2]) * n
	if size > len(in.planes) {
		return errors.New("is cut")
	}
	in.dir, in.planes = in.dir[dirEntry:], in.planes[size:]
	return nil
}

// take takes column col, whose values are 0 when the block does not have it.
func (in *body) take(col *Column, n int) (s stored, err error) {
	if len(in.dir) == 0 || in.dir[0] != col.ID {
		return s, nil
	}
	width, mask := int(in.dir[1]), in.dir[2]
	rest := binary.LittleEndian.Uint64(in.dir[3:])
	if width != col.Width || mask>>width != 0 || width < maxWidth && rest>>(8*width) != 0 {
		return s, errors.New("has a wrong width")
	}
	size := bits.OnesCount8(mask) * n
	if size > len(in.planes) {
		return s, errors.New("is cut")
	}
	s = stored{mask, rest, in.planes[:size]}
	in.dir, in.planes = in.dir[dirEntry:], in.planes[size:]
	return s, nil
}

// joinPlanes sets res to rest and the planes that mask names.
func joinPlanes(res []uint64, planes []byte, mask uint8, rest uint64) {
	n := len(res)
	var plane [maxWidth][]byte
	var shift [maxWidth]int
	k := 0
	for p := range maxWidth {
		if mask&(1<<p) != 0 {
			plane[k], shift[k] = planes[k*n:][:n], 8*p
			k++
		}
	}
	// One pass for the usual one to three planes, more for the others. The
	// lengths are stated where the compiler can see them.
	s0, s1, s2 := shift[0]&63, shift[1]&63, shift[2]&63
	switch {
	case k == 0:
		for i := range res {
			res[i] = rest
		}
	case k == 1:
		p0 := plane[0][:len(res)]
		for i := range res {
			res[i] = rest | uint64(p0[i])<<s0
		}
	case k == 2:
		p0, p1 := plane[0][:len(res)], plane[1][:len(res)]
		for i := range res {
			res[i] = rest | uint64(p0[i])<<s0 | uint64(p1[i])<<s1
		}
	default:
		p0, p1, p2 := plane[0][:len(res)], plane[1][:len(res)], plane[2][:len(res)]
		for i := range res {
			res[i] = rest | uint64(p0[i])<<s0 | uint64(p1[i])<<s1 | uint64(p2[i])<<s2
		}
	}
	for j := 3; j < k; j++ {
		s := shift[j] & 63
		p := plane[j][:len(res)]
		for i := range res {
			res[i] |= uint64(p[i]) << s
		}
	}
}
