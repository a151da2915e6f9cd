package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uqtool/uq/record/nfq"
)

// Row is what stands between client and server.
type Row string

// The rows, in the order of the table.
const (
	NoQueue Row = "none"   // no rule and no queue
	C       Row = "c"      // accepts, over libmnl and libnetfilter_queue
	Plain   Row = "plain"  // accepts, in go-nfqueue's callback
	NoOp    Row = "uq"     // accepts, over package nfq
	Record  Row = "record" // uq record: accepts and writes a trace
	Live    Row = "live"   // a scheduler decides, at unlimited rate
)

// Rows lists all rows in the order of the table.
func Rows() []Row { return []Row{NoQueue, C, Plain, NoOp, Record, Live} }

// ParseRows reads names separated by commas; "all" is all. The result is in the
// order of the table.
func ParseRows(s string) ([]Row, error) {
	if s == "all" {
		return Rows(), nil
	}
	asked := map[Row]bool{}
	for w := range strings.SplitSeq(s, ",") {
		r := Row(strings.TrimSpace(w))
		if !slices.Contains(Rows(), r) {
			return nil, fmt.Errorf("row %q: want all, or some of %s", r, rowNames())
		}
		asked[r] = true
	}
	return slices.DeleteFunc(Rows(), func(r Row) bool { return !asked[r] }), nil
}

func rowNames() string {
	var w []string
	for _, r := range Rows() {
		w = append(w, string(r))
	}
	return strings.Join(w, ", ")
}

// Task says what to measure. It travels to the lab's processes as JSON.
type Task struct {
	Rows []Row `json:"rows"`
	// Rounds is how often each row is measured.
	Rounds int `json:"rounds"`
	// Duration is how long each of the three measurements of a cell takes.
	Duration time.Duration `json:"duration_ns"`
	// Qdisc is the scheduler of Live, in tc's words.
	Qdisc string `json:"qdisc"`
	// CProgram is the compiled program of row C; without it the row is left out.
	CProgram string `json:"c_program,omitempty"`
	// Tools are programs to use beside the built-in measurements.
	Tools Tools `json:"tools,omitzero"`
}

// Tools are the paths of the user's own programs; empty ones are not used.
type Tools struct {
	Ping  string `json:"ping,omitempty"`
	Iperf string `json:"iperf3,omitempty"`
}

// Limits of a Task.
const (
	MaxRounds   = 1000
	MinDuration = 20 * time.Millisecond
	MaxDuration = time.Minute
)

// Validate names the first field that cannot work.
func (t *Task) Validate() error {
	switch {
	case len(t.Rows) == 0:
		return fmt.Errorf("rows: want some of %s", rowNames())
	case t.Rounds < 1 || t.Rounds > MaxRounds:
		return fmt.Errorf("rounds %d: want 1 to %d", t.Rounds, MaxRounds)
	case t.Duration < MinDuration || t.Duration > MaxDuration:
		return fmt.Errorf("duration %s: want %s to %s", t.Duration, MinDuration, MaxDuration)
	}
	return nil
}

// cell is a row with or without GSO, once.
type cell struct {
	Row   Row
	GSO   bool
	Round int
}

// key names the cells of all rounds that belong together.
type key struct {
	Row Row
	GSO bool
}

// String is for progress and errors.
func (k key) String() string {
	switch {
	case k.Row == NoQueue:
		return string(k.Row)
	case k.GSO:
		return string(k.Row) + " gso"
	}
	return string(k.Row) + " no gso"
}

// keys lists what the table has lines for: without a queue there is no GSO to
// switch.
func (t *Task) keys() []key {
	var ks []key
	for _, r := range t.Rows {
		switch {
		case r == C && t.CProgram == "":
		case r == NoQueue:
			ks = append(ks, key{Row: r})
		default:
			ks = append(ks, key{r, false}, key{r, true})
		}
	}
	return ks
}

// cells lists all there is to measure in the order of time. Every other round
// runs backwards, so that a slow change of the machine favours nobody.
func (t *Task) cells() []cell {
	var cs []cell
	for round := range t.Rounds {
		ks := t.keys()
		if round%2 == 1 {
			slices.Reverse(ks)
		}
		for _, k := range ks {
			cs = append(cs, cell{k.Row, k.GSO, round})
		}
	}
	return cs
}

// The queue, the same for all programs.
const (
	queueNumber = 2018
	queueMaxLen = nfq.DefaultMaxLen
	copyRange   = nfq.DefaultCopyRange
	rcvBuf      = nfq.DefaultRcvBuf
)

// UDPPayload is the size of the flood's datagrams, in bytes.
const UDPPayload = 1400

// Cells is how many measurements of a row there are to make.
func (t *Task) Cells() int { return len(t.cells()) }
