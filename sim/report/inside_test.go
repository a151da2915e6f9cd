package report_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/sim/tc"
)

// layered is a scheduler with tins and with another inside, for the report's
// sake.
type layered struct{ sched.Scheduler }

func (l layered) Kind() string        { return "layered" }
func (l layered) Options() []tc.Field { return []tc.Field{{Key: "bands", Num: 1}} }
func (l layered) Stats() []tc.Field   { return nil }
func (l layered) Inside() []sched.Inner {
	return []sched.Inner{{ID: "1:1", Scheduler: l.Scheduler, Stats: []tc.Field{{Key: "deficit", Num: 7}}}}
}
func (l layered) Tins() [][]tc.Field {
	return [][]tc.Field{
		{{Key: "target_us", Num: 5000, Text: "5ms"}, {Key: "drops"}, {Key: "ecn_mark", Num: 3}},
		{{Key: "target_us", Num: 7000, Text: "7ms"}, {Key: "drops"}, {Key: "ecn_mark"}},
	}
}

func TestInside(t *testing.T) {
	c, pool := report.NewCollector(), &pkt.Pool{}
	port, err := egress.New(func(d sched.DropFunc) (sched.Scheduler, error) {
		s, err := builtin.New("codel limit 7", sched.Env{Drop: d})
		return layered{s}, err
	}, &link.Unlimited{}, c, pool)
	if err != nil {
		t.Fatal(err)
	}
	run := report.NewRun(port, c, 0)
	r := &report.Report{Loop: report.Live, Runs: []*report.Run{run}}
	var words, data strings.Builder
	if err := r.WriteWords(&words, report.Words{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"qdisc layered bands 1 [codel limit 7p target 5ms interval 100ms]\n",
		"  tin          0    1\n",
		"  target_us  5ms  7ms\n",
		"  ecn_mark     3    0\n",
		"  class 1:1 qdisc codel limit 7p target 5ms interval 100ms\n   deficit 7 count 0",
	} {
		if !strings.Contains(words.String(), want) {
			t.Errorf("no %q in\n%s", want, words.String())
		}
	}
	if strings.Contains(words.String(), "  drops ") {
		t.Errorf("a counter that is 0 in all tins is printed:\n%s", words.String())
	}
	if err := r.WriteJSON(&data); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Qdiscs []struct {
			Tins    []map[string]any
			Classes []struct {
				ID      string `json:"classid"`
				Deficit float64
			}
		}
	}
	if err := json.Unmarshal([]byte(data.String()), &back); err != nil {
		t.Fatal(err)
	}
	q := back.Qdiscs[0]
	if len(q.Tins) != 2 || q.Tins[1]["target_us"] != 7000.0 || q.Classes[0].ID != "1:1" || q.Classes[0].Deficit != 7 {
		t.Errorf("JSON: %s", data.String())
	}
}
