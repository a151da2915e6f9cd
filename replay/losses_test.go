package replay

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq/nfqtest"
	"github.com/uqtool/uq/traces"
)

// TestSlowDisk: a disk that falls behind costs records, never packets or
// decisions, in bounded memory; what is lost meanwhile is told all the same.
func TestSlowDisk(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			q := nfqtest.New()
			conf := traces.Scheduler{Qdisc: "pfifo", Link: "unlimited", Seed: 1}
			disk := &slowDisk{each: 3 * time.Second}
			w, err := traces.NewWriter(disk, traces.Header{Scheduler: &conf}, traces.WriterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			l, err := NewLive(q, LiveOptions{Clock: record.StartClock(), Ports: ports, Scheduler: conf, Timer: Sleep})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			const n = 2 * pages * pageRecords
			g := newTraffic(t, 7)
			time.AfterFunc(10*time.Second, func() {
				for range n {
					q.Push(g.packet())
				}
				time.Sleep(time.Millisecond)
				q.Miss(5)
				q.Push(g.packet())
				time.Sleep(time.Millisecond)
				if !late {
					time.Sleep(5 * time.Minute)
				}
				cancel()
			})
			res, err := l.Run(ctx, w)
			if err != nil || q.Held() != 0 || res.Packets != n+1 || res.Run.Delivered != n+1 {
				t.Fatalf("%v: %d packets, %d held, %d delivered", err, res.Packets, q.Held(), res.Run.Delivered)
			}
			told := map[traces.EventKind]uint64{}
			records := uint64(0)
			r, err := traces.NewReader(&disk.Buffer)
			if err != nil {
				t.Fatal(err)
			}
			r.OnEvent(func(e traces.Event) { told[e.Kind] += max(e.Count, 1) })
			var rec traces.Record
			for r.Next(&rec) == nil {
				records++
			}
			lost := res.Losses.Records
			if lost == 0 || records+lost != n+1 || told[traces.WriterOverrun] != lost || told[traces.IDGap] != 5 || told[traces.ENOBUFS] != 1 {
				t.Errorf("late %v: %d records, %d lost, events tell %v", late, records, lost, told)
			}
		})
	}
}

// slowDisk takes a while for every write.
type slowDisk struct {
	bytes.Buffer
	each time.Duration
}

func (d *slowDisk) Write(p []byte) (int, error) {
	time.Sleep(d.each)
	return d.Buffer.Write(p)
}
