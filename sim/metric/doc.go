// Package metric holds a report's numbers against what was expected of them. It
// reads an assertion such as
//
//	fq_codel.flow(udp:5201).sojourn_p99 < pfifo.sojourn_p99 / 5
//	└ qdisc  └ scope        └ metric    op └ ... of another qdisc
//
// finds the metrics in the runs of a report, and says by how much it holds or
// does not. Names, units and scopes are one table each; what the tables say is
// what `uq sim --metrics` prints.
//
// A metric without a qdisc before it is taken from every run in turn: the
// assertion must hold for each. Units are tc's; a number other than 0 without
// one counts packets or nothing. Several flows that one selector matches are one:
// their counts are sums and their quantiles those of all their packets, since a
// [Probe] collects them together. So no limit on the flows of a report applies,
// and their quantiles are as fine as a run's, to 0.1 %: those of a flow in a
// report's list and of a station are to 0.8 %. Both are the upper ends of buckets,
// but for 8 packets or fewer, which are exact.
package metric
