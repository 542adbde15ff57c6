/* handlers_domain.c: the calls domain_* and partition_domain. */
#include <string.h>

#include "domain.h"
#include "domain_join.h"
#include "gate.h"
#include "partition.h"

/* --- telling ------------------------------------------------------------------------------------ */

struct telling {
	struct calls_ctx *c;
	struct domain_info *v;
	size_t n;
};

static enum hf_err tell_members(struct calls_ctx *c, const struct domain *d, struct domain_member_list *ret)
{
	struct domain_member *v = arena_alloc(c->arena, d->member_count + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < d->member_count; i++) {
		TRY(arena_dup(c->arena, slice_str(d->members[i].serial), &v[i].serial));
		TRY(arena_dup(c->arena, SLICE_OF(d->members[i].key), &v[i].key));
		v[i].since = d->members[i].since;
		v[i].how = d->members[i].how;
	}
	*ret = (struct domain_member_list){ v, d->member_count };
	return HF_OK;
}

static enum hf_err count_partitions(struct calls_ctx *c, const struct domain *d, uint64_t *ret)
{
	struct partition **v;
	uint8_t id[DOMAIN_ID];
	size_t n;

	TRY(partitions_all(c->hsm, c->arena, &v, &n));
	for (size_t i = 0; i < n; i++) {
		domain_of(v[i], id);
		*ret += slice_eq(SLICE_OF(id), SLICE_OF(d->id));
	}
	partitions_unref(v, n);
	return HF_OK;
}

static enum hf_err tell(void *ctx, const struct domain *d)
{
	struct telling *t = ctx;
	struct domain_info *i = &t->v[t->n];

	if (t->n == DOMAINS_MOST)
		return HF_E_LIMIT;
	TRY(arena_dup(t->c->arena, SLICE_OF(d->id), &i->id));
	TRY(arena_dup(t->c->arena, slice_str(d->name), &i->name));
	i->since = d->since;
	TRY(tell_members(t->c, d, &i->members));
	TRY(count_partitions(t->c, d, &i->partitions));
	t->n++;
	return HF_OK;
}

enum hf_err on_domain_list(struct calls_ctx *c, const struct domain_list_req *q, struct domain_list_res *r)
{
	struct telling t = { .c = c, .v = arena_alloc(c->arena, DOMAINS_MOST, sizeof(*t.v)) };

	(void)q;
	if (t.v == NULL)
		return HF_E_SECRET_MEMORY;
	TRY(domains_each(c->hsm, &t, tell));
	r->domains = (struct domain_info_list){ t.v, t.n };
	return HF_OK;
}

/* --- making, joining, leaving ---------------------------------------------------------------------- */

static void note(struct calls_ctx *c, const struct domain *d)
{
	char hex[2 * DOMAIN_ID + 1];

	hex_encode(SLICE_OF(d->id), hex);
	call_detail(c, "domain %s (%s)", d->name, hex);
}

static void note_member(struct calls_ctx *c, const char *what, const struct member *m)
{
	char hex[2 * MEMBER_KEY + 1];

	hex_encode(SLICE_OF(m->key), hex);
	call_detail(c, ", %s HSM %s, attestation key %s", what, m->serial, hex);
}

enum hf_err on_domain_create(struct calls_ctx *c, const struct domain_create_req *q,
	struct domain_create_res *r)
{
	CLEANUP(domain_done) struct domain d = { 0 };
	MUTEX_HOLD(&c->hsm->unlocking);

	TRY(domain_new(c->hsm, q->name, &d));
	note(c, &d);
	TRY(domain_keep(c->hsm, &d, NULL));
	return arena_dup(c->arena, SLICE_OF(d.id), &r->id);
}

enum hf_err on_domain_request(struct calls_ctx *c, const struct domain_request_req *q,
	struct domain_request_res *r)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(DOMAIN_MESSAGE_MOST);
	MUTEX_HOLD(&c->hsm->unlocking);

	(void)q;
	TRY(domain_ask(c->hsm, &b));
	return arena_dup(c->arena, buf_slice(&b), &r->request);
}

/* Who was let in is on record before he can have the key. */
enum hf_err on_domain_admit(struct calls_ctx *c, const struct domain_admit_req *q,
	struct domain_admit_res *r)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(DOMAIN_MESSAGE_MOST);
	CLEANUP(domain_done) struct domain d = { 0 };
	MUTEX_HOLD(&c->hsm->unlocking);
	struct member m;

	TRY(domain_named(c->hsm, q->domain, &d));
	note(c, &d);
	TRY(domain_answer(c->hsm, &d, q->request, q->fingerprint, &m, &b));
	note_member(c, "admitted", &m);
	TRY(domain_remember(&d, &m));
	TRY(domain_keep(c->hsm, &d, NULL));
	return arena_dup(c->arena, buf_slice(&b), &r->answer);
}

enum hf_err on_domain_join(struct calls_ctx *c, const struct domain_join_req *q, struct domain_join_res *r)
{
	CLEANUP(domain_done) struct domain d = { 0 };
	MUTEX_HOLD(&c->hsm->unlocking);

	TRY(domain_take(c->hsm, q->answer, q->fingerprint, &d));
	note(c, &d);
	note_member(c, "through", &d.members[0]);
	return arena_dup(c->arena, slice_str(d.name), &r->name);
}

/* Its partitions stay what they are, and are cloned no more. */
enum hf_err on_domain_leave(struct calls_ctx *c, const struct domain_leave_req *q,
	struct domain_leave_res *r)
{
	CLEANUP(domain_done) struct domain d = { 0 };
	MUTEX_HOLD(&c->hsm->unlocking);

	(void)r;
	TRY(domain_named(c->hsm, q->domain, &d));
	note(c, &d);
	return domain_forget(c->hsm, &d);
}

/* --- a partition's ----------------------------------------------------------------------------------- */

enum hf_err on_partition_domain(struct calls_ctx *c, const struct partition_domain_req *q,
	struct partition_domain_res *r)
{
	CLEANUP(domain_done) struct domain d = { 0 };
	struct partition *p;

	(void)r;
	TRY(partition_seen(c, q->serial, &p));
	if (q->domain.n != 0) {
		TRY(domain_named(c->hsm, q->domain, &d));
		note(c, &d);
	}
	return partition_domain_set(c, p, q->so_pin, d.id);
}
