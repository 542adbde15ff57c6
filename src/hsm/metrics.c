#include "metrics.h"

#include "audit.h"
#include "clock.h"
#include "hsm_roles.h"
#include "object.h"
#include "partition.h"
#include "records.h"
#include "secret.h"
#include "status.h"

#define BLAMES 4         /* enum hf_blame */
#define SLOTS 13         /* up to 1 us, 4 us, 16 us, ... 4^11 us, and all above */
#define MECHANISMS 256   /* a power of two */
#define PAIRS 512        /* of call and mechanism; a power of two */
#define TIMED_ONE_IN 16u
#define TOLD_MAX 65536u

typedef _Atomic uint64_t counter;

/* struct block is what one thread counts; nobody else writes it. It outlives the
 * thread, and another one goes on with it. */
struct block {
	struct block *next;
	_Atomic bool used;
	unsigned turn[CALLS_ROWS]; /* by call: an _init and its call alternate */
	counter calls[CALLS_ROWS][BLAMES];
	counter timed[CALLS_ROWS][SLOTS], ns[CALLS_ROWS];
	struct {
		_Atomic uint32_t mechanism; /* and one: 0 is a free place */
		counter uses;
	} mech[MECHANISMS];
	struct pair {
		_Atomic uint64_t key; /* opcode and mechanism; 0 is a free place */
		counter uses, ns, timed[SLOTS];
	} pairs[PAIRS];
};

static _Atomic(struct block *) blocks;
static _Thread_local struct block *mine;
static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void give_back(void *block)
{
	atomic_store(&((struct block *)block)->used, false);
}

static void make_key(void)
{
	(void)pthread_key_create(&at_exit, give_back);
}

static struct block *adopt(void)
{
	for (struct block *b = atomic_load(&blocks); b != NULL; b = b->next) {
		bool used = false;

		if (atomic_compare_exchange_strong(&b->used, &used, true))
			return b;
	}
	return NULL;
}

static struct block *begin(void)
{
	struct block *b;

	(void)pthread_once(&once, make_key);
	b = adopt();
	if (b == NULL) {
		b = hf_alloc(1, sizeof(*b));
		if (b == NULL)
			return NULL;
		atomic_store(&b->used, true);
		b->next = atomic_load(&blocks);
		while (!atomic_compare_exchange_weak(&blocks, &b->next, b))
			;
	}
	(void)pthread_setspecific(at_exit, b);
	return b;
}

/* --- counting -------------------------------------------------------------------------- */

static void add(counter *c, uint64_t n)
{
	uint64_t now = atomic_load_explicit(c, memory_order_relaxed);

	atomic_store_explicit(c, now + n, memory_order_relaxed);
}

static uint64_t get(const counter *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static unsigned slot_of(uint64_t ns)
{
	unsigned i = 0;

	for (uint64_t bound = 1000; i + 1 < SLOTS && ns > bound; bound *= 4)
		i++;
	return i;
}

static void add_mechanism(struct block *b, uint32_t mechanism)
{
	unsigned at = mechanism * 2654435761u >> 24;

	for (unsigned i = 0; i < MECHANISMS; i++, at = (at + 1) % MECHANISMS) {
		uint32_t there = atomic_load_explicit(&b->mech[at].mechanism, memory_order_relaxed);

		if (there == 0)
			atomic_store_explicit(&b->mech[at].mechanism, mechanism + 1, memory_order_relaxed);
		if (there == 0 || there == mechanism + 1) {
			add(&b->mech[at].uses, 1);
			return;
		}
	}
}

static uint64_t pair_key(unsigned opcode, uint32_t mechanism)
{
	return (uint64_t)opcode << 32 | mechanism;
}

/* find_pair: NULL when all places are taken. */
static struct pair *find_pair(struct pair *v, uint64_t key)
{
	unsigned at = (unsigned)(key * 0x9e3779b97f4a7c15u >> 55);

	for (unsigned i = 0; i < PAIRS; i++, at = (at + 1) % PAIRS) {
		uint64_t there = atomic_load_explicit(&v[at].key, memory_order_relaxed);

		if (there == 0)
			atomic_store_explicit(&v[at].key, key, memory_order_relaxed);
		if (there == 0 || there == key)
			return &v[at];
	}
	return NULL;
}

/* worked_with: what the call's work was done with, which its _init named. */
static uint32_t worked_with(const struct calls_ctx *c)
{
	return c->worked != 0 ? c->worked - 1 : c->audit.mechanism;
}

static void time_call(struct block *b, struct pair *p, unsigned opcode, uint64_t ns)
{
	unsigned slot = slot_of(ns);

	add(&b->timed[opcode][slot], 1);
	add(&b->ns[opcode], ns);
	if (p != NULL) {
		add(&p->timed[slot], 1);
		add(&p->ns, ns);
	}
}

void metrics_call(const struct calls_ctx *c, enum hf_err result, uint64_t began_ns)
{
	unsigned opcode = c->head.opcode;
	struct block *b = mine;
	struct pair *p = NULL;

	if (b == NULL)
		b = mine = begin();
	if (b == NULL)
		return;
	add(&b->calls[opcode][err_blame(result)], 1);
	if (c->audit.mechanism != UINT32_MAX && result == HF_OK)
		add_mechanism(b, c->audit.mechanism);
	if (result == HF_E_PIN_LOCKED)
		atomic_fetch_add(&c->hsm->pins_locked, 1);
	if (worked_with(c) != UINT32_MAX)
		p = find_pair(b->pairs, pair_key(opcode, worked_with(c)));
	if (p != NULL)
		add(&p->uses, 1);
	if (c->row->slow || b->turn[opcode]++ % TIMED_ONE_IN == 0)
		time_call(b, p, opcode, clock_mono_ns() - began_ns);
}

/* --- telling ---------------------------------------------------------------------------- */

static enum hf_err sum_call(unsigned opcode, struct arena *a, struct call_count *ret)
{
	uint64_t *slots = arena_alloc(a, SLOTS, sizeof(*slots)), blame[BLAMES] = { 0 };

	if (slots == NULL)
		return HF_E_SECRET_MEMORY;
	*ret = (struct call_count){ .name = slice_str(calls_rows[opcode].name), .timed = { slots, SLOTS } };
	for (struct block *b = atomic_load(&blocks); b != NULL; b = b->next) {
		for (unsigned i = 0; i < BLAMES; i++)
			blame[i] += get(&b->calls[opcode][i]);
		for (unsigned i = 0; i < SLOTS; i++)
			slots[i] += get(&b->timed[opcode][i]);
		ret->timed_ns += get(&b->ns[opcode]);
	}
	ret->done = blame[HF_BLAME_NONE];
	ret->caller = blame[HF_BLAME_CALLER];
	ret->policy = blame[HF_BLAME_POLICY];
	ret->hsm = blame[HF_BLAME_HSM];
	return HF_OK;
}

static enum hf_err sum_calls(struct arena *a, struct call_count_list *ret)
{
	struct call_count *v = arena_alloc(a, CALLS_ROWS, sizeof(*v));
	size_t n = 0;

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (unsigned i = 0; i < CALLS_ROWS; i++)
		if (calls_rows[i].name != NULL)
			TRY(sum_call(i, a, &v[n++]));
	*ret = (struct call_count_list){ v, n };
	return HF_OK;
}

static void sum_mechanism(struct mechanism_count *v, size_t *n, uint32_t mechanism, uint64_t uses)
{
	size_t i = 0;

	while (i < *n && v[i].mechanism != mechanism)
		i++;
	if (i == MECHANISMS)
		return;
	if (i == *n)
		v[(*n)++] = (struct mechanism_count){ .mechanism = mechanism };
	v[i].uses += uses;
}

static enum hf_err sum_mechanisms(struct arena *a, struct mechanism_count_list *ret)
{
	struct mechanism_count *v = arena_alloc(a, MECHANISMS, sizeof(*v));
	size_t n = 0;

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (struct block *b = atomic_load(&blocks); b != NULL; b = b->next)
		for (unsigned i = 0; i < MECHANISMS; i++)
			if (atomic_load_explicit(&b->mech[i].mechanism, memory_order_relaxed) != 0)
				sum_mechanism(v, &n, b->mech[i].mechanism - 1, get(&b->mech[i].uses));
	*ret = (struct mechanism_count_list){ v, n };
	return HF_OK;
}

static enum hf_err add_pair(const struct pair *from, struct pair *sum, struct arena *a,
	struct mechanism_time *v, size_t *n)
{
	uint64_t key = atomic_load_explicit(&from->key, memory_order_relaxed), *slots;
	struct pair *to = key != 0 ? find_pair(sum, key) : NULL;
	size_t i;

	if (to == NULL)
		return HF_OK;
	i = (size_t)get(&to->ns); /* its place in v, and one */
	if (i == 0) {
		slots = arena_alloc(a, SLOTS, sizeof(*slots));
		if (slots == NULL)
			return HF_E_SECRET_MEMORY;
		v[(*n)++] = (struct mechanism_time){ .call = slice_str(calls_rows[key >> 32].name),
			.mechanism = (uint32_t)key, .timed = { slots, SLOTS } };
		i = *n;
		add(&to->ns, i);
	}
	slots = (uint64_t *)(uintptr_t)v[i - 1].timed.v;
	for (unsigned k = 0; k < SLOTS; k++)
		slots[k] += get(&from->timed[k]);
	v[i - 1].timed_ns += get(&from->ns);
	v[i - 1].uses += get(&from->uses);
	return HF_OK;
}

static enum hf_err sum_pairs(struct arena *a, struct mechanism_time_list *ret)
{
	struct mechanism_time *v = arena_alloc(a, PAIRS, sizeof(*v));
	struct pair *sum = arena_alloc(a, PAIRS, sizeof(*sum));
	size_t n = 0;

	if (v == NULL || sum == NULL)
		return HF_E_SECRET_MEMORY;
	for (struct block *b = atomic_load(&blocks); b != NULL; b = b->next)
		for (unsigned i = 0; i < PAIRS; i++)
			TRY(add_pair(&b->pairs[i], sum, a, v, &n));
	*ret = (struct mechanism_time_list){ v, n };
	return HF_OK;
}

static void tell_rehearsed(struct rehearsed *from, struct metrics_res *r)
{
	MUTEX_HOLD(&from->lock);

	r->rehearsed_at = from->at;
	r->rehearsed_keys = from->keys;
	r->rehearsed_failed = from->failed;
	r->rehearsed_records = from->records;
}

static enum hf_err tell_partition(struct partition *p, struct arena *a, struct partition_count *ret)
{
	enum hf_err e;

	(void)pthread_rwlock_rdlock(&p->lock);
	*ret = (struct partition_count){ .objects = objects_held(p), .sessions = p->sessions,
		.rw_sessions = p->rw_sessions };
	e = arena_dup(a, slice_str(p->label), &ret->label);
	(void)pthread_rwlock_unlock(&p->lock);
	return e == HF_OK ? arena_dup(a, slice_str(p->serial), &ret->serial) : e;
}

static bool may_know(const struct calls_ctx *c, struct partition *p)
{
	return (hsm_roles_of(c) & (CALL_BY_H | CALL_BY_A)) != 0 || partition_sees(p, c->hsm, &c->app->peer);
}

static enum hf_err tell_partitions(const struct calls_ctx *c, struct partition_count_list *ret)
{
	struct partition_count *out;
	struct partition **v;
	enum hf_err e = HF_OK;
	size_t n, told = 0;

	TRY(partitions_all(c->hsm, c->arena, &v, &n));
	out = arena_alloc(c->arena, n + 1, sizeof(*out));
	if (out == NULL)
		e = HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < n && told < TOLD_MAX && e == HF_OK; i++)
		if (may_know(c, v[i]))
			e = tell_partition(v[i], c->arena, &out[told++]);
	partitions_unref(v, n);
	*ret = (struct partition_count_list){ out, told };
	return e;
}

enum hf_err on_metrics(struct calls_ctx *c, const struct metrics_req *q, struct metrics_res *r)
{
	struct hsm *h = c->hsm;

	(void)q;
	r->state = (uint8_t)atomic_load(&h->state);
	if (h->audit != NULL) {
		r->audit_sequence = audit_sequence(h->audit);
		r->audit_backlog = audit_backlog(h->audit);
		r->audit_dropped = audit_dropped(h->audit);
		r->audit_failing = audit_failing(h->audit) || atomic_load(&h->keeper->tight);
		r->audit_gaps = audit_gaps(h->audit);
	}
	{
		MUTEX_HOLD(&h->lock);
		r->connections = h->conns;
	}
	tell_rehearsed(&h->rehearsed, r);
	r->store_failing = atomic_load(&h->keeper->store_failing);
	r->archive_failing = atomic_load(&h->keeper->archive_failing);
	TRY(sum_calls(c->arena, &r->calls));
	TRY(sum_mechanisms(c->arena, &r->mechanisms));
	TRY(sum_pairs(c->arena, &r->times));
	r->clock_jumps = atomic_load(&h->watch.jumps);
	r->pins_locked = atomic_load(&h->pins_locked);
	r->pins_locked_out = atomic_load(&h->locked_out);
	r->slow_waiting = atomic_load(&h->slow_waiting);
	TRY(selftest_results(h, c->arena, &r->selftests));
	return tell_partitions(c, &r->partitions);
}
