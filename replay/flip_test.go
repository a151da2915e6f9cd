package replay

import (
	"bytes"
	"math/bits"
	"testing"
)

// TestFlipBit: the bit is a function of the number drawn, spread evenly over
// everything behind the IP header, and never in the header.
func TestFlipBit(t *testing.T) {
	v4 := append([]byte{0x46, 23: 0}, make([]byte, 16)...) // with an option
	v6 := append([]byte{0x60, 39: 0}, make([]byte, 16)...)
	for name, b := range map[string][]byte{"IPv4": v4, "IPv6": v6} {
		head, seen := len(b)-16, map[int]int{}
		for i := range uint64(128) {
			c := bytes.Clone(b)
			if !flipBit(c, i<<57) || differingBits(b, c) != 1 || !bytes.Equal(b[:head], c[:head]) {
				t.Fatalf("%s: number %d: % x", name, i, c)
			}
			at := bytes.IndexFunc(c[head:], func(r rune) bool { return r != 0 })
			seen[at*8+bits.TrailingZeros8(c[head+at])]++
		}
		if len(seen) != 128 {
			t.Errorf("%s: 128 numbers hit %d of 128 bits", name, len(seen))
		}
	}
	for _, b := range [][]byte{nil, {0x45}, v4[:24], v6[:40], append([]byte{0x30}, v6[1:]...), append([]byte{0x4f}, v4[1:]...)} {
		if c := bytes.Clone(b); flipBit(c, 1<<63) || !bytes.Equal(b, c) {
			t.Errorf("% x became % x", b, c)
		}
	}
}

// TestSetCE: the field of either family, and IPv4's checksum.
func TestSetCE(t *testing.T) {
	v4 := []byte{0x45, 0xb9, 0, 20, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	setCE(v4)
	if v4[1] != 0xbb || headerSum(v4) != 0xffff {
		t.Errorf("IPv4: % x", v4)
	}
	v6 := append([]byte{0x6a, 0xa5}, make([]byte, 38)...)
	setCE(v6)
	if v6[0] != 0x6a || v6[1] != 0xb5 {
		t.Errorf("IPv6: % x", v6[:2])
	}
}

// FuzzRewrite: whatever bytes there are, a flip changes one bit behind a header
// that fits, or none, and marking changes the ECN field and IPv4's checksum only.
func FuzzRewrite(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 20, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 9}, uint64(1)<<63)
	f.Add(append([]byte{0x60}, make([]byte, 60)...), uint64(7))
	f.Add([]byte{0x42, 19: 0}, uint64(0))
	f.Add([]byte{0x4f, 19: 0}, uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, x uint64) {
		flipped, marked := bytes.Clone(b), bytes.Clone(b)
		n := 0
		if flipBit(flipped, x) {
			n = 1
		}
		if d := differingBits(b, flipped); d != n || n == 1 && !bytes.Equal(b[:20], flipped[:20]) {
			t.Errorf("flip %d of % x: %d bits differ", x, b, d)
		}
		setCE(marked)
		if headerLen(b) == 0 {
			if !bytes.Equal(b, marked) {
				t.Errorf("% x became % x", b, marked)
			}
			return
		}
		if b[0]>>4 == 4 {
			if headerSum(marked) != 0xffff || marked[1] != b[1]|3 {
				t.Errorf("% x became % x", b, marked)
			}
			marked[10], marked[11] = b[10], b[11]
		} else if marked[1] != b[1]|0x30 {
			t.Errorf("% x became % x", b, marked)
		}
		marked[1] = b[1]
		if !bytes.Equal(b, marked) {
			t.Errorf("% x became % x", b, marked)
		}
	})
}
