package metric

import (
	"slices"

	"github.com/uqtool/uq/sim/report"
)

// entry is a metric of something in a report that is no run.
type entry[T any] struct {
	name string
	unit Unit
	help string
	get  func(*T) (v float64, ok bool)
}

// found is an entry's value.
type found struct {
	name string
	unit Unit
	get  func() (v float64, ok bool)
}

// of are the entries of v.
func of[T any](entries []entry[T], v *T) (fs []found) {
	for i := range entries {
		e := &entries[i]
		fs = append(fs, found{e.name, e.unit, func() (float64, bool) { return e.get(v) }})
	}
	return fs
}

// medium is what a run has if its link is an access point's.
var medium = []entry[report.WiFi]{
	{"jain_airtime", Ratio, "Jain's index over the airtime of the stations with traffic", jainAirtime},
	{"exchanges", Ratio, "times that something held the medium", plain(func(w *report.WiFi) float64 { return float64(w.Exchanges) })},
	{"collisions", Ratio, "... of them several stations at once", plain(func(w *report.WiFi) float64 { return float64(w.Collisions) })},
	{"air_down", Ratio, "share of the time that frames to stations took", air("down")},
	{"air_up", Ratio, "... frames from stations", air("up")},
	{"air_failed", Ratio, "... frames that were not received", air("failed")},
	{"air_collision", Ratio, "... collisions", air("collision")},
	{"air_contention", Ratio, "... waiting for the medium", air("contention")},
	{"air_idle", Ratio, "... nothing to send", air("idle")},
}

// station is what each station of an access point has.
var station = slices.Concat([]entry[report.WiFiStation]{
	{"airtime", Time, "airtime of its frames both ways, failed ones included", plain(func(s *report.WiFiStation) float64 { return s.AirtimeUs })},
	{"airtime_share", Ratio, "... as a share of all stations'", plain(func(s *report.WiFiStation) float64 { return s.Share })},
	{"retries", Ratio, "frames sent again both ways", plain(func(s *report.WiFiStation) float64 { return float64(s.Retries) })},
	{"up_own", Packets, "packets delivered from it that it made up itself (sends): they count in up_delivered, up_bytes and up_throughput", plain(func(s *report.WiFiStation) float64 { return float64(s.Up.Own) })},
	{"given_up", Ratio, "frames that were not sent again any more", plain(func(s *report.WiFiStation) float64 { return float64(s.GivenUp) })},
}, direction("down", "to it", func(s *report.WiFiStation) *report.WiFiDirection { return &s.Down }),
	direction("up", "from it", func(s *report.WiFiStation) *report.WiFiDirection { return &s.Up }))

// direction is what a station has each way.
func direction(way, words string, of func(*report.WiFiStation) *report.WiFiDirection) []entry[report.WiFiStation] {
	number := func(name string, u Unit, help string, get func(*report.WiFiDirection) float64) entry[report.WiFiStation] {
		return entry[report.WiFiStation]{way + "_" + name, u, help + " " + words, plain(func(s *report.WiFiStation) float64 { return get(of(s)) })}
	}
	latency := func(name string, help string, get func(*report.Quantiles) *float64) entry[report.WiFiStation] {
		return entry[report.WiFiStation]{way + "_latency_" + name, Time, help, func(s *report.WiFiStation) (float64, bool) {
			if v := get(&of(s).Latency); v != nil {
				return *v, true
			}
			return 0, false
		}}
	}
	return []entry[report.WiFiStation]{
		number("arrived", Packets, "packets that arrived", func(d *report.WiFiDirection) float64 { return float64(d.Arrived) }),
		number("delivered", Packets, "packets delivered", func(d *report.WiFiDirection) float64 { return float64(d.Delivered) }),
		number("bytes", Bytes, "bytes delivered", func(d *report.WiFiDirection) float64 { return float64(d.Bytes) }),
		number("throughput", Rate, "bytes delivered over the run's duration", func(d *report.WiFiDirection) float64 { return d.Throughput }),
		number("retries", Ratio, "frames sent again", func(d *report.WiFiDirection) float64 { return float64(d.Retries) }),
		number("airtime", Time, "airtime of frames", func(d *report.WiFiDirection) float64 { return d.AirtimeUs }),
		number("ppdus", Ratio, "transmissions (PPDUs)", func(d *report.WiFiDirection) float64 { return float64(d.PPDUs) }),
		{way + "_mpdus", Ratio, "mean number of frames in a transmission " + words, func(s *report.WiFiStation) (float64, bool) { return mpdus(of(s)) }},
		latency("p50", "from a packet's arrival to its delivery "+words+": what half do not exceed", func(q *report.Quantiles) *float64 { return q.P50 }),
		latency("p95", "... 95%", func(q *report.Quantiles) *float64 { return q.P95 }),
		latency("p99", "... 99%", func(q *report.Quantiles) *float64 { return q.P99 }),
		latency("max", "... the longest", func(q *report.Quantiles) *float64 { return q.Max }),
	}
}

// mpdus is the mean size of an aggregate.
func mpdus(d *report.WiFiDirection) (float64, bool) {
	sum, n := 0.0, 0.0
	for _, a := range d.Aggregates {
		sum += float64(a.MPDUs) * float64(a.PPDUs)
		n += float64(a.PPDUs)
	}
	return sum / max(n, 1), n > 0
}

// jainAirtime has no value where nobody had any airtime.
func jainAirtime(w *report.WiFi) (float64, bool) {
	return w.JainAirtime, slices.ContainsFunc(w.Stations, func(s report.WiFiStation) bool { return s.AirtimeUs > 0 })
}

func plain[T any](get func(*T) float64) func(*T) (float64, bool) {
	return func(v *T) (float64, bool) { return get(v), true }
}

// air is a kind's share of the medium's time.
func air(kind string) func(*report.WiFi) (float64, bool) {
	return func(w *report.WiFi) (float64, bool) {
		for _, t := range w.Time {
			if t.Kind == kind {
				return t.Share, true
			}
		}
		return 0, w.Time != nil
	}
}

// Medium lists the metrics of an access point's medium.
func Medium() []Metric { return documented(medium) }

// Station lists those of each of its stations.
func Station() []Metric { return documented(station) }

func documented[T any](entries []entry[T]) (ms []Metric) {
	for _, e := range entries {
		ms = append(ms, Metric{Name: e.name, Unit: e.unit, Help: e.help, Inside: true})
	}
	return ms
}
