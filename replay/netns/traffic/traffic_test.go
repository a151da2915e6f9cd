package traffic

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serve runs a server on a free port for the length of the test, with sockets of
// their own for addresses given.
func serve(t *testing.T, host string, others ...string) netip.AddrPort {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	port, done := make(chan uint16, 1), make(chan error, 1)
	var addrs []netip.Addr
	for _, h := range others {
		addrs = append(addrs, netip.MustParseAddr(h))
	}
	go func() { done <- Serve(ctx, addrs, 0, func(p uint16) { port <- p }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	select {
	case p := <-port:
		return netip.AddrPortFrom(netip.MustParseAddr(host), p)
	case err := <-done:
		done <- nil
		t.Skipf("no server here: %v", err)
	}
	return netip.AddrPort{}
}

func TestRunOverLoopback(t *testing.T) {
	addr := serve(t, "127.0.0.1")
	for _, m := range []Mix{
		{Name: "mix", Down: true}, {Name: "mix"},
		{Name: "udp", Both: true, Rate: 4_000_000},
		{Name: "bulk", Both: true},
	} {
		m.Duration, m.Seed = 400*time.Millisecond, 7
		for _, r := range Run(context.Background(), m, addr) {
			t.Log(r)
			if strings.HasPrefix(r.Source, "ping") {
				continue // needs a raw socket
			}
			if r.Err != "" || r.Bytes == 0 {
				t.Errorf("%+v: report %+v: want bytes and no error", m, r)
			}
			if r.Received > r.Sent {
				t.Errorf("%s: received %d of %d", r.Source, r.Received, r.Sent)
			}
		}
	}
}

// TestStations runs the mix with three servers: each must answer from its own
// address, or the client's connected sockets would not see it.
func TestStations(t *testing.T) {
	addr := serve(t, "127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.4")
	m := Mix{Name: "udp", Both: true, Rate: 4_000_000, Stations: 3, Duration: 300 * time.Millisecond, Seed: 7}
	reports := Run(context.Background(), m, addr)
	if one := len(reports) / 3; len(reports)%3 != 0 || !strings.HasPrefix(reports[0].Source, "sta1.cbr1: ") || !strings.HasPrefix(reports[2*one].Source, "sta3.cbr1: ") {
		t.Errorf("reports of %v", reports)
	}
	for _, r := range reports {
		if r.Err != "" || r.Received == 0 {
			t.Errorf("%s: want datagrams", r)
		}
	}
}

func TestRunStopsEarly(t *testing.T) {
	addr := serve(t, "127.0.0.1")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	Run(ctx, Mix{Name: "mix", Duration: time.Hour}, addr)
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("Run returned after %s, want soon after its context's end", d)
	}
}

func TestRunWithoutServer(t *testing.T) {
	for _, r := range Run(context.Background(), Mix{Name: "bulk", Duration: 50 * time.Millisecond},
		netip.MustParseAddrPort("127.0.0.1:1")) {
		if r.Err == "" {
			t.Errorf("%s: no error without a server", r.Source)
		}
	}
}

func TestSourcesFollowTheSeed(t *testing.T) {
	m := Mix{Name: "mix", Duration: time.Second, Seed: 1}
	a, b := m.sources(), m.sources()
	if d := cmp.Diff(a, b, cmp.AllowUnexported(source{})); d != "" {
		t.Errorf("same seed, different sources:\n%s", d)
	}
	m.Seed = 2
	if cmp.Equal(a, m.sources(), cmp.AllowUnexported(source{})) {
		t.Error("another seed gives the same sources")
	}
}

func TestFloodOffersTwiceTheRate(t *testing.T) {
	const rate = 20_000_000
	var bps float64
	for _, s := range (Mix{Name: "udp", Rate: rate}).sources() {
		if s.kind == cbr {
			bps += float64(s.size+udpHeaders(s.v6)) * 8 / s.interval.Seconds()
		}
	}
	if bps < 1.99*rate || bps > 2.01*rate {
		t.Errorf("flood of %.0f bit/s, want %d", bps, 2*rate)
	}
}

func TestDescribe(t *testing.T) {
	want := []string{
		"tcp1: TCP cubic bulk, server to client, IPv6",
		"tcp2: TCP cubic bulk, server to client, IPv6",
		"web: TCP cubic flows of 5 to 100 kB, think time 50ms to 500ms, server to client, IPv6",
		"voip: UDP 200 B each 20ms, echoed, IPv6",
		"ping: ICMP echo 56 B each 100ms, IPv6",
	}
	if d := cmp.Diff(want, Mix{Name: "ipv6", Down: true}.Describe()); d != "" {
		t.Error(d)
	}
}

func TestValidate(t *testing.T) {
	for _, m := range []Mix{{Name: "mux", Duration: 1}, {Name: "mix"}, {Name: "mix", Duration: MaxDuration + 1}, {Name: "mix", Duration: 1, Stations: MaxStations + 1}} {
		if m.Validate() == nil {
			t.Errorf("%+v is valid", m)
		}
	}
	if err := (Mix{Name: "udp", Duration: time.Second}).Validate(); err != nil {
		t.Error(err)
	}
}
