package traces

import "github.com/uqtool/uq/sim/pkt"

// kernel stamps have µs resolution on a time line that starts anywhere, so they
// are split into the µs, predicted from the arrival, and a rest that is mostly
// one constant.

func floorDiv1000(t pkt.Time) pkt.Time {
	q := t / 1000
	if t%1000 < 0 {
		q--
	}
	return q
}

//go:noinline
func ktimeColumn() predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			for i, k := range b.KernelTime {
				c.res[i] = 0
				if k != NoTime {
					c.res[i] = 1 + zig64(floorDiv1000(b.Time[i])-floorDiv1000(k))
				}
			}
		},
		// decode leaves µs in the column; ktimeNsColumn makes them ns.
		decode: func(c *codec, b *Block) error {
			if c.zero {
				fill(b.KernelTime, NoTime)
				return nil
			}
			for i, r := range c.res {
				b.KernelTime[i] = NoTime
				if r != 0 {
					b.KernelTime[i] = floorDiv1000(b.Time[i]) - pkt.Time(zag(r-1))
				}
			}
			return nil
		},
	}
}

//go:noinline
func ktimeNsColumn() predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			rest := uint64(0)
			for i, k := range b.KernelTime {
				if k != NoTime {
					rest = uint64(k - floorDiv1000(k)*1000)
				}
				c.res[i] = rest
			}
		},
		decode: func(c *codec, b *Block) error {
			x := uint64(0)
			for i, k := range b.KernelTime {
				if k != NoTime {
					t := k*1000 + pkt.Time(c.res[i])
					x |= excess(t)
					b.KernelTime[i] = t
				}
			}
			return checkExcess(x)
		},
	}
}

// start is when the scheduler could first have let record i go: what Due counts
// from where Dequeued is absent.
func (b *Block) start(i int) pkt.Time {
	if b.Dequeued[i] != NoTime {
		return b.Dequeued[i]
	}
	return b.Time[i]
}

// txTable remembers the last link time of a packet of each length, modulo its
// size: on a link of fixed rate that is the link time of the next such packet.
type txTable [1024]pkt.Time

func (t *txTable) slot(length uint32) *pkt.Time { return &t[length%1024] }

// dueColumn stores the link time.
//
//go:noinline
func dueColumn() predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			var last txTable
			for i, due := range b.Due {
				if due == NoTime {
					c.res[i] = 0
					continue
				}
				tx := due - b.start(i)
				if b.Verdict[i] == Drop {
					c.res[i] = 1 + zig64(tx)
					continue
				}
				p := last.slot(b.Len[i])
				c.res[i] = 1 + zig64(tx-*p)
				*p = tx
			}
		},
		// decode leaves the link time in the column; dequeuedColumn makes it
		// the due time.
		decode: func(c *codec, b *Block) error {
			if c.noDue = c.zero; c.noDue {
				fill(b.Due, NoTime)
				return nil
			}
			var last txTable
			for i, r := range c.res {
				if r == 0 {
					b.Due[i] = NoTime
					continue
				}
				tx := pkt.Time(zag(r - 1))
				if b.Verdict[i] != Drop {
					p := last.slot(b.Len[i])
					tx += *p
					*p = tx
				}
				b.Due[i] = tx
			}
			return nil
		},
	}
}

// likelyDequeued predicts that the link was busy until the last due time, and
// that what was over the limit was dropped on arrival.
func likelyDequeued(b *Block, i int, busy pkt.Time) pkt.Time {
	if b.Reason[i] == pkt.Overlimit {
		return b.Time[i]
	}
	return max(b.Time[i], busy)
}

//go:noinline
func dequeuedColumn() predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			busy := -MaxTime
			for i, t := range b.Dequeued {
				c.res[i] = timeCode(t, likelyDequeued(b, i, busy))
				if b.Due[i] != NoTime && b.Verdict[i] != Drop {
					busy = b.Due[i]
				}
			}
		},
		decode: func(c *codec, b *Block) error {
			if c.zero && c.noDue {
				fill(b.Dequeued, NoTime)
				return nil
			}
			busy, x := -MaxTime, uint64(0)
			for i, r := range c.res {
				t := codeTime(r, likelyDequeued(b, i, busy))
				b.Dequeued[i] = t
				if t != NoTime {
					x |= excess(t)
				}
				if b.Due[i] == NoTime {
					continue
				}
				due := b.start(i) + b.Due[i]
				b.Due[i] = due
				x |= excess(due)
				if b.Verdict[i] != Drop {
					busy = due
				}
			}
			return checkExcess(x)
		},
	}
}

// likelyVerdict predicts that a verdict goes out when it is due or, without a
// scheduler, in a batch: with the verdict of the previous packet unless that
// was before its own arrival.
func likelyVerdict(b *Block, i int, last pkt.Time) pkt.Time {
	if b.Due[i] != NoTime {
		return b.Due[i]
	}
	return max(b.Time[i], last)
}

//go:noinline
func vtimeColumn() predictor {
	return predictor{
		encode: func(c *codec, b *Block) {
			last := -MaxTime
			for i, t := range b.VerdictTime {
				c.res[i] = timeCode(t, likelyVerdict(b, i, last))
				if t != NoTime {
					last = t
				}
			}
		},
		decode: func(c *codec, b *Block) error {
			last, x := -MaxTime, uint64(0)
			for i, r := range c.res {
				t := codeTime(r, likelyVerdict(b, i, last))
				b.VerdictTime[i] = t
				if t != NoTime {
					last = t
					x |= excess(t)
				}
			}
			return checkExcess(x)
		},
	}
}

func fill(s []pkt.Time, t pkt.Time) {
	for i := range s {
		s[i] = t
	}
}
