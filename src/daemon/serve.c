/* serve.c: one epoll set that all workers wait on; a connection is in the hands of
 * one thread at a time (EPOLLONESHOT). Slow calls go to threads of their own. */
#include "serve.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "secret.h"

#define READ_STEP 16384             /* bytes asked of a socket at once, at least */
#define STALL_NS 30000000000ull     /* a request may take so long to arrive */
#define SLOW_THREADS 2
#define SLOW_GRACE_MS 3000          /* at the stop */

struct conn {
	struct conn *prev, *next; /* all connections: server.lock */
	struct conn *next_slow;
	int fd;
	struct hsm_conn *hsm;     /* NULL: refused, answers error */
	enum hf_err refused;
	struct buf in, out;
	size_t sent;
	_Atomic uint64_t since_ns; /* an incomplete request is there since; 0: none */
};

struct server {
	struct hsm *hsm;
	int ep, listen_fd, wake, quit;
	size_t max_message;
	pthread_t worker[256];
	unsigned workers;
	pthread_mutex_t lock;     /* what follows */
	struct conn *conns;
	struct conn *slow_first, **slow_last;
	unsigned slow_busy;
	bool stopping;
	pthread_cond_t slow_ready, slow_done;
};

/* --- connections ---------------------------------------------------------- */

static void conn_close(struct server *s, struct conn *c)
{
	pthread_mutex_lock(&s->lock);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	pthread_mutex_unlock(&s->lock);
	close(c->fd);
	if (c->hsm != NULL)
		hsm_conn_close(c->hsm);
	buf_done(&c->in);
	buf_done(&c->out);
	hf_free(c);
}

static void arm(struct server *s, struct conn *c, uint32_t events)
{
	struct epoll_event e = { .events = events | EPOLLONESHOT | EPOLLRDHUP, .data.ptr = c };

	if (epoll_ctl(s->ep, EPOLL_CTL_MOD, c->fd, &e) != 0)
		conn_close(s, c);
}

static bool peer_of(int fd, struct peer *ret)
{
	struct ucred u;
	gid_t groups[32];
	socklen_t n = sizeof(u), gn = sizeof(groups);

	*ret = (struct peer){ 0 };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) != 0)
		return false;
	ret->uid = u.uid;
	ret->gid = u.gid;
	ret->pid = (uint64_t)u.pid;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &gn) != 0)
		return true; /* more groups than we look at: none of them counts */
	ret->group_count = (unsigned)(gn / sizeof(gid_t));
	for (unsigned i = 0; i < ret->group_count; i++)
		ret->groups[i] = groups[i];
	return true;
}

static void conn_new(struct server *s, int fd)
{
	struct conn *c = hf_alloc(1, sizeof(*c));
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT | EPOLLRDHUP, .data.ptr = c };
	struct peer p;

	if (c == NULL || !peer_of(fd, &p)) {
		hf_free(c);
		close(fd);
		return;
	}
	c->fd = fd;
	c->in = c->out = BUF_MAX(s->max_message + WIRE_HEAD);
	c->refused = hsm_conn_open(s->hsm, &p, &c->hsm);
	pthread_mutex_lock(&s->lock);
	c->next = s->conns;
	if (s->conns != NULL)
		s->conns->prev = c;
	s->conns = c;
	pthread_mutex_unlock(&s->lock);
	if (epoll_ctl(s->ep, EPOLL_CTL_ADD, fd, &e) != 0)
		conn_close(s, c);
}

static void accept_all(struct server *s)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = &s->listen_fd };
	int fd;

	while ((fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		conn_new(s, fd);
	if (errno == EMFILE || errno == ENFILE)
		log_warn("no descriptor left for another client; raise LimitNOFILE");
	epoll_ctl(s->ep, EPOLL_CTL_MOD, s->listen_fd, &e);
}

/* --- reading and answering ------------------------------------------------- */

enum progress { DONE, WAIT, CLOSE };

/* flush sends what is left of the answer. */
static enum progress flush(struct conn *c)
{
	while (c->sent < c->out.n) {
		ssize_t n = send(c->fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? WAIT : CLOSE;
		c->sent += (size_t)n;
	}
	buf_reset(&c->out);
	c->sent = 0;
	return DONE;
}

/* fill reads what has arrived, growing with it: a length announced by a stranger
 * allocates nothing. */
static enum progress fill(struct conn *c)
{
	size_t was = c->in.n, step = was > READ_STEP ? was : READ_STEP;
	uint8_t *p;
	ssize_t n;

	if (step > c->in.max - was)
		step = c->in.max - was;
	p = step > 0 ? buf_add(&c->in, step) : NULL;
	if (p == NULL)
		return CLOSE;
	do
		n = recv(c->fd, p, step, 0);
	while (n < 0 && errno == EINTR);
	buf_cut(&c->in, was + (n > 0 ? (size_t)n : 0));
	if (n < 0)
		return errno == EAGAIN ? WAIT : CLOSE;
	return n == 0 ? CLOSE : DONE;
}

static void answer_error(struct conn *c, struct wire_head head, enum hf_err e)
{
	uint8_t *p;

	head.length = 0;
	head.flags = (uint16_t)e;
	head.session = 0;
	p = buf_add(&c->out, WIRE_HEAD);
	if (p != NULL)
		wire_head_put(&head, p);
}

/* frame looks for a whole request at the front of what was read. */
static enum progress frame(struct server *s, struct conn *c, struct wire_head *head)
{
	enum hf_err e;

	if (c->in.n < WIRE_HEAD)
		return WAIT;
	e = wire_head_get(c->in.p, s->max_message, head);
	if (e != HF_OK) {
		answer_error(c, *head, e);
		(void)flush(c);
		return CLOSE;
	}
	return c->in.n - WIRE_HEAD >= head->length ? DONE : WAIT;
}

/* drop_frame removes the request that was answered from the front. */
static void drop_frame(struct conn *c, const struct wire_head *head)
{
	size_t used = WIRE_HEAD + head->length, rest = c->in.n - used;

	if (rest == 0) {
		buf_reset(&c->in);
		return;
	}
	memmove(c->in.p, c->in.p + used, rest);
	buf_cut(&c->in, rest);
}

static enum progress answer(struct server *s, struct conn *c, const struct wire_head *head)
{
	struct slice fields = { c->in.p + WIRE_HEAD, head->length };
	bool stays = false;

	if (c->hsm == NULL)
		answer_error(c, *head, c->refused);
	else
		stays = hsm_serve(c->hsm, head, fields, &c->out);
	drop_frame(c, head);
	if (hsm_stop_wanted(s->hsm)) {
		uint64_t one = 1;

		(void)!write(s->wake, &one, sizeof(one));
	}
	return stays && buf_err(&c->out) == HF_OK ? DONE : CLOSE;
}

static void to_slow(struct server *s, struct conn *c)
{
	pthread_mutex_lock(&s->lock);
	c->next_slow = NULL;
	*s->slow_last = c;
	s->slow_last = &c->next_slow;
	pthread_cond_signal(&s->slow_ready);
	pthread_mutex_unlock(&s->lock);
}

/* advance answers requests until the connection must wait for its peer, or for a
 * slow thread. may_be_slow: this is one. */
static void advance(struct server *s, struct conn *c, bool may_be_slow)
{
	struct wire_head head = { 0 };
	enum progress p;

	for (;;) {
		p = flush(c);
		if (p == WAIT) {
			arm(s, c, EPOLLOUT);
			return;
		}
		if (p == DONE)
			p = frame(s, c, &head);
		if (p == WAIT) {
			p = fill(c);
			if (p == WAIT) {
				atomic_store(&c->since_ns, c->in.n > 0 ? clock_mono_ns() : 0);
				arm(s, c, EPOLLIN);
				return;
			}
			if (p == DONE)
				continue;
		}
		if (p == CLOSE)
			break;
		if (hsm_is_slow(&head) && !may_be_slow) {
			to_slow(s, c);
			return;
		}
		may_be_slow = false;
		if (answer(s, c, &head) == CLOSE) {
			(void)flush(c);
			break;
		}
	}
	conn_close(s, c);
}

/* --- threads ---------------------------------------------------------------- */

static void *worker(void *arg)
{
	struct server *s = arg;
	struct epoll_event e;

	for (;;) {
		if (epoll_wait(s->ep, &e, 1, -1) != 1)
			continue;
		if (e.data.ptr == &s->quit)
			return NULL;
		if (e.data.ptr == &s->listen_fd)
			accept_all(s);
		else
			advance(s, e.data.ptr, false);
	}
}

static void *slow_worker(void *arg)
{
	struct server *s = arg;
	struct conn *c;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		c = s->slow_first;
		if (c == NULL) {
			pthread_cond_wait(&s->slow_ready, &s->lock);
			continue;
		}
		s->slow_first = c->next_slow;
		if (s->slow_first == NULL)
			s->slow_last = &s->slow_first;
		s->slow_busy++;
		pthread_mutex_unlock(&s->lock);
		advance(s, c, true);
		pthread_mutex_lock(&s->lock);
		s->slow_busy--;
		pthread_cond_signal(&s->slow_done);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static enum hf_err start_threads(struct server *s, unsigned wanted)
{
	cpu_set_t set;
	pthread_t t;
	unsigned cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 2;

	if (wanted == 0)
		wanted = cores > 2 ? cores : 2;
	for (unsigned i = 0; i < SLOW_THREADS; i++) {
		if (pthread_create(&t, NULL, slow_worker, s) != 0)
			return HF_E_MEMORY;
		pthread_detach(t);
	}
	for (; s->workers < wanted && s->workers < 256; s->workers++)
		if (pthread_create(&s->worker[s->workers], NULL, worker, s) != 0)
			return HF_E_MEMORY;
	return HF_OK;
}

enum hf_err serve_start(struct hsm *h, int listen_fd, const struct config *c, struct server **ret)
{
	struct server *s = hf_alloc(1, sizeof(*s));
	struct epoll_event on_listen = { .events = EPOLLIN | EPOLLONESHOT };
	struct epoll_event on_quit = { .events = EPOLLIN };

	if (s == NULL)
		return HF_E_MEMORY;
	s->hsm = h;
	s->listen_fd = listen_fd;
	s->max_message = c->max_message;
	s->slow_last = &s->slow_first;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->slow_ready, NULL);
	pthread_cond_init(&s->slow_done, NULL);
	s->ep = epoll_create1(EPOLL_CLOEXEC);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->quit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	on_listen.data.ptr = &s->listen_fd;
	on_quit.data.ptr = &s->quit;
	if (s->ep < 0 || s->wake < 0 || s->quit < 0 ||
	    epoll_ctl(s->ep, EPOLL_CTL_ADD, listen_fd, &on_listen) != 0 ||
	    epoll_ctl(s->ep, EPOLL_CTL_ADD, s->quit, &on_quit) != 0) {
		log_error("vault: epoll: %m");
		return HF_E_INTERNAL;
	}
	*ret = s;
	return start_threads(s, (unsigned)c->workers);
}

void serve_tick(struct server *s)
{
	uint64_t now = clock_mono_ns();

	pthread_mutex_lock(&s->lock);
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		uint64_t since = atomic_load(&c->since_ns);

		if (since != 0 && now - since > STALL_NS)
			shutdown(c->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&s->lock);
}

int serve_wake_fd(const struct server *s)
{
	return s->wake;
}

bool serve_stop(struct server *s)
{
	uint64_t one = 1;
	struct timespec until;
	bool idle;

	(void)!write(s->quit, &one, sizeof(one));
	for (unsigned i = 0; i < s->workers; i++)
		pthread_join(s->worker[i], NULL);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += SLOW_GRACE_MS / 1000;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->slow_ready);
	while (s->slow_busy > 0 && pthread_cond_timedwait(&s->slow_done, &s->lock, &until) == 0)
		;
	idle = s->slow_busy == 0;
	pthread_mutex_unlock(&s->lock);
	return idle;
}
