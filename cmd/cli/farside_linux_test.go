package cli

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/traces"
)

// far counts what arrives at the far side of a lab.
type far struct {
	Packets int `json:"packets"`
	CE      int `json:"ce"`
	BadIPv4 int `json:"bad_ipv4_checksums"`
	IPv6    int `json:"ipv6"`
	NotAnIP int `json:"not_ip"`
	// Unseen are those that came while this program got no processor.
	Unseen int `json:"unseen"`
}

// farside is a program of the live scripts. "farside watch FILE" is the lab's
// server command: it reads every packet that arrives and writes its counts when
// told to end and nothing more comes. "farside check FILE TRACE" compares them
// with a trace's marks.
func farside() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "watch":
		err = watchFarside(os.Args[2])
	case len(os.Args) == 4 && os.Args[1] == "check":
		err = checkFarside(os.Args[2], os.Args[3])
	default:
		err = errors.New("usage: farside watch FILE | check FILE TRACE")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "farside:", err)
		os.Exit(1)
	}
}

func watchFarside(path string) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	fd, err := openFarside()
	if err != nil {
		return err
	}
	// The lab waits for a server's first socket.
	listens, err := net.ListenPacket("udp", ":0")
	if err != nil {
		return err
	}
	defer listens.Close()
	var f far
	buf := make([]byte, 128)
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if err == nil {
			f.count(buf[:n], from)
			continue
		}
		select {
		case <-stop: // what came until then has been read
			return f.write(fd, path)
		default:
		}
	}
}

// farBuffer is the receive buffer asked for, in bytes: seconds of a lab's packets.
const farBuffer = 4 << 20

// openFarside opens a socket that gets every packet, and waits for one for
// 50 ms.
func openFarside() (fd int, err error) {
	all := uint16(unix.ETH_P_ALL)
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(all<<8|all>>8))
	if err != nil {
		return fd, err
	}
	tv := unix.NsecToTimeval((50 * time.Millisecond).Nanoseconds())
	return fd, errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, farBuffer))
}

// write writes the counts, with what did not fit the socket's buffer.
func (f *far) write(fd int, path string) error {
	st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return err
	}
	f.Unseen = int(st.Drops)
	out, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return os.WriteFile(path, out, 0o644)
}

// count looks at one packet as it came in; what goes out is not ours.
func (f *far) count(b []byte, from unix.Sockaddr) {
	if ll, ok := from.(*unix.SockaddrLinklayer); !ok || ll.Pkttype == unix.PACKET_OUTGOING {
		return
	}
	f.Packets++
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		if b[1]&3 == 3 {
			f.CE++
		}
		if !ipv4Sum(b[:4*int(b[0]&15)]) {
			f.BadIPv4++
		}
	case len(b) >= 40 && b[0]>>4 == 6:
		f.IPv6++
		if b[1]>>4&3 == 3 {
			f.CE++
		}
	default:
		f.NotAnIP++
	}
}

func ipv4Sum(h []byte) bool {
	s := uint32(0)
	for i := 0; i+1 < len(h); i += 2 {
		s += uint32(binary.BigEndian.Uint16(h[i:]))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return s == 0xffff
}

func checkFarside(path, trace string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var f far
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	file, err := os.Open(trace)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := traces.NewReader(file)
	if err != nil {
		return err
	}
	marked, passed := 0, 0
	var rec traces.Record
	for err = r.Next(&rec); err == nil; err = r.Next(&rec) {
		switch rec.Verdict {
		case traces.MarkCE:
			marked++
			passed++
			if rec.Info&traces.Copied != 0 { // once, by a link that loses none
				marked++
			}
		case traces.Accept:
			passed++
		}
	}
	fmt.Printf("trace: %d passed, %d marked; far side: %+v\n", passed, marked, f)
	switch {
	case err != io.EOF:
		return err
	case marked == 0 || f.CE > marked || f.CE+f.Unseen < marked:
		return fmt.Errorf("%d packets with CE arrived, %d were marked", f.CE, marked)
	case f.BadIPv4 > 0:
		return fmt.Errorf("%d IPv4 header checksums are wrong", f.BadIPv4)
	}
	return nil
}
