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
			const n = pages * pageRecords * 5 / 4
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

// TestMeter: what others see of a run agrees with its result, those still held
// at the end included.
func TestMeter(t *testing.T) {
	var m record.Meter
	conf := traces.Scheduler{Qdisc: "fq_codel limit 20 target 1ms interval 10ms", Link: "rate 5mbit", Seed: 1}
	during := record.MeterReading{}
	s := play(t, conf, LiveOptions{Meter: &m}, func(s *session) {
		g := newTraffic(t, 11)
		g.ect = 2
		s.burst(g, 2000, 500*time.Microsecond)
		for range 10 {
			s.q.Push(g.packet())
		}
		synctest.Wait()
		during = m.Read()
	})
	r := m.Read()
	run := s.result.Run
	late := uint64(0)
	for _, n := range r.Late {
		late += n
	}
	given := r.Verdicts[traces.Accept] + r.Verdicts[traces.Drop] + r.Verdicts[traces.MarkCE]
	if s.err != nil || r.Backlog != 0 || given != s.result.Packets || r.Verdicts[traces.Drop] != run.Dropped || run.Dropped == 0 || run.Marks == 0 || late != uint64(s.result.Lateness.Count) {
		t.Errorf("%v: %+v, result %+v", s.err, r, s.result)
	}
	if during.Backlog != s.result.Unfinished || during.Backlog == 0 {
		t.Errorf("backlog %d while %d were held", during.Backlog, s.result.Unfinished)
	}
}
