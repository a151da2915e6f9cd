package tc

import "strings"

// Nearest returns the candidate at the smallest edit distance from w if that is
// small enough to be a slip, else "". Capitals are no distance.
func Nearest(w string, candidates []string) string {
	w = strings.ToLower(w)
	best, dist := "", 3
	if len(w) <= 3 {
		dist = 2
	}
	for _, c := range candidates {
		if d := editDistance(w, strings.ToLower(c)); d < dist {
			best, dist = c, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := prev
			if a[i-1] != b[j-1] {
				cost = 1 + min(prev, row[j], row[j-1])
			}
			prev, row[j] = row[j], cost
		}
	}
	return row[len(b)]
}
