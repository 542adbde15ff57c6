#include "channel.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "map.h"
#include "turn.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define NEAR_SPINS 40      /* before the processor is offered to others */
#define FAR_SPIN_NS 4000000u /* most calls are answered by then; waking costs 60 us */
#define WIPED ((size_t)4096) /* of a request: a PIN is short */

#define NAP_NS 100000000u    /* a vault that has died is noticed then */

enum state { FREE, ASKED, ANSWERED, ELSEWHERE, WRITES, HELD, NAPS = 0x40, SLEEPS = 0x80 };
enum watch { AWAY, WATCHING, NAPPING };

#define SHORT ((size_t)1984)       /* bytes of a frame, at most */
#define AREA (2 * (CHANNEL_ROOM + 4096)) /* bytes: of the longest frames two take turns */
#define LONG ((size_t)8192)        /* bytes of a frame */
#define BEGINNING ((size_t)1024)   /* of a long request: all but its data, most times */
#define POUR ((size_t)16384)       /* bytes of a long frame that are left, or taken, at a time */
#define PATIENCE_NS 200000u        /* of the vault's with data on their way: for one request */

/* What lies in the shared pages. A short frame has its place in the first of them, and what both sides
 * look at is one line of the cache: of thousands of channels nothing else is near when its turn comes. A
 * longer frame begins anywhere in its area. */
struct shared {
	_Alignas(64) _Atomic uint32_t state;
	_Atomic uint32_t length; /* of the request */
	_Atomic uint32_t request_at, answer_at; /* bytes from the beginning of it all */
	_Atomic uint32_t watched; /* enum watch */
	_Atomic uint32_t crowd; /* enum channel_crowd */
	_Atomic uint32_t seat; /* where the client runs, counted from 1 */
	_Atomic uint32_t ready_at, ready; /* bytes of the answer, before it is given */
	_Alignas(64) uint8_t short_request[SHORT];
	_Alignas(64) uint8_t short_answer[SHORT];
	_Alignas(64) _Atomic uint32_t missing; /* bytes of a long request from the first on its way on */
	_Atomic uint32_t layout; /* CHANNEL_LAYOUT, from the vault */
	_Alignas(4096) uint8_t request[AREA];
	_Alignas(4096) uint8_t answer[AREA];
};

/* struct sort is where the frames of one sort may lie: bytes from the beginning. */
struct sort {
	size_t in_short, in_area;
};

static const struct sort requests = {
	offsetof(struct shared, short_request), offsetof(struct shared, request),
};
static const struct sort answers = {
	offsetof(struct shared, short_answer), offsetof(struct shared, answer),
};

struct channel {
	struct shared *at;
	size_t next;      /* where in its area this side's next long frame goes */
	struct turn turn; /* the client's, */
	struct early *early; /* while it waits; or NULL */
	uint8_t *rest;       /* where data that are on their way go */
	size_t rest_n;       /* bytes of them */
	bool claimed;        /* by the client */
	uint64_t patience;   /* the vault's: ns */
	atomic_bool longs;   /* a long frame has passed since channel_trim looked */
	uint64_t long_at;    /* channel_trim's: when it saw that last; 0: the pages went back since */
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void wait_for_change(_Atomic uint32_t *word, uint32_t from, uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };

	(void)syscall(SYS_futex, word, FUTEX_WAIT, from, &t, NULL, 0);
}

static void wake(_Atomic uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* place: long frames take turns in the area. To write where the other side has just read, each line
 * has to come out of the other processor's cache first, which takes longer than to copy it. */
static size_t place(struct channel *c, const struct sort *s, size_t n)
{
	size_t at = c->next <= AREA - n ? c->next : 0;

	if (n <= SHORT)
		return s->in_short;
	if (n < LONG)
		return s->in_area;
	atomic_store_explicit(&c->longs, true, memory_order_relaxed);
	c->next = (at + n + 4095) & ~(size_t)4095;
	return s->in_area + at;
}

static size_t left(size_t at, size_t from, size_t n)
{
	return at >= from && at - from < n ? n - (at - from) : 0;
}

/* room_from: bytes that a frame at `at` may have, at most. */
static size_t room_from(const struct sort *s, size_t at)
{
	size_t n = left(at, s->in_short, SHORT);

	return n > 0 ? n : left(at, s->in_area, AREA);
}

static uint8_t *bytes_at(const struct channel *c, size_t at)
{
	return (uint8_t *)c->at + at;
}

static enum hf_err map(int fd, struct channel **ret)
{
	struct channel *c = hf_alloc(1, sizeof(*c));
	void *p;

	if (c == NULL)
		return HF_E_MEMORY;
	p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		hf_free(c);
		return HF_E_MEMORY;
	}
	(void)madvise(p, sizeof(struct shared), MADV_DONTDUMP);
	c->at = p;
	*ret = c;
	return HF_OK;
}

void channel_close(struct channel *c)
{
	if (c == NULL)
		return;
	(void)munmap(c->at, sizeof(struct shared));
	hf_free(c);
}

/* --- the vault's side ------------------------------------------------------- */

enum hf_err channel_make(struct channel **ret, int *ret_fd)
{
	int fd = memfd_create("holdfast", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	enum hf_err e;

	if (fd < 0)
		return HF_E_MEMORY;
	e = ftruncate(fd, sizeof(struct shared)) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0
		? map(fd, ret) : HF_E_MEMORY;
	if (e != HF_OK) {
		(void)close(fd);
		return e;
	}
	atomic_store(&(*ret)->at->layout, CHANNEL_LAYOUT);
	*ret_fd = fd;
	return HF_OK;
}

bool channel_asked(const struct channel *c)
{
	return (atomic_load(&c->at->state) & ~(uint32_t)(NAPS | SLEEPS)) == ASKED;
}

bool channel_asked_soon(const struct channel *c)
{
	for (int i = 0; i < NEAR_SPINS; i++) {
		if (channel_asked(c))
			return true;
		relax();
	}
	return channel_asked(c);
}

static bool is_frame(size_t n, size_t at)
{
	return n > 0 && n <= WIRE_HEAD + CHANNEL_ROOM && n <= room_from(&requests, at);
}

bool channel_spoilt(const struct channel *c)
{
	return channel_asked(c) && !is_frame(atomic_load(&c->at->length), atomic_load(&c->at->request_at));
}

bool channel_take(struct channel *c, struct buf *in, struct slice *ret_whole)
{
	size_t n, at, some;
	uint8_t *p;

	if (!channel_asked(c))
		return false;
	n = atomic_load(&c->at->length);
	at = atomic_load(&c->at->request_at);
	some = n < LONG ? n : BEGINNING;
	if (!is_frame(n, at) || (p = buf_add(in, some)) == NULL)
		return false;
	c->patience = PATIENCE_NS;
	if (n >= LONG)
		atomic_store_explicit(&c->longs, true, memory_order_relaxed);
	memcpy(p, bytes_at(c, at), some);
	if (some == n)
		secret_wipe(bytes_at(c, at), n < WIPED ? n : WIPED);
	*ret_whole = some == n ? SLICE_NONE : (struct slice){ bytes_at(c, at), n };
	return true;
}

bool channel_there(struct channel *c, size_t missing)
{
	uint64_t began = 0, waited = 0;

	for (unsigned i = 0; atomic_load_explicit(&c->at->missing, memory_order_acquire) > missing; i++) {
		if (i < NEAR_SPINS) {
			relax();
			continue;
		}
		if (i == NEAR_SPINS)
			began = clock_mono_ns();
		(void)sched_yield();
		waited = clock_mono_ns() - began;
		if (waited >= c->patience) {
			c->patience = 0;
			return false;
		}
	}
	c->patience -= waited;
	return true;
}

bool channel_take_rest(struct channel *c, struct slice whole, struct buf *in)
{
	uint8_t *p = buf_add(in, whole.n - BEGINNING);

	if (p == NULL)
		return false;
	for (size_t n = BEGINNING, more; n < whole.n; n += more, p += more) {
		more = whole.n - n < POUR ? whole.n - n : POUR;
		if (!channel_there(c, whole.n - n - more))
			return false;
		memcpy(p, whole.p + n, more);
	}
	return true;
}

uint8_t *channel_room(struct channel *c, size_t n)
{
	return bytes_at(c, place(c, &answers, n));
}

void channel_ready(struct channel *c, const uint8_t *p, size_t n)
{
	atomic_store_explicit(&c->at->ready_at, (uint32_t)(p - bytes_at(c, 0)), memory_order_relaxed);
	atomic_store_explicit(&c->at->ready, (uint32_t)n, memory_order_release);
}

/* copy_out: of a long answer the client takes out what is ready while the rest is copied. */
static void copy_out(struct channel *c, size_t at, struct slice answer)
{
	const size_t head = WIRE_HEAD + WIRE_BEFORE_OUT, piece = answer.n < 2 * POUR ? answer.n : POUR;

	for (size_t n = 0, more; n < answer.n; n += more) {
		more = answer.n - n < piece ? answer.n - n : piece;
		memcpy(bytes_at(c, at + n), answer.p + n, more);
		if (more < answer.n)
			channel_ready(c, bytes_at(c, at + head), n + more - head);
	}
}

enum channel_given channel_give(struct channel *c, struct slice answer)
{
	bool fits = answer.n <= WIRE_HEAD + CHANNEL_ROOM;
	bool there = answer.p >= bytes_at(c, 0) && answer.p < bytes_at(c, sizeof(struct shared));
	size_t at = there ? (size_t)(answer.p - bytes_at(c, 0)) : fits ? place(c, &answers, answer.n) : 0;
	uint32_t was;

	if (fits && !there)
		copy_out(c, at, answer);
	atomic_store_explicit(&c->at->answer_at, (uint32_t)at, memory_order_relaxed);
	was = atomic_exchange(&c->at->state, fits ? ANSWERED : ELSEWHERE);
	if ((was & NAPS) != 0)
		wake(&c->at->state);
	if (!fits)
		return CHANNEL_FULL;
	return (was & SLEEPS) != 0 ? CHANNEL_SLEEPS : CHANNEL_SEEN;
}

void channel_watch(struct channel *c)
{
	atomic_store(&c->at->watched, WATCHING);
}

bool channel_unwatch(struct channel *c)
{
	atomic_store(&c->at->watched, AWAY);
	if (!channel_asked(c))
		return false;
	atomic_store(&c->at->watched, WATCHING);
	return true;
}

void channel_crowded(struct channel *c, enum channel_crowd crowd)
{
	if (atomic_load_explicit(&c->at->crowd, memory_order_relaxed) != crowd)
		atomic_store_explicit(&c->at->crowd, crowd, memory_order_relaxed);
}

unsigned channel_seat(const struct channel *c)
{
	return atomic_load_explicit(&c->at->seat, memory_order_relaxed);
}

/* give_back may meet a client that writes all the same: it will find zeros. */
static bool give_back(const struct channel *c)
{
	uint32_t s = FREE;

	if (!atomic_compare_exchange_strong(&c->at->state, &s, HELD))
		return false;
	(void)madvise(bytes_at(c, requests.in_area), sizeof(struct shared) - requests.in_area, MADV_REMOVE);
	s = HELD;
	(void)atomic_compare_exchange_strong(&c->at->state, &s, FREE);
	return true;
}

bool channel_trim(struct channel *c, uint64_t now)
{
	if (atomic_exchange_explicit(&c->longs, false, memory_order_relaxed))
		c->long_at = now;
	if (c->long_at == 0 || now - c->long_at < CHANNEL_RESTS_NS || !give_back(c))
		return false;
	c->long_at = 0;
	return true;
}

void channel_nap(struct channel *c, uint64_t ns)
{
	atomic_store(&c->at->watched, NAPPING);
	if (!channel_asked(c))
		wait_for_change(&c->at->watched, NAPPING, ns);
	atomic_store(&c->at->watched, WATCHING);
}

/* --- the client's side -------------------------------------------------------- */

enum hf_err channel_open(int fd, struct channel **ret)
{
	struct channel *c;
	struct stat st;

	if (fstat(fd, &st) != 0 || (fcntl(fd, F_GET_SEALS) & SEALS) != SEALS)
		return HF_E_CONNECTION;
	if (st.st_size != sizeof(struct shared))
		return HF_E_MALFORMED;
	TRY(map(fd, &c));
	if (atomic_load(&c->at->layout) != CHANNEL_LAYOUT) {
		channel_close(c);
		return HF_E_MALFORMED;
	}
	*ret = c;
	return HF_OK;
}

static size_t ahead_size(const struct request *q)
{
	return q->ahead == NULL ? 0 : WIRE_HEAD + request_size(q->ahead);
}

bool channel_fits(const struct request *q)
{
	return ahead_size(q) + request_size(q) <= CHANNEL_ROOM;
}

static uint32_t crowd(const struct channel *c)
{
	return atomic_load_explicit(&c->at->crowd, memory_order_relaxed);
}

/* at_once: how many bytes of data have to be there when the vault looks. Side by side with it the rest comes
 * only if it has a processor of its own. */
static size_t at_once(const struct channel *c, const struct request *q, size_t ahead)
{
	bool pours = q->pours && q->data.n >= 2 * POUR && ahead + WIRE_HEAD + q->fields.n <= BEGINNING &&
		crowd(c) == CROWD_NONE;

	return pours ? POUR : q->data.n;
}

bool channel_claim(struct channel *c)
{
	uint32_t s = atomic_load_explicit(&c->at->state, memory_order_relaxed);

	do {
		if (s == HELD)
			return false;
	} while (!atomic_compare_exchange_weak(&c->at->state, &s, WRITES));
	c->claimed = true;
	return true;
}

void channel_done(struct channel *c)
{
	if (c->claimed)
		atomic_store_explicit(&c->at->state, FREE, memory_order_release);
	c->claimed = false;
}

static void tell_missing(struct channel *c, const struct request *q)
{
	size_t n = c->rest_n > 0 ? c->rest_n + q->tail.n : 0;

	atomic_store_explicit(&c->at->missing, (uint32_t)n, memory_order_release);
}

bool channel_ask(struct channel *c, const struct request *q)
{
	size_t ahead = ahead_size(q), n = ahead + WIRE_HEAD + request_size(q), at = place(c, &requests, n);
	uint8_t *p = bytes_at(c, at);
	size_t now = at_once(c, q, ahead);
	uint32_t naps = NAPPING;

	if (q->ahead != NULL)
		request_put(q->ahead, p);
	request_put_some(q, p + ahead, now);
	c->rest = p + n - q->tail.n - (q->data.n - now);
	c->rest_n = q->data.n - now;
	if (n >= LONG)
		tell_missing(c, q);
	c->early = q->early;
	atomic_store_explicit(&c->at->ready, 0, memory_order_relaxed);
	atomic_store_explicit(&c->at->length, (uint32_t)n, memory_order_relaxed);
	atomic_store_explicit(&c->at->request_at, (uint32_t)at, memory_order_relaxed);
	atomic_store_explicit(&c->at->seat, (uint32_t)sched_getcpu() + 1, memory_order_relaxed);
	atomic_store(&c->at->state, ASKED);
	/* Not a load and a store: between them the vault may have answered and gone AWAY, which the store
	 * would hide for ever. */
	if (atomic_compare_exchange_strong(&c->at->watched, &naps, WATCHING))
		wake(&c->at->watched);
	return atomic_load(&c->at->watched) == AWAY;
}

void channel_pour(struct channel *c, const struct request *q)
{
	while (c->rest_n > 0) {
		size_t n = c->rest_n < POUR ? c->rest_n : POUR;

		memcpy(c->rest, q->data.p + q->data.n - c->rest_n, n);
		c->rest += n;
		c->rest_n -= n;
		tell_missing(c, q);
	}
}

/* take_ready believes no length and no place but those of the area and of the caller's room. */
static void take_ready(const struct channel *c, struct early *o)
{
	size_t n = atomic_load_explicit(&c->at->ready, memory_order_acquire);
	size_t at = atomic_load_explicit(&c->at->ready_at, memory_order_relaxed);

	if (n <= o->n || n > o->room || n > room_from(&answers, at) ||
	    (o->n > 0 && bytes_at(c, at) != o->from))
		return;
	o->from = bytes_at(c, at);
	memcpy(o->p + o->n, o->from + o->n, n - o->n);
	o->n = n;
}

static bool answered(const struct channel *c)
{
	if (c->early != NULL)
		take_ready(c, c->early);
	return atomic_load_explicit(&c->at->state, memory_order_acquire) != ASKED;
}

/* give_turn: to let others run leads to the answer, sooner than sleep does. */
static bool give_turn(struct channel *c)
{
	uint32_t how = crowd(c);

	if (how == CROWD_NONE)
		return turn_give(&c->turn);
	return how == CROWD_TURNS && atomic_load_explicit(&c->at->watched, memory_order_relaxed) != AWAY &&
	       turn_give_in_crowd(&c->turn);
}

/* look watches for the answer for a microsecond or two; in a crowd that would take the processor from who
 * makes it. */
static bool look(struct channel *c)
{
	for (int i = 0; i < NEAR_SPINS && crowd(c) == CROWD_NONE; i++) {
		if (answered(c))
			return true;
		relax();
	}
	return answered(c);
}

/* spin: in a crowd it is worth while only if it makes room for the vault's thread. */
static bool spin(struct channel *c)
{
	uint64_t until;

	turn_begin(&c->turn);
	if (look(c) || crowd(c) == CROWD_QUEUE)
		return answered(c);
	until = clock_mono_ns() + FAR_SPIN_NS;
	while (give_turn(c) && c->turn.now < until)
		if (look(c))
			return true;
	return answered(c);
}

/* nap ends with the answer, or after a while. */
static bool nap(const struct channel *c)
{
	uint32_t s = ASKED;

	if (!atomic_compare_exchange_strong(&c->at->state, &s, ASKED | NAPS))
		return true;
	wait_for_change(&c->at->state, ASKED | NAPS, NAP_NS);
	return atomic_load(&c->at->state) != (ASKED | NAPS);
}

enum channel_got channel_wait(struct channel *c)
{
	uint32_t s = ASKED | NAPS;

	if (!spin(c) && !nap(c) && atomic_compare_exchange_strong(&c->at->state, &s, ASKED | SLEEPS))
		return CHANNEL_NOT_YET;
	return atomic_load(&c->at->state) == ELSEWHERE ? CHANNEL_ELSEWHERE : CHANNEL_ANSWERED;
}

enum hf_err channel_read(struct channel *c, struct answer *ret)
{
	size_t at = atomic_load(&c->at->answer_at), room = room_from(&answers, at);
	struct wire_head h;

	if (room < WIRE_HEAD || wire_head_get(bytes_at(c, at), room - WIRE_HEAD, &h) != HF_OK)
		return HF_E_CONNECTION;
	*ret = (struct answer){ h, { bytes_at(c, at + WIRE_HEAD), h.length } };
	return HF_OK;
}
