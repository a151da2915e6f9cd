package traces

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/uqtool/uq/sim/pkt"
)

// blockType says what a block holds.
type blockType uint8

const (
	headerBlock  blockType = 1
	packetsBlock blockType = 2
	eventsBlock  blockType = 3
	endBlock     blockType = 4
)

// markerSize is the length of a marker: a zstd skippable frame that stands
// before the frame of every block and describes it.
const markerSize = 80

// markerPrefix opens every marker of this major version: the skippable frame's
// magic number, the length of its content, and uq's own magic. A reader that
// lost its place searches for it.
var markerPrefix = []byte("\x5a\x2a\x4d\x18\x48\x00\x00\x00uqtrace\n")

// marker is a decoded marker. FORMAT.md has the layout.
type marker struct {
	typ          blockType
	major, minor uint8
	// comp is the length of the frame that follows, size that of the block in
	// it, in bytes.
	comp, size uint32
	// count is how many records or events the block holds, and first the number
	// of its first one.
	count uint32
	first uint64
	// t0 and t1 are the times of the first and last.
	t0, t1 pkt.Time
	// trace identifies the trace: the hash of its header block.
	trace uint64
	// sum is the hash of the decoded block.
	sum uint64
}

func (m *marker) append(b []byte) []byte {
	start := len(b)
	b = append(b, markerPrefix...)
	b = append(b, byte(m.typ), m.major, m.minor, 0)
	b = binary.LittleEndian.AppendUint32(b, m.comp)
	b = binary.LittleEndian.AppendUint32(b, m.size)
	b = binary.LittleEndian.AppendUint32(b, m.count)
	b = binary.LittleEndian.AppendUint64(b, m.first)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.t0))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.t1))
	b = binary.LittleEndian.AppendUint64(b, m.trace)
	b = binary.LittleEndian.AppendUint64(b, m.sum)
	return binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b[start:]))
}

// Errors of markers that callers tell apart.
var (
	errNotMarker = errors.New("no block marker here")
	// ErrVersion is wrapped by the refusal of a newer major version.
	ErrVersion = errors.New("format is too new")
)

// parseMarker reads a marker from exactly markerSize bytes and checks its
// limits, so its numbers may be trusted for allocation.
func parseMarker(b []byte) (marker, error) {
	if !bytes.Equal(b[:4], markerPrefix[:4]) || !bytes.Equal(b[8:16], markerPrefix[8:]) {
		return marker{}, errNotMarker
	}
	m := marker{typ: blockType(b[16]), major: b[17], minor: b[18]}
	if m.major != Major {
		return m, fmt.Errorf("read format %d.%d with a program that knows %d.x: %w, get a newer uq",
			m.major, m.minor, Major, ErrVersion)
	}
	if binary.LittleEndian.Uint32(b[4:]) != markerSize-8 {
		return m, errNotMarker
	}
	if xxhash.Sum64(b[:72]) != binary.LittleEndian.Uint64(b[72:]) {
		return m, errors.New("block marker has a wrong checksum")
	}
	m.comp = binary.LittleEndian.Uint32(b[20:])
	m.size = binary.LittleEndian.Uint32(b[24:])
	m.count = binary.LittleEndian.Uint32(b[28:])
	m.first = binary.LittleEndian.Uint64(b[32:])
	m.t0 = pkt.Time(binary.LittleEndian.Uint64(b[40:]))
	m.t1 = pkt.Time(binary.LittleEndian.Uint64(b[48:]))
	m.trace = binary.LittleEndian.Uint64(b[56:])
	m.sum = binary.LittleEndian.Uint64(b[64:])
	return m, m.check()
}

func (m *marker) check() error {
	switch {
	case m.comp > maxFrameBytes || m.size > MaxBlockBytes:
		return fmt.Errorf("block of %d bytes (%d compressed) exceeds the limit of %d", m.size, m.comp, MaxBlockBytes)
	case m.count > MaxBlockRecords:
		return fmt.Errorf("block of %d records exceeds the limit of %d", m.count, MaxBlockRecords)
	case m.first > 1<<62:
		return fmt.Errorf("block starts at record %d, which cannot be", m.first)
	case outOfRange(m.t0) || outOfRange(m.t1) || m.t0 > m.t1:
		return fmt.Errorf("block spans impossible times %s to %s", m.t0, m.t1)
	}
	return nil
}
