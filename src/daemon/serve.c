/* serve.c: one epoll set that all workers wait on; a connection is in the hands of
 * one thread at a time (EPOLLONESHOT). Slow calls go to threads of their own. */
#include "serve.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "aside.h"
#include "clock.h"
#include "conn.h"
#include "lock.h"
#include "log.h"
#include "round.h"
#include "secret.h"
#include "turn.h"
#include "wait.h"

#define STALL_NS 30000000000ull     /* a request may take so long to arrive */
#define SLOW_GRACE_NS 3000000000ull /* at the stop */
#define LINGER_NS 50000u            /* after an answer, awake */
#define CROWD_LINGER_NS 200000u     /* in a crowd, where a client may have to wait for a processor first */
#define CROWD_NS 2000000u           /* a crowd is remembered for so long */
#define SETTLED 16u                 /* answers, until a thread sits down beside a client */
#define LOOK_AROUND 8u              /* turns of lingering until others are thought of, unless one took long */
#define WORKERS_MAX 256u
#define WORKERS_MIN 2u
#define SLOW_MAX 4u
#define SLOW_MIN 2u
#define TRIMS 16u /* at one tick: each takes a fraction of a millisecond, under the lock */
#define SLOW_THREADS 128u /* most of them wait for the disk */

struct server {
	struct hsm *hsm;
	int ep, listen_fd, wake, quit;
	size_t max_message;
	pthread_t worker[WORKERS_MAX];
	unsigned cores;
	cpu_set_t seats;
	_Atomic unsigned active; /* workers that have a client and do not wait for the disk */
	/* Workers that do not wait for the disk, and as many as there should be of them. Written
	 * under lock. */
	_Atomic unsigned running;
	unsigned most;
	_Atomic uint64_t crowded_until; /* ns */
	_Atomic unsigned asleep;   /* workers that are called by the epoll set alone */
	struct aside aside;
	struct round round;        /* empty while one is asleep, or soon */
	_Atomic bool accept_later; /* no descriptor was left */
	struct mutex lock;         /* what follows */
	struct conn *conns;
	unsigned workers, spare; /* threads; those of them that have nothing to do */
	struct cond spare_wanted;
	struct conn *slow_first, **slow_last;
	unsigned slow_threads, slow_idle;
	unsigned slow_busy, slow_running, slow_most; /* with a call; not waiting for the disk; of those */
	bool stopping;
	struct cond slow_ready, slow_done;
};

/* --- connections ---------------------------------------------------------- */

static void conn_link(struct server *s, struct conn *c)
{
	MUTEX_HOLD(&s->lock);
	c->next = s->conns;
	if (s->conns != NULL)
		s->conns->prev = c;
	s->conns = c;
}

static void conn_unlink(struct server *s, struct conn *c)
{
	MUTEX_HOLD(&s->lock);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
}

static void arm_listen(struct server *s)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = &s->listen_fd };

	(void)epoll_ctl(s->ep, EPOLL_CTL_MOD, s->listen_fd, &e);
}

static void accept_again(struct server *s)
{
	if (atomic_exchange(&s->accept_later, false))
		arm_listen(s);
}

static void conn_close(struct server *s, struct conn *c)
{
	conn_unlink(s, c);
	conn_done(c);
	hf_free(c);
	accept_again(s);
}

static bool peer_of(int fd, struct peer *ret)
{
	struct ucred u;
	gid_t groups[sizeof(ret->groups) / sizeof(ret->groups[0])];
	socklen_t n = sizeof(u), gn = sizeof(groups);

	*ret = (struct peer){ 0 };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) != 0)
		return false;
	ret->uid = u.uid;
	ret->gid = u.gid;
	ret->pid = (uint64_t)u.pid;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &gn) != 0) {
		log_debug("user %u has more groups than are looked at: none of them counts", u.uid);
		return true;
	}
	ret->group_count = (unsigned)(gn / sizeof(gid_t));
	for (unsigned i = 0; i < ret->group_count; i++)
		ret->groups[i] = groups[i];
	return true;
}

/* conn_new: NULL if there is no memory. */
static struct conn *conn_new(struct server *s, int fd)
{
	struct conn *c = hf_alloc(1, sizeof(*c));
	struct hsm_conn *hsm = NULL;
	enum hf_err refused;
	struct peer p;

	if (c == NULL || !peer_of(fd, &p)) {
		hf_free(c);
		close(fd);
		return NULL;
	}
	refused = hsm_conn_open(s->hsm, &p, &hsm);
	conn_open(c, fd, refused == HF_OK ? hsm : NULL, refused, s->max_message);
	aside_welcome(&s->aside, c);
	conn_link(s, c);
	return c;
}

/* accept_one: NULL if it came to nothing; who else waits will call again. Without a descriptor
 * left, who connects waits in the queue until one is free. */
static struct conn *accept_one(struct server *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 || errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) {
		arm_listen(s);
		return fd >= 0 ? conn_new(s, fd) : NULL;
	}
	log_warn("another client cannot be accepted: %m (raise LimitNOFILE, or lower max-connections)");
	atomic_store(&s->accept_later, true);
	return NULL;
}

/* --- work -------------------------------------------------------------------- */

static void *worker(void *arg);
static void *slow_worker(void *arg);

/* another_slow sees to it that somebody takes the next slow call, unless enough of them run;
 * s->lock is held. Without memory for one more thread the call waits for those there are. */
static void another_slow(struct server *s)
{
	pthread_t t;

	if (s->slow_first == NULL || s->slow_running >= s->slow_most || s->stopping)
		return;
	if (s->slow_idle > 0) {
		cond_signal(&s->slow_ready);
	} else if (s->slow_threads < SLOW_THREADS && pthread_create(&t, NULL, slow_worker, s) == 0) {
		(void)pthread_detach(t);
		s->slow_threads++;
	}
}

/* A slow worker waits for the disk: another one goes on. */
static void slow_waits(void *ctx, bool waits)
{
	struct server *s = ctx;
	MUTEX_HOLD(&s->lock);

	s->slow_running += waits ? -1u : 1u;
	atomic_fetch_add(&s->active, waits ? -1u : 1u);
	if (waits)
		another_slow(s);
}

/* another_worker has somebody serve while a worker waits; s->lock is held. */
static void another_worker(struct server *s)
{
	if (s->running >= s->most || s->stopping)
		return;
	if (s->spare > 0) {
		cond_signal(&s->spare_wanted);
	} else if (s->workers < WORKERS_MAX &&
		   pthread_create(&s->worker[s->workers], NULL, worker, s) == 0) {
		s->workers++;
		s->running++;
	}
}

static void worker_waits(void *ctx, bool waits)
{
	struct server *s = ctx;
	MUTEX_HOLD(&s->lock);

	s->running += waits ? -1u : 1u;
	atomic_fetch_add(&s->active, waits ? -1u : 1u);
	if (waits)
		another_worker(s);
}

/* stand_by: those that waited are back, so there is one worker too many. */
static void stand_by(struct server *s)
{
	MUTEX_HOLD(&s->lock);

	if (s->running <= s->most)
		return;
	s->running--;
	s->spare++;
	while (s->running >= s->most && !s->stopping)
		cond_wait(&s->spare_wanted, &s->lock);
	s->spare--;
	s->running++;
	another_worker(s); /* one signal may have been meant for two */
}

static void to_slow(struct server *s, struct conn *c)
{
	MUTEX_HOLD(&s->lock);
	c->next_slow = NULL;
	*s->slow_last = c;
	s->slow_last = &c->next_slow;
	hsm_waiting(s->hsm, 1);
	another_slow(s);
}

/* arm hands the connection over: from here on another thread may have it. */
static void arm(struct server *s, struct conn *c, uint32_t events)
{
	struct epoll_event e = { .events = events | EPOLLONESHOT | EPOLLRDHUP, .data.ptr = c };
	int op = c->awaited ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	c->awaited = true;
	if (epoll_ctl(s->ep, op, c->fd, &e) != 0)
		conn_close(s, c);
}

/* how_crowded: a client and its worker each want a processor, and did a moment ago; or there are
 * more clients than workers. */
static enum channel_crowd how_crowded(struct server *s, uint64_t now)
{
	if (!round_empty(&s->round) ||
	    atomic_load_explicit(&s->aside.count, memory_order_relaxed) > 2 * s->cores)
		return CROWD_QUEUE;
	if (2 * atomic_load_explicit(&s->active, memory_order_relaxed) > s->cores)
		atomic_store_explicit(&s->crowded_until, now + CROWD_NS, memory_order_relaxed);
	return now < atomic_load_explicit(&s->crowded_until, memory_order_relaxed)
		? CROWD_TURNS : CROWD_NONE;
}

/* sit keeps the thread to one processor (seat, counted from 1), or to none in particular (0).
 * What a client says of its own is no more than a wish. */
static void sit(const struct server *s, struct lane *l, unsigned seat)
{
	cpu_set_t set;

	if (seat == l->seat || seat > CPU_SETSIZE || (seat > 0 && !CPU_ISSET(seat - 1, &s->seats)))
		return;
	set = s->seats;
	if (seat > 0) {
		CPU_ZERO(&set);
		CPU_SET(seat - 1, &set);
	}
	if (sched_setaffinity(0, sizeof(set), &set) == 0)
		l->seat = seat;
}

/* wait_turn: in a crowd the client and its worker take turns on one processor. */
static void wait_turn(const struct server *s, struct conn *c, struct lane *l, bool crowded)
{
	sit(s, l, crowded ? conn_seat(c) : 0);
	if (crowded ? !turn_give_in_crowd(&l->turn) : !turn_give(&l->turn))
		conn_nap(c, CROWD_LINGER_NS);
}

/* linger_ns: longer where waiting is sleep. */
static uint64_t linger_ns(const struct conn *c, enum channel_crowd crowd)
{
	return crowd == CROWD_NONE || c->channel == NULL ? LINGER_NS : CROWD_LINGER_NS;
}

/* linger: a client that was just answered often asks again at once; to wake a thread
 * for that takes longer than its answer did. Who waits for the processor goes first,
 * and who waits for an answer, too. */
static enum conn_next linger(struct server *s, struct conn *c, struct lane *l, struct epoll_event *other)
{
	uint64_t now = clock_mono_ns(), answered = now, served = c->served, first = served;
	enum channel_crowd crowd = how_crowded(s, now);
	enum conn_next next = CONN_READ;
	bool look = true;

	for (unsigned i = 1; next == CONN_READ && now < answered + linger_ns(c, crowd); i++) {
		uint64_t before = now;

		if (look && (!round_empty(&s->round) || epoll_wait(s->ep, other, 1, 0) == 1))
			return next;
		crowd = how_crowded(s, now);
		conn_crowded(c, crowd);
		if (crowd != CROWD_NONE || !conn_asked_soon(c))
			wait_turn(s, c, l, crowd != CROWD_NONE && served - first > SETTLED);
		if (c->channel == NULL || conn_asked(c))
			next = conn_advance(c, l, false);
		now = clock_mono_ns();
		if (c->served != served) {
			turn_begin(&l->turn);
			served = c->served;
			answered = now;
		}
		look = i % LOOK_AROUND == 0 || now > before + CROWD_LINGER_NS;
	}
	return next;
}

/* in_turn: there are others, nobody who could do something about them, and the next request is
 * seen by who looks. */
static bool in_turn(struct server *s, const struct conn *c, const struct epoll_event *other)
{
	return (other->data.ptr != NULL || !round_empty(&s->round)) && atomic_load(&s->asleep) == 0 &&
	       conn_rests(c);
}

static bool keeps_waiting(const struct conn *c)
{
	return atomic_load(&c->since_ns) != 0;
}

/* serve_on serves as long as it is worth staying with this client. other: gets what has
 * come from another one meanwhile; NULL: this is a thread for slow calls. */
static enum conn_next serve_on(struct server *s, struct conn *c, struct lane *l, struct epoll_event *other)
{
	bool may_be_slow = other == NULL;
	enum conn_next next;

	atomic_fetch_add(&s->active, 1);
	do {
		conn_crowded(c, how_crowded(s, clock_mono_ns()));
		next = conn_advance(c, l, may_be_slow);
		may_be_slow = false;
		if (next == CONN_READ && other != NULL && other->data.ptr == NULL && !keeps_waiting(c))
			next = linger(s, c, l, other);
		if (next == CONN_READ && other != NULL && in_turn(s, c, other))
			next = CONN_TURN;
		/* It asked while it was answered, or its data do not come: others' turn all the same. */
		if (next == CONN_READ && ((other != NULL && other->data.ptr != NULL) || keeps_waiting(c)) &&
		    conn_unwatch(c))
			next = CONN_AGAIN;
	} while (next == CONN_READ && conn_unwatch(c));
	atomic_fetch_sub(&s->active, 1); /* before another worker can have the connection */
	return next;
}

/* put_down: nobody has the connection any more, but for who serves it next. */
static void put_down(struct server *s, struct conn *c, enum conn_next next)
{
	switch (next) {
	case CONN_READ:
		arm(s, c, EPOLLIN);
		break;
	case CONN_WRITE:
	case CONN_AGAIN: /* it can be written to: it comes back behind those who wait */
		arm(s, c, EPOLLOUT);
		break;
	case CONN_TURN:
		conn_crowded(c, CROWD_QUEUE);
		round_put(&s->round, c, clock_mono_ns());
		break;
	case CONN_SLOW:
		to_slow(s, c);
		break;
	case CONN_ASIDE:
		conn_crowded(c, CROWD_QUEUE);
		aside_put(&s->aside, c);
		break;
	case CONN_CLOSE:
		conn_close(s, c);
		break;
	}
}

static void advance(struct server *s, struct conn *c, struct lane *l, struct epoll_event *other)
{
	enum conn_next next = serve_on(s, c, l, other);

	if (hsm_stop_wanted(s->hsm)) {
		const uint64_t one = 1;

		(void)!write(s->wake, &one, sizeof(one));
	}
	put_down(s, c, next);
}

/* --- threads ---------------------------------------------------------------- */

/* asks_still: false: the connection has left the round, to be waited for at the socket. */
static bool asks_still(struct server *s, struct conn *c)
{
	if (conn_asked(c) || conn_unwatch(c))
		return true;
	arm(s, c, EPOLLIN);
	return false;
}

/* break_up ends the round, but for the connection that is returned, which asks. */
static struct conn *break_up(struct server *s)
{
	struct conn *c;

	do
		c = round_pop(&s->round);
	while (c != NULL && !asks_still(s, c));
	return c;
}

/* go_on serves a connection whose call was put aside. Where there are workers to spare one of them sits down
 * beside the client, as behind any answer; where not, it goes into the round, though who would look there may
 * have fallen asleep meanwhile. */
static bool go_on(void *ctx, struct conn *c, struct lane *l)
{
	struct server *s = ctx;
	enum conn_next next = conn_go_on(c, l);

	if (next == CONN_ASIDE)
		return false;
	if (next == CONN_READ)
		next = atomic_load(&s->asleep) == 0 && conn_rests(c) ? CONN_TURN : CONN_AGAIN;
	put_down(s, c, next);
	while (next == CONN_TURN && atomic_load(&s->asleep) > 0 && (c = break_up(s)) != NULL)
		put_down(s, c, CONN_AGAIN);
	return true;
}

/* look_round: a connection of the round that asks. NULL: e has got what comes by the socket, or
 * there is no round any more, since nobody has asked for a while or there are workers enough. */
static struct conn *look_round(struct server *s, struct lane *l, struct epoll_event *e)
{
	uint64_t now = clock_mono_ns(), until = now + CROWD_LINGER_NS;
	struct conn *c;

	for (; !round_empty(&s->round) && atomic_load(&s->asleep) == 0; now = clock_mono_ns()) {
		if (l->looks++ % LOOK_AROUND == 0 && epoll_wait(s->ep, e, 1, 0) == 1)
			return NULL;
		c = round_take(&s->round, now, (unsigned)sched_getcpu() + 1);
		if (c != NULL && asks_still(s, c))
			return c;
		if (c == NULL && (now >= until || !turn_give(&l->turn)))
			break;
	}
	return break_up(s);
}

/* called waits for what comes by the socket. */
static bool called(struct server *s, struct epoll_event *e)
{
	bool came;

	atomic_fetch_add(&s->asleep, 1);
	came = epoll_wait(s->ep, e, 1, round_empty(&s->round) ? -1 : 0) == 1;
	atomic_fetch_sub(&s->asleep, 1);
	return came;
}

/* next_conn: NULL: there is none just now, or e tells the end. */
static struct conn *next_conn(struct server *s, struct lane *l, struct epoll_event *e)
{
	struct conn *c = e->data.ptr == NULL ? look_round(s, l, e) : NULL;

	if (c != NULL)
		return c;
	if ((e->data.ptr == NULL && !called(s, e)) || e->data.ptr == &s->quit)
		return NULL;
	c = e->data.ptr == &s->listen_fd ? accept_one(s) : e->data.ptr;
	if (c != NULL) /* who connects says something at once */
		conn_watch(c);
	return c;
}

/* too_many: but whoever put a connection into the round while others fell asleep alone looks there. */
static bool too_many(const struct server *s)
{
	return atomic_load_explicit(&s->running, memory_order_relaxed) > s->most &&
	       (round_empty(&s->round) || atomic_load(&s->asleep) == 0);
}

static void *worker(void *arg)
{
	CLEANUP(lane_done) struct lane lane = { 0 };
	struct epoll_event e, next = { 0 };
	struct server *s = arg;
	struct conn *c;
	const struct waiting tell = { worker_waits, s };

	waiting_tell(&tell);
	for (;;) {
		e = next;
		next.data.ptr = NULL;
		if (e.data.ptr == NULL && too_many(s)) {
			lane_done(&lane);
			stand_by(s);
		}
		c = next_conn(s, &lane, &e);
		if (c != NULL)
			advance(s, c, &lane, &next);
		else if (e.data.ptr == &s->quit)
			return NULL;
	}
}

/* next_slow waits for a connection with a slow call; NULL: the end. */
static struct conn *next_slow(struct server *s)
{
	struct conn *c;

	s->slow_idle++;
	while ((s->slow_first == NULL || s->slow_running >= s->slow_most) && !s->stopping)
		cond_wait(&s->slow_ready, &s->lock);
	s->slow_idle--;
	if (s->stopping)
		return NULL;
	c = s->slow_first;
	s->slow_first = c->next_slow;
	hsm_waiting(s->hsm, -1);
	if (s->slow_first == NULL)
		s->slow_last = &s->slow_first;
	s->slow_busy++;
	s->slow_running++;
	another_slow(s); /* one signal may have been meant for two */
	return c;
}

static void *slow_worker(void *arg)
{
	CLEANUP(lane_done) struct lane lane = { 0 };
	struct server *s = arg;
	const struct waiting tell = { slow_waits, s };
	struct conn *c;

	waiting_tell(&tell);
	mutex_lock(&s->lock);
	while ((c = next_slow(s)) != NULL) {
		mutex_unlock(&s->lock);
		conn_watch(c);
		advance(s, c, &lane, NULL);
		lane_done(&lane); /* there are many such threads */
		mutex_lock(&s->lock);
		s->slow_busy--;
		s->slow_running--;
		cond_signal(&s->slow_done);
	}
	mutex_unlock(&s->lock);
	return NULL;
}

static unsigned cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static unsigned within(unsigned n, unsigned least, unsigned most)
{
	return n < least ? least : n > most ? most : n;
}

static enum hf_err start_threads(struct server *s, unsigned wanted)
{
	MUTEX_HOLD(&s->lock);

	s->slow_most = within(cores() / 2, SLOW_MIN, SLOW_MAX);
	s->most = within(wanted != 0 ? wanted : within(cores(), WORKERS_MIN, WORKERS_MAX), 1, WORKERS_MAX);
	while (s->running < s->most) {
		unsigned was = s->workers;

		another_worker(s);
		if (s->workers == was)
			return HF_E_MEMORY;
	}
	return HF_OK;
}

static bool open_epoll(struct server *s)
{
	struct epoll_event on_listen = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = &s->listen_fd };
	struct epoll_event on_quit = { .events = EPOLLIN, .data.ptr = &s->quit };

	s->ep = epoll_create1(EPOLL_CLOEXEC);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->quit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->ep >= 0 && s->wake >= 0 && s->quit >= 0 &&
	       epoll_ctl(s->ep, EPOLL_CTL_ADD, s->listen_fd, &on_listen) == 0 &&
	       epoll_ctl(s->ep, EPOLL_CTL_ADD, s->quit, &on_quit) == 0;
}

enum hf_err serve_start(struct hsm *h, int listen_fd, const struct config *c, struct server **ret)
{
	struct server *s = hf_alloc(1, sizeof(*s));

	if (s == NULL)
		return HF_E_MEMORY;
	s->hsm = h;
	s->listen_fd = listen_fd;
	s->max_message = c->max_message;
	s->cores = cores();
	(void)sched_getaffinity(0, sizeof(s->seats), &s->seats);
	s->slow_last = &s->slow_first;
	mutex_init(&s->lock);
	round_init(&s->round);
	cond_init(&s->spare_wanted);
	cond_init(&s->slow_ready);
	cond_init(&s->slow_done);
	if (!open_epoll(s)) {
		log_error("epoll: %m");
		return HF_E_INTERNAL;
	}
	*ret = s;
	TRY(aside_start(&s->aside, &(struct aside_server){ go_on, s }));
	return start_threads(s, (unsigned)c->workers);
}

void serve_tick(struct server *s)
{
	uint64_t now = clock_mono_ns();
	unsigned trimmed = 0;

	accept_again(s);
	MUTEX_HOLD(&s->lock);
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		uint64_t since = atomic_load(&c->since_ns);

		if (since != 0 && now > since && now - since > STALL_NS)
			shutdown(c->fd, SHUT_RDWR);
		trimmed += trimmed < TRIMS && conn_trim(c, now);
	}
}

int serve_wake_fd(const struct server *s)
{
	return s->wake;
}

/* end_slow gives slow calls a little time; false: one goes on. */
static bool end_slow(struct server *s)
{
	uint64_t until = clock_mono_ns() + SLOW_GRACE_NS;

	MUTEX_HOLD(&s->lock);
	while (s->slow_busy > 0)
		if (!cond_wait_until(&s->slow_done, &s->lock, until))
			return false;
	return true;
}

/* No worker is added from here on. */
static void begin_stop(struct server *s)
{
	const uint64_t one = 1;
	MUTEX_HOLD(&s->lock);

	s->stopping = true;
	cond_broadcast(&s->slow_ready);
	cond_broadcast(&s->spare_wanted);
	(void)!write(s->quit, &one, sizeof(one));
}

bool serve_stop(struct server *s)
{
	begin_stop(s);
	for (unsigned i = 0; i < s->workers; i++)
		pthread_join(s->worker[i], NULL);
	if (!end_slow(s))
		return false;
	aside_stop(&s->aside);
	while (s->conns != NULL)
		conn_close(s, s->conns);
	return true;
}
