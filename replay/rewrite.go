package replay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"syscall"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/replay/raw"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/traces"
)

// Sender sends an IP packet by a device, with raw.Mark beside the bits of mark.
type Sender interface {
	Send(b []byte, dev, mark uint32) error
}

// Copies says whether l makes copies of packets, for which a Live needs a Sender.
func Copies(l link.Link) bool { return slices.Contains(link.Rewrites(l), "duplicate") }

// Whole says whether l needs all bytes of each packet: a queue for it takes no
// super-packets and has the largest copy range.
func Whole(l link.Link) bool { return len(link.Rewrites(l)) > 0 }

// WholeRcvBuf is a receive buffer for whole packets, in bytes: as many as the
// default one holds of headers.
const WholeRcvBuf = 4 * nfq.DefaultRcvBuf

// Rewrites is what became of the packets that the link copied or corrupted.
//
//	Copies = Sent + Lost + Refused + Unfinished
type Rewrites struct {
	// Copies were made by the link. Sent ones went out, Lost ones were lost by the
	// link, Refused ones could not be sent, by reason, and Unfinished ones were on
	// the link at the end.
	Copies     uint64            `json:"copies"`
	Sent       uint64            `json:"sent"`
	Lost       uint64            `json:"lost"`
	Refused    map[string]uint64 `json:"refused,omitempty"`
	Unfinished uint64            `json:"unfinished"`
	// Corrupted packets, copies among them, were to leave with a changed bit.
	// Unchanged ones of them could not be changed, by reason.
	Corrupted uint64            `json:"corrupted"`
	Unchanged map[string]uint64 `json:"unchanged,omitempty"`
	// Returned copies met the queue again, and passed.
	Returned uint64 `json:"returned"`
}

// String is a line of words.
func (r *Rewrites) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "copies: %d made = %d sent + %d lost + %d refused + %d unfinished", r.Copies, r.Sent, r.Lost, total(r.Refused), r.Unfinished)
	b.WriteString(reasons(r.Refused))
	fmt.Fprintf(&b, "; corrupted: %d = %d changed + %d not", r.Corrupted, r.Corrupted-total(r.Unchanged), total(r.Unchanged))
	b.WriteString(reasons(r.Unchanged))
	if r.Returned > 0 {
		fmt.Fprintf(&b, "; %d copies met the queue again, and passed", r.Returned)
	}
	return b.String()
}

func total(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

// reasons words a count by reason.
func reasons(m map[string]uint64) string {
	var words []string
	for why, n := range m {
		words = append(words, fmt.Sprintf("%s %d", why, n))
	}
	if len(words) == 0 {
		return ""
	}
	slices.Sort(words)
	return " (" + strings.Join(words, ", ") + ")"
}

// Why a packet cannot be rewritten.
const (
	superPacket  = "a super-packet: bind the queue without GSO"
	sumNotReady  = "checksum not complete: bind the queue without GSO"
	beyondCopied = "longer than the copy range"
	noPayload    = "nothing behind the IP header"
)

// rewriter does what a verdict cannot: it keeps the bytes of packets, sends
// copies and flips bits.
type rewriter struct {
	on     bool   // the link may need bytes
	sender Sender // nil unless the link makes copies
	own    *raw.Socket
	flips  *random.Rand
	free   [][]byte // buffers to use again
	loan   [][]byte // buffers lent until the next verdicts are sent
	out    []copied
	result Rewrites
}

// copied is a copy that is due.
type copied struct {
	bytes   []byte
	due     pkt.Time
	dev     uint32
	mark    uint32
	after   int // so many of the verdicts go first
	damaged bool
}

// newRewriter is for a link of a run with a seed. A nil sender is a raw socket,
// which release closes.
func newRewriter(l link.Link, seed uint64, sender Sender) (rw rewriter, err error) {
	if rw.on = Whole(l); !rw.on {
		return rw, nil
	}
	rw.flips = random.Stream(seed, "link/corrupt/bit")
	if !Copies(l) {
		return rw, nil
	}
	if rw.sender = sender; sender == nil {
		if rw.own, err = raw.Open(); err != nil {
			return rw, fmt.Errorf("duplicate: %w", err)
		}
		rw.sender = rw.own
	}
	return rw, nil
}

// release closes what newRewriter opened.
func (rw *rewriter) release() {
	if rw.own != nil {
		_ = rw.own.Close()
	}
}

// buffer is a copy of b.
func (rw *rewriter) buffer(b []byte) []byte {
	var buf []byte
	if n := len(rw.free); n > 0 {
		buf, rw.free = rw.free[n-1], rw.free[:n-1]
	}
	return append(buf[:0], b...)
}

// lend is a copy of b until the next verdicts are sent.
func (rw *rewriter) lend(b []byte) []byte {
	buf := rw.buffer(b)
	rw.loan = append(rw.loan, buf)
	return buf
}

// forget takes back the bytes of an entry.
func (rw *rewriter) forget(e *entry) {
	if e.bytes != nil {
		rw.free, e.bytes = append(rw.free, e.bytes), nil
	}
}

// sent takes back what was lent.
func (rw *rewriter) sent() {
	rw.free, rw.loan, rw.out = append(rw.free, rw.loan...), rw.loan[:0], rw.out[:0]
}

// unfit says why the packet's bytes are not those on the wire; empty if they are.
func (e *entry) unfit() string {
	switch {
	case e.rec.Info&traces.GSO != 0:
		return superPacket
	case e.rec.Info&traces.CsumNotReady != 0:
		return sumNotReady
	case len(e.bytes) < int(e.rec.Len):
		return beyondCopied
	}
	return ""
}

// flip draws a number for a packet that the link corrupts and, if it can,
// flips a bit of b. The number is drawn in any case, so that what happens to one
// packet does not change the next one's bit.
func (rw *rewriter) flip(b []byte, why string) bool {
	rw.result.Corrupted++
	x := rw.flips.Uint64()
	if why == "" && !flipBit(b, x) {
		why = noPayload
	}
	if why != "" {
		count(&rw.result.Unchanged, why)
	}
	return why == ""
}

func count(m *map[string]uint64, why string) {
	if *m == nil {
		*m = map[string]uint64{}
	}
	(*m)[why]++
}

// flipBit flips the bit of the IP packet b that x, a uniform number, chooses.
// The IP header is spared: with another address the packet would go to somebody
// who has nothing to do with it, and IPv6 has no checksum that tells. It reports
// whether there is anything behind the header.
func flipBit(b []byte, x uint64) bool {
	head := headerLen(b)
	if head == 0 || head >= len(b) {
		return false
	}
	bit, _ := bits.Mul64(x, uint64(len(b)-head)*8)
	b[head+int(bit/8)] ^= 1 << (bit % 8)
	return true
}

// headerLen is the length of b's IP header; 0 if it has none that fits.
func headerLen(b []byte) int {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		if n := int(b[0]&0xf) * 4; n >= 20 && n <= len(b) {
			return n
		}
	case len(b) >= 40 && b[0]>>4 == 6:
		return 40
	}
	return 0
}

// setCE sets the ECN field of the IP packet b to CE.
func setCE(b []byte) {
	switch head := headerLen(b); {
	case head == 0:
	case b[0]>>4 == 6:
		b[1] |= 0x30
	default:
		b[1] |= 3
		fixHeader(b[:head])
	}
}

// fixHeader computes the checksum of the IPv4 header h.
func fixHeader(h []byte) {
	h[10], h[11] = 0, 0
	sum := uint32(0)
	for i := 0; i+1 < len(h); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(h[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(h[10:], ^uint16(sum))
}

// refusal names an error of a Sender.
func refusal(err error) string {
	switch {
	case errors.Is(err, syscall.EMSGSIZE):
		return "longer than the device takes"
	case errors.Is(err, syscall.EPERM):
		return "dropped by a firewall rule"
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		return "no room in the kernel"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "no route"
	}
	return err.Error()
}
