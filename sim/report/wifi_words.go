package report

import (
	"fmt"
	"strings"
)

// wifiStations is how many stations get lines of their own.
const wifiStations = 12

// wifi prints what the medium was used for, and for each station every qdisc's
// result beside the others'.
func (r *Report) wifi(b *strings.Builder) {
	for _, run := range r.Runs {
		if run.WiFi == nil || len(run.WiFi.Stations) != len(r.Runs[0].WiFi.Stations) {
			return // not all over one access point's medium
		}
	}
	if len(r.Runs) == 0 {
		return
	}
	b.WriteByte('\n')
	r.airTimes(b)
	order := r.Runs[0].WiFi.busiest()
	for _, i := range order[:min(len(order), wifiStations)] {
		s := &r.Runs[0].WiFi.Stations[i]
		who := "station " + s.Address
		if i == len(r.Runs[0].WiFi.Stations)-1 {
			who = "multicast and broadcast"
		}
		fmt.Fprintf(b, "\n%s, %s\n", who, s.Mode)
		r.station(b, i)
	}
	if n := len(order) - wifiStations; n > 0 {
		fmt.Fprintf(b, "\n%d more stations: --json has all\n", n)
	}
}

// airTimes is a table of the medium's time: a line for each qdisc, a column for
// each kind that any has.
func (r *Report) airTimes(b *strings.Builder) {
	rows := [][]string{{"medium"}}
	var kinds []int
	for k, t := range r.Runs[0].WiFi.Time {
		used := false
		for _, run := range r.Runs {
			used = used || run.WiFi.Time[k].Us > 0
		}
		if used {
			kinds = append(kinds, k)
			rows[0] = append(rows[0], t.Kind)
		}
	}
	rows[0] = append(rows[0], "exchanges", "collisions", "Jain airtime")
	for i, run := range r.Runs {
		row := []string{r.Label(i)}
		for _, k := range kinds {
			row = append(row, percent(run.WiFi.Time[k].Share))
		}
		rows = append(rows, append(row, fmt.Sprint(run.WiFi.Exchanges), fmt.Sprint(run.WiFi.Collisions), fmt.Sprintf("%.3f", run.WiFi.JainAirtime)))
	}
	Table(b, rows)
	for i, run := range r.Runs {
		if n := run.WiFi.Waiting; n > 0 {
			fmt.Fprintf(b, "  %s: packets that still waited for the medium at the end: %d\n", r.Label(i), n)
		}
	}
}

// station is a table of one station: a line for each qdisc and direction.
func (r *Report) station(b *strings.Builder, i int) {
	rows := [][]string{{"  qdisc", "delivered", "lost", "throughput", "latency p50", "p99", "airtime", "PPDUs", "frames each", "p10", "p50", "p90", "max", "retries"}}
	for _, up := range []bool{false, true} {
		for n, run := range r.Runs {
			s := &run.WiFi.Stations[i]
			d, name := &s.Down, r.Label(n)
			if up {
				d, name = &s.Up, name+" up"
			}
			if d.Arrived == 0 && d.PPDUs == 0 {
				continue
			}
			mean, q := d.mpdus(10, 50, 90, 100)
			rows = append(rows, []string{"  " + name, fmt.Sprint(d.Delivered), fmt.Sprint(d.Arrived - min(d.Arrived, d.Delivered)), rate(d.Throughput),
				us(d.Latency.P50, 3), us(d.Latency.P99, 3), percent(ratio(d.AirtimeUs, run.WiFi.airtime())), fmt.Sprint(d.PPDUs), fmt.Sprintf("%.1f", mean),
				fmt.Sprint(q[0]), fmt.Sprint(q[1]), fmt.Sprint(q[2]), fmt.Sprint(q[3]), fmt.Sprint(d.Retries)})
		}
	}
	Table(b, rows)
}

// airtime is all stations'.
func (w *WiFi) airtime() (us float64) {
	for i := range w.Stations {
		us += w.Stations[i].AirtimeUs
	}
	return us
}

func percent(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }
