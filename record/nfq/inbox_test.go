package nfq

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// be is a big-endian value of n bytes.
func be(n int, v uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	return b[8-n:]
}

// cat joins attributes and fields.
func cat(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func attr(typ uint16, val ...[]byte) []byte { return appendAttr(nil, typ, cat(val...)) }

// packetHdr is struct nfqnl_msg_packet_hdr.
func packetHdr(id uint32, proto uint16, hook byte) []byte {
	return attr(attrPacketHdr, be(4, uint64(id)), be(2, uint64(proto)), []byte{hook})
}

// message is a netlink message with an nfgenmsg of family IPv4.
func message(typ uint16, attrs ...[]byte) []byte {
	b := begin(nil, typ, 0, 0, 0)
	b[nlHeaderLen] = 2
	return end(append(b, cat(attrs...)...), 0)
}

// nlError is the kernel's NLMSG_ERROR for a request.
func nlError(errno uint32, typ uint16, seq uint32) []byte {
	b := binary.NativeEndian.AppendUint32(nil, 0)
	b = binary.NativeEndian.AppendUint16(b, nlmsgError)
	b = append(b, make([]byte, 10)...)
	b = binary.NativeEndian.AppendUint32(b, -errno)
	b = binary.NativeEndian.AppendUint32(b, 32)
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 0)
	return end(b, 0)
}

var payload = []byte{0x45, 0, 0, 21, 5}

func fullPacket() []byte {
	return message(msgPacket,
		packetHdr(1, 0x0800, 3),
		attr(attrMark, be(4, 0x2a)),
		attr(attrTimestamp, be(8, 1700000000), be(8, 123456)),
		attr(attrInDev, be(4, 2)), attr(attrOutDev, be(4, 3)),
		attr(7, be(4, 4)), attr(8, be(4, 5)), // devices below a bridge: passed over
		attr(attrSkbInfo, be(4, 3)),
		attr(9, []byte("hwaddr unknown to us")),
		attr(attrCapLen, be(4, 65000)),
		attr(attrPayload, payload))
}

func TestInbox(t *testing.T) {
	minimal := func(id uint32) []byte {
		return message(msgPacket, packetHdr(id, 0x86dd, 4), attr(attrPayload, payload))
	}
	// The kernel does not count the padding of a message's last attribute.
	unpadded := func(id uint32) []byte { m := minimal(id); return end(m[:len(m)-3], 0) }
	packet := func(id uint32) Packet {
		return Packet{ID: id, Len: 5, Hook: 4, Payload: payload}
	}
	damaged := func(p Packet) Packet { p.Damaged = true; return p }
	for _, tt := range []struct {
		name    string
		in      [][]byte
		packets []Packet
		loss    Loss
		gone    []Ref
		answers []answer
	}{
		{name: "all attributes", in: [][]byte{fullPacket()}, packets: []Packet{{
			ID: 1, Len: 65000, Mark: 0x2a, InDev: 2, OutDev: 3, Info: CsumNotReady | GSO,
			KernelTime: 1700000000123456000, Hook: 3, Payload: payload}}},
		{name: "two in a datagram", in: [][]byte{cat(unpadded(1), []byte{0, 0, 0}, minimal(2))}, packets: []Packet{packet(1), packet(2)}},
		{name: "gap", in: [][]byte{minimal(1), minimal(5)}, packets: []Packet{packet(1), packet(5)}, loss: Loss{Missing: 3}},
		{name: "gap at the start", in: [][]byte{minimal(3)}, packets: []Packet{packet(3)}, loss: Loss{Missing: 2}},
		{name: "step back", in: [][]byte{minimal(1), minimal(2), minimal(1)}, packets: []Packet{packet(1), packet(2), packet(1)}},
		{name: "empty datagram", in: [][]byte{{}}},
		{name: "shorter than a header", in: [][]byte{{1, 2, 3}}, loss: Loss{Unparsed: 1}},
		{name: "length below the header's", in: [][]byte{cat([]byte{4, 0, 0, 4}, make([]byte, 12))}, loss: Loss{Unparsed: 1}},
		{name: "length zero", in: [][]byte{make([]byte, 32)}, loss: Loss{Unparsed: 1}},
		{name: "message cut", in: [][]byte{minimal(1)[:len(minimal(1))-6]}, loss: Loss{Unparsed: 1},
			packets: []Packet{damaged(func() Packet { p := packet(1); p.Payload = payload[:2]; return p }())}},
		{name: "no id", in: [][]byte{message(msgPacket, attr(attrPayload, payload))}, loss: Loss{Unparsed: 1}},
		{name: "short id", in: [][]byte{message(msgPacket, attr(attrPacketHdr, be(4, 1)))}, loss: Loss{Unparsed: 1}},
		{name: "no nfgenmsg", in: [][]byte{end(begin(nil, msgPacket, 0, 0, 0)[:nlHeaderLen], 0)}, loss: Loss{Unparsed: 1}},
		{name: "short mark", in: [][]byte{message(msgPacket, packetHdr(1, 0x86dd, 4), attr(attrMark, be(2, 1)), attr(attrPayload, payload))},
			packets: []Packet{damaged(packet(1))}, loss: Loss{Unparsed: 1}},
		{name: "stamp out of range", in: [][]byte{message(msgPacket, packetHdr(1, 0x86dd, 4), attr(attrTimestamp, be(8, 1<<40), be(8, 0)), attr(attrPayload, payload))},
			packets: []Packet{damaged(packet(1))}, loss: Loss{Unparsed: 1}},
		{name: "attribute of length zero", in: [][]byte{message(msgPacket, packetHdr(1, 0x86dd, 4), attr(attrPayload, payload), make([]byte, 4))},
			packets: []Packet{damaged(packet(1))}, loss: Loss{Unparsed: 1}},
		{name: "unknown message", in: [][]byte{message(0x0a01)}, loss: Loss{Unparsed: 1}},
		{name: "noop and done", in: [][]byte{message(nlmsgNoop), message(nlmsgDone)}},
		{name: "verdict refused", in: [][]byte{nlError(enoent, msgVerdict, 9), nlError(enoent, msgVerdictBatch, 12), nlError(1, msgVerdict, 10), nlError(0, msgVerdict, 11)},
			loss: Loss{Gone: 2, Refused: 1}, gone: []Ref{{0, 9}, {0, 12}}},
		{name: "configuration answered", in: [][]byte{nlError(0, msgConfig, 1), minimal(1), nlError(16, msgConfig, 2)},
			packets: []Packet{packet(1)}, answers: []answer{{1, 0}, {2, 16}}},
		{name: "short error", in: [][]byte{end(nlError(0, msgConfig, 1)[:20], 0)}, loss: Loss{Unparsed: 1}},
		{name: "error about another subsystem", in: [][]byte{nlError(1, 0x0a00, 1)}, loss: Loss{Unparsed: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := newInbox(0, 1)
			for _, b := range tt.in {
				in.add(b, false)
			}
			if d := cmp.Diff(tt.packets, in.packets, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("packets (-want +got):\n%s", d)
			}
			if in.loss != tt.loss {
				t.Errorf("loss: want %+v, got %+v", tt.loss, in.loss)
			}
			if d := cmp.Diff(tt.gone, in.gone); d != "" {
				t.Errorf("gone (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.answers, in.answers, cmp.AllowUnexported(answer{})); d != "" {
				t.Errorf("answers (-want +got):\n%s", d)
			}
		})
	}
}

// TestInboxQueues: ids count in each queue of its own, and the kernel's
// complaints name the queue where they repeat the request.
func TestInboxQueues(t *testing.T) {
	of := func(queue uint16, id uint32) []byte {
		b := message(msgPacket, packetHdr(id, 0x86dd, 4), attr(attrPayload, payload))
		binary.BigEndian.PutUint16(b[nlHeaderLen+2:], queue)
		return b
	}
	complaint := func(queue uint16, id uint32) []byte {
		b := nlError(enoent, msgVerdict, id)
		return end(append(b, 0, 0, byte(queue>>8), byte(queue)), 0)
	}
	in := newInbox(300, 3)
	for _, b := range [][]byte{of(300, 1), of(302, 1), of(301, 2), of(302, 2), of(300, 4), of(303, 1), of(299, 1), complaint(302, 7), complaint(301, 7)} {
		in.add(b, false)
	}
	var got []Ref
	for _, p := range in.packets {
		got = append(got, Ref{p.Queue, p.ID})
	}
	if d := cmp.Diff([]Ref{{300, 1}, {302, 1}, {301, 2}, {302, 2}, {300, 4}}, got); d != "" {
		t.Errorf("packets (-want +got):\n%s", d)
	}
	if want := (Loss{Missing: 3, Gone: 2, Unparsed: 2}); in.loss != want {
		t.Errorf("loss: want %+v, got %+v", want, in.loss)
	}
	if d := cmp.Diff([]Ref{{302, 7}, {301, 7}}, in.gone); d != "" {
		t.Errorf("gone (-want +got):\n%s", d)
	}
}

// A datagram cut by too small a buffer is a packet all the same.
func TestInboxCutDatagram(t *testing.T) {
	in := newInbox(0, 1)
	in.add(fullPacket(), true)
	if len(in.packets) != 1 || !in.packets[0].Damaged || in.loss.Unparsed != 1 {
		t.Errorf("got %+v, loss %+v", in.packets, in.loss)
	}
}

// Ids are 32 bits wide and wrap.
func TestInboxWrap(t *testing.T) {
	in := inbox{next: []uint32{1<<32 - 1}}
	for _, id := range []uint32{1<<32 - 1, 0, 2} {
		in.add(message(msgPacket, packetHdr(id, 0, 0)), false)
	}
	if want := (Loss{Missing: 1}); in.loss != want {
		t.Errorf("loss: want %+v, got %+v", want, in.loss)
	}
}

// Long streams of messages without end must not pile up answers.
func TestInboxAnswersBounded(t *testing.T) {
	in := newInbox(0, 1)
	for i := range uint32(100) {
		in.add(nlError(0, msgConfig, i), false)
	}
	if len(in.answers) != maxAnswers {
		t.Errorf("%d answers kept, want %d", len(in.answers), maxAnswers)
	}
}

func TestInboxAllocs(t *testing.T) {
	in, msg := newInbox(0, 1), fullPacket()
	verdicts := []Verdict{{ID: 1, Action: Accept}, {ID: 2, Action: Accept, SetMark: true, Mark: 1}}
	var out []byte
	if n := testing.AllocsPerRun(1000, func() {
		in.reset()
		in.add(msg, false)
		out = out[:0]
		for i := range verdicts {
			out, _ = appendVerdict(out, 1, &verdicts[i])
		}
	}); n != 0 {
		t.Errorf("%v allocations a packet, want none", n)
	}
}

// FuzzParse feeds the inbox anything: it must not panic, must not invent
// payload and must keep its counts in step with what it was given.
func FuzzParse(f *testing.F) {
	f.Add(fullPacket(), false)
	f.Add(fullPacket(), true)
	f.Add(cat(fullPacket(), nlError(enoent, msgVerdict, 7)), false)
	f.Add(message(msgPacket, packetHdr(1, 0, 0))[:20], false)
	f.Add([]byte{16, 0, 0, 0, 2, 0}, false)
	f.Fuzz(func(t *testing.T, b []byte, cut bool) {
		in := newInbox(0, 1)
		in.add(b, cut)
		messages := len(b)/nlHeaderLen + 1
		if len(in.packets)+len(in.gone)+len(in.answers) > messages {
			t.Fatalf("%d packets, %d gone, %d answers from %d bytes", len(in.packets), len(in.gone), len(in.answers), len(b))
		}
		for _, p := range in.packets {
			if len(p.Payload) > len(b) || uint64(len(p.Payload)) > uint64(p.Len) {
				t.Fatalf("packet %+v from %d bytes", p, len(b))
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	in, msg := newInbox(0, 1), fullPacket()
	b.ReportAllocs()
	for b.Loop() {
		in.reset()
		in.add(msg, false)
	}
}
