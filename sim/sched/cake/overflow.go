package cake

// heap finds the longest queue of all tins: by bytes, then the first in order of
// tins and queues. It is built at the first overflow and kept while overflows
// are recent; the rest of the time it costs nothing.
type heap struct {
	flows []*flow // those with packets
	live  int     // served packets until it is let go; 0: not kept
	tins  []*tin
}

// keep is how many packets may be served after an overflow until the heap is let
// go.
const keep = 65535

// longest returns the longest queue; there must be one with packets.
func (h *heap) longest() *flow {
	if h.live == 0 {
		h.build()
	}
	h.live = keep
	return h.flows[0]
}

func (h *heap) build() {
	h.flows = h.flows[:0]
	for _, t := range h.tins {
		for i := range t.flows {
			f := &t.flows[i]
			f.place = 0
			if f.head != nil {
				h.flows = append(h.flows, f)
				f.place = uint16(len(h.flows))
			}
		}
	}
	for i := len(h.flows)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

// age counts a served packet.
func (h *heap) age() {
	if h.live > 0 {
		h.live--
	}
}

// changed puts f where it now belongs.
func (h *heap) changed(f *flow) {
	if h.live == 0 {
		return
	}
	if f.place == 0 {
		if f.head == nil {
			return
		}
		h.flows = append(h.flows, f)
		f.place = uint16(len(h.flows))
	}
	i := int(f.place) - 1
	if f.head != nil {
		h.up(i)
		h.down(int(f.place) - 1)
		return
	}
	last := len(h.flows) - 1
	h.swap(i, last)
	h.flows = h.flows[:last]
	f.place = 0
	if i < last {
		moved := h.flows[i]
		h.up(i)
		h.down(int(moved.place) - 1)
	}
}

// before says i is the longer one.
func (h *heap) before(i, j int) bool {
	a, b := h.flows[i], h.flows[j]
	if a.bytes != b.bytes {
		return a.bytes > b.bytes
	}
	return a.number < b.number
}

func (h *heap) swap(i, j int) {
	h.flows[i], h.flows[j] = h.flows[j], h.flows[i]
	h.flows[i].place, h.flows[j].place = uint16(i+1), uint16(j+1)
}

func (h *heap) up(i int) {
	for i > 0 && h.before(i, (i-1)/2) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (h *heap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h.flows) {
			return
		}
		if child+1 < len(h.flows) && h.before(child+1, child) {
			child++
		}
		if !h.before(child, i) {
			return
		}
		h.swap(i, child)
		i = child
	}
}
