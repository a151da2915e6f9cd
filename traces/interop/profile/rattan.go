package profile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// rattan follows a config's way from one side to the other.
type rattan struct {
	*Profile
	opts  Options
	cells map[string]any
	links map[string]string
	// bw is the cell that has the rate, "" before it came; lossy that which
	// loses.
	bw, lossy string
	delay     uint64
	// loss are the words for what comes before the rate and behind it.
	front, behind string
}

// rattanSections are those of a config that are about rattan's own run.
var rattanSections = []string{"env", "http", "general", "resource", "commands"}

func parseRattan(data []byte, o Options) (*Profile, error) {
	var tree map[string]any
	if _, err := toml.Decode(string(data), &tree); err != nil {
		return nil, fmt.Errorf("read the profile: neither iBox's JSON nor rattan's TOML: %w", err)
	}
	r := &rattan{Profile: &Profile{Format: "rattan"}, opts: o}
	if err := r.sections(tree); err != nil {
		return nil, err
	}
	ends := [2]string{"left", "right"}
	if o.Direction == Down {
		ends = [2]string{"right", "left"}
	}
	r.Name = ends[0] + " to " + ends[1]
	way, err := r.way(ends[0], ends[1])
	if err != nil {
		return nil, err
	}
	for _, id := range way {
		if err := r.cell(id); err != nil {
			return nil, fmt.Errorf("read the rattan config: cell %q: %w", id, err)
		}
	}
	r.finish(way)
	return r.Profile, nil
}

// sections checks the top of the tree.
func (r *rattan) sections(tree map[string]any) error {
	known := append([]string{"cells", "devices", "links"}, rattanSections...)
	var own []string
	for _, k := range slices.Sorted(maps.Keys(tree)) {
		if !slices.Contains(known, k) {
			return fmt.Errorf("read the rattan config: unknown section %q: there are %s", k, strings.Join(known, ", "))
		}
		if slices.Contains(rattanSections, k) {
			own = append(own, k)
		}
	}
	if len(own) > 0 {
		r.note("What is about rattan's own run is not here: %s.", strings.Join(own, ", "))
	}
	cells, newer := tree["cells"].(map[string]any)
	devices, older := tree["devices"].(map[string]any)
	switch {
	case newer && older:
		return errors.New("read the rattan config: it has [cells] and [devices]: write one of them")
	case older:
		cells = devices
	case !newer:
		return errors.New("read the rattan config: it has no [cells.NAME]: nothing to make a link of")
	}
	r.cells, r.links = cells, map[string]string{}
	links, ok := tree["links"].(map[string]any)
	if !ok {
		return errors.New("read the rattan config: it has no [links], which say how the cells follow each other")
	}
	for k, v := range links {
		to, ok := v.(string)
		if !ok {
			return fmt.Errorf("read the rattan config: links.%s: want the name of a cell", k)
		}
		r.links[k] = to
	}
	return nil
}

// way is the cells between the sides, in order.
func (r *rattan) way(from, to string) (way []string, err error) {
	if _, ok := r.links[from+"2"]; ok {
		return nil, fmt.Errorf("read the rattan config: it has several devices on the %s: a uq link has one way: keep one in [links]", from)
	}
	at := from
	if _, ok := r.links[at]; !ok {
		at = from + "1"
	}
	if _, ok := r.links[at]; !ok {
		return nil, fmt.Errorf("read the rattan config: no way from %s to %s: [links] has no %q: choose with --direction", from, to, from)
	}
	for {
		next, ok := r.links[at]
		switch {
		case !ok:
			return nil, fmt.Errorf("read the rattan config: the way from %s ends at %q: [links] does not say what follows", from, at)
		case next == to || next == to+"1":
			return way, nil
		case next == from || next == from+"1":
			return nil, fmt.Errorf("read the rattan config: the way from %s leads back to it", from)
		case slices.Contains(way, next):
			return nil, fmt.Errorf("read the rattan config: the way from %s goes round at %q", from, next)
		}
		if _, ok := r.cells[next]; !ok {
			return nil, fmt.Errorf("read the rattan config: [links] leads to %q, which is no cell", next)
		}
		way = append(way, next)
		if r.typeOf(next) == "Router" {
			return way, nil // where it leads stands in the cell, which is refused
		}
		at = next
	}
}

func (r *rattan) typeOf(id string) string {
	cell, _ := r.cells[id].(map[string]any)
	kind, _ := cell["type"].(string)
	return kind
}

// refused are cells that no uq link has, with the way out.
var refused = map[string]string{
	"DelayReplay":     "a uq link's delay does not follow a file: write \"delay MEAN JITTER\" in a scenario of your own",
	"DelayPerPacket":  "a uq link's delay is not given packet by packet: write \"delay MEAN JITTER\" in a scenario of your own",
	"LossReplay":      "a uq link's loss does not follow a file: write \"loss gemodel\" or \"loss state\" in a scenario of your own",
	"ReorderDelay":    "write \"delay MEAN JITTER\" in a scenario of your own: jitter reorders",
	"Duplicate":       "write \"duplicate P%\" in a scenario of your own",
	"DuplicateReplay": "write \"duplicate P%\" in a scenario of your own",
	"TokenBucket":     "write the qdisc \"tbf rate RATE burst SIZE limit SIZE\" in a scenario of your own",
	"Router":          "a uq link has one way: make a config of one path",
	"Shadow":          "a uq link has one way: make a config of one path",
	"Spy":             "take it out of [links]: uq records with uq record, and exports with uq sim --export",
	"Custom":          "only the program that made it knows what it does: write a scenario of your own",
}

// minLoss is the least that a uq link can lose: netem's 32-bit fraction is not much
// finer.
const minLoss = 1e-9

// cell takes one cell of the way.
func (r *rattan) cell(id string) error {
	cell, ok := r.cells[id].(map[string]any)
	if !ok {
		return errors.New("want a table")
	}
	f := &fields{tree: cell}
	switch kind := f.text("type"); kind {
	case "":
		return errors.New("has no type")
	case "Bw":
		return r.bandwidth(id, f, false)
	case "BwReplay":
		return r.bandwidth(id, f, true)
	case "Delay":
		return r.takeDelay(f)
	case "Loss":
		return r.takeLoss(id, f)
	default:
		if hint, ok := refused[kind]; ok {
			return fmt.Errorf("type %s has no equal in uq: %s", kind, hint)
		}
		return fmt.Errorf("unknown type %q: uq takes Bw, BwReplay of a mahimahi trace, Delay and Loss", kind)
	}
}

func (r *rattan) takeDelay(f *fields) error {
	text := f.text("delay")
	if err := f.done(); err != nil || text == "" {
		return err
	}
	ns, err := duration(text)
	if err != nil {
		return fmt.Errorf("delay: %w", err)
	}
	if r.delay += ns; r.delay > uint64(maxLinkDelay) {
		return fmt.Errorf("delay: the delays add up to more than %s", maxLinkDelay)
	}
	return nil
}

func (r *rattan) takeLoss(id string, f *fields) error {
	pattern := f.numbers("pattern")
	if err := f.done(); err != nil {
		return err
	}
	if len(pattern) == 0 || len(pattern) == 1 && pattern[0] == 0 {
		return nil
	}
	switch p := pattern[0]; {
	case len(pattern) > 1:
		return fmt.Errorf("a loss pattern of %d values, by how many were lost before, has no equal in uq: write \"loss gemodel\" in a scenario of your own", len(pattern))
	case p < minLoss || p > 1:
		return fmt.Errorf("pattern: %v: want a loss rate of 0, or %v to 1", p, minLoss)
	case r.lossy != "":
		return fmt.Errorf("cell %q loses packets already: a uq link has one loss: put them together", r.lossy)
	case r.bw == "":
		r.front = "front loss " + percent(p)
	default:
		r.behind = "loss " + percent(p)
	}
	r.lossy = id
	return nil
}

// finish writes the link, and what differs.
func (r *rattan) finish(way []string) {
	if r.bw == "" {
		r.Wire = "unlimited"
		if r.front != "" { // there is no queue that it could be before
			r.front, r.behind = "", strings.TrimPrefix(r.front, "front ")
		}
		r.note("No cell has a bandwidth: no queue builds, whatever the qdisc.")
	}
	if len(r.Qdiscs) == 0 {
		r.Qdiscs = []string{"pfifo"}
	}
	r.Rest = strings.Join(slices.DeleteFunc([]string{r.Rest, delayText(r.delay), r.behind, r.front}, func(s string) bool { return s == "" }), " ")
	if r.front != "" {
		r.note("Cell %q loses packets before they reach the queue; uq does so between queue and wire: they take room in the queue, and no time on the wire.", r.lossy)
	}
	if r.lossy != "" {
		r.note("Which packets are lost differs: rattan's random numbers are others. The seed of a run changes uq's.")
	}
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(r.cells)), func(id string) bool { return slices.Contains(way, id) })
	if len(others) > 0 {
		r.note("Cells that are not on the way from %s are not here: %s. The other direction is --direction %s.", r.Name, quoted(others), r.other())
	}
}

func (r *rattan) other() string {
	if r.opts.Direction == Down {
		return Up
	}
	return Down
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, ", ")
}
