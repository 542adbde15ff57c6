#include "audit_target.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "http_answer.h"

#define PATIENCE_S 20
#define ANSWER_MAX 65536u /* bytes of an answer over HTTP that are read */
#define PIPE_STEP_NS 2000000
#define LINE_MAX_BYTES 32768
#define JOURNAL "/run/systemd/journal/socket"

static const struct {
	const char *begins;
	enum target_kind kind;
	bool net;
} kinds[] = {
	{ "file:", TARGET_FILE, false },
	{ "udp://", TARGET_UDP, true },
	{ "tcp://", TARGET_TCP, true },
	{ "tls://", TARGET_TLS, true },
	{ "http://", TARGET_HTTP, true },
	{ "https://", TARGET_HTTPS, true },
	{ "journald:", TARGET_JOURNALD, false },
};

/* split_net takes HOST:PORT[/PATH], HOST perhaps in brackets. */
static bool split_net(const char *s, struct audit_target *t)
{
	const char *slash = strchr(s, '/'), *end = slash != NULL ? slash : s + strlen(s), *colon = end;
	const char *host_end;

	while (colon > s && *colon != ':')
		colon--;
	host_end = colon;
	if (*s == '[' && host_end > s && host_end[-1] == ']') {
		s++;
		host_end--;
	}
	if (host_end <= s || (size_t)(host_end - s) >= sizeof(t->host) || end - colon < 2 ||
	    (size_t)(end - colon) > sizeof(t->port))
		return false;
	(void)snprintf(t->host, sizeof(t->host), "%.*s", (int)(host_end - s), s);
	(void)snprintf(t->port, sizeof(t->port), "%.*s", (int)(end - colon - 1), colon + 1);
	t->path = slash != NULL ? slash : "/services/collector/event";
	return true;
}

bool audit_target_of(const char *url, struct audit_target *ret)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].begins);

		if (strncmp(url, kinds[i].begins, n) != 0)
			continue;
		ret->kind = kinds[i].kind;
		ret->path = url + n;
		return kinds[i].net ? split_net(url + n, ret) :
			(*ret->path != '\0') == (ret->kind == TARGET_FILE);
	}
	return false;
}

/* --- framing ------------------------------------------------------------------------------ */

/* Octet counting, as RFC 5425 and RFC 6587 have it. */
static void print_counted(const struct audit_target *t, const struct audit_record *r, FILE *out)
{
	char line[LINE_MAX_BYTES];
	FILE *f = fmemopen(line, sizeof(line), "w");
	long n;

	if (f == NULL)
		return;
	audit_format_syslog(t->format, r, f);
	n = ftell(f);
	if (fclose(f) == 0 && n > 0)
		(void)fprintf(out, "%ld %.*s", n, (int)n, line);
}

void audit_target_print(const struct audit_target *t, const struct audit_record *r, FILE *out)
{
	switch (t->kind) {
	case TARGET_FILE:
		audit_format_print(t->format, r, out);
		(void)fputc('\n', out);
		return;
	case TARGET_UDP:
		audit_format_syslog(t->format, r, out);
		return;
	case TARGET_TCP:
	case TARGET_TLS:
		print_counted(t, r, out);
		return;
	case TARGET_HTTP:
	case TARGET_HTTPS:
		(void)fprintf(out, "{\"time\":%llu.%06llu,\"source\":\"holdfast\","
			"\"sourcetype\":\"holdfast:audit\",\"host\":\"%.*s\",\"event\":",
			(unsigned long long)r->time_us / 1000000, (unsigned long long)r->time_us % 1000000,
			(int)r->hsm.n, (const char *)r->hsm.p);
		audit_format_print(AUDIT_JSON, r, out);
		(void)fputs("}\n", out);
		return;
	case TARGET_JOURNALD:
		audit_format_journal(r, out);
		return;
	}
}

/* --- sending ------------------------------------------------------------------------------ */

static enum hf_err failed(struct audit_target *t, const char *what, const char *why)
{
	(void)snprintf(t->why, sizeof(t->why), "%.90s: %.150s", what, why);
	return HF_E_CONNECTION;
}

/* trouble: the limits of the socket end a wait with errors that say nothing to a person. */
static const char *trouble(int e)
{
	return e == EAGAIN || e == EINPROGRESS ? "the collector did not answer in time" : strerror(e);
}

static enum hf_err write_all(struct audit_target *t, int fd, struct slice s)
{
	while (s.n > 0) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failed(t, "write", trouble(errno));
		s.p += n;
		s.n -= (size_t)n;
	}
	return HF_OK;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* wait_read: a pipe has no disk, and what is in it when its reader ends is lost with us: the batch counts
 * once it is empty. */
static enum hf_err wait_read(struct audit_target *t, int fd)
{
	static const struct timespec step = { .tv_nsec = PIPE_STEP_NS };
	struct pollfd p = { .fd = fd };
	int left = 0;

	while (ioctl(fd, FIONREAD, &left) == 0 && left > 0) {
		if (poll(&p, 1, 0) > 0 && (p.revents & POLLERR) != 0)
			return failed(t, t->path, "the pipe's reader ended before it had read everything");
		(void)nanosleep(&step, NULL);
	}
	return HF_OK;
}

static enum hf_err send_file(struct audit_target *t, struct slice bytes)
{
	CLEANUP(close_fd) int fd = open(t->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return failed(t, t->path, strerror(errno));
	TRY(write_all(t, fd, bytes));
	if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
		return wait_read(t, fd);
	return fdatasync(fd) == 0 || errno == EINVAL || errno == EROFS ? HF_OK :
		failed(t, t->path, strerror(errno));
}

static int connect_any(const struct addrinfo *a)
{
	const struct timeval limit = { .tv_sec = PATIENCE_S };

	for (; a != NULL; a = a->ai_next) {
		int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);

		if (fd < 0)
			continue;
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			return fd;
		close(fd);
	}
	return -1;
}

static enum hf_err connect_to(struct audit_target *t, int type, int *ret)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = type };
	struct addrinfo *found;
	int e = getaddrinfo(t->host, t->port, &hints, &found);

	if (e != 0)
		return failed(t, t->host, gai_strerror(e));
	*ret = connect_any(found);
	e = errno;
	freeaddrinfo(found);
	return *ret >= 0 ? HF_OK : failed(t, t->host, trouble(e));
}

static enum hf_err send_datagrams(struct audit_target *t, int fd, struct slice bytes,
	const size_t *ends, size_t n)
{
	for (size_t i = 0, at = 0; i < n; at = ends[i], i++)
		if (send(fd, bytes.p + at, ends[i] - at, 0) < 0)
			return failed(t, "send", trouble(errno));
	return HF_OK;
}

static enum hf_err send_udp(struct audit_target *t, struct slice bytes, const size_t *ends, size_t n)
{
	CLEANUP(close_fd) int fd = -1;

	TRY(connect_to(t, SOCK_DGRAM, &fd));
	return send_datagrams(t, fd, bytes, ends, n);
}

static enum hf_err send_journal(struct audit_target *t, struct slice bytes, const size_t *ends,
	size_t n)
{
	CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = JOURNAL };

	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
		return failed(t, JOURNAL, strerror(errno));
	return send_datagrams(t, fd, bytes, ends, n);
}

/* struct stream is TCP with or without TLS. */
struct stream {
	int fd;
	struct tls_stream *tls;
};

static void stream_done(struct stream *s)
{
	tls_stream_close(s->tls);
	close_fd(&s->fd);
}

static enum hf_err stream_open(struct audit_target *t, bool tls, struct stream *s)
{
	const char *why = NULL;

	TRY(connect_to(t, SOCK_STREAM, &s->fd));
	if (tls && tls_stream_open(s->fd, t->host, &t->tls, &s->tls, &why) != HF_OK)
		return failed(t, "TLS", why != NULL ? why : "out of memory");
	return HF_OK;
}

static enum hf_err stream_write(struct audit_target *t, struct stream *s, struct slice bytes)
{
	if (s->tls == NULL)
		return write_all(t, s->fd, bytes);
	return tls_stream_write(s->tls, bytes) == HF_OK ? HF_OK : failed(t, "TLS", "write");
}

static enum hf_err stream_read(struct audit_target *t, struct stream *s, uint8_t *p, size_t max,
	size_t *ret_n)
{
	ssize_t n;

	if (s->tls != NULL)
		return tls_stream_read(s->tls, p, max, ret_n) == HF_OK ? HF_OK : failed(t, "TLS", "read");
	n = read(s->fd, p, max);
	if (n < 0)
		return failed(t, "read", trouble(errno));
	*ret_n = (size_t)n;
	return HF_OK;
}

/* stream_ended tells the receiver that nothing follows, and waits for its own end. */
static enum hf_err stream_ended(struct audit_target *t, struct stream *s)
{
	uint8_t rest[256];
	size_t n = 1;

	if (s->tls != NULL ? tls_stream_end(s->tls) != HF_OK : shutdown(s->fd, SHUT_WR) != 0)
		return failed(t, "the connection", "cannot be ended");
	while (n > 0)
		TRY(stream_read(t, s, rest, sizeof(rest), &n));
	return HF_OK;
}

static bool is_open(int fd)
{
	uint8_t one;

	return recv(fd, &one, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* still_lives: only a living process takes a connection and ends it; the kernel refuses or resets
 * those that a dead one left waiting. That it is not another process by now, the older
 * connection tells: a process's end has closed it before the next one can listen. */
static enum hf_err still_lives(struct audit_target *t, int *older)
{
	CLEANUP(stream_done) struct stream s = { .fd = -1 };

	TRY(stream_open(t, false, &s));
	if (!is_open(*older))
		return failed(t, t->host, "the collector ended before it said that it had everything");
	close(*older);
	*older = -1;
	return stream_ended(t, &s);
}

/* Syslog has no receipt. The receiver's own end of the connection, which it sends
 * once it has read ours, is one; what was only in the kernel's buffers of a
 * receiver that died ends in a reset instead. Where no TLS says who ended it, the kernel may have,
 * for a receiver that died with what it had read. */
static enum hf_err send_stream(struct audit_target *t, struct slice bytes)
{
	CLEANUP(stream_done) struct stream s = { .fd = -1 };
	CLEANUP(close_fd) int older = -1;

	TRY(stream_open(t, t->kind == TARGET_TLS, &s));
	TRY(stream_write(t, &s, bytes));
	if (t->kind == TARGET_TCP)
		TRY(connect_to(t, SOCK_STREAM, &older));
	TRY(stream_ended(t, &s));
	return t->kind == TARGET_TCP ? still_lives(t, &older) : HF_OK;
}

static enum hf_err post_head(struct audit_target *t, struct stream *s, size_t length)
{
	char head[1024];
	int n = snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: %s:%s\r\n%s%s%s"
		"Content-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
		t->path, t->host, t->port, t->token != NULL ? "Authorization: Splunk " : "",
		t->token != NULL ? t->token : "", t->token != NULL ? "\r\n" : "", length);

	if (n < 0 || (size_t)n >= sizeof(head))
		return failed(t, "the address", "is too long");
	return stream_write(t, s, (struct slice){ (const uint8_t *)head, (size_t)n });
}

/* The status says all; but who closes before the rest was read resets the connection under the
 * collector. What never ends is given up. */
static enum hf_err read_answer(struct audit_target *t, struct stream *s, struct http_answer *a)
{
	uint8_t piece[4096];
	size_t n = 1;

	for (size_t got = 0; n > 0 && got < ANSWER_MAX; got += n) {
		enum hf_err e = stream_read(t, s, piece, sizeof(piece), &n);

		if (e != HF_OK)
			return http_answer_good(a) ? HF_OK : e;
		if (n == 0 ? http_answer_end(a) : http_answer_take(a, piece, n))
			break;
	}
	if (http_answer_good(a))
		return HF_OK;
	return failed(t, "the collector answered", a->said_n > 0 ? a->said : "nothing that is HTTP");
}

static enum hf_err send_post(struct audit_target *t, struct slice bytes)
{
	CLEANUP(stream_done) struct stream s = { .fd = -1 };
	struct http_answer a = { .part = HTTP_HEAD };

	TRY(stream_open(t, t->kind == TARGET_HTTPS, &s));
	TRY(post_head(t, &s, bytes.n));
	TRY(stream_write(t, &s, bytes));
	return read_answer(t, &s, &a);
}

enum hf_err audit_target_send(struct audit_target *t, struct slice bytes, const size_t *ends, size_t n)
{
	switch (t->kind) {
	case TARGET_FILE:
		return send_file(t, bytes);
	case TARGET_UDP:
		return send_udp(t, bytes, ends, n);
	case TARGET_TCP:
	case TARGET_TLS:
		return send_stream(t, bytes);
	case TARGET_HTTP:
	case TARGET_HTTPS:
		return send_post(t, bytes);
	case TARGET_JOURNALD:
		return send_journal(t, bytes, ends, n);
	}
	return HF_E_INTERNAL;
}
