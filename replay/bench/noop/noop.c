/*
 * A queue program in C over libnetfilter_queue and libmnl, to be measured beside
 * uq's: it accepts every packet, one verdict each, and counts.
 *
 *	noop QUEUE MAXLEN COPY_RANGE RCVBUF GSO
 *
 * It prints "ready" when the queue is bound, and one line of JSON on SIGTERM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <libnetfilter_queue/libnetfilter_queue.h>

static volatile sig_atomic_t stop;

static struct mnl_socket *sock;
static uint32_t queue, last;
static unsigned long long packets, bytes, missing, overflows, failed;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* Accepts the packet of one message. */
static int on_packet(const struct nlmsghdr *nlh, void *data)
{
	struct nlattr *attr[NFQA_MAX + 1] = {NULL};
	char buf[256];
	struct nlmsghdr *verdict;
	struct nfqnl_msg_packet_hdr *ph;
	uint32_t id;

	(void)data;
	if (nfq_nlmsg_parse(nlh, attr) < 0 || attr[NFQA_PACKET_HDR] == NULL) {
		failed++;
		return MNL_CB_OK;
	}
	ph = mnl_attr_get_payload(attr[NFQA_PACKET_HDR]);
	id = ntohl(ph->packet_id);
	missing += id - last - 1; /* ids count up by one */
	last = id;
	packets++;
	if (attr[NFQA_CAP_LEN] != NULL)
		bytes += ntohl(mnl_attr_get_u32(attr[NFQA_CAP_LEN]));
	else if (attr[NFQA_PAYLOAD] != NULL)
		bytes += mnl_attr_get_payload_len(attr[NFQA_PAYLOAD]);

	verdict = nfq_nlmsg_put(buf, NFQNL_MSG_VERDICT, queue);
	nfq_nlmsg_verdict_put(verdict, id, NF_ACCEPT);
	if (mnl_socket_sendto(sock, verdict, verdict->nlmsg_len) < 0)
		failed++;
	return MNL_CB_OK;
}

/* Binds the queue; rules come later, so that nothing disturbs the answers. */
static void configure(uint32_t maxlen, uint32_t range, int rcvbuf, int gso)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh;
	/* Wake up now and then: a signal just before recv would go unseen. */
	struct timeval tv = {.tv_usec = 200000};

	sock = mnl_socket_open(NETLINK_NETFILTER);
	if (sock == NULL)
		die("open netlink socket");
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0)
		die("bind netlink socket");
	if (setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof rcvbuf) < 0)
		setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
	if (setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) < 0)
		die("set timeout");

	nlh = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, queue);
	nfq_nlmsg_cfg_put_cmd(nlh, AF_INET, NFQNL_CFG_CMD_BIND);
	nfq_nlmsg_cfg_put_params(nlh, NFQNL_COPY_PACKET, range);
	nfq_nlmsg_cfg_put_qmaxlen(nlh, maxlen);
	if (gso) {
		mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
		mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
	}
	nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0)
		die("send configuration");
	ssize_t n = mnl_socket_recvfrom(sock, buf, sizeof buf);
	if (n < 0 || mnl_cb_run(buf, n, 0, mnl_socket_get_portid(sock), NULL, NULL) < 0)
		die("bind queue");
}

int main(int argc, char **argv)
{
	static char buf[0xffff + 4096];
	struct sigaction sa = {.sa_handler = on_term};
	unsigned int portid;

	if (argc != 6) {
		fprintf(stderr, "usage: noop QUEUE MAXLEN COPY_RANGE RCVBUF GSO\n");
		return 2;
	}
	queue = atoi(argv[1]);
	sigaction(SIGTERM, &sa, NULL); /* without SA_RESTART: recv returns */
	signal(SIGINT, SIG_IGN);       /* who started us decides what it means */
	configure(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	portid = mnl_socket_get_portid(sock);
	puts("ready");
	fflush(stdout);
	while (!stop) {
		ssize_t n = mnl_socket_recvfrom(sock, buf, sizeof buf);
		if (n < 0) {
			if (errno == ENOBUFS)
				overflows++;
			else if (errno != EINTR && errno != EAGAIN)
				die("receive");
			continue;
		}
		if (mnl_cb_run(buf, n, 0, portid, on_packet, NULL) < 0)
			failed++; /* an error message: a verdict had no packet */
	}
	printf("{\"packets\":%llu,\"bytes\":%llu,\"missing\":%llu,\"overflows\":%llu,\"failed\":%llu}\n",
	       packets, bytes, missing, overflows, failed);
	return 0;
}
