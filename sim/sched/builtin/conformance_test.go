package builtin

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/schedtest"
	"github.com/uqtool/uq/sim/tc"
)

// TestConformance runs the suite over every scheduler, with defaults and with
// options that change what it does.
func TestConformance(t *testing.T) {
	for spec, prop := range conforming() {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			schedtest.Conformance(t, func(env sched.Env) (sched.Scheduler, error) { return New(spec, env) }, prop)
		})
	}
	covers(t, slices.Collect(maps.Keys(conforming())))
}

// TestEveryOption makes sure that the suite runs over every word of every kind.
func TestEveryOption(t *testing.T) {
	used := map[string]bool{}
	for spec := range conforming() {
		for part := range strings.FieldsFuncSeq(spec, func(r rune) bool { return r == '[' || r == ']' }) {
			kind := ""
			for i, w := range strings.Fields(part) {
				if i == 0 {
					kind = w
				}
				used[kind+" "+w] = true
			}
		}
	}
	for _, k := range Kinds() {
		_, err := New(k.Name+" help", sched.Env{})
		var help *tc.Help
		if !errors.As(err, &help) {
			t.Fatalf("%s help: %v", k.Name, err)
		}
		for line := range strings.Lines(help.Options) {
			w, no := strings.CutPrefix(strings.Fields(line)[0], "[no]")
			if !used[k.Name+" "+w] && !(no && used[k.Name+" no"+w]) {
				t.Errorf("%s: no line has %q", k.Name, w)
			}
		}
	}
}

// conforming has lines for every kind with what each promises.
func conforming() map[string]schedtest.Properties {
	all := map[string]schedtest.Properties{
		"pfifo":           {LimitPackets: 1000},
		"pfifo limit 10":  {LimitPackets: 10},
		"pfifo limit 0":   {},
		"bfifo":           {LimitBytes: 1514000},
		"bfifo limit 20k": {LimitBytes: 20480},
		"pfifo_fast":      {LimitPackets: 3000},
		"prio":            {LimitPackets: 3000},
		"prio bands 4 priomap 3 3 2 2 1 1 0 0 3 3 3 3 3 3 3 3 [pfifo limit 10] [fq_codel limit 100] [sfq]": {LimitPackets: 1237},
		"prio bands 2 priomap 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 [tbf rate 2mbit burst 100k latency 50ms]":    {},
		"red limit 60k avpkt 1000": {LimitBytes: 61440},
		"red limit 100k min 5k max 15k avpkt 500 ecn adaptive bandwidth 20mbit": {LimitBytes: 102400},
		"red limit 1m min 5k max 15k avpkt 500 ecn nodrop probability 0.5":      {LimitBytes: 1 << 20},
		"red limit 1m min 5k max 15k avpkt 500 ecn harddrop [sfq perturb 1]":    {LimitPackets: 127},
		"sfq": {LimitPackets: 127},
		"sfq limit 50 depth 5 flows 20 divisor 16 perturb 1":                      {LimitPackets: 50},
		"sfq limit 3000 flows 512 divisor 16384 headdrop quantum 300":             {LimitPackets: 3000},
		"sfq redflowlimit 100000 min 3000 max 20000 probability 0.2 ecn headdrop": {LimitPackets: 127},
		"sfq redflowlimit 20000 ecn harddrop depth 20":                            {LimitPackets: 127},
		"drr":                               {},
		"drr classes 4 quantum 300 [codel]": {LimitPackets: 4000},
		"drr classes 3 [pfifo limit 10] [red limit 20k avpkt 500] [prio [fq_codel] [tbf rate 3mbit burst 100k latency 50ms [drr classes 2]]]": {},
		"tbf rate 5mbit burst 70k latency 50ms": {LimitBytes: 31250 + 70<<10},
		"tbf rate 5mbit burst 10k limit 20k":    {LimitBytes: 20480},
		"tbf rate 3mbit burst 100k limit 10k peakrate 6mbit mtu 70k mpu 64 overhead 24 linklayer atm [fq_codel limit 300]": {},
		"tbf rate 20mbit burst 70k latency 20ms [tbf rate 4mbit burst 68130 latency 20ms [prio [sfq] [codel]]]":            {},
		"codel":                          {LimitPackets: 1000},
		"codel limit 100 ecn":            {LimitPackets: 100},
		"cobalt":                         {LimitPackets: 1000},
		"cobalt limit 20 ecn target 1ms": {LimitPackets: 20},
		"cobalt ce_threshold 500us interval 10ms":               {LimitPackets: 1000},
		"codel target 1ms interval 10ms ce_threshold 500us ecn": {LimitPackets: 1000},
		"fq_codel":                                                {LimitPackets: 10240},
		"fq_codel limit 100 flows 4 noecn":                        {LimitPackets: 100},
		"fq_codel memory_limit 100k drop_batch 1":                 {},
		"fq_codel quantum 300 target 1ms flows 1":                 {LimitPackets: 10240},
		"fq_codel ce_threshold 1ms ce_threshold_selector 0x1/0x3": {LimitPackets: 10240},
		"pie": {LimitPackets: 1000},
		"pie limit 100 target 5ms tupdate 1ms ecn bytemode":                             {LimitPackets: 100},
		"pie dq_rate_estimator alpha 32 beta 32":                                        {LimitPackets: 1000},
		"fq_pie":                                                                        {LimitPackets: 10240},
		"fq_pie limit 100 flows 4 ecn ecn_prob 50 bytemode":                             {LimitPackets: 100},
		"fq_pie flows 5000 quantum 300 target 2ms tupdate 3ms memory_limit 10k":         {LimitPackets: 10240},
		"fq_pie flows 1 dq_rate_estimator":                                              {LimitPackets: 10240},
		"dualpi2":                                                                       {LimitPackets: 10000, Reorders: true}, // CE goes to L
		"dualpi2 limit 100 overflow drop_enqueue any_ect coupling_factor 5":             {LimitPackets: 100},
		"dualpi2 memlimit 100000 step_thresh 3p min_qlen_step 5 classic_protection 50%": {},
		"dualpi2 max_rtt 20ms typical_rtt 5ms step_thresh 100us any_ect no_split_gso":   {LimitPackets: 10000},
		"dualpi2 classic_protection 0 drop_enqueue target 1us tupdate 1us":              {LimitPackets: 10000},
		"cake":                             {Reorders: true}, // more flows than queues
		"cake bandwidth 10mbit besteffort": {Reorders: true}, // more flows than queues
		"cake bandwidth 1mbit diffserv4 rtt 20ms ingress wash":                          {Reorders: true}, // more flows than queues
		"cake bandwidth 5mbit autorate-ingress precedence dual-srchost":                 {Reorders: true}, // more flows than queues
		"cake diffserv8 hosts memlimit 100k no-split-gso":                               {},
		"cake bandwidth 20mbit flowblind ack-filter docsis":                             {},
		"cake bandwidth 8mbit srchost pppoe-ptm ether-vlan ack-filter-aggressive":       {},
		"cake bandwidth 2mbit dsthost conservative satellite memlimit 64k ingress":      {},
		"cake bandwidth 30mbit flows overhead -20 mpu 64 datacentre":                    {Reorders: true}, // more flows than queues
		"cake bandwidth 400kbit dual-dsthost raw ptm metro nat fwmark 0xf memlimit 20k": {Reorders: true}, // more flows than queues
		"mac80211":                         {LimitPackets: 8192, Reorders: true}, // a flow moves to or from the default flow
		"mac80211 limit 50 flows 3":        {LimitPackets: 50, Reorders: true},   // a flow moves to or from the default flow
		"mac80211 airtime aql weight 1000": {LimitPackets: 8192, Reorders: true}, // a flow moves to or from the default flow
		"mac80211 memory_limit 50k quantum 1500 target 1ms interval 10ms noecn drop_batch 1 slow airtime": {Reorders: true}, // a flow moves to or from the default flow
	}
	maps.Copy(all, spelledOut())
	return all
}

// spelledOut has the words that the lines above leave out: those for what is the
// default anyway, other names of the same, and kinds of links.
func spelledOut() map[string]schedtest.Properties {
	return map[string]schedtest.Properties{
		"pfifo_fast bands 3 priomap 1 2 2 2":                                                        {LimitPackets: 3000},
		"red limit 60k avpkt 1000 burst 40 adaptative":                                              {LimitBytes: 61440},
		"sfq redflowlimit 60000 avpkt 500 burst 60":                                                 {LimitPackets: 127},
		"tbf rate 5mbit buffer 70k lat 50ms":                                                        {LimitBytes: 31250 + 70<<10},
		"tbf rate 5mbit maxburst 70k limit 20k peakrate 9mbit minburst 70k":                         {LimitBytes: 20480},
		"fq_codel interval 20ms":                                                                    {LimitPackets: 10240},
		"pie no_dq_rate_estimator target 1ms":                                                       {LimitPackets: 1000},
		"fq_pie alpha 9 beta 30 no_dq_rate_estimator":                                               {LimitPackets: 10240},
		"dualpi2 limit 70 alpha 0.3 beta 5 drop_on_overload drop_dequeue l4s_ect split_gso":         {LimitPackets: 70, Reorders: true},   // CE goes to L
		"cake bandwidth 20mbit unlimited lan diffserv3 triple-isolate split-gso":                    {Reorders: true},                     // more flows than queues
		"cake bandwidth 9mbit regional diffserv atm ipoa-vcmux no-ack-filter":                       {Reorders: true},                     // more flows than queues
		"cake bandwidth 9mbit internet noatm ipoa-llcsnap bridged-vcmux egress":                     {Reorders: true},                     // more flows than queues
		"cake bandwidth 9mbit oceanic bridged-llcsnap pppoa-vcmux pppoa-llc":                        {Reorders: true},                     // more flows than queues
		"cake bandwidth 9mbit interplanetary pppoe-vcmux pppoe-llcsnap ethernet":                    {Reorders: true},                     // more flows than queues
		"cake bandwidth 2mbit bridged-ptm via-ethernet":                                             {Reorders: true},                     // more flows than queues
		"mac80211 airtime keep 10ms aql aql_low 1ms aql_high 2ms aql_threshold 4ms aql_multicast 0": {LimitPackets: 8192, Reorders: true}, // a flow moves to or from the default flow
	}
}
