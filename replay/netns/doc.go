// Package netns builds a throwaway network out of Linux namespaces, feeds one
// direction of it to an NFQUEUE and runs traffic or a user's command in it. It
// needs no rights beyond unprivileged user namespaces.
//
//	  client                      router                       server
//	+--------+           +----------------------+           +--------+
//	|    eth0|-----------|to-client    to-server|-----------|eth0    |
//	+--------+   veth    +----------------------+   veth    +--------+
//	10.0.1.2              10.0.1.1      10.0.2.1              10.0.2.2
//	fd00:1::2             fd00:1::1    fd00:2::1             fd00:2::2
//
//	up (client to server):
//	  forward hook:  queue N ─► your capture ─► to-server: tbf RATE, LIMIT
//	and the other way back:
//	  forward hook:  queue N+1 ─► held for DELAY ─► to-client
//
// The kernel of a small machine often has no netem, so the delay is uq's own
// fixed-delay line on the path of the replies: a round trip takes DELAY plus
// the queueing plus the machine's own time. The shaper stands behind the
// recorded queue, so a capture that accepts at once sees what arrives at the
// bottleneck, not what leaves it.
//
// The processes are re-executions of the running program, each with a network
// namespace of its own:
//
//	Run (the user's process) ──► router ──► server ──► the server command
//	                                   └──► client ──► the command or traffic
//
// The router holds the queue and calls the capture function. A process is
// killed by the kernel when its parent dies, and the namespaces go with the
// last process in them: a killed uq leaves nothing behind. (Grandchildren that
// a user's command leaves in the background are ended when the lab ends in
// order; after a SIGKILL of uq they live on, cut off from any network.)
//
// With Config.Wire the same three processes make a [Wire]: no addresses, and
// whatever packet the program's own source sends passes the queue to its sink.
// With Config.Ends they are a lab as above whose ends, queues and
// rules are the program's.
//
// A program that calls [Run] or [Available] must call [Hidden] first thing in
// main.
package netns
