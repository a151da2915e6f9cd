package cli

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/replay/inject"
	"github.com/uqtool/uq/sim/report"
)

// TestRecordWords: what is said of packets, segments and bytes is about what is
// in the trace, and where more passed that is said too.
func TestRecordWords(t *testing.T) {
	whole := record.Summary{Counts: record.Counts{Packets: 10, Bytes: 15000}, DurationNs: 2e9, Why: "stopped"}
	whole.Keep(record.Kept{Records: 10, Segs: 12, Bytes: 15000})
	part := whole
	part.Keep(record.Kept{Records: 1, Segs: 3, Bytes: 4000})
	part.Losses = record.Losses{Records: 9, Missing: 2, QueueFull: 4}
	last := part
	last.Losses.Overflows = 1
	table := whole
	table.Losses = record.Losses{Missing: 2, QueueFull: 4}
	least, blind := whole, whole
	least.QueueFullKnown, blind.QueueFullKnown = record.AtLeast, record.Unknown
	for _, tt := range []struct {
		sum      record.Summary
		failOpen bool
		maxLen   int
		want     []string
	}{
		{whole, false, nfq.DefaultMaxLen, []string{"recorded 10 packets (about 12 on the wire), 15.0 kB, in 2.0 s: stopped"}},
		{part, false, nfq.DefaultMaxLen, []string{
			"recorded 1 packets (about 3 on the wire), 4.0 kB, of 10 packets, 15.0 kB, that passed, in 2.0 s: stopped",
			"lost: 2 packets did not fit the receive buffer", "lost: 4 packets found the queue full", "not recorded: 9 packets passed"}},
		{last, false, nfq.DefaultMaxLen, []string{"lost: 4 packets found the queue full, or at the very end the receive buffer: raise --maxlen, or --rcvbuf", "note: the kernel found the receive buffer full 1 times"}},
		{table, false, nfq.TableSize, []string{"lost: 2 packets found the queue full: newer kernels hold no more than", "lost: 4 packets found the queue full: newer kernels hold"}},
		{last, false, nfq.TableSize, []string{"lost: 2 packets did not fit the receive buffer", "lost: 4 packets found the queue full: newer kernels hold"}},
		{least, false, nfq.DefaultMaxLen, []string{"note: without super-packets, there may be more losses at the queue than stated"}},
		{blind, false, nfq.DefaultMaxLen, []string{"note: cannot know whether packets found the queue full"}},
		{part, true, nfq.DefaultMaxLen, []string{"passed unseen: 2 packets did not fit the receive buffer", "passed unseen: 4 packets found the queue full"}},
	} {
		var b strings.Builder
		writeRecordSummary(&b, recordReport{recorded: recorded{Record: tt.sum}, failOpen: tt.failOpen, maxLen: tt.maxLen})
		for _, want := range tt.want {
			if !strings.Contains("\n"+b.String(), "\n"+want) {
				t.Errorf("want %q in\n%s", want, b.String())
			}
		}
	}
}

// TestNoLossAbsent sets every kind of loss there is, one at a time: whichever it
// is, the summary in words, the line that follows a recording, JSON, the trace's
// end and the words of a live replay tell of it.
func TestNoLossAbsent(t *testing.T) {
	const n = 76543
	kinds := reflect.TypeFor[record.Losses]()
	for i := range kinds.NumField() {
		var l record.Losses
		reflect.ValueOf(&l).Elem().Field(i).SetUint(n)
		for _, failOpen := range []bool{false, true} {
			sum := record.Summary{Counts: record.Counts{Losses: l}, Why: "stopped"}
			var words, line, replayed, js strings.Builder
			writeRecordSummary(&words, recordReport{recorded: recorded{Record: sum}, failOpen: failOpen})
			(&recordStatus{w: &line, failOpen: failOpen}).show(record.Progress{Counts: sum.Counts})
			if err := encodeJSON(&js, recordReport{recorded: recorded{Record: sum}}); err != nil {
				t.Fatal(err)
			}
			rep := &replayReport{Mode: "live", Report: &inject.Report{Run: &report.Run{}, Live: sum.Counts}}
			if err := writeReplayWords(&replayed, rep, 1); err != nil {
				t.Fatal(err)
			}
			for where, text := range map[string]string{
				"words": words.String(), "status line": line.String(), "JSON": js.String(), "replay's words": replayed.String(),
			} {
				if !strings.Contains(text, strconv.Itoa(n)) {
					t.Errorf("%s, fail-open %v: nothing of it in the %s: %s", kinds.Field(i).Name, failOpen, where, text)
				}
			}
		}
		events := record.LossEvents(0, nfq.Loss{Missing: l.Missing, Overflows: l.Overflows, Gone: l.Gone, Refused: l.Refused, Unparsed: l.Unparsed})
		if len(l.ByKind()) == 0 && len(events) == 0 {
			t.Errorf("%s: nothing of it in the trace", kinds.Field(i).Name)
		}
	}
}

// TestNotWriting: the line that follows a recording says when its trace cannot
// be written any more.
func TestNotWriting(t *testing.T) {
	var line strings.Builder
	(&recordStatus{w: &line}).show(record.Progress{Counts: record.Counts{Losses: record.Losses{Records: 5}}, Err: errors.New("no space left on device")})
	if !strings.Contains(line.String(), "unrecorded 5  NOT WRITING: no space left on device") {
		t.Errorf("%q", line.String())
	}
}

// TestWitnessWithoutSuperPackets: the rule's count is asked for whether the
// kernel segments or not; where it does, it is said to be a lower bound.
func TestWitnessWithoutSuperPackets(t *testing.T) {
	in := surroundings{fed: func() (uint64, error) { return 7, nil }}
	for _, gso := range []bool{true, false} {
		w := in.witness(recordSettings{GSO: gso})
		if w.Fed == nil || w.Segmented == gso {
			t.Errorf("gso %v: %+v", gso, w)
		}
	}
}
