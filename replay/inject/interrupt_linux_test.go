package inject

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/uqtool/uq/traces"
)

// TestLiveInterruptDrain interrupts a replay that has sent everything and waits
// for a slow link: it ends at once, with its account.
func TestLiveInterruptDrain(t *testing.T) {
	ctx, cancel := context.WithCancel(needLab(t))
	defer cancel()
	recs := make([]traces.Record, 100)
	for i := range recs {
		recs[i] = udpRecord(t, "udp 10.9.8.7:6>1.2.3.4:5", 1000)
	}
	task := defaultTask("64kbit") // twelve seconds of them
	task.Task.Scheduler.Qdisc, task.Task.Drain = "pfifo", 5*time.Minute
	payload, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	var interrupted time.Time
	time.AfterFunc(2*time.Second, func() {
		interrupted = time.Now()
		cancel()
	})
	rep, err := Run(ctx, &task.Task, payload, Files{Trace: fileOf(t, traceOf(t, recs)), Stderr: os.Stderr}, false)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(interrupted); ctx.Err() == nil || took > 5*time.Second {
		t.Errorf("ended %s after the interrupt", took)
	}
	if b := rep.Balance; !rep.Interrupted || b.Sent != 100 || b.Lost.Unfinished < 50 || b.Unexplained != 0 {
		t.Errorf("interrupted %v: %+v", rep.Interrupted, b)
	}
}
