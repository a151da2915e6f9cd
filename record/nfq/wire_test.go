package nfq

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
)

// littleEndian skips tests that compare whole messages.
func littleEndian(t *testing.T) {
	t.Helper()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("messages are written out for little-endian machines")
	}
}

func TestMessages(t *testing.T) {
	littleEndian(t)
	verdict := func(v Verdict) []byte {
		b, err := appendVerdict(nil, 5, &v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		name string
		got  []byte
		want string // nlmsghdr | nfgenmsg | attributes
	}{
		{"accept", verdict(Verdict{ID: 258, Action: Accept}),
			"20000000 0103 0100 02010000 00000000 | 00000005 | 0c000200 00000001 00000102"},
		{"drop", verdict(Verdict{ID: 1, Action: Drop}),
			"20000000 0103 0100 01000000 00000000 | 00000005 | 0c000200 00000000 00000001"},
		{"mark", verdict(Verdict{ID: 1, Action: Accept, SetMark: true, Mark: 0x10}),
			"28000000 0103 0100 01000000 00000000 | 00000005 | 0c000200 00000001 00000001 08000300 00000010"},
		{"batch", verdict(Verdict{ID: 1, Action: Accept, UpTo: true, Payload: []byte{1}}),
			"20000000 0303 0100 01000000 00000000 | 00000005 | 0c000200 00000001 00000001"},
		{"payload", verdict(Verdict{ID: 1, Action: Accept, Payload: []byte{0xaa}}),
			"28000000 0103 0100 01000000 00000000 | 00000005 | 0c000200 00000001 00000001 05000a00 aa000000"},
		{"bind", appendBind(nil, Config{Queue: 5, CopyRange: 128, MaxLen: 16384, GSO: true}, 1),
			"40000000 0203 0500 01000000 00000000 | 00000005 | 08000100 01000000 09000200 00000080 02000000 08000300 00004000 08000500 00000004 08000400 00000004"},
		{"bind without flags", appendBind(nil, Config{Queue: 5, CopyRange: 128, MaxLen: 16384}, 1),
			"30000000 0203 0500 01000000 00000000 | 00000005 | 08000100 01000000 09000200 00000080 02000000 08000300 00004000"},
		{"stop feed", appendStopFeed(nil, 5, 2),
			"2c000000 0203 0500 02000000 00000000 | 00000005 | 08000300 00000000 08000500 00000001 08000400 00000001"},
		{"probe", appendProbe(nil, 3),
			"1c000000 0203 0500 03000000 00000000 | 00000000 | 08000100 03000000"},
	} {
		want := strings.NewReplacer(" ", "", "|", "").Replace(tt.want)
		if got := hex.EncodeToString(tt.got); got != want {
			t.Errorf("%s: want %s, got %s", tt.name, want, got)
		}
	}
}

// TestPlainVerdict: what is prepared says what is built from scratch.
func TestPlainVerdict(t *testing.T) {
	const queue = 0x1234
	plain := newPlainVerdict(queue)
	for _, v := range []Verdict{
		{ID: 1, Action: Accept}, {ID: 1<<32 - 1, Action: Drop}, {ID: 0x01020304, Action: Accept},
		{ID: 9, Action: Accept, SetMark: true, Mark: 7}, {ID: 9, Action: Accept, UpTo: true}, {ID: 9, Action: Accept, Payload: []byte{1, 2, 3}},
	} {
		want, err := appendVerdict([]byte("8 before"), queue, &v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := plain.append([]byte("8 before"), queue, &v)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%+v: want %x, got %x, %v", v, want, got, err)
		}
	}
	if _, err := plain.append(nil, queue, &Verdict{Payload: make([]byte, MaxCopyRange+1)}); err == nil {
		t.Error("payload too long: want an error")
	}
}

func TestVerdictPayloadTooLong(t *testing.T) {
	if _, err := appendVerdict(nil, 5, &Verdict{ID: 3, Payload: make([]byte, MaxCopyRange+1)}); err == nil {
		t.Error("want an error")
	}
}

func TestParseKernelState(t *testing.T) {
	st, err := parseKernelState("    7  13186     3 2   128     4     5      600  1\n")
	want := KernelState{Queue: 7, PortID: 13186, Waiting: 3, Full: 4, Undelivered: 5, LastID: 600}
	if err != nil || st != want {
		t.Errorf("want %+v, got %+v, %v", want, st, err)
	}
	for _, s := range []string{"", "1 2 3", "x 1 1 1 1 1 1 1 1", "1 1 1 1 1 1 1 99999999999 1"} {
		if _, err := parseKernelState(s); err == nil {
			t.Errorf("%q: want an error", s)
		}
	}
}

// BenchmarkVerdict is what a verdict's message costs, prepared and built anew.
func BenchmarkVerdict(b *testing.B) {
	plain := newPlainVerdict(5)
	out := make([]byte, 0, 1<<10)
	v := Verdict{ID: 7, Action: Accept}
	b.Run("prepared", func(b *testing.B) {
		for b.Loop() {
			out, _ = plain.append(out[:0], 5, &v)
		}
	})
	b.Run("built", func(b *testing.B) {
		for b.Loop() {
			out, _ = appendVerdict(out[:0], 5, &v)
		}
	})
}
