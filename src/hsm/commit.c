/* commit.c: how many writers share one durable commit.
 *
 * The writer that finds nobody at work leads: it waits a little for others (gather.h), takes what is queued,
 * sends all of it with one new hsm/state and one anchor, and hands out the
 * results, while the next group gathers behind it. The others sleep, or are put aside by
 * their threads (struct records_later). So the order of hsm/state's
 * versions is nobody's problem, and a full disk fails whole groups, never
 * followers of a failed one. */
#include <string.h>

#include "clock.h"
#include "log.h"
#include "crypto.h"
#include "records_int.h"
#include "wait.h"

#define GROUP_WRITERS 256u
#define GROUP_CHANGES 3000u       /* below store_commit's 4096 */
#define GROUP_BYTES (8u << 20)
#define NAME_BITS 16384u

/* Who is awake looks whether it may lead before it waits. */
enum turn { TURN_AWAKE, TURN_WAITS, TURN_DONE };

struct writer {
	struct writer *next;
	struct wake turn;         /* it may lead now, or is done */
	const struct records_later *later; /* is told that, if it is not NULL */
	_Atomic int state;        /* enum turn; done: the writer may be gone already */
	struct change *v;         /* sealed; names are the caller's */
	size_t n, bytes;
	struct buf sealed;        /* all values, one behind the other */
	uint8_t add[DIGEST_LEN];  /* to the digest */
	const char *serial;       /* a lock-out counter to set, or NULL */
	unsigned role, fails;
	uint64_t turn_of_keys;    /* under which v was sealed */
	bool early;               /* it does not wait for the anchor */
	const struct writer *leader; /* NULL: it is in the queue */
	bool stale;               /* other keys came in force meanwhile */
	const struct records_behind *behind; /* or NULL */
	enum hf_err result;
};

struct group {
	struct writer *v[GROUP_WRITERS];
	size_t n, changes, bytes;
	uint8_t names[NAME_BITS / 8]; /* a bit for each record that it changes */
};

static void writer_done(struct writer *w)
{
	buf_done(&w->sealed);
	hf_free(w->v);
}

/* --- one commit ------------------------------------------------------------ */

static enum hf_err apply(const struct records *r, const struct group *g, struct anchor_state *ret)
{
	CLEANUP(anchor_state_done) struct anchor_state s = { 0 };

	TRY(anchor_state_copy(&r->now, &s));
	s.sequence++;
	for (size_t i = 0; i < g->n; i++) {
		const struct writer *w = g->v[i];

		digest_add(s.digest, w->add);
		if (w->serial != NULL)
			TRY(anchor_state_set_fails(&s, w->serial, w->role, w->fails));
	}
	*ret = s;
	s = (struct anchor_state){ 0 };
	return HF_OK;
}

static void adopt(struct records *r, struct anchor_state *next)
{
	MUTEX_HOLD(&r->lock);

	anchor_state_done(&r->now);
	r->now = *next;
	*next = (struct anchor_state){ 0 };
	r->state_version++;
}

static enum hf_err send_anchor(struct records *r)
{
	CLEANUP(buf_done) struct buf anchor = BUF_MAX(WIRE_MAX_BYTES);

	TRY(anchor_seal(r, &r->now, &anchor));
	return keeper_commit(r->k, (struct change_list){ 0 }, buf_slice(&anchor));
}

/* settle finds out what became of a commit that ended in an error: hsm/state is
 * at its version, or it is not. *next is taken over if it was kept. */
static enum hf_err settle(struct records *r, struct anchor_state *next, enum hf_err failed)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct record rec = { 0 };
	bool found;

	r->unsure = true;
	if (keeper_get(r->k, STATE_NAME, &a, &found, &rec) != HF_OK)
		return HF_E_STORE;
	r->unsure = false;
	if ((found ? rec.version : 0) == r->state_version)
		return failed == HF_OK ? HF_E_STORE : failed;
	if (!found || rec.version != r->state_version + 1) {
		log_error("the store changed under the running vault: hsm/state is at %llu, not %llu",
			(unsigned long long)rec.version, (unsigned long long)r->state_version);
		return HF_E_STORE;
	}
	adopt(r, next);
	r->anchor_behind = send_anchor(r) != HF_OK;
	return HF_OK;
}

static enum hf_err seal_state(const struct records *r, const struct anchor_state *next,
	struct buf *out)
{
	CLEANUP(buf_done) struct buf plain = BUF_MAX(WIRE_MAX_BYTES);

	anchor_state_enc(next, &plain);
	TRY(buf_err(&plain));
	return record_seal(secret_slice(&r->seal_key),
		&(struct place){ SLICE_STR(STATE_NAME), r->state_version + 1, NULL }, buf_slice(&plain), out);
}

static void free_changes(struct change **v)
{
	hf_free(*v);
}

static enum hf_err send_group(struct records *r, const struct group *g,
	const struct anchor_state *next)
{
	CLEANUP(buf_done) struct buf state = BUF_MAX(WIRE_MAX_BYTES);
	CLEANUP(buf_done) struct buf anchor = BUF_MAX(WIRE_MAX_BYTES);
	CLEANUP(free_changes) struct change *v = hf_alloc(g->changes + 1, sizeof(*v));
	bool early = true;
	size_t n = 0;

	if (v == NULL)
		return HF_E_MEMORY;
	TRY(seal_state(r, next, &state));
	TRY(anchor_seal(r, next, &anchor));
	for (size_t i = 0; i < g->n; n += g->v[i]->n, i++) {
		early = early && g->v[i]->early;
		if (g->v[i]->n > 0)
			memcpy(v + n, g->v[i]->v, g->v[i]->n * sizeof(*v));
	}
	v[n++] = (struct change){ SLICE_STR(STATE_NAME), r->state_version, r->state_version + 1,
		buf_slice(&state) };
	return early ? keeper_commit_early(r->k, (struct change_list){ v, n }, buf_slice(&anchor)) :
		keeper_commit(r->k, (struct change_list){ v, n }, buf_slice(&anchor));
}

/* A conflict may be the writers' own, or tell that hsm/state moved. */
static enum hf_err commit_once(struct records *r, const struct group *g)
{
	struct anchor_state next;
	enum hf_err e;

	TRY(apply(r, g, &next));
	e = send_group(r, g, &next);
	if (e == HF_OK)
		adopt(r, &next);
	else /* whatever it is: memory may have lacked for the answer alone */
		e = settle(r, &next, e);
	if (r->unsure)
		r->next = next;
	else
		anchor_state_done(&next);
	return e;
}

/* --- one group ------------------------------------------------------------- */

/* What the group before left open is decided first. */
static enum hf_err make_sure(struct records *r)
{
	if (r->unsure) {
		enum hf_err e = settle(r, &r->next, HF_OK);

		if (r->unsure)
			return e;
		anchor_state_done(&r->next);
	}
	if (r->anchor_behind && send_anchor(r) != HF_OK)
		return HF_E_STORE;
	r->anchor_behind = false;
	return HF_OK;
}

static enum hf_err commit_group(struct records *r, const struct group *g)
{
	struct patience p = { 0 };
	enum hf_err e;

	do {
		if (atomic_load(&r->forgotten))
			return HF_E_ZEROIZED;
		e = make_sure(r);
		if (e == HF_OK)
			e = commit_once(r, g);
	} while (keeper_gone(e) && patience_left(&p));
	return keeper_gone(e) ? HF_E_STORE : e;
}

static void set_result(const struct records *r, struct writer *w, enum hf_err e)
{
	bool counter_lost = e == HF_OK && w->serial != NULL && r->anchor_behind;

	w->result = counter_lost ? HF_E_STORE : e;
}

static void run_group(struct records *r, const struct group *g)
{
	enum hf_err e = commit_group(r, g);

	for (size_t i = 0; i < g->n; i++) {
		struct writer *w = g->v[i];
		struct group alone = { .v = { w }, .n = 1, .changes = w->n, .bytes = w->bytes };

		if (e == HF_E_CONFLICT && g->n > 1)
			set_result(r, w, commit_group(r, &alone));
		else
			set_result(r, w, e);
	}
}

/* name_bit: FNV-1a. */
static unsigned name_bit(struct slice name)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ name.p[i]) * 16777619u;
	return h % NAME_BITS;
}

/* meets: both change one record, or it seems so. A batch is checked as a whole before its
 * first change, so that in one group both would be found to have the version that they expect. */
static bool meets(const struct group *g, const struct writer *w)
{
	for (size_t i = 0; i < w->n; i++) {
		unsigned bit = name_bit(w->v[i].name);

		if ((g->names[bit / 8] >> bit % 8 & 1) != 0)
			return true;
	}
	return false;
}

static bool fits(const struct group *g, const struct writer *w)
{
	return g->n == 0 || (g->n < GROUP_WRITERS && g->changes + w->n <= GROUP_CHANGES &&
		g->bytes + w->bytes <= GROUP_BYTES && !meets(g, w));
}

static void join(struct group *g, struct writer *w)
{
	g->v[g->n++] = w;
	g->changes += w->n;
	g->bytes += w->bytes;
	for (size_t i = 0; i < w->n; i++) {
		unsigned bit = name_bit(w->v[i].name);

		g->names[bit / 8] |= (uint8_t)(1u << bit % 8);
	}
}

static void rouse(struct writer *w)
{
	if (w->later != NULL)
		w->later->ready(w->later->ctx);
	else
		wake_up(&w->turn);
}

/* set_done is the last that w's leader does with it. Who is awake hears it before it waits. */
static void set_done(struct writer *w)
{
	if (atomic_exchange(&w->state, TURN_DONE) == TURN_WAITS)
		rouse(w);
}

/* call_up is called with the lock held: w is in the queue. */
static void call_up(struct writer *w)
{
	int waits = TURN_WAITS;

	if (atomic_compare_exchange_strong(&w->state, &waits, TURN_AWAKE))
		rouse(w);
}

static void take_group(struct records *r, struct group *g, const struct writer *leader)
{
	while (r->first != NULL && fits(g, r->first)) {
		struct writer *w = r->first;

		r->first = w->next;
		if (r->first == NULL)
			r->last = &r->first;
		r->gather.queued--;
		w->leader = leader;
		w->stale = w->n > 0 && w->turn_of_keys != r->turn_of_keys;
		if (w->stale)
			set_done(w);
		else
			join(g, w);
	}
}

/* call_sleeper: the first whose own thread sleeps. */
static void call_sleeper(const struct records *r)
{
	struct writer *w = r->first;

	while (w != NULL && w->later != NULL)
		w = w->next;
	if (w != NULL)
		call_up(w);
}

/* end_turn: the first who waits leads next. If it was put aside, a sleeper may, too: all threads that go on
 * with what was put aside may wait for audit records, and who sends those may be that sleeper. */
static void end_turn(struct records *r)
{
	r->busy = false;
	if (r->first != NULL)
		call_up(r->first);
	call_sleeper(r);
	cond_broadcast(&r->rest);
}

/* finish does what is behind the commit, if the one that led has that to do, too: others may be in the way of
 * that, like the thread that sends audit records. */
static void finish(struct group *g, const struct writer *leader)
{
	void *ctx[GROUP_WRITERS];
	const struct records_behind *b = leader->behind;
	size_t kept = 0, n = 0;

	for (size_t i = 0; i < g->n; i++) {
		struct writer *w = g->v[i];

		if (b == NULL || w->behind == NULL || w->result != HF_OK) {
			set_done(w);
			continue;
		}
		ctx[n++] = w->behind->ctx;
		g->v[kept++] = w;
	}
	if (n > 0)
		b->all(ctx, n);
	for (size_t i = 0; i < kept; i++)
		set_done(g->v[i]);
}

/* lead is called with the lock held, and returns without it. True: w, who leads, is done itself. */
static bool lead(struct records *r, struct writer *w)
{
	struct group g = { .n = 0 };
	uint64_t began_ns;
	bool own;

	r->busy = true;
	gather_wait(&r->gather, &r->lock);
	take_group(r, &g, w);
	own = w->leader == w;
	mutex_unlock(&r->lock);
	began_ns = clock_mono_ns();
	if (g.n > 0)
		run_group(r, &g);
	mutex_lock(&r->lock);
	gather_ended(&r->gather, g.n, clock_mono_ns() - began_ns);
	end_turn(r);
	mutex_unlock(&r->lock);
	finish(&g, w);
	return own;
}

static void enqueue(struct records *r, struct writer *w)
{
	MUTEX_HOLD(&r->lock);

	*r->last = w;
	r->last = &w->next;
	gather_came(&r->gather);
}

/* go_on: true: w is done. false: it waits, to be roused; it began to with the lock held, under which it is
 * called up. */
static bool go_on(struct records *r, struct writer *w)
{
	for (;;) {
		int awake = TURN_AWAKE;
		bool waits;

		mutex_lock(&r->lock);
		if (w->leader == NULL && !r->busy) {
			if (lead(r, w))
				return true;
			continue;
		}
		waits = atomic_compare_exchange_strong(&w->state, &awake, TURN_WAITS);
		mutex_unlock(&r->lock);
		return !waits;
	}
}

static enum hf_err submit(struct records *r, struct writer *w)
{
	wake_init(&w->turn);
	enqueue(r, w);
	while (!go_on(r, w)) {
		waiting_begin();
		wake_wait(&w->turn);
		waiting_end();
	}
	wake_done(&w->turn);
	return w->result;
}

/* --- for callers ------------------------------------------------------------ */

static enum hf_err seal_change(const struct records *r, const struct record_change *c,
	struct writer *w)
{
	CLEANUP(secret_done) struct secret own = { 0 };
	const struct place at = { slice_str(c->name), c->version, &c->tags };
	struct slice key = secret_slice(&r->seal_key);

	if (c->version == 0)
		return HF_OK;
	if (c->seal == SEAL_NONE || c->seal == SEAL_SEALED) {
		buf_raw(&w->sealed, c->plain);
		return buf_err(&w->sealed);
	}
	if (c->seal == SEAL_PARTITION) {
		TRY(seal_key_for(c->key, &own));
		key = secret_slice(&own);
	}
	return record_seal(key, &at, c->plain, &w->sealed);
}

static enum hf_err count_change(const struct records *r, const struct record_change *c,
	struct writer *w)
{
	uint8_t term[DIGEST_LEN];

	if (c->expect != 0) {
		TRY(digest_term(r, slice_str(c->name), c->expect, term));
		digest_sub(w->add, term);
	}
	if (c->version != 0) {
		TRY(digest_term(r, slice_str(c->name), c->version, term));
		digest_add(w->add, term);
	}
	return HF_OK;
}

/* Values are views into w->sealed, which moves while it grows: lengths first. */
static enum hf_err prepare(const struct records *r, const struct record_change *v, size_t n,
	struct writer *w)
{
	size_t at = 0;

	w->v = hf_alloc(n, sizeof(*w->v));
	if (w->v == NULL)
		return HF_E_MEMORY;
	for (; w->n < n; w->n++) {
		const struct record_change *c = &v[w->n];
		size_t before = w->sealed.n;

		TRY(seal_change(r, c, w));
		TRY(count_change(r, c, w));
		w->v[w->n] = (struct change){ slice_str(c->name), c->expect, c->version,
			{ NULL, w->sealed.n - before } };
		w->bytes += w->v[w->n].value.n + w->v[w->n].name.n;
	}
	for (size_t i = 0; i < n; at += w->v[i].value.n, i++)
		if (w->v[i].value.n > 0)
			w->v[i].value.p = w->sealed.p + at;
	return HF_OK;
}

struct how {
	bool early;
	const struct records_behind *behind;
};

static enum hf_err prepare_now(struct records *r, const struct record_change *v, size_t n,
	struct writer *w)
{
	enum hf_err e;

	lock_check(pthread_rwlock_rdlock(&r->key_lock));
	w->turn_of_keys = r->turn_of_keys;
	e = prepare(r, v, n, w);
	lock_check(pthread_rwlock_unlock(&r->key_lock));
	return e;
}

static enum hf_err write_once(struct records *r, const struct record_change *v, size_t n,
	const struct how *how, bool *ret_stale)
{
	CLEANUP(writer_done) struct writer w = { .sealed = BUF_MAX(WIRE_MAX_BYTES / 2), .early = how->early,
		.behind = how->behind };
	enum hf_err e;

	*ret_stale = false;
	TRY(prepare_now(r, v, n, &w));
	e = submit(r, &w);
	*ret_stale = w.stale;
	return e;
}

void records_protect(struct records *r)
{
	r->read_only = true;
}

/* by_use: a record that is written by use alone; serial numbers have no letters of these words. */
static bool by_use(const char *name)
{
	static const char *const whole[] = { "hsm/audit", "hsm/generation", "hsm/tamper" };

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (strcmp(name, whole[i]) == 0)
			return true;
	return strstr(name, "/gone/") != NULL || strstr(name, "/usage/") != NULL;
}

static enum hf_err may_write(const struct records *r, const struct record_change *v, size_t n)
{
	for (size_t i = 0; r->read_only && i < n; i++)
		if (!by_use(v[i].name))
			return HF_E_WRITE_PROTECTED;
	return HF_OK;
}

static enum hf_err write_records(struct records *r, const struct record_change *v, size_t n,
	const struct how *how)
{
	enum hf_err e;
	bool stale;

	TRY(may_write(r, v, n));
	do
		e = write_once(r, v, n, how, &stale);
	while (stale);
	return e;
}

enum hf_err records_write(struct records *r, const struct record_change *v, size_t n)
{
	return write_records(r, v, n, &(struct how){ .early = false });
}

enum hf_err records_write_early(struct records *r, const struct record_change *v, size_t n,
	const struct records_behind *b)
{
	return write_records(r, v, n, &(struct how){ true, b });
}

static void later_done(struct records_later *l)
{
	writer_done(l->w);
	hf_free(l->w);
	l->w = NULL;
}

static enum hf_err later_begin(struct records_later *l)
{
	TRY(may_write(l->r, l->v, l->n));
	l->w = hf_alloc(1, sizeof(*l->w));
	if (l->w == NULL)
		return HF_E_MEMORY;
	*l->w = (struct writer){ .sealed = BUF_MAX(WIRE_MAX_BYTES / 2), .early = true, .behind = l->behind,
		.later = l };
	TRY(prepare_now(l->r, l->v, l->n, l->w));
	enqueue(l->r, l->w);
	return HF_OK;
}

bool records_write_later(struct records_later *l)
{
	bool stale = l->w == NULL;

	for (;;) {
		if (stale) {
			l->result = later_begin(l);
			if (l->result != HF_OK)
				break;
		}
		if (!go_on(l->r, l->w))
			return false;
		stale = l->w->stale;
		l->result = l->w->result;
		if (!stale)
			break;
		later_done(l);
	}
	if (l->w != NULL)
		later_done(l);
	return true;
}

/* Each commit comes after the anchor of the one before: one that changes nothing, too. */
enum hf_err records_settle(struct records *r)
{
	return keeper_commit(r->k, (struct change_list){ 0 }, SLICE_NONE);
}

/* --- another store key ------------------------------------------------------ */

static void swap_keys(struct records *r, struct secret *seal, struct secret *digest)
{
	struct secret was_seal, was_digest;

	lock_check(pthread_rwlock_wrlock(&r->key_lock));
	was_seal = secret_take(&r->seal_key);
	was_digest = secret_take(&r->digest_key);
	r->seal_key = secret_take(seal);
	r->digest_key = secret_take(digest);
	secret_done(&r->old_seal_key);
	secret_done(&r->old_digest_key);
	r->old_seal_key = was_seal;
	r->old_digest_key = was_digest;
	r->turn_of_keys++;
	lock_check(pthread_rwlock_unlock(&r->key_lock));
}

/* swap_back: the new keys never were in force. */
static void swap_back(struct records *r)
{
	struct secret seal = secret_take(&r->old_seal_key), digest = secret_take(&r->old_digest_key);

	swap_keys(r, &seal, &digest);
	records_forget_old(r);
}

void records_forget_old(struct records *r)
{
	lock_check(pthread_rwlock_wrlock(&r->key_lock));
	secret_done(&r->old_seal_key);
	secret_done(&r->old_digest_key);
	lock_check(pthread_rwlock_unlock(&r->key_lock));
}

struct recount {
	const struct records *r;
	uint8_t *digest;
};

static enum hf_err recount_one(void *ctx, const char *name, uint64_t version)
{
	const struct recount *c = ctx;
	uint8_t term[DIGEST_LEN];

	if (strcmp(name, STATE_NAME) == 0)
		return HF_OK;
	TRY(digest_term(c->r, slice_str(name), version, term));
	digest_add(c->digest, term);
	return HF_OK;
}

/* next_state: as after any commit, but for the digest, which is counted from all names. */
static enum hf_err next_state(struct records *r, const struct group *g, struct anchor_state *ret)
{
	struct recount c = { r, ret->digest };

	TRY(apply(r, g, ret));
	memset(ret->digest, 0, DIGEST_LEN);
	TRY(records_names(r, "", &c, recount_one));
	digest_add(ret->digest, g->v[0]->add);
	return HF_OK;
}

/* send_surely: kept or not kept, unless the keeper stays away. */
static enum hf_err send_surely(struct records *r, const struct group *g, struct anchor_state *next)
{
	struct patience p = { 0 };
	enum hf_err e = send_group(r, g, next);

	if (e == HF_OK) {
		adopt(r, next);
		return HF_OK;
	}
	do
		e = settle(r, next, e);
	while (r->unsure && patience_left(&p));
	return r->unsure ? HF_E_CONNECTION : e;
}

static enum hf_err rekey(struct records *r, const struct record_change *v, size_t n)
{
	CLEANUP(writer_done) struct writer w = { .sealed = BUF_MAX(WIRE_MAX_BYTES / 2) };
	struct group g = { .v = { &w }, .n = 1 };
	struct anchor_state next = { 0 };
	enum hf_err e;

	TRY(prepare(r, v, n, &w));
	g.changes = w.n;
	e = next_state(r, &g, &next);
	if (e == HF_OK)
		e = send_surely(r, &g, &next);
	anchor_state_done(&next);
	return e;
}

static enum hf_err rekey_alone(struct records *r, struct slice store_key,
	const struct record_change *v, size_t n)
{
	CLEANUP(secret_done) struct secret seal = { 0 }, digest = { 0 };
	enum hf_err e;

	TRY(make_sure(r));
	TRY(seal_key_for(store_key, &seal));
	TRY(crypto_derive(store_key, "holdfast digest", SLICE_NONE, &digest));
	swap_keys(r, &seal, &digest);
	e = rekey(r, v, n);
	if (e != HF_OK && e != HF_E_CONNECTION)
		swap_back(r);
	return e;
}

static void lead_alone(struct records *r)
{
	MUTEX_HOLD(&r->lock);

	while (r->busy)
		cond_wait(&r->rest, &r->lock);
	r->busy = true;
}

static void end_alone(struct records *r)
{
	MUTEX_HOLD(&r->lock);

	end_turn(r);
}

enum hf_err records_rekey(struct records *r, struct slice store_key, const struct record_change *v,
	size_t n)
{
	enum hf_err e;

	if (r->read_only)
		return HF_E_WRITE_PROTECTED;
	lead_alone(r);
	e = rekey_alone(r, store_key, v, n);
	end_alone(r);
	return e;
}

unsigned records_fail_get(struct records *r, const char *serial, unsigned role)
{
	MUTEX_HOLD(&r->lock);

	return anchor_state_fails(&r->now, serial, role);
}

/* The count is in hsm/state and in the anchor, and each attempt moves both on:
 * putting back the one or the other leaves the newer of them. */
enum hf_err records_fail_set(struct records *r, const char *serial, unsigned role, unsigned n)
{
	CLEANUP(writer_done) struct writer w = { .serial = serial, .role = role, .fails = n };

	return submit(r, &w);
}

static enum hf_err set_in_anchor(struct records *r, const char *serial, unsigned role, unsigned n)
{
	TRY(make_sure(r));
	{
		MUTEX_HOLD(&r->lock);
		TRY(anchor_state_set_fails(&r->now, serial, role, n));
	}
	return send_anchor(r);
}

enum hf_err records_fail_anchor(struct records *r, const char *serial, unsigned role, unsigned n)
{
	enum hf_err e;

	if (atomic_load(&r->forgotten))
		return HF_E_ZEROIZED;
	lead_alone(r);
	e = set_in_anchor(r, serial, role, n);
	end_alone(r);
	return e;
}
