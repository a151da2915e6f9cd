package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseRows(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []Row
	}{
		{"all", Rows()},
		{"uq", []Row{NoOp}},
		{"live, none,c", []Row{NoQueue, C, Live}}, // in the table's order
		{"c,c", []Row{C}},
	} {
		got, err := ParseRows(tt.in)
		if d := cmp.Diff(tt.want, got); d != "" || err != nil {
			t.Errorf("%q: %s, error %v", tt.in, d, err)
		}
	}
	for _, in := range []string{"", "C", "none;c", "all,c"} {
		if got, err := ParseRows(in); err == nil || !strings.Contains(err.Error(), "none, c, plain, uq, record, live") {
			t.Errorf("%q: %v, error %v: want an error that lists the rows", in, got, err)
		}
	}
}

func TestValidate(t *testing.T) {
	good := Task{Rows: Rows(), Rounds: 1, Duration: time.Second}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*Task){
		"rows":           func(t *Task) { t.Rows = nil },
		"rounds 0":       func(t *Task) { t.Rounds = 0 },
		"rounds 1001":    func(t *Task) { t.Rounds = MaxRounds + 1 },
		"duration 19ms":  func(t *Task) { t.Duration = 19 * time.Millisecond },
		"duration 1m0.0": func(t *Task) { t.Duration = MaxDuration + time.Millisecond },
	} {
		bad := good
		spoil(&bad)
		if err := bad.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: error %v, want %s", bad, err, want)
		}
	}
}

// Rows take turns, every other round runs backwards, and what cannot be
// measured is left out.
func TestCells(t *testing.T) {
	task := Task{Rows: []Row{NoQueue, C, NoOp}, Rounds: 3, Duration: time.Second}
	want := []cell{
		{NoQueue, false, 0}, {NoOp, false, 0}, {NoOp, true, 0},
		{NoOp, true, 1}, {NoOp, false, 1}, {NoQueue, false, 1},
		{NoQueue, false, 2}, {NoOp, false, 2}, {NoOp, true, 2},
	}
	if d := cmp.Diff(want, task.cells()); d != "" {
		t.Error(d)
	}
	task.CProgram = "/noop"
	if n := task.Cells(); n != 15 {
		t.Errorf("%d cells with a C program, want 15", n)
	}
}
