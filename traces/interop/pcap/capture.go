package pcap

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/klauspost/compress/zstd"

	"github.com/uqtool/uq/traces"
)

// ErrNotCapture is the error of a file that is neither pcap nor pcapng.
var ErrNotCapture = errors.New("not a capture: want pcap or pcapng, as it is or compressed by gzip or zstd")

// frame is one packet as captured; data is valid until the next one is read.
type frame struct {
	ns    int64 // timestamp, ns since 1970
	data  []byte
	wire  int // length on the wire, bytes
	iface int
	link  layers.LinkType
	dir   direction
	lost  uint64 // packets lost before it, as the capture says
}

// capture is an open file of either format.
type capture interface {
	// next reads a packet; io.EOF ends a whole file.
	next(*frame) error
	// name of an interface; empty if it has none.
	name(iface int) string
	interfaces() int
}

// openCapture finds out what r is.
func openCapture(r io.Reader) (c capture, format string, err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	for range 2 { // compressed at most once
		head, err := b.Peek(4)
		if len(head) < 4 {
			if err == nil || err == io.EOF {
				err = ErrNotCapture
			}
			return nil, "", fmt.Errorf("read the capture's header: %w", err)
		}
		switch {
		case bytes.Equal(head, []byte{0x0a, 0x0d, 0x0d, 0x0a}):
			c, err := openNg(b)
			return c, "pcapng", err
		case isPcap(head):
			c, err := openClassic(b)
			return c, "pcap", err
		case head[0] == 0x1f && head[1] == 0x8b:
			z, err := gzip.NewReader(b)
			if err != nil {
				return nil, "", fmt.Errorf("decompress the capture: %w", err)
			}
			b = bufio.NewReaderSize(z, 64<<10)
		case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
			z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
			if err != nil {
				return nil, "", fmt.Errorf("decompress the capture: %w", err)
			}
			b = bufio.NewReaderSize(z, 64<<10)
		default:
			return nil, "", ErrNotCapture
		}
	}
	return nil, "", ErrNotCapture
}

// isPcap knows the magic numbers of µs and ns captures of both byte orders.
func isPcap(head []byte) bool {
	for _, m := range []string{"\xa1\xb2\xc3\xd4", "\xd4\xc3\xb2\xa1", "\xa1\xb2\x3c\x4d", "\x4d\x3c\xb2\xa1"} {
		if string(head) == m {
			return true
		}
	}
	return false
}

// classic is a pcap file.
type classic struct {
	b *bufio.Reader
	r *pcapgo.Reader
}

func openClassic(b *bufio.Reader) (*classic, error) {
	// It reads from b itself, which is large enough.
	r, err := pcapgo.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("read the pcap header: %w", cut(err))
	}
	return &classic{b, r}, nil
}

func (c *classic) next(f *frame) error {
	if _, err := c.b.Peek(1); err != nil {
		return err
	}
	data, ci, err := c.r.ZeroCopyReadPacketData()
	if err != nil {
		return cut(err)
	}
	f.of(data, ci)
	f.link = c.r.LinkType()
	return nil
}

func (c *classic) name(int) string { return "" }
func (c *classic) interfaces() int { return 1 }

// ng is a pcapng file.
type ng struct {
	r      *pcapgo.NgReader
	blocks *blocks
	// dropped is what the interfaces' statistics say was lost.
	dropped uint64
}

func openNg(b *bufio.Reader) (*ng, error) {
	c := &ng{blocks: newBlocks(b)}
	var err error
	c.r, err = pcapgo.NewNgReader(c.blocks, pcapgo.NgReaderOptions{
		WantMixedLinkType: true, SkipUnknownVersion: true,
		StatisticsCallback: func(_ int, s pcapgo.NgInterfaceStatistics) {
			if s.PacketsDropped != pcapgo.NgNoValue64 {
				c.dropped += s.PacketsDropped
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read the pcapng header: %w", cut(err))
	}
	return c, nil
}

func (c *ng) next(f *frame) error {
	data, ci, opts, err := c.r.ZeroCopyReadPacketDataWithOptions()
	if err != nil {
		// The reader takes a cut between blocks for the end.
		if e := c.blocks.err; e != nil && e != io.EOF {
			return e
		}
		return err
	}
	f.of(data, ci)
	i, err := c.r.Interface(ci.InterfaceIndex)
	if err != nil {
		return err
	}
	if res := i.TimestampResolution; res.Binary() && res.Exponent() > 9 || !res.Binary() && res.Exponent() > 18 {
		base := 10
		if res.Binary() {
			base = 2
		}
		return fmt.Errorf("interface %d has a timestamp resolution of %d^-%d: want 10^-18 or 2^-9 at the finest", ci.InterfaceIndex, base, res.Exponent())
	}
	f.link = i.LinkType
	if opts.Flags != nil {
		switch opts.Flags.Direction {
		case pcapgo.NgEpbFlagDirectionInbound:
			f.dir = in
		case pcapgo.NgEpbFlagDirectionOutbound:
			f.dir = out
		}
	}
	if opts.DropCount != nil {
		f.lost = *opts.DropCount
	}
	return nil
}

func (c *ng) name(i int) string {
	n, err := c.r.Interface(i)
	if err != nil {
		return ""
	}
	return n.Name
}

// linkHeader is the length of the link-layer header that a Writer noted; 0 if none
// did.
func (c *ng) linkHeader() int {
	i, err := c.r.Interface(arrivals)
	if err != nil || i.Name != sides[arrivals].name || i.LinkType != layers.LinkTypeRaw {
		return 0
	}
	word, ok := strings.CutPrefix(i.Description, sides[arrivals].what+linkHeaderWord)
	n, err := strconv.ParseUint(word, 10, 16)
	if !ok || err != nil || n > traces.MaxLinkHeader {
		return 0
	}
	return int(n)
}

func (c *ng) interfaces() int { return c.r.NInterfaces() }

// of fills f with what both formats tell.
func (f *frame) of(data []byte, ci gopacket.CaptureInfo) {
	*f = frame{data: data, wire: max(ci.Length, len(data)), iface: ci.InterfaceIndex}
	if s := ci.Timestamp.Unix(); s > math.MaxInt64/int64(time.Second)-1 || s < 0 {
		f.ns = -1
		return
	}
	f.ns = ci.Timestamp.UnixNano()
}
