package netns

import (
	"github.com/uqtool/uq/record/nft"
	"github.com/uqtool/uq/replay/raw"
)

// recorded lists the links by which the recorded direction leaves the router.
func (r *router) recorded() []string {
	switch r.cfg.direction() {
	case Up:
		return []string{ToServer}
	case Down:
		return []string{ToClient}
	}
	return []string{ToServer, ToClient}
}

// Priorities of the lab's chains in the forward hook.
const (
	recordPriority = 0
	markPriority   = 5
	delayPriority  = 10
)

// recordRule feeds the capture's queue. The lab's rules have no bypass: when a
// reader dies the lab ends, and a packet that slipped by would be a lie.
func (r *router) recordRule() nft.Rule {
	rule := nft.Rule{Name: "record", Hook: nft.Forward, Priority: recordPriority,
		Queue: r.cfg.Queue, Queues: r.cfg.Queues, Fanout: r.cfg.Fanout}
	if r.cfg.direction() != Both {
		rule.OutDev = r.recorded()[0]
	}
	return rule
}

// delayRules feed the delay line with the direction that is not recorded, or the
// way down when both are: then with the copies, too, that a link makes.
func (r *router) delayRules() []nft.Rule {
	rule := nft.Rule{Name: "delay", Hook: nft.Forward, Priority: delayPriority, Queue: r.cfg.delayQueue(), OutDev: ToClient}
	copies := rule
	copies.Name, copies.Hook, copies.Mark = "delay-copies", nft.Output, raw.Mark
	switch r.cfg.direction() {
	case Down:
		rule.OutDev = ToServer
	case Both:
		return []nft.Rule{rule, copies}
	}
	return []nft.Rule{rule}
}
