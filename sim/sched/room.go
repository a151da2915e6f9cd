package sched

import "strings"

// Roomy is implemented by schedulers whose room no option called limit tells:
// those with others inside, or with a fixed one.
type Roomy interface {
	// Room is the most packets the scheduler may hold, if none takes up less
	// than smallest bytes; 0 if nothing bounds it.
	Room(smallest int) int
}

// Room is the most packets s may hold, if none takes up less than smallest bytes
// in a limit in bytes; 0 if that is not known. Whoever feeds a scheduler from a
// queue of its own gives that queue as much.
func Room(s Scheduler, smallest int) int {
	if r, ok := s.(Roomy); ok {
		return r.Room(smallest)
	}
	d, ok := s.(Describer)
	if !ok {
		return 0
	}
	for _, f := range d.Options() {
		if f.Key != "limit" || f.Num <= 0 {
			continue
		}
		if strings.HasSuffix(f.Text, "p") {
			return int(f.Num)
		}
		return int(f.Num) / smallest
	}
	return 0
}

// Room implements Roomy: the scheduler's, and the packet held.
func (h *Head) Room(smallest int) int {
	n := Room(h.Scheduler, smallest)
	if n > 0 && h.peeker == nil {
		n++
	}
	return n
}
