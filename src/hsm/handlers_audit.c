#include <string.h>

#include "audit.h"
#include "keeper_ask.h"
#include "object.h"
#include "usage.h"

#define READ_MAX 4096u

static enum hf_err to_lines(struct calls_ctx *c, struct entry_list l, struct line_list *ret)
{
	struct line *v = arena_alloc(c->arena, l.n + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < l.n; i++)
		v[i].record = l.v[i].record;
	*ret = (struct line_list){ v, l.n };
	return HF_OK;
}

enum hf_err on_audit_read(struct calls_ctx *c, const struct audit_read_req *q,
	struct audit_read_res *r)
{
	struct audit *audit = c->hsm->audit;
	uint32_t max = q->max < READ_MAX ? q->max : READ_MAX;
	uint8_t *key = arena_alloc(c->arena, 32, 1);
	uint64_t from = q->from, last;
	struct entry_list l = { 0 };

	if (key == NULL)
		return HF_E_SECRET_MEMORY;
	last = audit_flush(audit); /* what was recorded since is not there yet */
	if (from == 0)
		from = last > max ? last - max + 1 : 1;
	if (max > 0 && from <= last)
		TRY(keeper_audit_fetch(c->hsm->keeper, from, max, c->arena, &l));
	memcpy(key, audit_keys(audit)->public_key, 32);
	r->public_key = (struct slice){ key, 32 };
	return to_lines(c, l, &r->records);
}

enum hf_err on_audit_keys(struct calls_ctx *c, const struct audit_keys_req *q,
	struct audit_keys_res *r)
{
	const struct audit_keys *k = audit_keys(c->hsm->audit);

	(void)q;
	r->ed25519 = SLICE_OF(k->public_key);
	if (k->ml_seed.n > 0)
		r->ml_dsa_65 = SLICE_OF(k->ml_public);
	return HF_OK;
}

static enum hf_err tell_usage(struct calls_ctx *c, const struct usage *u, struct key_usage_res *r)
{
	struct usage_count *v = arena_alloc(c->arena, USAGE_KINDS, sizeof(*v));
	size_t n = 0;

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (unsigned i = 0; i < USAGE_KINDS; i++)
		if (atomic_load(&u->uses[i]) > 0)
			v[n++] = (struct usage_count){ slice_str(usage_kind_name(i)),
				atomic_load(&u->uses[i]) };
	r->uses = (struct usage_count_list){ v, n };
	r->failures = atomic_load(&u->failures);
	r->last = atomic_load(&u->last_us);
	return HF_OK;
}

enum hf_err on_key_usage(struct calls_ctx *c, const struct key_usage_req *q, struct key_usage_res *r)
{
	CLEANUP(object_release) struct object *o = NULL;
	struct usage *u;
	enum hf_err e;

	TRY(object_get(c, q->key, HF_E_KEY_HANDLE, &o));
	u = usage_of(c->part->usages, q->key);
	if (u == NULL)
		return HF_OK; /* never used */
	e = tell_usage(c, u, r);
	usage_unref(u);
	return e;
}
