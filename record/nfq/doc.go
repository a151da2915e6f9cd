// Package nfq is uq's end of a Linux NFQUEUE: it receives packets in batches
// and returns verdicts in batches, without allocating per packet.
//
//	kernel ── recvmmsg ──► Receive ──► your loop ──► Send ── one write ──► kernel
//
// go-nfqueue opens the socket; from there on the package reads and writes it
// itself, because a call, a lock and some seventy allocations per packet are
// what made queues in userspace slow. The queue is configured by one message,
// so that binding works while packets already flow.
//
// Nothing is trusted to be silent: every [Batch] carries what went missing.
// A [Queue] belongs to one goroutine, best locked to its thread; only
// [Queue.Shutdown] may be called from elsewhere.
//
// # Several queues
//
// A rule may spread packets over a range of queue numbers. [Config.Queues] binds
// a whole range on one socket: the kernel hands over the packets of all of them
// in the order they came, in the same batches, and one loop serves them in that
// order. That is the form for a scheduler, which must see one order. To have
// several threads serve a range, open a [Queue] for each number.
//
// # What helps
//
// Measured beside a C program over libmnl that reads one message and sends one
// verdict, in interleaved rounds, on two processors that other work kept busy:
// only the ratios mean something, and of these the processor time per packet
// most. A forwarded flood of 1400-byte datagrams costs the C program 5.1 to 5.6 us
// a packet and this package's no-op 2.9 to 3.1 us, half of which is the kernel's
// own sending on of the packet; fq_codel live 3.4 to 3.6 us, a recording 3.5 to
// 3.7 us. A tenth of a live run's is uq's own code.
//
//   - Batches: recvmmsg, and all verdicts in one call. 16 packets a call cost
//     4.0 us each, 64 cost 3.5 us, 256 cost 3.6 us.
//   - Calls past the Go runtime. Its monitor thread was woken twice a packet:
//     500 echo requests, a millisecond apart, took 50 ms of processor time and
//     1500 more thread switches, and now take 17 ms (C: 14 ms). The median round
//     trip went from 1.2 to 1.4 times the C program's to 0.9 to 1.1 times. An
//     idle queue costs 0.6 % of a processor for it, because the runtime asks the
//     sleeping thread every 10 ms whether it would let others run.
//   - Sleeping in the read, as the C program does, where nothing is due soon: two
//     calls for a lone packet where there were three. What they add to its mean
//     round trip went from 1.04 to 0.99 of the C program's (medians of seven runs
//     in turns).
//   - Polling with sched_yield before sleeping, while packets come quickly: 1.47
//     times the C program's packets on otherwise idle processors, 1.25 times
//     without; TCP with super-packets 1.29 times, and 1.12 times without. With a
//     budget beyond the distance of packets (2 ms, pings every millisecond) the
//     median round trip is half the C program's, and costs a processor.
//
// # What does not
//
//   - One verdict for many packets ([Verdict.UpTo]): nothing to be seen in a
//     flood, 1.1 times the packets in a burst; but packets that the kernel gave up
//     on the way would go unnoticed.
//   - A second thread for the verdicts, for batches of 32 and more: 0.7 times the
//     packets on two processors, in a flood and in a burst.
//   - Polling without giving way: 1.3 times the C program's packets where polling
//     with sched_yield has 1.47; the sender needs the processor.
//   - Polling where other programs compute: 0.6 to 0.8 times the packets. It is
//     left off for a while after a yield that took a millisecond.
//   - SCHED_FIFO for throughput: it runs at every packet, before a second one
//     can come, for 10 us a packet; and polling under it, 24 us. It is for
//     latency on busy machines.
//   - A copy range of 40 bytes, or of 1500: 3.9 us and 4.0 us a packet, against
//     3.5 us with 128.
//   - Preparing verdicts: a message takes 15 ns instead of 30 ns. That is kept,
//     and not seen in a packet's 3 us.
package nfq
