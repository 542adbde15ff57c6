#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "map.h"
#include "wire.h"

#define ANSWER_MS 600000u /* a slow call (key generation, queueing) may take this long */

struct unix_link {
	struct transport t;
	int fd; /* -1: broken */
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

/* A socket's address holds 107 bytes, a directory's name may be longer. */
static enum hf_err address_of(int dir_fd, const char *name, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
	return n > 0 && (size_t)n < sizeof(ret->sun_path) ? HF_OK : HF_E_ARGUMENTS;
}

static enum hf_err connect_to(int fd, const char *dir, const char *name)
{
	CLEANUP(close_fd) int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un a;
	int e;

	if (dir_fd < 0)
		return connect_err();
	TRY(address_of(dir_fd, name, &a));
	do
		e = connect(fd, (const struct sockaddr *)&a, sizeof(a));
	while (e != 0 && errno == EINTR);
	return e == 0 ? HF_OK : connect_err();
}

static enum hf_err unix_call(struct transport *t, struct wire_head *head, struct slice fields,
	struct buf *out, bool *ret_sent)
{
	struct unix_link *l = container_of(t, struct unix_link, t);
	struct wire_head got;
	enum hf_err e;

	*ret_sent = false;
	if (l->fd < 0)
		return HF_E_CONNECTION;
	e = wire_send(l->fd, head, fields);
	if (e == HF_E_TOO_BIG) /* nothing went out */
		return e;
	*ret_sent = e == HF_OK; /* half a request is no request */
	if (e == HF_OK)
		e = wire_recv(l->fd, WIRE_MAX_BYTES, &got, out);
	if (e == HF_OK && (got.request != head->request || got.opcode != head->opcode))
		e = HF_E_CONNECTION;
	if (e != HF_OK) {
		close_fd(&l->fd);
		l->fd = -1;
		return e;
	}
	*head = got;
	return HF_OK;
}

static void unix_close(struct transport *t)
{
	struct unix_link *l = container_of(t, struct unix_link, t);

	close_fd(&l->fd);
	hf_free(l);
}

static const struct transport_ops unix_ops = { unix_call, unix_close };

enum hf_err transport_unix(const char *dir, const char *name, unsigned timeout_ms,
	struct transport **ret)
{
	CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct unix_link *l;

	if (fd < 0)
		return HF_E_CONNECTION;
	TRY(set_timeouts(fd, timeout_ms));
	TRY(connect_to(fd, dir, name));
	TRY(set_timeouts(fd, ANSWER_MS));
	l = hf_alloc(1, sizeof(*l));
	if (l == NULL)
		return HF_E_MEMORY;
	*l = (struct unix_link){ { &unix_ops }, take_fd(&fd) };
	*ret = &l->t;
	return HF_OK;
}
