package egress

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Digest is the fingerprint of a run: equal digests mean the same packets
// arrived at the same nanoseconds and met the same decisions at the same
// nanoseconds, on any machine.
//
// It is XXH64 over one 24-byte record for each event, in order: time; packet ID
// xor flow hash<<32; kind | reason<<8 | DS field<<16 | length<<32. Each is a
// little-endian 64-bit word.
type Digest struct {
	h   xxhash.Digest
	n   uint // bytes in buf
	buf [digestBuffer]byte
}

const (
	digestRecord = 24
	digestBuffer = 170 * digestRecord
)

// NewDigest returns an empty digest.
func NewDigest() *Digest {
	d := &Digest{}
	d.h.Reset()
	return d
}

// Event implements Sink.
func (d *Digest) Event(e Event) {
	n := d.n
	if n > digestBuffer-digestRecord {
		d.flush()
		n = 0
	}
	d.n = n + digestRecord
	r, p := d.buf[n:n+digestRecord], e.Packet
	binary.LittleEndian.PutUint64(r[0:], uint64(e.Time))
	binary.LittleEndian.PutUint64(r[8:], p.ID^uint64(p.Flow.Hash)<<32)
	binary.LittleEndian.PutUint64(r[16:], uint64(e.Kind)|uint64(e.Reason)<<8|uint64(p.DSField)<<16|uint64(p.Len)<<32)
}

func (d *Digest) flush() {
	_, _ = d.h.Write(d.buf[:d.n]) // xxhash never fails
	d.n = 0
}

// Sum64 is the digest so far.
func (d *Digest) Sum64() uint64 {
	d.flush()
	return d.h.Sum64()
}

// String is the digest as runs print it: "xxh64:" and 16 hex digits.
func (d *Digest) String() string { return fmt.Sprintf("xxh64:%016x", d.Sum64()) }

// Tee passes each event to every sink in order.
func Tee(sinks ...Sink) Sink { return tee(sinks) }

type tee []Sink

func (t tee) Event(e Event) {
	for _, s := range t {
		s.Event(e)
	}
}
