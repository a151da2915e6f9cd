package livetest

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Counter is the kernel's count of locally made packets of one protocol and
// destination port at one place of the output hook: the truth that a
// recording's own counts are held against.
type Counter struct {
	t     testing.TB
	table *nftables.Table
	chain *nftables.Chain
}

// AddCounter installs a counter. Priorities below that of a queue's rule (0)
// count what comes to the queue, those above what passed it.
func AddCounter(t testing.TB, name string, priority int, proto uint8, port uint16) *Counter {
	t.Helper()
	c := &nftables.Conn{}
	k := &Counter{t: t, table: c.AddTable(&nftables.Table{Name: "livetest_" + name, Family: nftables.TableFamilyINet})}
	k.chain = c.AddChain(&nftables.Chain{
		Name: "count", Table: k.table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityRef(nftables.ChainPriority(priority)),
	})
	c.AddRule(&nftables.Rule{Table: k.table, Chain: k.chain, Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)},
		&expr.Counter{},
	}})
	if err := c.Flush(); err != nil {
		t.Fatalf("add counter: %v", err)
	}
	return k
}

// Packets is how many packets have come by.
func (k *Counter) Packets() uint64 {
	k.t.Helper()
	rules, err := (&nftables.Conn{}).GetRules(k.table, k.chain)
	if err != nil || len(rules) != 1 {
		k.t.Fatalf("read counter: %d rules, %v", len(rules), err)
	}
	for _, e := range rules[0].Exprs {
		if c, ok := e.(*expr.Counter); ok {
			return c.Packets
		}
	}
	k.t.Fatal("read counter: the rule has none")
	return 0
}

// WaitRules waits until there are rules in a table whose name begins with
// prefix: a program's rules are in.
func WaitRules(t testing.TB, prefix string) {
	t.Helper()
	c := &nftables.Conn{}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		chains, err := c.ListChains()
		if err != nil {
			t.Fatalf("list chains: %v", err)
		}
		for _, chain := range chains {
			if !strings.HasPrefix(chain.Table.Name, prefix) {
				continue
			}
			if rules, err := c.GetRules(chain.Table, chain); err == nil && len(rules) > 0 {
				return
			}
		}
	}
	t.Fatalf("no rules came into a table %s*", prefix)
}
