package nft

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ownerFlag is NFT_TABLE_F_OWNER of linux/netfilter/nf_tables.h: the table is
// deleted when the netlink socket that made it is closed.
const ownerFlag = 0x2

// Table is an installed table. It is not safe for concurrent use.
type Table struct {
	conn  *nftables.Conn
	table *nftables.Table
	rules []Rule
	owned bool
	form  queueForm
}

// Install puts the rules into a table "uq-PID" of the calling process's network
// namespace, one chain a rule, all or nothing. Tables that dead uq processes
// left are deleted first. Bind the queues before: a rule without bypass drops
// what nobody listens to.
func Install(rules ...Rule) (*Table, error) {
	for _, r := range rules {
		if err := r.Validate(); err != nil {
			return nil, err
		}
	}
	var raw *netlink.Conn
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		raw = c
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", explain(err))
	}
	t := &Table{conn: conn, rules: rules,
		table: &nftables.Table{Name: tablePrefix + strconv.Itoa(os.Getpid()), Family: nftables.TableFamilyINet}}
	t.removeStale()
	if err := t.create(raw); err != nil {
		return nil, errors.Join(fmt.Errorf("add nft table %s: %w", t.table.Name, explain(err)), conn.CloseLasting())
	}
	if err := t.fill(); err != nil {
		return nil, errors.Join(err, t.Remove())
	}
	return t, nil
}

const tablePrefix = "uq-"

// removeStale deletes tables of uq processes that are gone. Errors do not
// matter: the next run tries again.
func (t *Table) removeStale() {
	tables, err := t.conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return
	}
	for _, old := range tables {
		pid, err := strconv.Atoi(strings.TrimPrefix(old.Name, tablePrefix))
		if err != nil || !strings.HasPrefix(old.Name, tablePrefix) || old.Flags&ownerFlag != 0 {
			continue
		}
		if errors.Is(unix.Kill(pid, 0), unix.ESRCH) || pid == os.Getpid() {
			t.conn.DelTable(old)
			_ = t.conn.Flush()
		}
	}
}

// create makes the table. google/nftables always sends table flags 0, so the
// owned table is asked for with a message of our own on its socket, which
// then is the owner that adds the rest.
func (t *Table) create(raw *netlink.Conn) error {
	err := sendOwnedTable(raw, t.table.Name)
	if err == nil {
		t.owned = true
		return nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	t.conn.AddTable(t.table)
	return t.conn.Flush()
}

// fill adds chains and rules, first with nft's own queue statement, then with
// the xt target where the kernel lacks it.
func (t *Table) fill() error {
	var err error
	for _, form := range []queueForm{native, xtTarget} {
		t.form = form
		if err = t.add(form); err == nil {
			return nil
		}
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EOPNOTSUPP) {
			break
		}
	}
	return fmt.Errorf("add nft rule %q: %w", t.rules[0], explain(err))
}

func (t *Table) add(form queueForm) error {
	policy := nftables.ChainPolicyAccept
	for _, r := range t.rules {
		c := t.conn.AddChain(&nftables.Chain{
			Name: r.chain(), Table: t.table, Type: nftables.ChainTypeFilter, Policy: &policy,
			Hooknum: hooknum(r.Hook), Priority: nftables.ChainPriorityRef(nftables.ChainPriority(r.Priority)),
		})
		for _, v := range r.variants() {
			t.conn.AddRule(&nftables.Rule{Table: t.table, Chain: c, Exprs: v.exprs(form)})
		}
	}
	return t.conn.Flush()
}

func hooknum(h Hook) *nftables.ChainHook {
	switch h {
	case Prerouting:
		return nftables.ChainHookPrerouting
	case Input:
		return nftables.ChainHookInput
	case Output:
		return nftables.ChainHookOutput
	case Postrouting:
		return nftables.ChainHookPostrouting
	}
	return nftables.ChainHookForward
}

// Counter reads how much the i-th rule has sent towards its queue so far. What
// the queue's reader did not see of it was lost in between.
func (t *Table) Counter(i int) (Counter, error) {
	rules, err := t.conn.GetRules(t.table, &nftables.Chain{Name: t.rules[i].chain(), Table: t.table})
	if err != nil {
		return Counter{}, fmt.Errorf("read nft counter of chain %s: %w", t.rules[i].chain(), explain(err))
	}
	var sum Counter
	for _, r := range rules {
		for _, e := range r.Exprs {
			if c, ok := e.(*expr.Counter); ok {
				sum.Packets += c.Packets
				sum.Bytes += c.Bytes
			}
		}
	}
	return sum, nil
}

// String is the table as an nft file would hold it.
func (t *Table) String() string { return Script(t.table.Name, t.rules...) }

// Owned says whether the kernel removes the table when this process dies.
func (t *Table) Owned() bool { return t.owned }

// Native says whether the rules queue with nft's own statement, not with the xt
// target.
func (t *Table) Native() bool { return t.form == native }

// Remove deletes the table and closes its socket. The kernel then drops every
// packet that any queue of the network namespace still holds: give the last
// verdicts first.
func (t *Table) Remove() error {
	t.conn.DelTable(t.table)
	err := t.conn.Flush()
	if errors.Is(err, unix.ENOENT) {
		err = nil
	}
	return errors.Join(err, t.conn.CloseLasting())
}

// explain gives the kernel's answers the way out.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("no permission: run as root or with CAP_NET_ADMIN, or record in the lab, which needs neither: %w", err)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("the kernel has neither nft's queue statement nor the NFQUEUE target: load module nft_queue or xt_NFQUEUE with nft_compat: %w", err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("the kernel has no nf_tables: load module nf_tables: %w", err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("another socket owns the table: %w", err)
	}
	return err
}
