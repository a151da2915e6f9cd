package netns

import (
	"errors"

	"github.com/vishvananda/netlink"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nft"
)

// probeMain tries in a namespace of its own what a lab needs.
func probeMain() message {
	m := message{Kind: done}
	if err := probe(); err != nil {
		m.Err = err.Error()
	}
	return m
}

func probe() error {
	if err := prepareNamespace(); err != nil {
		return err
	}
	if err := forwardPackets(); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "probe"
	veth := netlink.NewVeth(attrs)
	veth.PeerName = "probe-peer"
	if err := addVeth(veth); err != nil {
		return err
	}
	q, err := nfq.Open(nfq.Config{})
	if err != nil {
		return err
	}
	t, err := nft.Install(nft.Rule{Hook: nft.Forward, Bypass: true})
	if err != nil {
		return errors.Join(err, q.Close())
	}
	return errors.Join(t.Remove(), q.Close())
}
