#include "quorum.h"

#include <string.h>

#include "backup_keys.h"
#include "clock.h"
#include "gate.h"
#include "log.h"
#include "start.h"
#include "unlock.h"

#define NS_PER_S 1000000000u

/* --- making --------------------------------------------------------------------- */

static enum hf_err encode_share(const struct quorum *q, unsigned i, struct slice y,
	struct secret *ret)
{
	TRY(secret_alloc(ret, SHARE_LEN));
	memcpy(ret->p, q->id, QUORUM_ID);
	ret->p[QUORUM_ID] = (uint8_t)(i + 1);
	ret->p[QUORUM_ID + 1] = q->m;
	ret->p[QUORUM_ID + 2] = q->n;
	memcpy(ret->p + QUORUM_ID + 3, y.p, y.n);
	return HF_OK;
}

static enum hf_err make_shares(struct quorum *q, const struct secret *y, struct secret *ret)
{
	for (unsigned i = 0; i < q->n; i++) {
		TRY(encode_share(q, i, secret_slice(&y[i]), &ret[i]));
		TRY(crypto_sha256(secret_slice(&ret[i]), q->hash[i]));
	}
	return HF_OK;
}

enum hf_err quorum_make(const struct quorum *who, struct quorum *ret, struct secret *ret_secret,
	struct secret *ret_shares)
{
	CLEANUP(secret_done) struct secret secret = { 0 };
	struct secret y[SHAMIR_MAX] = { { 0 } };
	struct quorum q = *who;
	enum hf_err e;

	TRY(secret_alloc(&secret, CRYPTO_KEY));
	TRY(crypto_random(secret.p, secret.n));
	TRY(crypto_random(q.id, sizeof(q.id)));
	TRY(shamir_split(secret_slice(&secret), q.m, q.n, y));
	e = make_shares(&q, y, ret_shares);
	for (unsigned i = 0; i < q.n; i++)
		secret_done(&y[i]);
	TRY(e);
	*ret = q;
	*ret_secret = secret_take(&secret);
	return HF_OK;
}

/* --- gathering ------------------------------------------------------------------- */

void gathering_drop(struct gathering *g)
{
	for (unsigned i = 0; i < SHAMIR_MAX; i++)
		secret_done(&g->y[i]);
	g->since_ns = 0;
}

static void drop_pending(struct hsm *h)
{
	hf_free(h->pending_quorum);
	h->pending_quorum = NULL;
	secret_done(&h->pending_secret);
}

void quorum_done(struct hsm *h)
{
	gathering_drop(&h->gathering);
	backup_keys_forget(h->backup_keys);
	drop_pending(h);
}

unsigned gathering_count(struct gathering *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SHAMIR_MAX; i++)
		n += g->y[i].n > 0;
	return n;
}

static enum hf_err check_share(const struct quorum *q, struct slice share)
{
	uint8_t hash[CRYPTO_HASH];
	unsigned x;

	if (share.n != SHARE_LEN || !slice_eq((struct slice){ share.p, QUORUM_ID }, SLICE_OF(q->id)))
		return HF_E_SHARE_FOREIGN;
	x = share.p[QUORUM_ID];
	if (x == 0 || x > q->n)
		return HF_E_SHARE_WRONG;
	TRY(crypto_sha256(share, hash));
	return secret_eq(SLICE_OF(hash), SLICE_OF(q->hash[x - 1])) ? HF_OK : HF_E_SHARE_WRONG;
}

static enum hf_err join(const struct gathering *g, unsigned m, struct secret *ret)
{
	struct shamir_share v[SHAMIR_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < SHAMIR_MAX && n < m; i++)
		if (g->y[i].n > 0)
			v[n++] = (struct shamir_share){ (uint8_t)(i + 1), secret_slice(&g->y[i]) };
	return shamir_join(v, n, ret);
}

enum hf_err quorum_take(struct gathering *g, const struct quorum *q, struct slice share,
	struct secret *ret)
{
	uint64_t now = clock_mono_ns();
	struct secret *y;

	TRY(check_share(q, share));
	if (g->since_ns != 0 && now - g->since_ns > QUORUM_S * (uint64_t)NS_PER_S)
		gathering_drop(g);
	y = &g->y[share.p[QUORUM_ID] - 1];
	if (y->n > 0)
		return HF_E_SHARE_TWICE;
	TRY(secret_dup((struct slice){ share.p + QUORUM_ID + 3, CRYPTO_KEY }, y));
	if (g->since_ns == 0)
		g->since_ns = now;
	if (gathering_count(g) < q->m)
		return HF_OK;
	TRY(join(g, q->m, ret));
	gathering_drop(g);
	return HF_OK;
}

enum hf_err quorum_consent(struct calls_ctx *c)
{
	struct gathering *g = &c->hsm->gathering;
	bool agreed = g->consent_ns != 0 && clock_mono_ns() < g->consent_ns;
	struct quorum q;

	TRY(unlock_quorum_of(c->hsm, &q));
	g->consent_ns = 0;
	if (q.m == 0 || agreed)
		return HF_OK;
	call_detail(c, "needs %u of %u custodians", q.m, q.n);
	return HF_E_QUORUM;
}

/* --- calls ------------------------------------------------------------------------ */

static enum hf_err enough(struct calls_ctx *c, struct secret *secret)
{
	CLEANUP(secret_done) struct secret root = { 0 };
	struct hsm *h = c->hsm;

	TRY(unlock_quorum(h, secret_slice(secret), &root));
	if (h->root.n == 0)
		return hsm_start(h, &root, SLICE_NONE);
	call_detail(c, ", agreed");
	h->gathering.consent_ns = clock_mono_ns() + QUORUM_S * (uint64_t)NS_PER_S;
	return HF_OK;
}

enum hf_err on_quorum_share(struct calls_ctx *c, const struct quorum_share_req *q,
	struct quorum_share_res *r)
{
	CLEANUP(secret_done) struct secret secret = { 0 };
	struct hsm *h = c->hsm;
	MUTEX_HOLD(&h->unlocking);
	struct quorum known;

	TRY(unlock_quorum_of(h, &known));
	if (known.m == 0)
		return HF_E_STATE;
	if (q->share.n > QUORUM_ID)
		call_detail(c, "share %u", q->share.p[QUORUM_ID]);
	TRY(quorum_take(&h->gathering, &known, q->share, &secret));
	r->needed = known.m;
	r->have = secret.n > 0 ? known.m : (uint8_t)gathering_count(&h->gathering);
	return secret.n > 0 ? enough(c, &secret) : HF_OK;
}

static enum hf_err answer(struct calls_ctx *c, const struct secret *shares, unsigned n,
	struct quorum_create_res *r)
{
	struct share *v = arena_alloc(c->arena, n, sizeof(*v));

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (unsigned i = 0; i < n; i++)
		TRY(arena_dup(c->arena, secret_slice(&shares[i]), &v[i].share));
	r->shares = (struct share_list){ v, n };
	return HF_OK;
}

static void shares_done(struct secret (*v)[SHAMIR_MAX])
{
	for (unsigned i = 0; i < SHAMIR_MAX; i++)
		secret_done(&(*v)[i]);
}

enum hf_err on_quorum_create(struct calls_ctx *c, const struct quorum_create_req *q,
	struct quorum_create_res *r)
{
	CLEANUP(shares_done) struct secret shares[SHAMIR_MAX] = { { 0 } };
	CLEANUP(secret_done) struct secret secret = { 0 };
	MUTEX_HOLD(&c->hsm->unlocking);
	struct quorum made = { .m = q->m, .n = q->n };

	call_detail(c, "%u of %u custodians", q->m, q->n);
	if (q->m < 2 || q->m > q->n || q->n > SHAMIR_MAX || !quorum_names(&made, q->names))
		return HF_E_ARGUMENTS;
	TRY(quorum_consent(c));
	TRY(quorum_make(&made, &made, &secret, shares));
	TRY(answer(c, shares, q->n, r));
	drop_pending(c->hsm);
	c->hsm->pending_quorum = hf_alloc(1, sizeof(made));
	if (c->hsm->pending_quorum == NULL)
		return HF_E_MEMORY;
	*c->hsm->pending_quorum = made;
	c->hsm->pending_secret = secret_take(&secret);
	return HF_OK;
}

enum hf_err on_quorum_commit(struct calls_ctx *c, const struct quorum_commit_req *q,
	struct quorum_commit_res *r)
{
	struct hsm *h = c->hsm;
	MUTEX_HOLD(&h->unlocking);
	enum hf_err e;

	(void)q;
	(void)r;
	if (h->pending_quorum == NULL)
		return HF_E_STATE;
	call_detail(c, "%u of %u custodians", h->pending_quorum->m, h->pending_quorum->n);
	e = unlock_change_quorum(h, h->pending_quorum, secret_slice(&h->pending_secret));
	drop_pending(h);
	gathering_drop(&h->gathering);
	return e;
}
