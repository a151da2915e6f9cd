package cli

import (
	"strings"
	"testing"

	"github.com/uqtool/uq/record"
)

// TestRecordWords: what is said of packets, segments and bytes is about what is
// in the trace, and where more passed that is said too.
func TestRecordWords(t *testing.T) {
	whole := record.Summary{Counts: record.Counts{Packets: 10, Bytes: 15000}, DurationNs: 2e9, Why: "stopped"}
	whole.Keep(record.Kept{Records: 10, Segs: 12, Bytes: 15000})
	part := whole
	part.Keep(record.Kept{Records: 1, Segs: 3, Bytes: 4000})
	part.Losses = record.Losses{Records: 9, Missing: 2, QueueFull: 4}
	for _, tt := range []struct {
		sum      record.Summary
		failOpen bool
		want     []string
	}{
		{whole, false, []string{"recorded 10 packets (about 12 on the wire), 15.0 kB, in 2.0 s: stopped"}},
		{part, false, []string{
			"recorded 1 packets (about 3 on the wire), 4.0 kB, of 10 packets, 15.0 kB, that passed, in 2.0 s: stopped",
			"lost: 2 packets did not fit the receive buffer", "lost: 4 packets found the queue full", "not recorded: 9 packets passed"}},
		{part, true, []string{"passed unseen: 2 packets did not fit the receive buffer", "passed unseen: 4 packets found the queue full"}},
	} {
		var b strings.Builder
		writeRecordSummary(&b, recordReport{recorded: recorded{Record: tt.sum}, failOpen: tt.failOpen})
		for _, want := range tt.want {
			if !strings.Contains("\n"+b.String(), "\n"+want) {
				t.Errorf("want %q in\n%s", want, b.String())
			}
		}
	}
}
