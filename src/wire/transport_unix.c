#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "channel.h"
#include "map.h"

#define ANSWER_MS 600000u /* a slow call (key generation, queueing) may take this long */

struct unix_link {
	struct transport t;
	int fd;      /* -1: broken */
	ino_t inode; /* of the socket */
	struct channel *channel; /* or NULL */
};

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static int take_fd(int *fd)
{
	int t = *fd;

	*fd = -1;
	return t;
}

/* is_ours: an application may close all descriptors it did not open itself (a daemon that starts
 * does), and open others under their numbers, into which nothing must be written. */
static bool is_ours(const struct unix_link *l)
{
	struct stat st;

	return l->fd >= 0 && fstat(l->fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == l->inode;
}

/* let_go of the socket. */
static void let_go(struct unix_link *l)
{
	if (is_ours(l))
		close_fd(&l->fd);
	l->fd = -1;
}

static enum hf_err set_timeouts(int fd, unsigned ms)
{
	struct timeval t = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) };

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) != 0)
		return HF_E_CONNECTION;
	return HF_OK;
}

static enum hf_err connect_err(void)
{
	switch (errno) {
	case EAGAIN:
	case ETIMEDOUT:
		return HF_E_TIMEOUT;
	case EACCES:
	case EPERM:
		return HF_E_DENIED;
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
		return HF_E_NO_DAEMON;
	default:
		return HF_E_CONNECTION;
	}
}

/* address_of: false if that is longer than the 107 bytes that an address holds. */
static bool address_of(const char *dir, const char *name, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%s", dir, name);
	return n > 0 && (size_t)n < sizeof(ret->sun_path);
}

static enum hf_err connect_to(int fd, const char *dir, const char *name)
{
	CLEANUP(close_fd) int dir_fd = -1;
	struct sockaddr_un a;
	char shorter[32];
	int e;

	if (!address_of(dir, name, &a)) {
		dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir_fd < 0)
			return connect_err();
		(void)snprintf(shorter, sizeof(shorter), "/proc/self/fd/%d", dir_fd);
		if (!address_of(shorter, name, &a))
			return HF_E_ARGUMENTS;
	}
	do
		e = connect(fd, (const struct sockaddr *)&a, sizeof(a));
	while (e != 0 && errno == EINTR);
	return e == 0 ? HF_OK : connect_err();
}

static enum hf_err recv_answer(struct unix_link *l, struct buf *in, struct answer *ret)
{
	TRY(wire_recv(l->fd, WIRE_MAX_BYTES, &ret->head, in));
	ret->fields = buf_slice(in);
	return HF_OK;
}

static enum hf_err over_socket(struct unix_link *l, const struct request *q, struct buf *in,
	struct answer *ret, bool *ret_sent)
{
	enum hf_err e = is_ours(l) ? wire_send_request(l->fd, q) : HF_E_CONNECTION;

	*ret_sent = e == HF_OK; /* half a request is no request */
	return e == HF_OK ? recv_answer(l, in, ret) : e;
}

/* ring_or_answer reads what wakes this side up. */
static enum hf_err ring_or_answer(struct unix_link *l, struct buf *in, struct answer *ret)
{
	TRY(is_ours(l) ? recv_answer(l, in, ret) : HF_E_CONNECTION);
	return ret->head.opcode == WIRE_OP_RING ? channel_read(l->channel, ret) : HF_OK;
}

static enum hf_err over_channel(struct unix_link *l, const struct request *q, struct buf *in,
	struct answer *ret, bool *ret_sent)
{
	struct wire_head ring = { .opcode = WIRE_OP_RING };

	*ret_sent = true; /* it is seen from the moment it lies there */
	if (channel_ask(l->channel, q))
		TRY(is_ours(l) ? wire_send(l->fd, &ring, SLICE_NONE) : HF_E_CONNECTION);
	channel_pour(l->channel, q);
	if (channel_wait(l->channel) == CHANNEL_ANSWERED)
		return channel_read(l->channel, ret);
	return ring_or_answer(l, in, ret);
}

static enum hf_err unix_call(struct transport *t, const struct request *q, struct buf *in,
	struct answer *ret, bool *ret_sent)
{
	struct unix_link *l = container_of(t, struct unix_link, t);
	struct answer got;
	enum hf_err e;

	*ret_sent = false;
	if (l->fd < 0)
		return HF_E_CONNECTION;
	if (l->channel != NULL && channel_fits(q) && channel_claim(l->channel))
		e = over_channel(l, q, in, &got, ret_sent);
	else
		e = over_socket(l, q, in, &got, ret_sent);
	if (e == HF_E_TOO_BIG) /* nothing went out */
		return e;
	if (e == HF_OK && (got.head.request != q->head.request || got.head.opcode != q->head.opcode))
		e = HF_E_CONNECTION;
	if (e != HF_OK) {
		let_go(l);
		return e;
	}
	*ret = got;
	return HF_OK;
}

static void unix_close(struct transport *t)
{
	struct unix_link *l = container_of(t, struct unix_link, t);

	let_go(l);
	channel_close(l->channel);
	hf_free(l);
}

static int unix_peer(struct transport *t)
{
	struct unix_link *l = container_of(t, struct unix_link, t);
	struct ucred u;
	socklen_t n = sizeof(u);

	return getsockopt(l->fd, SOL_SOCKET, SO_PEERCRED, &u, &n) == 0 ? u.pid : 0;
}

static void unix_done(struct transport *t)
{
	const struct unix_link *l = container_of(t, struct unix_link, t);

	if (l->channel != NULL)
		channel_done(l->channel);
}

static const struct transport_ops unix_ops = {
	unix_call, unix_close, unix_peer, .done = unix_done, .pairs = true,
};

enum hf_err transport_unix(const char *dir, const char *name, unsigned timeout_ms,
	struct transport **ret)
{
	CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct unix_link *l;
	struct stat st;

	if (fd < 0)
		return HF_E_CONNECTION;
	TRY(set_timeouts(fd, timeout_ms));
	TRY(connect_to(fd, dir, name));
	TRY(set_timeouts(fd, ANSWER_MS));
	if (fstat(fd, &st) != 0)
		return HF_E_CONNECTION;
	l = hf_alloc(1, sizeof(*l));
	if (l == NULL)
		return HF_E_MEMORY;
	*l = (struct unix_link){ { &unix_ops }, take_fd(&fd), st.st_ino, NULL };
	*ret = &l->t;
	return HF_OK;
}

/* --- shared memory --------------------------------------------------------- */

/* recv_head receives an answer's head and the descriptor that may come with it. */
static enum hf_err recv_head(int fd, struct wire_head *ret, int *ret_fd)
{
	uint8_t head[WIRE_HEAD];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec v = { head, sizeof(head) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control) };
	const struct cmsghdr *c;

	if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_WAITALL) != (ssize_t)sizeof(head))
		return HF_E_CONNECTION;
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return wire_head_get(head, 0, ret) == HF_OK ? HF_OK : HF_E_CONNECTION;
}

enum hf_err transport_unix_share(struct transport *t, uint64_t request)
{
	struct unix_link *l = container_of(t, struct unix_link, t);
	struct wire_head head = { .opcode = WIRE_OP_CHANNEL, .request = request,
		.session = CHANNEL_LAYOUT }, got;
	CLEANUP(close_fd) int shared = -1;

	TRY(is_ours(l) ? wire_send(l->fd, &head, SLICE_NONE) : HF_E_CONNECTION);
	TRY(recv_head(l->fd, &got, &shared));
	if (got.opcode != head.opcode || got.request != request)
		return HF_E_CONNECTION;
	/* Of another version, or this process has no descriptor or memory left for it: the socket serves. */
	if (got.flags == HF_OK && channel_open(shared, &l->channel) != HF_OK)
		l->channel = NULL;
	return HF_OK;
}
