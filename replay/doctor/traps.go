package doctor

import (
	"fmt"
	"strconv"
	"strings"
)

// version is a kernel's: major, minor, patch.
type version [3]int

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v version) before(w version) bool {
	for i := range v {
		if v[i] != w[i] {
			return v[i] < w[i]
		}
	}
	return false
}

// parseVersion reads the beginning of what uname -r prints: "6.18.44-foo",
// "6.8.0-31-generic", "7.0-rc1".
func parseVersion(s string) (v version, ok bool) {
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end >= 0 {
		s = s[:end]
	}
	parts := strings.Split(strings.Trim(s, "."), ".")
	if len(parts) < 2 {
		return v, false
	}
	for i := range min(len(parts), len(v)) {
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return version{}, false
		}
		v[i] = n
	}
	return v, true
}

// span is the versions from first up to, but without, fixed.
type span struct{ first, fixed version }

// trap is a fault of some kernels that no probe shows.
type trap struct {
	name  string
	spans []span
	harm  string
	avoid string // beside a newer kernel
}

// traps are the known ones. What a probe measures, such as a slow search for
// the packet of a verdict, is not here: version numbers say little about the
// kernels of distributions.
func traps() []trap {
	return []trap{
		{
			// Shared-unconfirmed check after segmentation; fixed by 207b3ebacb61.
			// osv.dev/vulnerability/CVE-2026-45859
			name: "CVE-2026-45859",
			spans: []span{{version{6, 11, 0}, version{6, 12, 75}}, {version{6, 13, 0}, version{6, 18, 14}},
				{version{6, 19, 0}, version{6, 19, 4}}},
			harm:  "without the GSO flag a flow's first UDP-GRO packets are dropped",
			avoid: "keep --gso on",
		},
		{
			// One hash table for all queues; fixed by 936206e3f6ff.
			// osv.dev/vulnerability/CVE-2026-43084
			name: "CVE-2026-43084",
			spans: []span{{version{6, 12, 75}, version{6, 12, 83}}, {version{6, 18, 14}, version{6, 18, 24}},
				{version{6, 19, 4}, version{6, 19, 14}}},
			harm:  "verdicts to several queues at once can crash the kernel",
			avoid: "use one queue at a time",
		},
		{
			// b10b446ce7ad (7.0-rc1); fixed by 78effd896eee and 5f17ae0f595a,
			// in 7.1.5. github.com/tailscale/tailscale/issues/19777
			name:  "UDP GSO corruption",
			spans: []span{{version{7, 0, 0}, version{7, 1, 5}}},
			harm:  "UDP super-packets can leave with damaged headers and checksums, depending on the device",
			avoid: "ethtool -K DEV tx-udp-segmentation off",
		},
	}
}

// in gives the version that mends the trap for v, if v has it.
func (t trap) in(v version) (fixed version, has bool) {
	for _, s := range t.spans {
		if !v.before(s.first) && v.before(s.fixed) {
			return s.fixed, true
		}
	}
	return version{}, false
}
