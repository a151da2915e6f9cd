package red

import (
	"fmt"
	"math/bits"
)

// EWMA finds the weight as tc does: the largest 2^-w, w from 1, for which a
// burst of that many packets of avpkt bytes into an empty queue does not bring
// the average to min bytes; that is, burst + 1 - min/avpkt <= (1 - (1-W)^burst)/W.
func EWMA(min, burst, avpkt int) (uint8, error) {
	have := (uint64(burst)+1)*uint64(avpkt) - uint64(min) // in units of 1/avpkt
	if (uint64(burst)+1)*uint64(avpkt) < uint64(min)+uint64(avpkt) {
		return 0, fmt.Errorf("burst %d is too small: try burst %d", burst, 1+min/avpkt)
	}
	for w := 1; w < 32; w++ {
		lost := 1<<53 - missing(w, burst)
		lhi, llo := bits.Mul64(have, 1<<53)
		rhi, rlo := bits.Mul64(lost, uint64(avpkt)<<w)
		if lhi < rhi || lhi == rhi && llo <= rlo {
			return uint8(w), nil
		}
	}
	return 0, fmt.Errorf("no weight of the average fits burst %d: try another", burst)
}

// missing is (1-2^-w)^n rounded to 53 binary places, what a double has below 1:
// tc's answer hangs on that rounding where n is small and w large.
func missing(w, n int) uint64 {
	const one = 1 << 63
	power, base := uint64(one), uint64(one-one>>w)
	mul := func(a, b uint64) uint64 {
		hi, lo := bits.Mul64(a, b)
		return hi<<1 | lo>>63
	}
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			power = mul(power, base)
		}
		base = mul(base, base)
	}
	return (power + 1<<9 - 1 + power>>10&1) >> 10 // half to even
}

// idleTable computes Stab and ScellLog as tc does for a link of rate bytes/s:
// entry i is i·2^ScellLog·-ln(1-W)/t, t the time to send avpkt bytes.
//
// tc takes t in whole microseconds, converts it to ticks of 64 ns, and the kernel
// looks the table up in microseconds, so that the average decays 15.6 times more
// slowly than the paper wants. It is so on Linux, and here.
func idleTable(p *Params, avpkt int, rate uint64) {
	const most = 31 // the largest shift
	p.Stab[255] = most
	us := min(uint64(avpkt)*1e6/rate, 1<<32-1)
	t := min(us*1000/64, 1<<32-1)
	if t == 0 { // tc divides by it, and what that gives reads 0 in the table
		return
	}
	ln := logWeight(p.WLog)
	for p.ScellLog = 0; p.ScellLog < 31; p.ScellLog++ {
		// most·t/ln < 512 cells
		hi, lo := bits.Mul64(most*t, 1<<62)
		chi, clo := bits.Mul64(512<<p.ScellLog, ln)
		if hi < chi || hi == chi && lo < clo {
			break
		}
	}
	for i := range p.Stab[:255] {
		hi, lo := bits.Mul64(uint64(i)<<p.ScellLog, ln)
		q1 := hi / t
		q2, _ := bits.Div64(hi%t, lo, t)
		shift := uint64(most)
		if q1 < 1<<32 {
			shift = min(q1<<2|q2>>62, most)
		}
		p.Stab[i] = uint8(shift)
	}
}

// logWeight is -ln(1 - 2^-w) in 2^-62, from its series.
func logWeight(w uint8) (sum uint64) {
	for k := uint(1); k*uint(w) <= 62; k++ {
		sum += (1 << 62 >> (k * uint(w))) / uint64(k)
	}
	return sum
}
