package traces

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// frameWriter turns blocks into pairs of marker and zstd frame. It reuses its
// memory.
type frameWriter struct {
	enc   *zstd.Encoder
	out   []byte
	trace uint64
}

func newFrameWriter() (*frameWriter, error) {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(encoderWindow),
		// The content size then stands in every frame, however short.
		zstd.WithSingleSegment(true))
	return &frameWriter{enc: enc}, err
}

// encoderWindow is how far back the encoder looks for repetitions, in bytes: a
// few planes.
const encoderWindow = 1 << 17

// Write collects the encoder's output.
func (f *frameWriter) Write(p []byte) (int, error) {
	f.out = append(f.out, p...)
	return len(p), nil
}

// encode returns the pair for block, which m describes but for its lengths and
// hashes. The result is valid until the next call.
//
// cuts are offsets in the block, ascending, at which the statistics of its bytes
// change. What lies between becomes a zstd block with an entropy code of its
// own, which makes the frame a tenth smaller.
func (f *frameWriter) encode(m marker, block []byte, cuts []int) ([]byte, error) {
	m.major, m.minor = Major, Minor
	m.size, m.sum = uint32(len(block)), xxhash.Sum64(block)
	if m.typ == headerBlock {
		f.trace = m.sum
	}
	m.trace = f.trace
	var room [markerSize]byte
	f.out = append(f.out[:0], room[:]...)
	if len(block) < worthCutting {
		f.out = f.enc.EncodeAll(block, f.out)
	} else if err := f.encodeParts(block, cuts); err != nil {
		return nil, fmt.Errorf("compress a block: %w", err)
	}
	m.comp = uint32(len(f.out) - markerSize)
	m.append(f.out[:0])
	return f.out, nil
}

func (f *frameWriter) encodeParts(block []byte, cuts []int) error {
	f.enc.ResetContentSize(f, int64(len(block)))
	done := 0
	for _, cut := range cuts {
		if _, err := f.enc.Write(block[done:cut]); err != nil {
			return err
		}
		if err := f.enc.Flush(); err != nil {
			return err
		}
		done = cut
	}
	if _, err := f.enc.Write(block[done:]); err != nil {
		return err
	}
	return f.enc.Close()
}

// worthCutting is the length in bytes from which a block, or the planes of its
// flow dictionary, are compressed in parts.
const worthCutting = 512

// frameReader decodes the frames of blocks. It reuses its memory.
type frameReader struct {
	dec *zstd.Decoder
	buf []byte
}

func newFrameReader() (*frameReader, error) {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(MaxBlockBytes),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true),
		// The marker's hash covers the same bytes.
		zstd.IgnoreChecksum(true))
	return &frameReader{dec: dec}, err
}

// decode returns the block in frame as m describes it, valid until the next
// call. It allocates only what both the marker and zstd's own header announce.
func (f *frameReader) decode(m *marker, frame []byte) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(frame); err != nil {
		return nil, fmt.Errorf("read the block's zstd header: %w", err)
	}
	if h.Skippable || !h.HasFCS || h.FrameContentSize != uint64(m.size) {
		return nil, fmt.Errorf("marker and zstd header disagree about the block's length: %d and %d", m.size, h.FrameContentSize)
	}
	if room := int(m.size) + decoderSlack; cap(f.buf) < room {
		f.buf = make([]byte, room+room/4)
	}
	block, err := f.dec.DecodeAll(frame, f.buf[:0:int(m.size)+decoderSlack])
	if err != nil {
		return nil, fmt.Errorf("decompress the block: %w", err)
	}
	if len(block) != int(m.size) || xxhash.Sum64(block) != m.sum {
		return nil, errors.New("block has a wrong checksum")
	}
	return block, nil
}

// decoderSlack is the room behind the content with which the decoder can use its
// faster copies.
const decoderSlack = 32

// findMarker returns the offset of the first marker prefix in b, or, when there
// is none, the offset from which a prefix may start that b cuts off.
func findMarker(b []byte) (at int, found bool) {
	if i := bytes.Index(b, markerPrefix); i >= 0 {
		return i, true
	}
	return max(0, len(b)-len(markerPrefix)+1), false
}
