package traces

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// mergeHeaders describes the trace that several become. Notes say what they
// disagree about.
func mergeHeaders(tool string, inputs []mergeInput) (h Header, notes []string) {
	headers := make([]Header, len(inputs))
	var names, synthetic, anonymized []string
	for i := range inputs {
		in := &inputs[i]
		headers[i] = in.Stream.Header()
		names = append(names, in.describe())
		if s := headers[i].Synthetic; s != "" {
			synthetic = append(synthetic, s)
		}
		if a := headers[i].Anonymized; a != "" {
			anonymized = append(anonymized, a)
		}
	}
	first := headers[0]
	h = Header{
		Tool: tool, Comment: "merged from " + strings.Join(names, ", "),
		LinkHeader: first.LinkHeader, NotCaptured: notCaptured(headers), Anonymized: joined(slices.Compact(anonymized)),
	}
	if len(synthetic) == len(headers) {
		h.Synthetic = joined(synthetic)
	}
	if n := len(anonymized); n > 0 && n < len(headers) {
		h.Anonymized = fmt.Sprintf("%s in %d of %d traces", h.Anonymized, n, len(headers))
	}
	if same(headers, func(h Header) *Host { return h.Host }) {
		h.Host = first.Host
	}
	h.Anchor = mergeAnchors(inputs, headers)
	h.Capture = mergeCaptures(headers)
	h.Scenario = mergeScenarios(headers)
	h.Devices = mergeDevices(inputs, headers)
	return h, mergeNotes(h, headers)
}

// describe names the trace, where it begins and what it says of itself.
func (in *mergeInput) describe() string {
	s := in.Name
	if in.Offset > 0 {
		s += " from " + time.Duration(in.Offset).String() + " on"
	}
	h := in.Stream.Header()
	for _, about := range []string{h.Comment, h.Synthetic} {
		if about != "" {
			s += " (" + about + ")"
		}
	}
	return s
}

// same says whether all headers have the same.
func same[T any](headers []Header, field func(Header) T) bool {
	for _, h := range headers[1:] {
		if !reflect.DeepEqual(field(h), field(headers[0])) {
			return false
		}
	}
	return true
}

func joined(parts []string) string { return strings.Join(parts, "; ") }

// notCaptured is what any of the traces lacks.
func notCaptured(headers []Header) (all []string) {
	const outcome = "what became of the packets"
	for _, h := range headers {
		for _, s := range h.NotCaptured {
			if !slices.Contains(all, s) && s != outcome {
				all = append(all, s)
			}
		}
	}
	return append(all, outcome)
}

// mergeAnchors is the clock of time zero, if all traces have the same then.
func mergeAnchors(inputs []mergeInput, headers []Header) *Anchor {
	a := headers[0].Anchor
	for i, h := range headers {
		if h.Anchor == nil || h.Anchor.RealtimeNs-int64(inputs[i].Offset) != a.RealtimeNs-int64(inputs[0].Offset) {
			return nil
		}
		if inputs[i].Offset == 0 {
			a = h.Anchor
		}
	}
	return a
}

// mergeCaptures keeps what holds for all that were captured.
func mergeCaptures(headers []Header) (c *Capture) {
	if same(headers, func(h Header) *Capture { return h.Capture }) {
		return headers[0].Capture
	}
	for _, h := range headers {
		switch o := h.Capture; {
		case o == nil:
		case c == nil:
			c = &Capture{Mode: "merge", CopyRange: o.CopyRange, GSO: o.GSO, SegmentMTU: o.SegmentMTU, Direction: o.Direction}
		default:
			c.CopyRange, c.GSO = min(c.CopyRange, o.CopyRange), c.GSO || o.GSO
			if c.SegmentMTU != o.SegmentMTU {
				c.SegmentMTU = 0
			}
			if c.Direction != o.Direction {
				c.Direction = ""
			}
		}
	}
	return c
}

// mergeScenarios keeps the bottleneck if no two differ, and all traffic.
func mergeScenarios(headers []Header) (s *Scenario) {
	if same(headers, func(h Header) *Scenario { return h.Scenario }) {
		return headers[0].Scenario
	}
	s = &Scenario{}
	if all := bottlenecks(headers); len(all) == 1 {
		s.Bottleneck = all[0]
	}
	var commands []string
	for _, h := range headers {
		if h.Scenario != nil {
			s.Traffic = append(s.Traffic, h.Scenario.Traffic...)
			if h.Scenario.Command != "" {
				commands = append(commands, h.Scenario.Command)
			}
		}
	}
	s.Command = joined(commands)
	return s
}

// bottlenecks are those that the traces state, each once.
func bottlenecks(headers []Header) (all []string) {
	for _, h := range headers {
		if h.Scenario != nil && h.Scenario.Bottleneck != "" && !slices.Contains(all, h.Scenario.Bottleneck) {
			all = append(all, h.Scenario.Bottleneck)
		}
	}
	return all
}

// mergeDevices lists the devices of all traces. One whose index another trace has
// for another device gets the next that nobody has.
func mergeDevices(inputs []mergeInput, headers []Header) (all []Device) {
	byIndex, top := map[uint32]Device{}, uint32(0)
	for _, h := range headers {
		for _, d := range h.Devices {
			if d.Index < 1<<31 {
				top = max(top, d.Index)
			}
		}
	}
	for i, h := range headers {
		for _, d := range h.Devices {
			old := d.Index
			if known, taken := byIndex[old]; taken && known != d {
				if i == 0 {
					continue // named twice: the first name stays
				}
				top++
				d.Index = top
				if inputs[i].devices == nil {
					inputs[i].devices = map[uint32]uint32{}
				}
				inputs[i].devices[old] = d.Index
			}
			byIndex[d.Index] = d
		}
	}
	for _, index := range slices.Sorted(maps.Keys(byIndex)) {
		all = append(all, byIndex[index])
	}
	return all
}

// mergeNotes says what of the traces is not in the merged header.
func mergeNotes(h Header, headers []Header) (notes []string) {
	if !same(headers, func(h Header) int { return h.LinkHeader }) {
		notes = append(notes, fmt.Sprintf("the traces have link-layer headers of different lengths: all packets get the first one's %d bytes", h.LinkHeader))
	}
	if !same(headers, func(h Header) int {
		if h.Capture == nil {
			return 0
		}
		return h.Capture.SegmentMTU
	}) && (h.Capture == nil || h.Capture.SegmentMTU == 0) {
		notes = append(notes, "the traces have different MTUs: split super-packets are shared out evenly")
	}
	if len(bottlenecks(headers)) > 1 {
		notes = append(notes, "the traces state different bottlenecks: say the link with --link")
	}
	if slices.ContainsFunc(headers, func(h Header) bool { return h.Scheduler != nil }) {
		notes = append(notes, "a scheduler decided a trace: its decisions and its link are left out: say the link with --link")
	}
	return notes
}
