#include "opening.h"

#include <stdio.h>

#include "activate.h"
#include "damaged.h"
#include "log.h"
#include "object.h"
#include "partition.h"
#include "partition_int.h"
#include "rekey.h"
#include "tags.h"
#include "wait.h"

#define OPENERS 4u /* threads: while one waits for the keeper others open records */
#define SHARDS 16u /* by the first digit of the unique id */

void opening_init(struct opening *o)
{
	mutex_init(&o->lock);
	cond_init(&o->over);
}

static void forget_keys(struct opening *o)
{
	secret_done(&o->now);
	secret_done(&o->old);
}

void opening_done(struct opening *o)
{
	cond_done(&o->over);
	mutex_done(&o->lock);
	forget_keys(o);
}

/* --- reading ----------------------------------------------------------------------- */

/* struct reading is what the visitors below get. */
struct reading {
	const struct partition *p;
	struct objects_batch batch;
};

static void reading_done(struct reading *r)
{
	objects_batch_done(&r->batch);
}

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct reading *r = ctx;

	if (atomic_load(&r->p->opening.stop))
		return HF_E_FUNCTION_CANCELED;
	return objects_load_later(&r->batch, name, version, plain);
}

static void damaged(void *ctx, const char *name)
{
	const struct reading *r = ctx;

	damaged_add(r->p->roles->damaged, name);
}

static struct records_keys keys_of(const struct opening *o)
{
	return (struct records_keys){ secret_slice(&o->now), secret_slice(&o->old) };
}

/* scan opens the private records whose unique ids begin with these digits. */
static enum hf_err scan(struct hsm *h, struct partition *p, const char *digits,
	const struct records_keys *keys, bool *ret_more)
{
	CLEANUP(reading_done) struct reading r = { p, { .t = p->objects } };
	const struct record_visit v = { &r, visit, damaged };
	char prefix[PART_NAME_LEN];

	(void)snprintf(prefix, sizeof(prefix), OBJECT_PRIVATE_PREFIX "%s", p->serial, digits);
	if (ret_more != NULL)
		TRY(records_scan_first(h->records, prefix, keys, &v, ret_more));
	else
		TRY(records_scan_private(h->records, prefix, keys, &v));
	return objects_batch_put(&r.batch);
}

static enum hf_err load_shards(struct hsm *h, struct partition *p)
{
	const struct records_keys keys = keys_of(&p->opening);
	unsigned n;

	while ((n = atomic_fetch_add(&p->opening.shard, 1)) < SHARDS) {
		char digit[2] = { "0123456789abcdef"[n], '\0' };

		TRY(scan(h, p, digit, &keys, NULL));
	}
	return HF_OK;
}

/* --- threads ----------------------------------------------------------------------- */

struct open_work {
	struct hsm *h;
	struct partition *p; /* a reference */
};

static enum hf_err tell(struct hsm *h, struct partition *p)
{
	size_t n = damaged_count(p->roles->damaged);

	return n == p->opening.damaged ? HF_OK : partition_tell_damage(h, p, n - p->opening.damaged);
}

/* leave: the last one tells what came of it. */
static void leave(struct hsm *h, struct partition *p, enum hf_err e)
{
	struct opening *o = &p->opening;

	if (e != HF_OK && e != HF_E_FUNCTION_CANCELED)
		log_error("partition %s: its private objects cannot be read: %s", p->serial, err_text(e));
	{
		MUTEX_HOLD(&o->lock);
		if (e != HF_OK && o->result == HF_OK)
			o->result = e;
	}
	if (atomic_fetch_sub(&o->threads, 1) != 1)
		return;
	if (tell(h, p) != HF_OK)
		log_error("partition %s: its damage is not on record", p->serial);
	MUTEX_HOLD(&o->lock);
	forget_keys(o);
	atomic_store(&o->under_way, false);
	cond_broadcast(&o->over);
}

static void *open_some(void *ctx)
{
	struct open_work *w = ctx;

	leave(w->h, w->p, load_shards(w->h, w->p));
	partition_unref(w->p);
	hf_free(w);
	return NULL;
}

static bool start_one(struct hsm *h, struct partition *p)
{
	struct open_work *w = hf_alloc(1, sizeof(*w));
	pthread_t t;

	if (w == NULL)
		return false;
	*w = (struct open_work){ h, p };
	partition_ref(p);
	atomic_fetch_add(&p->opening.threads, 1);
	if (pthread_create(&t, NULL, open_some, w) == 0) {
		(void)pthread_detach(t);
		return true;
	}
	atomic_fetch_sub(&p->opening.threads, 1);
	partition_unref(p);
	hf_free(w);
	return false;
}

/* load_rest: without memory for a thread this one does the work. Its own count keeps the threads
 * from being the last before all of them have started. */
static enum hf_err load_rest(struct hsm *h, struct partition *p)
{
	enum hf_err e = HF_OK;
	unsigned n = 0;

	objects_expect(p->objects, atomic_load(&p->stored));
	atomic_store(&p->opening.under_way, true);
	atomic_store(&p->opening.threads, 1);
	while (n < OPENERS && start_one(h, p))
		n++;
	if (n == 0)
		e = load_shards(h, p);
	leave(h, p, e);
	return e;
}

static enum hf_err load_first(struct hsm *h, struct partition *p, bool *ret_more)
{
	struct opening *o = &p->opening;
	struct records_keys keys;

	TRY(partition_key(p, &o->now));
	TRY(rekey_old(p, &o->old));
	keys = keys_of(o);
	return scan(h, p, "", &keys, ret_more);
}

enum hf_err opening_begin(struct hsm *h, struct partition *p)
{
	struct opening *o = &p->opening;
	bool more = false;
	enum hf_err e;

	atomic_store(&o->stop, false);
	atomic_store(&o->shard, 0);
	o->result = HF_OK;
	o->damaged = damaged_count(p->roles->damaged);
	e = load_first(h, p, &more);
	if (e == HF_OK && more)
		return load_rest(h, p);
	forget_keys(o);
	return e == HF_OK ? tell(h, p) : e;
}

void opening_end(struct partition *p)
{
	struct opening *o = &p->opening;
	MUTEX_HOLD(&o->lock);

	atomic_store(&o->stop, true);
	while (atomic_load(&o->under_way) || o->fetching > 0)
		cond_wait(&o->over, &o->lock);
	o->result = HF_OK;
}

/* --- meanwhile --------------------------------------------------------------------- */

bool opening_is(const struct partition *p)
{
	return atomic_load(&p->opening.under_way);
}

enum hf_err opening_wait(struct partition *p)
{
	struct opening *o = &p->opening;
	MUTEX_HOLD(&o->lock);

	if (atomic_load(&o->under_way)) {
		waiting_begin();
		while (atomic_load(&o->under_way))
			cond_wait(&o->over, &o->lock);
		waiting_end();
	}
	return o->result;
}

static bool fetch_begin(struct opening *o)
{
	MUTEX_HOLD(&o->lock);

	if (!atomic_load(&o->under_way) || atomic_load(&o->stop))
		return false;
	o->fetching++;
	return true;
}

static void fetch_end(struct opening *o)
{
	MUTEX_HOLD(&o->lock);

	o->fetching--;
	cond_broadcast(&o->over);
}

static enum hf_err fetch(struct hsm *h, struct partition *p, const struct records_keys *keys,
	uint64_t handle)
{
	char digits[17];

	(void)snprintf(digits, sizeof(digits), "%012llx", (unsigned long long)handle);
	return scan(h, p, digits, keys, NULL);
}

/* struct pair owns what struct records_keys shows. */
struct pair {
	struct secret now, old;
};

static void pair_done(struct pair *k)
{
	secret_done(&k->now);
	secret_done(&k->old);
}

static enum hf_err pair_of(struct partition *p, struct pair *own, struct records_keys *ret)
{
	TRY(partition_key(p, &own->now));
	TRY(rekey_old(p, &own->old));
	*ret = (struct records_keys){ secret_slice(&own->now), secret_slice(&own->old) };
	return HF_OK;
}

static enum hf_err fetch_one(struct hsm *h, struct partition *p, uint64_t handle)
{
	CLEANUP(pair_done) struct pair own = { 0 };
	struct records_keys keys;

	TRY(pair_of(p, &own, &keys));
	return fetch(h, p, &keys, handle);
}

enum hf_err opening_fetch(struct hsm *h, struct partition *p, uint64_t handle)
{
	enum hf_err e;

	if (!fetch_begin(&p->opening))
		return HF_OK;
	e = fetch_one(h, p, handle);
	fetch_end(&p->opening);
	return e;
}

static enum hf_err want(struct slice partition_key, struct slice value, struct tag_wanted *w)
{
	CLEANUP(secret_done) struct secret key = { 0 };

	if (partition_key.n == 0)
		return HF_OK;
	TRY(tags_key(partition_key, &key));
	return tag_of(secret_slice(&key), w->which, value, &w->v[w->n++]);
}

static enum hf_err fetch_found(struct hsm *h, struct partition *p, struct tag_wanted *w, struct slice value)
{
	CLEANUP(pair_done) struct pair own = { 0 };
	struct records_keys keys;
	uint64_t found[TAGS_FOUND];
	size_t n = 0;

	TRY(pair_of(p, &own, &keys));
	TRY(want(keys.now, value, w));
	TRY(want(keys.old, value, w));
	TRY(tags_find(p->tags, w, found, &n));
	for (size_t i = 0; i < n; i++)
		if (!object_is_here(p, found[i]))
			TRY(fetch(h, p, &keys, found[i]));
	return HF_OK;
}

enum hf_err opening_find(struct hsm *h, struct partition *p, unsigned which, struct slice value)
{
	struct tag_wanted w = { .which = which };
	enum hf_err e;

	if (!fetch_begin(&p->opening))
		return opening_wait(p);
	e = fetch_found(h, p, &w, value);
	fetch_end(&p->opening);
	return e == HF_E_LIMIT ? opening_wait(p) : e;
}
