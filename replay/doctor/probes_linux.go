package doctor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nft"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/pkt"
)

// The probes.
const (
	probeUserNS   = "user-namespace"
	probeNetNS    = "network-namespace"
	probeVeth     = "veth"
	probeShaper   = "shaper"
	probeBind     = "bind"
	probeRule     = "rule"
	probeLab      = "lab"
	probeGSO      = "gso"
	probeCapLen   = "cap-len"
	probeCE       = "ce"
	probeRcvBuf   = "receive-buffer"
	probeRcvRoom  = "receive-room"
	probeCounters = "counters"
	probeHost     = "host"
	probeTUN      = "tun"
	probeClock    = "clock"
	probeTimers   = "timers"
	probeVerdicts = "verdicts"
	probeRate     = "rate"
)

// probe is a probe's life, in the place it was started in.
func probe(name string) (found any, err error) {
	none := struct{}{}
	switch name {
	case probeUserNS:
		return none, tryRights()
	case probeNetNS:
		return NetNS{}, loopbackUp()
	case probeVeth:
		return none, tryVeth()
	case probeShaper:
		return none, tryShaper()
	case probeBind:
		return none, tryBind()
	case probeRule:
		return tryRule()
	case probeLab:
		return none, netns.Available()
	case probeGSO:
		return tryGSO()
	case probeCapLen:
		return tryCapLen()
	case probeCE:
		return tryCE()
	case probeRcvBuf:
		return tryRcvBuf(0)
	case probeRcvRoom:
		return tryRcvBuf(unread)
	case probeCounters:
		return none, tryCounters()
	case probeHost:
		return none, nfq.Permitted()
	case probeTUN:
		return none, tryTUN()
	case probeClock:
		return tryClock(), nil
	case probeTimers:
		return tryTimers()
	case probeVerdicts:
		return tryVerdicts()
	case probeRate:
		return tryRate()
	}
	return nil, fmt.Errorf("no probe %q", name)
}

// loopbackUp makes lo usable. In a namespace without rights, as AppArmor leaves
// it, that is refused.
func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// tryRights asks for something that a user namespace without capabilities, as
// AppArmor leaves it, is refused: a host name of its own.
func tryRights() error {
	if err := unix.Unshare(unix.CLONE_NEWUTS); errors.Is(err, unix.EPERM) {
		return fmt.Errorf("it comes without capabilities: %w", err)
	}
	return nil
}

func tryVeth() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "probe"
	veth := netlink.NewVeth(attrs)
	veth.PeerName = "probe-peer"
	return netlink.LinkAdd(veth)
}

// tryShaper puts a tbf on lo, which every kernel has.
func tryShaper() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	const rate, burst = 125_000, 3028 // bytes/s, bytes
	return netlink.QdiscReplace(&netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: lo.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       rate, Limit: 1 << 16, Buffer: netlink.Xmittime(rate, burst),
	})
}

func tryBind() error {
	q, err := nfq.Open(nfq.Config{})
	if err != nil {
		return err
	}
	return q.Close()
}

func tryRule() (Rule, error) {
	t, err := nft.Install(nft.Rule{Hook: nft.Forward, Bypass: true})
	if err != nil {
		return Rule{}, err
	}
	return Rule{Native: t.Native(), Owned: t.Owned()}, t.Remove()
}

func tryCounters() error {
	q, err := nfq.Open(nfq.Config{})
	if err != nil {
		return err
	}
	_, err = nfq.ReadKernelState(0)
	return errors.Join(err, q.Close())
}

func tryTUN() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "probe"
	tun := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TUN, NonPersist: true, Queues: 1,
		Flags: netlink.TUNTAP_NO_PI | unix.IFF_VNET_HDR}
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_ = f.Close()
	if err := netlink.LinkAdd(tun); err != nil {
		return fmt.Errorf("make a device: %w", err)
	}
	for _, fd := range tun.Fds {
		_ = fd.Close()
	}
	return nil
}

// firstWait is how long a packet may take to come through the queue.
const firstWait = time.Second

// tryCapLen sends a packet longer than the copy range.
func tryCapLen() (c CapLen, err error) {
	const payload, copied = 1000, 64
	bench, err := newBench(nfq.Config{CopyRange: copied}, udpRule(nft.Output))
	if err != nil {
		return c, err
	}
	defer bench.close()
	if err := bench.send(payload, 1); err != nil {
		return c, err
	}
	p, err := bench.first()
	if err != nil {
		return c, err
	}
	return CapLen{Sent: payload + headers, Copied: uint32(len(p.Payload)), Told: p.Len}, nil
}

// headers are those of IPv4 and UDP, in bytes.
const headers = 28

// tryGSO opens a queue with the flag and looks for a packet longer than the MTU.
func tryGSO() (g GSO, err error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return g, err
	}
	if err := netlink.LinkSetMTU(lo, 1500); err != nil {
		return g, fmt.Errorf("set the MTU of lo: %w", err)
	}
	bench, err := newBench(nfq.Config{GSO: true}, nft.Rule{Hook: nft.Output, Proto: pkt.ProtoTCP, Port: port})
	if err != nil {
		return g, err
	}
	defer bench.close()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return g, err
	}
	defer l.Close()
	over := make(chan error, 1)
	go func() { over <- bulk(l) }()
	for end := time.Now().Add(firstWait); time.Now().Before(end); {
		b, err := bench.q.Receive(10 * time.Millisecond)
		if err != nil {
			return g, err
		}
		for _, p := range b.Packets {
			if p.Info&nfq.GSO != 0 || p.Len <= 1500 {
				g.Largest = max(g.Largest, p.Len)
			}
		}
		if err := bench.decide(b.Packets, nfq.Verdict{Action: nfq.Accept}); err != nil {
			return g, err
		}
		select {
		case err := <-over:
			return g, err
		default:
		}
	}
	return g, fmt.Errorf("TCP got nowhere: %w", os.ErrDeadlineExceeded)
}

// bulk sends and reads 256 KiB over one connection.
func bulk(l net.Listener) error {
	const n = 256 << 10
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return // the other side notices
		}
		defer c.Close()
		_, _ = c.Write(make([]byte, n))
	}()
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	buf, got := make([]byte, 64<<10), 0
	for got < n {
		k, err := c.Read(buf)
		if got += k; err != nil {
			return fmt.Errorf("read %d of %d bytes: %w", got, n, err)
		}
	}
	return nil
}

// tryCE sends a packet with ECT(0), marks it by its verdict and looks at how it
// arrives.
func tryCE() (c CE, err error) {
	const mark, last = 1, 300
	bench, err := newBench(nfq.Config{}, udpRule(nft.Output),
		nft.Rule{Name: "ce", Hook: nft.Postrouting, Priority: last, Mark: mark, SetCE: true})
	if err != nil {
		return c, err
	}
	defer bench.close()
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return c, err
	}
	defer sink.Close()
	if err := receiveTOS(sink); err != nil {
		return c, err
	}
	if err := unix.SetsockoptInt(bench.fd, unix.IPPROTO_IP, unix.IP_TOS, 2); err != nil {
		return c, err
	}
	if err := bench.send(100, 1); err != nil {
		return c, err
	}
	p, err := bench.first()
	if err != nil {
		return c, err
	}
	if err := bench.decide([]nfq.Packet{p}, nfq.Verdict{Action: nfq.Accept, SetMark: true, Mark: mark}); err != nil {
		return c, err
	}
	c.ECN, err = arrivedECN(sink)
	return c, err
}

func receiveTOS(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	serr := error(nil)
	err = raw.Control(func(fd uintptr) { serr = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1) })
	return errors.Join(err, serr)
}

// arrivedECN reads one packet and gives its ECN field.
func arrivedECN(sink *net.UDPConn) (uint8, error) {
	if err := sink.SetReadDeadline(time.Now().Add(firstWait)); err != nil {
		return 0, err
	}
	buf, oob := make([]byte, 2048), make([]byte, 128)
	_, n, _, _, err := sink.ReadMsgUDP(buf, oob)
	if err != nil {
		return 0, fmt.Errorf("wait for the packet: %w", err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return 0, err
	}
	for _, m := range msgs {
		if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TOS && len(m.Data) > 0 {
			return m.Data[0] & 3, nil
		}
	}
	return 0, errors.New("the packet came without its TOS")
}
