package traffic

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// Run runs the mix against the server at addr, or those from addr on, until its
// duration is over or ctx ends, and reports each source in the order of Describe. A source that cannot
// go on says so in its report and does not stop the others. Run returns at most
// a few seconds after the end: sources wait shortly for what is on its way.
func Run(ctx context.Context, m Mix, addr netip.AddrPort) []Report {
	ctx, cancel := context.WithTimeout(ctx, m.Duration)
	defer cancel()
	sources := m.sources()
	reports := make([]Report, len(sources))
	var wg sync.WaitGroup
	for i, s := range sources {
		wg.Go(func() {
			r := &reports[i]
			r.Source = s.String()
			begin := time.Now()
			if err := s.run(ctx, s.at(addr).String(), r); err != nil {
				r.Err = err.Error()
			}
			r.Elapsed = min(time.Since(begin), m.Duration)
		})
	}
	wg.Wait()
	return reports
}

// at is where the source's server is, given the first one.
func (s source) at(first netip.AddrPort) netip.AddrPort {
	a := first.Addr()
	for range s.nth {
		a = a.Next()
	}
	return netip.AddrPortFrom(a, first.Port())
}

func (s source) run(ctx context.Context, addr string, r *Report) error {
	switch s.kind {
	case bulk:
		return s.runBulk(ctx, addr, r)
	case web:
		return s.runWeb(ctx, addr, r)
	case voip:
		return s.runVoIP(ctx, addr, r)
	case ping:
		return s.runPing(ctx, addr, r)
	}
	return s.runCBR(ctx, addr, r)
}

// pace calls f(0), f(1), ... at start, start+interval, ... until ctx ends. The
// times are absolute: a late call does not shift the later ones, it makes them
// come closer together.
func pace(ctx context.Context, start time.Time, interval time.Duration, f func(i uint32)) {
	for i := uint32(0); ; i++ {
		if d := time.Until(start.Add(time.Duration(i) * interval)); d > 0 {
			sleep(ctx, d)
		}
		if ctx.Err() != nil {
			return
		}
		f(i)
	}
}

// sleep waits for d or the end of ctx. Short waits go to the kernel's own
// timer: Go's rounds up to a millisecond, which a 1 ms flow would notice.
func sleep(ctx context.Context, d time.Duration) {
	if d < 30*time.Millisecond {
		if ctx.Err() == nil {
			nap(d)
		}
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
