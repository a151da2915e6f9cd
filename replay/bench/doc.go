// Package bench measures what a queue in userspace costs, beside its peers, on
// the machine at hand: the experiment of June 2018 in one command.
//
//	  client                       router                        server
//	+--------+  to-client   +------------------+  to-server   +--------+
//	| sends  |──────────────| forward hook     |──────────────| sinks, |
//	| times  |              |   rule ► queue   |              | echoes |
//	+--------+              +--------┬---------+              +--------+
//	                             program: C, go-nfqueue, uq, record, fq_codel
//
// Three processes in namespaces of their own make a lab (package netns); the
// router runs one queue program after another, each in a process of its own, and
// has the ends do the same three measurements with it: round trips of ICMP echo
// with nothing else going on, which the server's kernel answers; one TCP flow;
// and a flood of UDP. Packets from client to server pass the queue, replies do
// not. A flood ends when a marked datagram behind it has come through, so its
// count is whole however slow the program. On a machine of few CPUs the sender of
// a flood takes much of them, and its rate is the limit; so there is a fourth
// number, the burst: the program is halted while packets gather in its queue, and
// timed while it empties it.
//
// CPU time is what the kernel charges to the program's process: the system calls
// that take packets, and the forwarding that its verdicts set off, as far as the
// server's socket.
//
// A round is every row once. Rows are repeated in rounds, in an order that
// turns around, and a ratio is computed between two rows of one round before
// its median is taken over rounds: what the machine does beside the benchmark
// then meets both sides of a ratio alike.
//
// All programs get the same queue: 128 bytes of each packet, the same limit, the
// same receive buffer. The C program gives a verdict a packet, as libnetfilter_queue's
// documentation has it; so does go-nfqueue's callback.
package bench
