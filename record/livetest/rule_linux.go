package livetest

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// Rule sends locally made packets of one protocol and destination port to a
// queue, without bypass: what the queue's owner loses is lost.
type Rule struct {
	t     testing.TB
	table *nftables.Table
	chain *nftables.Chain
}

// AddRule installs a rule at the output hook. It skips the test if the kernel
// knows neither nftables' queue expression nor the NFQUEUE target.
func AddRule(t testing.TB, queue uint16, proto uint8, port uint16) *Rule {
	t.Helper()
	err := error(nil)
	for _, to := range []expr.Any{
		&expr.Queue{Num: queue, Total: 1},
		&expr.Target{Name: "NFQUEUE", Rev: 3, Info: nfqueueInfo(queue)},
	} {
		var r *Rule
		if r, err = addRule(t, to, proto, port); err == nil {
			return r
		}
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) {
		t.Skipf("this kernel has no NFQUEUE in nftables: %v", err)
	}
	t.Fatalf("add rule: %v", err)
	return nil
}

// nfqueueInfo is struct xt_NFQ_info_v3, padded to 8 bytes.
func nfqueueInfo(queue uint16) xt.InfoAny {
	b := binary.NativeEndian.AppendUint16(nil, queue)
	b = binary.NativeEndian.AppendUint16(b, 1)
	u := xt.Unknown(append(b, 0, 0, 0, 0))
	return &u
}

func addRule(t testing.TB, to expr.Any, proto uint8, port uint16) (*Rule, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, err
	}
	r := &Rule{t: t}
	r.table = c.AddTable(&nftables.Table{Name: "livetest", Family: nftables.TableFamilyINet})
	r.chain = c.AddChain(&nftables.Chain{
		Name: "out", Table: r.table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter,
	})
	c.AddRule(&nftables.Rule{Table: r.table, Chain: r.chain, Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)},
		to,
	}})
	return r, c.Flush()
}

// Flush is FlushQueues: nothing of it has to do with the rule.
func (r *Rule) Flush() {
	r.t.Helper()
	FlushQueues(r.t)
}

// FlushQueues makes the kernel give up every packet in every queue of the
// namespace, by deleting a base chain.
func FlushQueues(t testing.TB) {
	t.Helper()
	c, err := nftables.New()
	if err != nil {
		t.Fatalf("open nftables: %v", err)
	}
	tmp := c.AddTable(&nftables.Table{Name: "livetest_tmp", Family: nftables.TableFamilyINet})
	c.AddChain(&nftables.Chain{
		Name: "in", Table: tmp, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
	})
	if err := c.Flush(); err != nil {
		t.Fatalf("add base chain: %v", err)
	}
	c.DelTable(tmp)
	if err := c.Flush(); err != nil {
		t.Fatalf("delete base chain: %v", err)
	}
}

// Remove deletes the rule. The kernel gives up what is queued.
func (r *Rule) Remove() {
	r.t.Helper()
	c, err := nftables.New()
	if err != nil {
		r.t.Fatalf("open nftables: %v", err)
	}
	c.DelTable(r.table)
	if err := c.Flush(); err != nil {
		r.t.Fatalf("delete rule: %v", err)
	}
}
