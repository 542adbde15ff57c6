/* rehearse.c: see rehearse.h; the call rehearse. */
#include "rehearse.h"

#include <stdio.h>
#include <string.h>

#include "app.h"
#include "clock.h"
#include "damaged.h"
#include "gate.h"
#include "key_use.h"
#include "log.h"
#include "object_table.h"
#include "partition_int.h"
#include "pkcs11_numbers.h"

#define AT_ONCE 1000u
#define NAME "hsm/rehearsed"
#define FORMAT 1

static enum hf_err fill(struct partition *p)
{
	policies_init(&p->policies, false);
	TRY(secret_alloc(&p->key, CRYPTO_KEY));
	return crypto_random(p->key.p, p->key.n);
}

enum hf_err rehearsal_new(struct hsm *h, struct rehearsal **ret)
{
	struct rehearsal *r = hf_alloc(1, sizeof(*r));
	char serial[SERIAL_LEN + 1];
	uint8_t random[SERIAL_LEN / 2];
	enum hf_err e = r == NULL ? HF_E_MEMORY : crypto_random(random, sizeof(random));

	if (e == HF_OK) {
		hex_encode(SLICE_OF(random), serial);
		e = partition_alloc(serial, &r->scratch);
	}
	if (e == HF_OK)
		e = fill(r->scratch);
	if (e != HF_OK) {
		rehearsal_free(h, r);
		return e;
	}
	*ret = r;
	return HF_OK;
}

void rehearsal_free(struct hsm *h, struct rehearsal *r)
{
	enum hf_err e = HF_OK;

	if (r == NULL)
		return;
	if (r->scratch != NULL) {
		if (h->records != NULL)
			e = partition_wipe_objects(h, r->scratch);
		if (e != HF_OK)
			log_warn("a rehearsal's partition %s: %s; the next start deletes the rest of it",
				r->scratch->serial, err_text(e));
		partition_unref(r->scratch);
	}
	hf_free(r->v);
	hf_free(r);
}

void rehearsal_enter(struct calls_ctx *c, struct rehearsal *r)
{
	partition_ref(r->scratch);
	set_part(c, r->scratch);
}

/* list_all: a table that is emptied from its beginning would be searched longer each time. */
static enum hf_err list_all(struct rehearsal *r)
{
	struct objects *t = r->scratch->objects;

	r->v = hf_alloc(t->by_handle.n, sizeof(struct object *));
	if (r->v == NULL)
		return HF_E_MEMORY;
	rwlock_read(&t->lock);
	for (struct map_node *n = map_next(&t->by_handle, NULL); n != NULL; n = map_next(&t->by_handle, n))
		r->v[r->n++] = container_of(n, struct object, by_handle);
	rwlock_unlock(&t->lock);
	return HF_OK;
}

enum hf_err rehearsal_ready(struct hsm *h, struct rehearsal *r)
{
	struct partition *p = r->scratch;

	objects_drop_all(p->objects);
	TRY(partition_load_private(h, p, secret_slice(&p->key)));
	TRY(partition_load_public(h, p));
	TRY(list_all(r));
	r->ready = true;
	return HF_OK;
}

/* --- using ---------------------------------------------------------------------------------- */

static enum hf_err use(struct object *o)
{
	const struct key *k;

	TRY(object_key(o, &k));
	return key_use_once(k, attrs_get(&o->attrs, CKA_PUBLIC_KEY_INFO),
		attrs_get(&o->attrs, CKA_CHECK_VALUE));
}

void rehearsal_use(struct rehearsal *r, struct object *o)
{
	struct slice label = attrs_get(&o->attrs, CKA_LABEL);

	if (o->cko != CKO_PUBLIC_KEY && o->cko != CKO_PRIVATE_KEY && o->cko != CKO_SECRET_KEY) {
		r->others++;
		return;
	}
	r->used++;
	if (use(o) == HF_OK)
		return;
	if (r->failed++ == 0)
		(void)snprintf(r->first, sizeof(r->first), "%.*s", label.n > 255 ? 255 : (int)label.n,
			label.n > 0 ? (const char *)label.p : "");
}

/* use_some takes objects out of the table as it uses them: keys that were parsed are not kept. */
static bool use_some(struct rehearsal *r, uint32_t max)
{
	struct objects *t = r->scratch->objects;

	for (uint32_t i = 0; i < max && r->at < r->n; i++) {
		struct object *o = r->v[r->at++];

		rwlock_write(&t->lock);
		table_del(t, o);
		rwlock_unlock(&t->lock);
		rehearsal_use(r, o);
		object_unref(o);
	}
	return r->at == r->n;
}

/* --- the result -------------------------------------------------------------------------------- */

static void tell(struct hsm *h, const struct rehearsed *r)
{
	char text[160], when[28];

	clock_iso(r->at, when);
	(void)snprintf(text, sizeof(text),
		"%s: %llu keys used, %llu failed, %llu records of partitions opened", when,
		(unsigned long long)r->keys, (unsigned long long)r->failed,
		(unsigned long long)r->records);
	hsm_fact(h, "rehearsal", text);
}

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct hsm *h = ctx;
	struct rehearsed *to = &h->rehearsed;
	struct rd r = rd_of(plain);
	uint8_t format;

	(void)name;
	to->version = version;
	if (!rd_u8(&r, &format) || format != FORMAT || !rd_u64(&r, &to->at) || !rd_u64(&r, &to->keys) ||
	    !rd_u64(&r, &to->failed) || !rd_u64(&r, &to->records) || !rd_done(&r))
		return HF_E_DAMAGED;
	tell(h, to);
	return HF_OK;
}

static void damaged(void *ctx, const char *name)
{
	struct hsm *h = ctx;

	damaged_add(h->damaged, name);
}

enum hf_err rehearsed_load(struct hsm *h)
{
	const struct record_visit v = { h, visit, damaged };
	MUTEX_HOLD(&h->rehearsed.lock);

	h->rehearsed.version = 0;
	return records_get(h->records, NAME, SEAL_STORE, SLICE_NONE, &v);
}

static enum hf_err keep(struct hsm *h, struct rehearsed *now)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	MUTEX_HOLD(&h->rehearsed.lock);
	struct rehearsed *r = &h->rehearsed;
	struct record_change c = { .name = NAME, .expect = r->version, .version = r->version + 1,
		.seal = SEAL_STORE };

	buf_u8(&b, FORMAT);
	buf_u64(&b, now->at);
	buf_u64(&b, now->keys);
	buf_u64(&b, now->failed);
	buf_u64(&b, now->records);
	TRY(buf_err(&b));
	c.plain = buf_slice(&b);
	TRY(records_write(h->records, &c, 1));
	r->version++;
	r->at = now->at;
	r->keys = now->keys;
	r->failed = now->failed;
	r->records = now->records;
	tell(h, r);
	return HF_OK;
}

static enum hf_err end(struct calls_ctx *c, uint64_t keys, uint64_t failed, uint64_t records)
{
	struct rehearsed now = { .at = clock_wall_us(), .keys = keys, .failed = failed,
		.records = records };
	enum hf_err e = keep(c->hsm, &now);

	if (records != 0)
		call_detail(c, "%llu records of partitions opened", (unsigned long long)records);
	else
		call_detail(c, "%llu keys used, %llu failed", (unsigned long long)keys,
			(unsigned long long)failed);
	backup_free(c->app->backup);
	c->app->backup = NULL;
	return e;
}

enum hf_err on_rehearse(struct calls_ctx *c, const struct rehearse_req *q, struct rehearse_res *r)
{
	MUTEX_HOLD(&c->app->backup_lock);
	struct whole *w = c->app->backup == NULL ? NULL : c->app->backup->whole;
	struct rehearsal *now = w == NULL ? NULL : w->rehearsal;

	if (w != NULL)
		call_detail(c, "backup %s: ", c->app->backup->name);
	if (w != NULL && w->rehearsed) {
		r->last = true;
		r->others = w->opened;
		r->unopened = w->unopened;
		return end(c, 0, 0, w->opened);
	}
	if (now == NULL || !now->ready)
		return HF_E_OP_LOST;
	r->last = use_some(now, q->max < AT_ONCE ? q->max : AT_ONCE);
	r->used = now->used;
	r->others = now->others;
	r->failed = now->failed;
	TRY(arena_dup(c->arena, slice_str(now->first), &r->first));
	if (r->last)
		return end(c, now->used, now->failed, 0);
	call_detail(c, "%llu keys used so far", (unsigned long long)now->used);
	return HF_OK;
}
