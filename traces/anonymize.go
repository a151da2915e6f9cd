package traces

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"net/netip"
	"strings"

	"github.com/uqtool/uq/sim/pkt"
)

// AnonymizerKeySize is the length of an Anonymizer's key in bytes.
const AnonymizerKeySize = 32

// Anonymizer replaces IP addresses so that two addresses share as many leading
// bits afterwards as before (the Crypto-PAn construction of Xu, Fan, Ammar and
// Moon, 2002, with AES-128; IPv6 the same over 128 bits). Who has the key, or
// knows some addresses of the trace, can find others. Ports, lengths and times
// stay.
//
// So that a reader can still tell whom a packet was for, multicast becomes
// multicast, 224.0.0.0/4 or ff00::/8, IPv6 with its flags and scope, and
// 255.255.255.255 stays. The construction sends each of these blocks somewhere
// else; there the unicast goes that it sends into the block. So shared prefixes
// of less than 4 bits (8 for IPv6) are not kept, nor those of 255.255.255.255.
// Other special addresses, as loopback, are replaced like all.
type Anonymizer struct {
	block cipher.Block
	pad   [16]byte
	v4    []swap
	v6    []swap
	done  map[pkt.FlowKey]pkt.FlowKey
}

// swap exchanges two blocks of addresses of the same size.
type swap struct {
	a, b [16]byte
	bits int
}

// apply moves an address of one block to its place in the other.
func (s *swap) apply(addr [16]byte) [16]byte {
	switch {
	case samePrefix(addr, s.a, s.bits):
		return withPrefix(addr, s.b, s.bits)
	case samePrefix(addr, s.b, s.bits):
		return withPrefix(addr, s.a, s.bits)
	}
	return addr
}

// withPrefix returns addr with the first bits of from.
func withPrefix(addr, from [16]byte, bits int) [16]byte {
	for i := 0; i < bits; i += 8 {
		mask := ^(byte(0xff) >> min(bits-i, 8)) // of the bits to take
		addr[i/8] = addr[i/8]&^mask | from[i/8]&mask
	}
	return addr
}

func samePrefix(a, b [16]byte, bits int) bool { return withPrefix(a, b, bits) == a }

var (
	multicast4 = [16]byte{0xe0}
	broadcast4 = [16]byte{0xff, 0xff, 0xff, 0xff}
	multicast6 = [16]byte{0xff}
)

// maxAnonymized is how many flows an Anonymizer remembers.
const maxAnonymized = 1 << 16

// NewAnonymizer takes a key of AnonymizerKeySize bytes: the AES key and the
// secret that the padding is made from.
func NewAnonymizer(key []byte) (*Anonymizer, error) {
	if len(key) != AnonymizerKeySize {
		return nil, fmt.Errorf("anonymizing key has %d bytes: want %d", len(key), AnonymizerKeySize)
	}
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		return nil, err
	}
	a := &Anonymizer{block: block, done: make(map[pkt.FlowKey]pkt.FlowKey)}
	block.Encrypt(a.pad[:], key[16:])
	a.v4 = append(a.v4, swap{a.address(multicast4, 32), multicast4, 4})
	a.v4 = append(a.v4, swap{a.v4[0].apply(a.address(broadcast4, 32)), broadcast4, 32})
	a.v6 = append(a.v6, swap{a.address(multicast6, 128), multicast6, 8})
	return a, nil
}

// Flow returns k with other addresses.
func (a *Anonymizer) Flow(k pkt.FlowKey) pkt.FlowKey {
	if out, ok := a.done[k]; ok {
		return out
	}
	out := k
	out.Src, out.Dst = a.replace(k.Src, k.V6), a.replace(k.Dst, k.V6)
	if len(a.done) >= maxAnonymized {
		clear(a.done)
	}
	a.done[k] = out
	return out
}

// replace is address, but for the blocks that stay what they are.
func (a *Anonymizer) replace(addr [16]byte, v6 bool) [16]byte {
	bits, swaps := 32, a.v4
	if v6 {
		bits, swaps = 128, a.v6
	}
	out := a.address(addr, bits)
	for i := range swaps {
		out = swaps[i].apply(out)
	}
	if v6 && addr[0] == multicast6[0] {
		out[1] = addr[1] // flags and scope
	}
	return out
}

// address flips bit i of the address or not depending on the bits before it.
func (a *Anonymizer) address(addr [16]byte, bits int) [16]byte {
	// in is the first i bits of the address, then the padding's.
	in, out := a.pad, addr
	for i := range bits {
		var hash [16]byte
		a.block.Encrypt(hash[:], in[:])
		at, bit := i/8, byte(0x80)>>(i%8)
		if hash[0]&0x80 != 0 {
			out[at] ^= bit
		}
		in[at] = in[at]&^bit | addr[at]&bit
	}
	return out
}

// Header returns h without what could name the machine, its place or the time:
// free words, device names, the clock anchor and the kernel's build.
func (a *Anonymizer) Header(h Header) Header {
	h.Anonymized = "crypto-pan"
	h.Comment, h.Anchor = "", nil
	if h.Host != nil {
		host := *h.Host
		host.Kernel = shortVersion(host.Kernel)
		h.Host = &host
	}
	if h.Capture != nil {
		c := *h.Capture
		c.Rule = ""
		h.Capture = &c
	}
	if h.Scenario != nil {
		h.Scenario = &Scenario{Bottleneck: h.Scenario.Bottleneck}
	}
	if h.Scheduler != nil {
		s := *h.Scheduler
		s.Link = a.words(s.Link)
		h.Scheduler = &s
	}
	devices := make([]Device, len(h.Devices))
	for i, d := range h.Devices {
		devices[i] = Device{Index: d.Index, Name: fmt.Sprintf("dev%d", d.Index), MTU: d.MTU}
	}
	h.Devices = devices
	return h
}

// words replaces the addresses and prefixes in a link's words, which name
// stations: they are still the packets' own.
func (a *Anonymizer) words(line string) string {
	words := strings.Fields(line)
	for i, w := range words {
		parts := strings.Split(w, ",")
		for j, part := range parts {
			if addr, err := netip.ParseAddr(part); err == nil {
				parts[j] = a.addr(addr).String()
			} else if p, err := netip.ParsePrefix(part); err == nil {
				parts[j] = netip.PrefixFrom(a.addr(p.Addr()), p.Bits()).Masked().String()
			}
		}
		words[i] = strings.Join(parts, ",")
	}
	return strings.Join(words, " ")
}

// addr is what an address becomes.
func (a *Anonymizer) addr(addr netip.Addr) netip.Addr {
	var k pkt.FlowKey
	k.SetAddrs(addr, addr)
	k.Src = a.replace(k.Src, k.V6)
	out, _ := k.Addrs()
	return out
}

// shortVersion keeps the first two numbers: "6.18" of "6.18.3-acme-17".
func shortVersion(v string) string {
	f := strings.SplitN(v, ".", 3)
	if len(f) < 2 {
		return ""
	}
	minor := strings.IndexFunc(f[1], func(r rune) bool { return r < '0' || r > '9' })
	if minor >= 0 {
		f[1] = f[1][:minor]
	}
	return f[0] + "." + f[1]
}

// Anonymize copies src to dst with other addresses and without the events' and
// the end's texts and a live run's digest. dst must have been made with a.Header. Damage is handled as
// in Copy.
func (a *Anonymizer) Anonymize(dst Sink, src Stream) error {
	return Copy(wordless{dst}, src, func(r *Record) { r.Flow = a.Flow(r.Flow) })
}

// wordless leaves out free text.
type wordless struct{ Sink }

func (w wordless) Event(e Event) error {
	e.Text = ""
	return w.Sink.Event(e)
}

func (w wordless) Close(e End) error {
	e.Why = ""
	if e.Scheduled != nil {
		// The digest covers the flows' hashes: guesses could be tried against it.
		e.Scheduled = &Scheduled{HorizonNs: e.Scheduled.HorizonNs}
	}
	return w.Sink.Close(e)
}
