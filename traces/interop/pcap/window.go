package pcap

import "github.com/uqtool/uq/traces"

// captured is a packet on its way into the trace.
type captured struct {
	ns   int64
	seq  uint64
	lost uint64
	rec  traces.Record
}

// byTime is a heap of packets, the earliest first, those of the same time in
// the capture's order.
type byTime []captured

func (h byTime) less(i, j int) bool {
	return h[i].ns < h[j].ns || h[i].ns == h[j].ns && h[i].seq < h[j].seq
}

func (h *byTime) push(c captured) {
	*h = append(*h, c)
	q := *h
	for i := len(q) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.less(i, up) {
			return
		}
		q[i], q[up] = q[up], q[i]
		i = up
	}
}

func (h *byTime) pop() captured {
	q := *h
	top := q[0]
	n := len(q) - 1
	q[0] = q[n]
	q = q[:n]
	*h = q
	for i := 0; ; {
		least := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < n && q.less(c, least) {
				least = c
			}
		}
		if least == i {
			return top
		}
		q[i], q[least] = q[least], q[i]
		i = least
	}
}
