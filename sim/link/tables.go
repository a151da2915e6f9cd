package link

import "math/bits"

// The tables of distributions are quantiles, as netem's are: entry i is where
// the distribution has (i + 1/2)/4096 of itself below, in 8192ths of its
// standard deviation, about its mean. They are computed when a link is made, in
// integers, so that every machine has the same; mean and deviation of each are 0
// and 8192 to rounding.
//
//   - normal: the density exp(-x²/2) is summed up in steps of 1/8192, each value
//     from the last by two multiplications.
//   - pareto: u^(-1/3), Pareto's with shape 3, as netem's.
//   - paretonormal: a quarter of the one and three quarters of the other.
//
// netem's tables end at four deviations, since they have 16 bits; these do not.
// Pareto's longest is 21.
const (
	tableBits  = 12
	tableSize  = 1 << tableBits
	tableShift = 13
	tableScale = 1 << tableShift
)

var tableNames = []string{"uniform", "normal", "pareto", "paretonormal"}

// newTable makes the table of a name; nil for uniform.
func newTable(name string) []int32 {
	switch name {
	case "normal":
		return normalize(normalQuantiles())
	case "pareto":
		return normalize(paretoQuantiles())
	case "paretonormal":
		a, b := normalize(normalQuantiles()), normalize(paretoQuantiles())
		mix := make([]int64, tableSize)
		for i := range mix {
			mix[i] = int64(a[i]) + 3*int64(b[i])
		}
		return normalize(mix)
	}
	return nil
}

// normalQuantiles are in 8192ths of the deviation.
func normalQuantiles() []int64 {
	half := 0 // quantiles found of the upper half
	q := make([]int64, tableSize)
	total := sumNormal(func(uint64, int64) {})
	sumNormal(func(mass uint64, x int64) {
		for half < tableSize/2 {
			// A quantile of the upper half has (2·half+1)/4096 of it below.
			if hi, lo := bits.Mul64(total, uint64(2*half+1)); mass < hi<<(64-tableBits)|lo>>tableBits {
				return
			}
			q[tableSize/2+half], q[tableSize/2-1-half] = x, -x
			half++
		}
	})
	return q
}

// sumNormal calls f with the mass of the density between 0 and each x, and
// returns the mass of all.
func sumNormal(f func(mass uint64, x int64)) (mass uint64) {
	// As fractions of 2^64: the density at 0, its ratio to the next,
	// exp(-h²/2), and the ratio of such ratios, exp(-h²), with h = 2^-13.
	var (
		density uint64 = 1<<64 - 1
		ratio   uint64 = 1<<64 - 1<<37 + 1<<9
		step    uint64 = 1<<64 - 1<<38 + 1<<11
	)
	for x := int64(1); x <= 8*tableScale; x++ {
		next, _ := bits.Mul64(density, ratio)
		ratio, _ = bits.Mul64(ratio, step)
		mass += density>>16 + next>>16
		density = next
		f(mass, x)
	}
	return mass
}

// paretoQuantiles are in 65536ths: the cube root of 8192/(8191-2i).
func paretoQuantiles() []int64 {
	q := make([]int64, tableSize)
	for i := range q {
		q[i] = int64(cubeRoot(1 << 61 / uint64(2*tableSize-1-2*i)))
	}
	return q
}

// cubeRoot is rounded down.
func cubeRoot(x uint64) (root uint64) {
	for bit := uint64(1) << 20; bit > 0; bit >>= 1 {
		if r := root | bit; r*r*r <= x {
			root = r
		}
	}
	return root
}

// squareRoot is rounded down.
func squareRoot(x uint64) (root uint64) {
	for bit := uint64(1) << 31; bit > 0; bit >>= 1 {
		if r := root | bit; r*r <= x {
			root = r
		}
	}
	return root
}

// normalize shifts and scales q to mean 0 and deviation tableScale.
func normalize(q []int64) []int32 {
	n, sum := int64(len(q)), int64(0)
	for _, v := range q {
		sum += v
	}
	mean := floorDiv(sum+n/2, n)
	squares := uint64(0)
	for _, v := range q {
		squares += uint64((v - mean) * (v - mean))
	}
	const guard = 6 // bits of the deviation below the point
	deviation := int64(squareRoot(squares / uint64(n) << (2 * guard)))
	out := make([]int32, n)
	for i, v := range q {
		out[i] = int32(floorDiv((v-mean)<<(tableShift+guard)+deviation/2, deviation))
	}
	return out
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
