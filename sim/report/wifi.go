package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/link/wifi"
	"github.com/uqtool/uq/sim/pkt"
)

// WiFi is what became of an access point's medium in a run.
type WiFi struct {
	// Span is how long the medium was watched, Time what it was used for: each kind
	// in its order, summing to Span.
	SpanUs float64   `json:"span_us"`
	Time   []AirTime `json:"time"`
	// Exchanges held the medium, Collisions of them were several stations' at once.
	Exchanges  uint64 `json:"exchanges"`
	Collisions uint64 `json:"collisions"`
	Beacons    uint64 `json:"beacons,omitempty"`
	// JainAirtime is Jain's index over the airtime of the stations that had any
	// traffic.
	JainAirtime float64 `json:"jain_airtime"`
	// Strangers are packets for addresses that no station has; they go to the last
	// one.
	Strangers uint64 `json:"strangers,omitempty"`
	// Waiting are packets that the medium, or a station, still had at the end.
	Waiting uint64 `json:"waiting,omitempty"`
	// Stations are in the link's order, the group of all after them.
	Stations []WiFiStation `json:"stations"`
}

// AirTime is a share of the medium's time.
type AirTime struct {
	Kind  string  `json:"kind"`
	Us    float64 `json:"us"`
	Share float64 `json:"share"`
}

// WiFiStation is one station's part of a WiFi.
type WiFiStation struct {
	// Address is the station's, or "group".
	Address string `json:"address"`
	// Mode is how it is sent to, "ht20 mcs15 sgi".
	Mode string `json:"mode"`
	// AirtimeUs is what its frames took in both directions, failed ones included;
	// Share is of all stations'.
	AirtimeUs float64       `json:"airtime_us"`
	Share     float64       `json:"airtime_share"`
	Down      WiFiDirection `json:"down"`
	Up        WiFiDirection `json:"up"`
	// Retries counts frames sent again both ways, GivenUp those that were not any more,
	// Overflow packets that found no room in the station or while it slept.
	Retries  uint64 `json:"retries"`
	GivenUp  uint64 `json:"given_up"`
	Overflow uint64 `json:"overflow,omitempty"`
}

// WiFiDirection is what went to a station, or came from it. Own packets are made up
// by the station, which the run knows nothing of: they count here once they are
// received, their bytes without a link header, and have no latency.
type WiFiDirection struct {
	AirtimeUs  float64 `json:"airtime_us"`
	Arrived    uint64  `json:"arrived_packets"`
	Delivered  uint64  `json:"delivered_packets"`
	Own        uint64  `json:"own_packets,omitempty"`
	Bytes      uint64  `json:"bytes"`
	Throughput float64 `json:"throughput_bps"`
	// Latency is from a packet's arrival to its delivery.
	Latency Quantiles `json:"latency_us"`
	// PPDUs were sent, Aggregates of them by their number of frames.
	PPDUs      uint64      `json:"ppdus"`
	Aggregates []Aggregate `json:"aggregates,omitempty"`
	// Retries counts frames sent again.
	Retries uint64 `json:"retries"`
}

// Aggregate counts the PPDUs of so many frames (MPDUs).
type Aggregate struct {
	MPDUs int    `json:"mpdus"`
	PPDUs uint64 `json:"ppdus"`
}

// cellCounts counts the events of a port by the stations of its link.
type cellCounts struct {
	cell       link.Cell
	stations   []stationCounts // the group is the last
	histograms int
}

type stationCounts struct{ down, up directionCounts }

type directionCounts struct {
	Counts
	latency Distribution
}

// WatchCell has c count by station, too, if l reaches stations. It must be called
// before the first event.
func (c *Collector) WatchCell(l link.Link) {
	if cell, ok := l.(link.Cell); ok {
		c.cell = &cellCounts{cell: cell, stations: make([]stationCounts, cell.Stations()+1)}
	}
}

// event counts what arrives and what is delivered.
func (c *cellCounts) event(e egress.Event) {
	switch e.Kind {
	case egress.Enqueue, egress.Uplink:
		c.of(e.Packet).arrived(e.Packet)
	case egress.Deliver:
		d := c.of(e.Packet)
		d.delivered(e.Packet)
		d.latency.Record(int64(e.Time-e.Packet.Arrival), c.histogram)
	}
}

// of are the counts that p belongs to.
func (c *cellCounts) of(p *pkt.Packet) *directionCounts {
	if p.Up {
		if up, ok := c.cell.(link.Uplinker); ok {
			if n, ok := up.Sender(p); ok {
				return &c.stations[n].up
			}
		}
	}
	n := c.cell.Station(p)
	if n == link.Group {
		n = len(c.stations) - 1
	}
	return &c.stations[n].down
}

// histogram is one of a limited number, or nil.
func (c *cellCounts) histogram() *Histogram {
	if c.histograms == maxHistograms {
		return nil
	}
	c.histograms++
	return NewHistogram(Coarse)
}

// wifiOf is the medium's part of a run, nil if the link is no access point's.
// queued are the packets that the scheduler still has.
func wifiOf(l link.Link, c *Collector, span time.Duration, queued int) *WiFi {
	cell, ok := link.Inner(l).(*wifi.Cell)
	if !ok {
		return nil
	}
	st := cell.Stats()
	w := &WiFi{SpanUs: usOf(st.Span), Exchanges: st.Exchanges, Collisions: st.Collisions, Beacons: st.Beacons}
	for k := range wifi.AirKind(wifi.NumAirKinds) {
		w.Time = append(w.Time, AirTime{Kind: k.String(), Us: usOf(st.Time[k]), Share: ratio(float64(st.Time[k]), float64(st.Span))})
	}
	t := &c.Total
	w.Waiting = t.ArrivedPackets + c.Duplicated - min(t.ArrivedPackets+c.Duplicated, t.DeliveredPackets+t.Dropped+uint64(queued))
	total := time.Duration(0)
	for i := range st.Stations {
		total += st.Stations[i].Down + st.Stations[i].Up
	}
	var shares []float64
	for i := range st.Stations {
		s := stationOf(cell, i, &st.Stations[i], total)
		if c.cell != nil {
			s.Down.count(&c.cell.stations[i].down, span)
			s.Up.count(&c.cell.stations[i].up, span)
		}
		s.Up.own(st.Stations[i].OwnPackets, st.Stations[i].OwnBytes, st.Span)
		if i < cell.Stations() && s.AirtimeUs+float64(s.Down.Arrived+s.Up.Arrived) > 0 {
			shares = append(shares, s.AirtimeUs)
		}
		w.Stations = append(w.Stations, s)
	}
	w.JainAirtime = jain(shares)
	for _, f := range c.Flows() {
		if cell.Stranger(&pkt.Packet{Flow: f.Flow}) {
			w.Strangers += f.ArrivedPackets
		}
	}
	return w
}

// Notes say what to keep in mind of the run.
func (w *WiFi) Notes() []string {
	if w.Strangers == 0 {
		return nil
	}
	last := w.Stations[len(w.Stations)-2].Address
	return []string{fmt.Sprintf("%d packets are for addresses that no station has: they go to the last one, %s: give them one of their own, \"sta any mcs7\"", w.Strangers, last)}
}

// stationOf is what the medium knows of a station, or of the group.
func stationOf(cell *wifi.Cell, i int, st *wifi.StationStats, total time.Duration) WiFiStation {
	s := WiFiStation{
		AirtimeUs: usOf(st.Down + st.Up), Share: ratio(float64(st.Down+st.Up), float64(total)),
		Retries: st.Retries, GivenUp: st.GivenUp, Overflow: st.Overflow,
	}
	s.Address, s.Mode = cell.Name(i)
	s.Down.AirtimeUs, s.Up.AirtimeUs = usOf(st.Down), usOf(st.Up)
	s.Down.Retries, s.Up.Retries = st.Retries-st.UpRetries, st.UpRetries
	s.Down.aggregates(st.Aggregates[:])
	s.Up.aggregates(st.UpAggregates[:])
	return s
}

func (d *WiFiDirection) aggregates(byMPDUs []uint64) {
	for n, ppdus := range byMPDUs {
		if ppdus > 0 {
			d.PPDUs += ppdus
			d.Aggregates = append(d.Aggregates, Aggregate{n, ppdus})
		}
	}
}

func (d *WiFiDirection) count(c *directionCounts, span time.Duration) {
	d.Arrived, d.Delivered, d.Bytes = c.ArrivedPackets, c.DeliveredPackets, c.DeliveredBytes
	d.Throughput, d.Latency = bps(c.DeliveredBytes, span), quantiles(&c.latency)
}

// own adds what the station made up itself in the medium's time.
func (d *WiFiDirection) own(packets, bytes uint64, span time.Duration) {
	d.Own = packets
	d.Arrived, d.Delivered, d.Bytes = d.Arrived+packets, d.Delivered+packets, d.Bytes+bytes
	d.Throughput += bps(bytes, span)
}

// mpdus is the mean number of frames in a PPDU, and the number that q percent of
// the PPDUs do not exceed.
func (d *WiFiDirection) mpdus(qs ...float64) (mean float64, quantiles []int) {
	sum := 0.0
	for _, a := range d.Aggregates {
		sum += float64(a.MPDUs) * float64(a.PPDUs)
	}
	for _, q := range qs {
		below, n := uint64(0), 0
		for _, a := range d.Aggregates {
			n = a.MPDUs
			if below += a.PPDUs; float64(below) >= q/100*float64(d.PPDUs) {
				break
			}
		}
		quantiles = append(quantiles, n)
	}
	return ratio(sum, float64(d.PPDUs)), quantiles
}

// busiest are the stations by airtime in the first run, the most first, without
// those that had nothing.
func (w *WiFi) busiest() (order []int) {
	for i := range w.Stations {
		if s := &w.Stations[i]; s.AirtimeUs > 0 || s.Down.Arrived+s.Up.Arrived > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(w.Stations[b].AirtimeUs, w.Stations[a].AirtimeUs) })
	return order
}

func usOf(d time.Duration) float64 { return float64(d) / 1e3 }

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// jain is Jain's index, 1 of nothing.
func jain(xs []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, x := range xs {
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(xs)) * squares)
}
