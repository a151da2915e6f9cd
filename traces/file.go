package traces

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"

	"github.com/uqtool/uq/sim/pkt"
)

// BlockInfo describes a packets block without reading it.
type BlockInfo struct {
	// Offset and Size are the place in the file of the block with its marker, in
	// bytes.
	Offset, Size int64
	// First is the number of its first record, Records how many there are.
	First   uint64
	Records int
	// Start and End are the times of its first and last record.
	Start, End pkt.Time

	m marker
}

// File gives random access to a trace. It holds an index of the blocks, read
// from their markers, and no records. It is safe for concurrent use except
// Close.
type File struct {
	r      io.ReaderAt
	size   int64
	closer io.Closer
	header Header
	blocks []BlockInfo
	end    End
	ended  bool
	damage error
}

// Open opens a trace file; the caller closes it.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		var t *File
		if t, err = NewFile(f, size); err == nil {
			t.closer = f
			return t, nil
		}
	}
	f.Close()
	return nil, fmt.Errorf("%s: %w", path, err)
}

// NewFile indexes the trace in the first size bytes of r by reading 80 bytes a
// block. A trace that is cut or damaged is indexed up to there, see Damage.
func NewFile(r io.ReaderAt, size int64) (*File, error) {
	head, err := NewReader(io.NewSectionReader(r, 0, size))
	if err != nil {
		return nil, err
	}
	f := &File{r: r, size: size, header: head.Header()}
	return f, f.index(head)
}

// index walks the markers. Only the first damage is noted: what follows it is
// for Salvage.
func (f *File) index(head *Reader) error {
	var buf [markerSize]byte
	for off := head.in.off; ; {
		n, err := f.r.ReadAt(buf[:], off)
		if n < markerSize {
			if err != io.EOF {
				return fmt.Errorf("index the trace: %w", err)
			}
			f.note(head, off, ErrTruncated)
			return nil
		}
		m, err := head.marker(buf[:])
		if err == nil && off+markerSize+int64(m.comp) > f.size {
			err = ErrTruncated
		}
		if err == nil {
			err = head.sequence(&m)
		}
		if err != nil {
			f.note(head, off, err)
			return nil
		}
		next := off + markerSize + int64(m.comp)
		switch m.typ {
		case packetsBlock:
			f.blocks = append(f.blocks, BlockInfo{off, next - off, m.first, int(m.count), m.t0, m.t1, m})
		case endBlock:
			f.readEnd(head, off, &m)
			return nil
		}
		head.advance(&m, &head.block)
		off = next
	}
}

func (f *File) note(head *Reader, off int64, err error) {
	f.damage = &Damage{Offset: off, Record: head.next, Recovered: head.next, Places: 1, Err: err}
}

func (f *File) readEnd(head *Reader, off int64, m *marker) {
	raw := make([]byte, m.comp)
	if _, err := f.r.ReadAt(raw, off+markerSize); err != nil && err != io.EOF {
		f.note(head, off, err)
		return
	}
	text, err := head.frames.decode(m, raw)
	if err == nil {
		err = json.Unmarshal(text, &f.end)
	}
	f.ended = err == nil
	if err == nil && off+markerSize+int64(m.comp) != f.size {
		off, err = off+markerSize+int64(m.comp), ErrTrailing
	}
	if err != nil {
		f.note(head, off, err)
	}
}

// Close closes the file if Open opened it.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Header describes the trace.
func (f *File) Header() Header { return f.header }

// End returns the end record; ok is false if there is none.
func (f *File) End() (e End, ok bool) { return f.end, f.ended }

// Damage is nil for a trace that is whole as far as its markers tell, else the
// *Damage that ended the index.
func (f *File) Damage() error { return f.damage }

// Blocks lists the packets blocks. The caller must not change it.
func (f *File) Blocks() []BlockInfo { return f.blocks }

// BlockAt returns the index of the first block with a record at t or later;
// len(Blocks()) if there is none.
func (f *File) BlockAt(t pkt.Time) int {
	return sort.Search(len(f.blocks), func(i int) bool { return f.blocks[i].End >= t })
}

// ReadBlock reads block i into b, whose memory it reuses. For many blocks use
// Each or a BlockDecoder, which reuse the rest of the memory as well.
func (f *File) ReadBlock(i int, b *Block) error {
	d, err := f.Decoder()
	if err != nil {
		return err
	}
	return d.ReadBlock(i, b)
}

// BlockDecoder reads blocks of a File, reusing its memory. It is not safe for
// concurrent use; make one for each goroutine.
type BlockDecoder struct {
	f      *File
	frames *frameReader
	codec  codec
	frame  []byte
}

// Decoder returns a new BlockDecoder.
func (f *File) Decoder() (*BlockDecoder, error) {
	frames, err := newFrameReader()
	return &BlockDecoder{f: f, frames: frames}, err
}

// ReadBlock reads block i into b, whose memory it reuses.
func (d *BlockDecoder) ReadBlock(i int, b *Block) error {
	info := &d.f.blocks[i]
	d.frame = grow(d.frame, int(info.m.comp))
	n, err := d.f.r.ReadAt(d.frame, info.Offset+markerSize)
	if n < len(d.frame) {
		return d.damage(info, err)
	}
	raw, err := d.frames.decode(&info.m, d.frame)
	if err == nil {
		err = d.codec.decodeBody(raw, &info.m, b)
	}
	if err == nil && (b.Time[0] != info.Start || b.Time[b.Records()-1] != info.End) {
		err = errors.New("block's times differ from its marker's")
	}
	if err != nil {
		b.resize(0)
		return d.damage(info, err)
	}
	return nil
}

func (d *BlockDecoder) damage(info *BlockInfo, err error) error {
	return &Damage{Offset: info.Offset, Record: info.First, Recovered: info.First, Places: 1, Err: err}
}
