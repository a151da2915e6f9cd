package cli

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/ipv4"
)

// envSender makes the test binary a command for labs, which sends to the
// server: "once DIR", "flood SECONDS" or "churn SECONDS". Nobody listens there,
// which the server says as often as it likes.
const envSender = "UQ_TEST_SENDER"

// onTheWay is how long a busy kernel may take to forward what it was sent: the
// lab ends with its command, and counts what comes afterwards only at the rule.
const onTheWay = 500 * time.Millisecond

func sendForTest(what string) int {
	how, arg, _ := strings.Cut(what, " ")
	seconds, _ := strconv.Atoi(arg)
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	err := os.ErrInvalid
	switch how {
	case "once":
		err = sendOnce(arg)
	case "flood":
		err = flood(end)
		time.Sleep(onTheWay)
	case "churn":
		err = churn(end)
		time.Sleep(onTheWay)
	}
	if err != nil {
		return 1
	}
	return 0
}

// sendOnce sends 500 datagrams, says so in the directory dir, and stays until it
// finds the file "go" there.
func sendOnce(dir string) error {
	c, err := net.Dial("udp", "10.0.2.2:9")
	if err != nil {
		return err
	}
	buf := make([]byte, 1000)
	for i := range 500 {
		if i < 10 {
			time.Sleep(20 * time.Millisecond) // until the neighbours know each other
		}
		if i%64 == 63 {
			time.Sleep(time.Millisecond) // or the smallest receive buffer could be full
		}
		_, _ = c.Write(buf)
	}
	if err := os.WriteFile(filepath.Join(dir, "sent"), nil, 0o666); err != nil {
		return err
	}
	return waitFor(filepath.Join(dir, "go"))
}

// waitFor waits a minute at most for a file.
func waitFor(name string) (err error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err = os.Stat(name); err == nil {
			return nil
		}
	}
	return err
}

// batch is datagrams for one call.
func batch(n, size int) []ipv4.Message {
	ms := make([]ipv4.Message, n)
	for i := range ms {
		ms[i].Buffers = [][]byte{make([]byte, size)}
	}
	return ms
}

// flood sends small datagrams as fast as it can.
func flood(end time.Time) error {
	c, err := net.ListenPacket("udp4", ":0")
	if err != nil {
		return err
	}
	ms := batch(64, 22)
	for i := range ms {
		ms[i].Addr = &net.UDPAddr{IP: net.IPv4(10, 0, 2, 2), Port: 9}
	}
	for conn := ipv4.NewPacketConn(c); time.Now().Before(end); {
		_, _ = conn.WriteBatch(ms, 0)
	}
	return nil
}

// Churn is about 20 000 datagrams a second, four of each flow: 5000 new flows
// a second.
const (
	churnEvery = 4 * time.Millisecond
	churnFlows = 20
	churnSize  = 172 // 200 bytes with headers
)

// churn sends from a new port every second or so, to a new port with every
// flow.
func churn(end time.Time) error {
	ms := batch(4*churnFlows, churnSize)
	for i := range ms {
		ms[i].Addr = &net.UDPAddr{IP: net.IPv4(10, 0, 2, 2)}
	}
	for port := 0; time.Now().Before(end); {
		c, err := net.ListenPacket("udp4", ":0")
		if err != nil {
			return err
		}
		conn := ipv4.NewPacketConn(c)
		tick := time.NewTicker(churnEvery)
		for range 250 {
			<-tick.C
			for i := range ms {
				ms[i].Addr.(*net.UDPAddr).Port = 1024 + (port+i%churnFlows)%64000
			}
			port += churnFlows
			_, _ = conn.WriteBatch(ms, 0)
		}
		tick.Stop()
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}
