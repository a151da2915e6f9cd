package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/metric"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// metricList is what uq sim --metrics prints.
type metricList struct {
	Format  int            `json:"uq_format"`
	Metrics []listedMetric `json:"metrics"`
	// Medium are those of a run over a WiFi link, Station those of its stations.
	Medium  []listedMetric `json:"wifi"`
	Station []listedMetric `json:"wifi_station"`
	Scopes  []listedScope  `json:"scopes"`
	// Counters are the qdiscs' own.
	Counters []listedCounters `json:"counters"`
}

type listedMetric struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"`
	Help string `json:"help,omitempty"`
	// Flows says that flow(...) has it, too.
	Flows bool `json:"flows,omitempty"`
}

type listedScope struct {
	Scope string `json:"scope"`
	Help  string `json:"help"`
}

type listedCounters struct {
	Qdisc    string         `json:"qdisc"`
	Counters []listedMetric `json:"counters,omitempty"`
	// Tins are the counters of each of its tins, or stations.
	Tins []listedMetric `json:"tins,omitempty"`
}

func listMetrics(ports egress.Maker) metricList {
	l := metricList{
		Format: report.Format, Metrics: listTable(metric.Metrics()),
		Medium: listTable(metric.Medium()), Station: listTable(metric.Station()),
	}
	for _, s := range metric.Scopes() {
		l.Scopes = append(l.Scopes, listedScope{s.Word + "(" + s.Arg + ")", s.Help})
	}
	for _, k := range ports.Qdiscs {
		q, err := makeAny(ports, k.Name)
		if err != nil {
			continue // wants parameters that it does not say
		}
		c := listedCounters{Qdisc: k.Name}
		if d, ok := q.(sched.Describer); ok {
			c.Counters = listCounters(d.Stats())
		}
		if t, ok := q.(sched.Tinned); ok && len(t.Tins()) > 0 {
			c.Tins = listCounters(t.Tins()[0])
		}
		if c.Counters != nil || c.Tins != nil {
			l.Counters = append(l.Counters, c)
		}
	}
	return l
}

func listTable(ms []metric.Metric) (ls []listedMetric) {
	for _, m := range ms {
		ls = append(ls, listedMetric{m.Name, m.Unit.String(), m.Help, !m.Inside})
	}
	return ls
}

// makeAny makes a scheduler with as few parameters as it can do with: the error
// of one that must have some gives an example.
func makeAny(ports egress.Maker, kind string) (sched.Scheduler, error) {
	env := sched.Env{Drop: func(pkt.Time, *pkt.Packet, pkt.Reason) {}}
	q, err := ports.Qdiscs.New(kind, env)
	if err == nil {
		return q, nil
	}
	_, example, ok := strings.Cut(err.Error(), `"`+kind+" ")
	example, _, ok2 := strings.Cut(example, `"`)
	if !ok || !ok2 {
		return nil, err
	}
	return ports.Qdiscs.New(kind+" "+example, env)
}

func listCounters(fs []tc.Field) (ms []listedMetric) {
	for _, f := range fs {
		if f.Hidden {
			continue
		}
		name := strings.ReplaceAll(f.Key, "-", "_")
		if f.JSON != "" {
			name = strings.ReplaceAll(f.JSON, "-", "_")
		}
		ms = append(ms, listedMetric{Name: name, Unit: metric.StatUnit(name).String()})
	}
	return ms
}

// runSimMetrics prints every metric that an assertion can name.
func runSimMetrics(s *streams, asJSON bool) error {
	l := listMetrics(s.ports)
	if asJSON {
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		return e.Encode(l)
	}
	var b strings.Builder
	b.WriteString("metrics of a qdisc, QDISC.METRIC, or of every qdisc in turn, METRIC:\n\n")
	writeTable(&b, l.Metrics)
	b.WriteString("\nover a WiFi link also:\n\n")
	writeTable(&b, l.Medium)
	b.WriteString("\nscopes between qdisc and metric; flow(...) has all of the above but qlen, backlog\nand duration, the others have the counters below:\n\n")
	for _, c := range l.Scopes {
		fmt.Fprintf(&b, "  %s\n      %s\n", c.Scope, c.Help)
	}
	b.WriteString("\nstation(...) of a WiFi link:\n\n")
	writeTable(&b, l.Station)
	b.WriteString("\ncounters that a qdisc has besides, as tc -s -j names them:\n\n")
	for _, c := range l.Counters {
		writeCounters(&b, c.Qdisc, c.Counters)
		writeCounters(&b, c.Qdisc+", each tin or station", c.Tins)
	}
	b.WriteString(metricsHelp)
	_, err := io.WriteString(s.out, b.String())
	return err
}

func writeTable(b *strings.Builder, ms []listedMetric) {
	for _, m := range ms {
		fmt.Fprintf(b, "  %-19s %-8s %s\n", m.Name, m.Unit, m.Help)
	}
}

func writeCounters(b *strings.Builder, of string, ms []listedMetric) {
	if len(ms) == 0 {
		return
	}
	fmt.Fprintf(b, "  %s:\n   ", of)
	at := 0
	for _, m := range ms {
		word := m.Name
		if m.Unit != "" {
			word += " [" + m.Unit + "]"
		}
		if at += 1 + len(word); at > 76 {
			b.WriteString("\n   ")
			at = 1 + len(word)
		}
		b.WriteString(" " + word)
	}
	b.WriteString("\n")
}

const metricsHelp = `
QDISC is a kind (fq_codel), numbered where it was run twice (pfifo#2), run(2) for
the second of all, or run(WORDS) as they were given. Several flows that a selector
matches are one: counts are sums, quantiles those of all their packets.

QDISC.digest == xxh64:0123456789abcdef holds all of a qdisc's decisions against
those of another time.

Compare with < <= == != >= >, compute with + - * / and brackets. Times, rates and
sizes other than 0 want tc's units, 5ms, 5mbit, 5k or 5b; 20% is 0.2.

Quantiles of more than 8 packets are up to 0.1% too large, those of a station, and
of flows in the report, up to 0.8%: == seldom holds for them. Means and maxima are
exact.
`
