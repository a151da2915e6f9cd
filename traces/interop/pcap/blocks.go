package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The pcapng blocks that matter (draft-ietf-opsawg-pcapng §4).
const (
	blockSection    = 0x0A0D0D0A
	blockInterface  = 1
	blockPacket     = 2 // obsolete
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6

	byteOrderMagic = 0x1A2B3C4D
)

// blocks passes on the blocks of a pcapng stream that its reader needs, whole
// ones only, and leaves out the others: the reader would remember some of them
// for as long as the section lasts. It refuses lengths that cannot be.
type blocks struct {
	r     *bufio.Reader
	order binary.ByteOrder
	block []byte // of the current one, what is still to be given
	buf   []byte
	// interfaces counts the current section's.
	interfaces int
	// simple and skipped count the blocks left out: packets without a time, and
	// what holds no packets.
	simple, skipped uint64
	err             error
}

func newBlocks(r *bufio.Reader) *blocks { return &blocks{r: r, order: binary.LittleEndian} }

// Read implements io.Reader.
func (b *blocks) Read(p []byte) (int, error) {
	for len(b.block) == 0 {
		if b.err == nil {
			b.err = b.next()
		}
		if b.err != nil {
			return 0, b.err
		}
	}
	n := copy(p, b.block)
	b.block = b.block[n:]
	return n, nil
}

// next reads a block.
func (b *blocks) next() error {
	var head [12]byte
	n, err := io.ReadFull(b.r, head[:])
	switch {
	case n == 0 && err == io.EOF:
		return io.EOF
	case err != nil:
		return cut(err)
	}
	typ := binary.LittleEndian.Uint32(head[:])
	if typ == blockSection { // reads the same in both orders
		if err := b.section(head[8:]); err != nil {
			return err
		}
	}
	typ = b.order.Uint32(head[:])
	length := b.order.Uint32(head[4:])
	wanted := b.wanted(typ)
	if length < 12 || length%4 != 0 || wanted && length > MaxBlock {
		return fmt.Errorf("block of type %#x has %d bytes: want 12 to %d, a multiple of 4", typ, length, MaxBlock)
	}
	if !wanted { // however long: names and secrets may be
		_, err := io.CopyN(io.Discard, b.r, int64(length)-int64(len(head)))
		return cut(err)
	}
	if b.interfaces > MaxInterfaces {
		return fmt.Errorf("section has more than %d interfaces", MaxInterfaces)
	}
	return b.load(head[:], int(length), typ)
}

// section takes the byte order of a section that begins.
func (b *blocks) section(magic []byte) error {
	b.interfaces = 0
	switch uint32(byteOrderMagic) {
	case binary.LittleEndian.Uint32(magic):
		b.order = binary.LittleEndian
	case binary.BigEndian.Uint32(magic):
		b.order = binary.BigEndian
	default:
		return errors.New("section header has no byte order")
	}
	return nil
}

func (b *blocks) wanted(typ uint32) bool {
	switch typ {
	case blockInterface:
		b.interfaces++
		return true
	case blockSection, blockPacket, blockStatistics, blockEnhanced:
		return true
	case blockSimple:
		b.simple++
	default:
		b.skipped++
	}
	return false
}

// load reads the rest of a block and holds its second length against the first.
func (b *blocks) load(head []byte, length int, typ uint32) error {
	if cap(b.buf) < length {
		b.buf = make([]byte, length, max(length, 4096))
	}
	b.buf = b.buf[:length]
	copy(b.buf, head)
	if _, err := io.ReadFull(b.r, b.buf[len(head):]); err != nil {
		return cut(err)
	}
	if again := b.order.Uint32(b.buf[length-4:]); again != uint32(length) {
		return fmt.Errorf("block of type %#x has %d bytes by its first length, %d by its second", typ, length, again)
	}
	if err := b.fits(typ, length); err != nil {
		return err
	}
	b.block = b.buf
	return nil
}

// least is the size of a block without options or data, in bytes.
func least(typ uint32) int {
	switch typ {
	case blockSection:
		return 28
	case blockInterface:
		return 20
	case blockEnhanced, blockPacket:
		return 32
	}
	return 24 // blockStatistics
}

// fits makes sure that nothing inside a block reaches beyond it: its reader
// would go on into the next one.
func (b *blocks) fits(typ uint32, length int) error {
	body := least(typ)
	if length < body {
		return fmt.Errorf("block of type %#x has %d bytes: want at least %d", typ, length, body)
	}
	if typ == blockEnhanced || typ == blockPacket {
		caplen := b.order.Uint32(b.buf[20:])
		if uint64(caplen) > uint64(length-body) {
			return fmt.Errorf("packet of %d captured bytes in a block of %d", caplen, length)
		}
		body += int(caplen+3) &^ 3
	}
	return b.options(b.buf[body-4:length-4], typ)
}

// options walks along them.
func (b *blocks) options(opts []byte, typ uint32) error {
	for len(opts) >= 4 {
		code, n := b.order.Uint16(opts), int(b.order.Uint16(opts[2:]))
		if code == 0 {
			return nil
		}
		if 4+n > len(opts) {
			return fmt.Errorf("option %d of a block of type %#x reaches beyond it", code, typ)
		}
		if typ == blockEnhanced {
			b.little(code, opts[4:4+n])
		}
		opts = opts[min(4+(n+3)&^3, len(opts)):]
	}
	return nil
}

// little gives the packet options that the reader takes for little-endian that
// order: flags and drop count.
func (b *blocks) little(code uint16, value []byte) {
	switch {
	case code == 2 && len(value) == 4:
		binary.LittleEndian.PutUint32(value, b.order.Uint32(value))
	case code == 4 && len(value) == 8:
		binary.LittleEndian.PutUint64(value, b.order.Uint64(value))
	}
}

// cut is err for a stream that ends inside of something.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
