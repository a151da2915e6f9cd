package traces

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"strings"

	"github.com/uqtool/uq/sim/pkt"
)

// AnonymizerKeySize is the length of an Anonymizer's key in bytes.
const AnonymizerKeySize = 32

// Anonymizer replaces IP addresses so that two addresses share as many leading
// bits afterwards as before (the Crypto-PAn construction of Xu, Fan, Ammar and
// Moon, 2002, with AES-128; IPv6 the same over 128 bits). Who has the key, or
// knows some addresses of the trace, can find others. Multicast and other
// special addresses are replaced like all. Ports, lengths and times stay.
type Anonymizer struct {
	block cipher.Block
	pad   [16]byte
	done  map[pkt.FlowKey]pkt.FlowKey
}

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
	return a, nil
}

// Flow returns k with other addresses.
func (a *Anonymizer) Flow(k pkt.FlowKey) pkt.FlowKey {
	if out, ok := a.done[k]; ok {
		return out
	}
	bits := 32
	if k.V6 {
		bits = 128
	}
	out := k
	out.Src, out.Dst = a.address(k.Src, bits), a.address(k.Dst, bits)
	if len(a.done) >= maxAnonymized {
		clear(a.done)
	}
	a.done[k] = out
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
	devices := make([]Device, len(h.Devices))
	for i, d := range h.Devices {
		devices[i] = Device{Index: d.Index, Name: fmt.Sprintf("dev%d", d.Index), MTU: d.MTU}
	}
	h.Devices = devices
	return h
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
// the end's texts. dst must have been made with a.Header. Damage is handled as
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
	return w.Sink.Close(e)
}
