/* rehearse.c: see rehearse.h; the call rehearse. */
#include "rehearse.h"

#include <stdio.h>
#include <string.h>

#include "app.h"
#include "clock.h"
#include "gate.h"
#include "key_use.h"
#include "log.h"
#include "object_table.h"
#include "partition_int.h"
#include "pkcs11_numbers.h"

#define AT_ONCE 1000u

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

static void tell(struct calls_ctx *c, const struct rehearsal *r)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "%llu keys used, %llu failed", (unsigned long long)r->used,
		(unsigned long long)r->failed);
	call_detail(c, "%s", text);
	hsm_fact(c->hsm, "rehearsal", text);
	atomic_store(&c->hsm->rehearsed_at, clock_wall_us());
	atomic_store(&c->hsm->rehearsed_keys, r->used);
	atomic_store(&c->hsm->rehearsed_failed, r->failed);
}

enum hf_err on_rehearse(struct calls_ctx *c, const struct rehearse_req *q, struct rehearse_res *r)
{
	MUTEX_HOLD(&c->app->backup_lock);
	struct backup *b = c->app->backup;
	struct rehearsal *now = b == NULL || b->whole == NULL ? NULL : b->whole->rehearsal;

	if (now == NULL || !now->ready)
		return HF_E_OP_LOST;
	r->last = use_some(now, q->max < AT_ONCE ? q->max : AT_ONCE);
	r->used = now->used;
	r->others = now->others;
	r->failed = now->failed;
	TRY(arena_dup(c->arena, slice_str(now->first), &r->first));
	if (!r->last)
		return HF_OK;
	tell(c, now);
	backup_free(b);
	c->app->backup = NULL;
	return HF_OK;
}
