package nft

import (
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/uqtool/uq/record/livetest"
)

// TestLiveNative compares what Native says with the rule the kernel has.
func TestLiveNative(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		table := install(t, Rule{Hook: Forward, Bypass: true})
		rules, err := table.conn.GetRules(table.table, &nftables.Chain{Name: "record", Table: table.table})
		if err != nil {
			t.Fatal(err)
		}
		var native, xt int
		for _, r := range rules {
			for _, e := range r.Exprs {
				switch e.(type) {
				case *expr.Queue:
					native++
				case *expr.Target:
					xt++
				}
			}
		}
		if native+xt != 1 || (native == 1) != table.Native() {
			t.Errorf("the kernel has %d queue statements and %d targets, Native says %v", native, xt, table.Native())
		}
	})
}
