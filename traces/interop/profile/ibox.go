package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// ibox is a profile of iBox.
type ibox struct {
	Node      string `json:"measurement_node"`
	Peer      string `json:"peer_cloud_server"`
	Direction string `json:"data_flow_direction"`
	LinkType  string `json:"link_type"`
	Source    string `json:"data_source_url"`
	Config    struct {
		Up      *iboxWay `json:"uplink"`
		Down    *iboxWay `json:"downlink"`
		Comment string   `json:"__comment"`
	} `json:"config"`
}

// iboxWay is one direction.
type iboxWay struct {
	Bandwidth json.Number   `json:"bottleneck_bandwidth"` // kbit/s
	Bytes     json.Number   `json:"buffer_size_bytes"`
	Packets   json.Number   `json:"buffer_size_packets"` // of the MTU's size
	Delay     json.Number   `json:"propagation_delay"`   // ms
	Cross     []json.Number `json:"cross_traffic_pattern"`
}

const (
	// maxSeconds bounds a pattern of cross traffic: iBox's have 30.
	maxSeconds = 3600
	// maxCross bounds its rate, in bit/s.
	maxCross = 10_000_000_000
	// maxBuffer is what tc's queues can hold, in bytes or packets.
	maxBuffer = 1<<31 - 1
	// maxLinkDelay is the longest delay of a uq link.
	maxLinkDelay = time.Hour
)

func parseIBox(data []byte, o Options) (*Profile, error) {
	var in ibox
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, fmt.Errorf("read the iBox profile: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("read the iBox profile: something follows it: want one profile in a file")
	}
	learned, err := in.learned()
	if err != nil && o.Direction == "" {
		return nil, err
	}
	if o.Direction == "" {
		o.Direction = learned
	}
	way, word := in.Config.Up, "uplink"
	if o.Direction == Down {
		way, word = in.Config.Down, "downlink"
	}
	if way == nil {
		return nil, fmt.Errorf("read the iBox profile: it has no %s: take the other with --direction", word)
	}
	p := &Profile{Format: "iBox", Name: fmt.Sprintf("%s of %q, %q to %q", word, in.LinkType, in.Node, in.Peer)}
	if err := p.takeIBox(way); err != nil {
		return nil, fmt.Errorf("read the iBox profile's %s: %w", word, err)
	}
	if learned != o.Direction {
		p.note("iBox did not measure the %s: its values are defaults. The other direction is what it measured.", word)
	} else {
		p.note("The other direction is not here: iBox did not measure it, its values are defaults.")
	}
	p.note("The profile does not say which headers its rate and its buffer count: uq's count the IP packet and the trace's link-layer header of %d bytes.", o.LinkHeader)
	p.Source = in.Source
	return p, nil
}

// learned is the direction that was measured.
func (in *ibox) learned() (string, error) {
	switch in.Direction {
	case "upload", "uplink":
		return Up, nil
	case "download", "downlink":
		return Down, nil
	}
	return "", fmt.Errorf("read the iBox profile: data_flow_direction %q: want upload or download: choose with --direction", in.Direction)
}

// takeIBox takes one direction's values.
func (p *Profile) takeIBox(way *iboxWay) error {
	rate, err := way.number("bottleneck_bandwidth", way.Bandwidth, 1000, 1<<62)
	if err != nil {
		return err
	}
	if rate == 0 {
		return errors.New("bottleneck_bandwidth is 0: want kbit/s")
	}
	delay, err := way.number("propagation_delay", way.Delay, uint64(time.Millisecond), uint64(maxLinkDelay))
	if err != nil {
		return err
	}
	size, err := way.number("buffer_size_bytes", way.Bytes, 1, maxBuffer)
	if err != nil {
		return err
	}
	if _, err := way.number("buffer_size_packets", way.Packets, 1, maxBuffer); err != nil {
		return err
	}
	p.Wire, p.Rest = "rate "+rateText(rate), delayText(delay)
	p.Qdiscs = []string{fmt.Sprintf("bfifo limit %d", size)}
	p.note("The buffer is its buffer_size_bytes; buffer_size_packets, %s of the MTU's size, is not taken besides.", way.Packets)
	if size < crossLength {
		p.note("The buffer of %d bytes is smaller than a packet of %d: uq drops every packet that does not fit into it, also when nothing waits.", size, crossLength)
	}
	if len(way.Cross) > maxSeconds {
		return fmt.Errorf("cross_traffic_pattern has %d values: want at most %d", len(way.Cross), maxSeconds)
	}
	sum := uint64(0)
	for i, v := range way.Cross {
		r, err := way.number(fmt.Sprintf("cross_traffic_pattern[%d]", i), v, 1000, maxCross)
		if err != nil {
			return err
		}
		p.Cross = append(p.Cross, r)
		sum += r
	}
	if sum == 0 {
		p.Cross = nil
	}
	return nil
}

// number reads a number in units of scale.
func (way *iboxWay) number(key string, n json.Number, scale, top uint64) (uint64, error) {
	if n == "" {
		return 0, fmt.Errorf("%s is missing", key)
	}
	v, exact, err := decimal(n.String(), scale)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s: %w", key, err)
	case !exact:
		return 0, fmt.Errorf("%s: %s is finer than uq can hold", key, n)
	case v > top:
		return 0, fmt.Errorf("%s: %s is too much", key, n)
	}
	return v, nil
}
