#include "quorum.h"

#include <string.h>

#include "asks.h"
#include "clock.h"
#include "unlock.h"

/* The parts of a set's id. */
#define ID_HSM 8u
#define ID_WHOSE 12u
#define NS_PER_S 1000000000u

static enum hf_err make_id(const struct hsm *h, const char *scope, uint8_t ret[QUORUM_ID])
{
	uint8_t hash[CRYPTO_HASH];
	size_t n;

	if (!hex_decode(h->serial, ret, ID_HSM, &n) || n != ID_HSM)
		return HF_E_INTERNAL;
	TRY(crypto_sha256(slice_str(scope), hash));
	memcpy(ret + ID_HSM, hash, ID_WHOSE - ID_HSM);
	return crypto_random(ret + ID_WHOSE, QUORUM_ID - ID_WHOSE);
}

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

enum hf_err quorum_make(const struct hsm *h, const char *scope, const struct quorum *who,
	struct quorum *ret, struct secret *ret_secret, struct secret *ret_shares)
{
	CLEANUP(secret_done) struct secret secret = { 0 };
	struct secret y[SHAMIR_MAX] = { { 0 } };
	struct quorum q = *who;
	enum hf_err e;

	TRY(secret_alloc(&secret, CRYPTO_KEY));
	TRY(crypto_random(secret.p, secret.n));
	TRY(make_id(h, scope, q.id));
	TRY(shamir_split(secret_slice(&secret), q.m, q.n, y));
	e = make_shares(&q, y, ret_shares);
	for (unsigned i = 0; i < q.n; i++)
		secret_done(&y[i]);
	TRY(e);
	*ret = q;
	*ret_secret = secret_take(&secret);
	return HF_OK;
}

unsigned quorum_number(struct slice share)
{
	return share.p[QUORUM_ID];
}

struct slice quorum_value(struct slice share)
{
	return (struct slice){ share.p + QUORUM_ID + 3, CRYPTO_KEY };
}

/* What a share is of is no secret. */
static bool same_until(const struct quorum *q, struct slice share, size_t n)
{
	return slice_eq((struct slice){ q->id, n }, (struct slice){ share.p, n });
}

enum hf_err quorum_check(const struct quorum *q, struct slice share)
{
	uint8_t hash[CRYPTO_HASH];
	unsigned x;

	if (q->m == 0)
		return HF_E_STATE;
	if (share.n != SHARE_LEN || !same_until(q, share, ID_HSM))
		return HF_E_SHARE_FOREIGN;
	if (!same_until(q, share, ID_WHOSE))
		return HF_E_SHARE_OTHER;
	if (!same_until(q, share, QUORUM_ID))
		return HF_E_SHARE_OLD;
	x = quorum_number(share);
	if (x == 0 || x > q->n)
		return HF_E_SHARE_WRONG;
	TRY(crypto_sha256(share, hash));
	return secret_eq(SLICE_OF(hash), SLICE_OF(q->hash[x - 1])) ? HF_OK : HF_E_SHARE_WRONG;
}

enum hf_err quorum_join(const struct secret y[SHAMIR_MAX], unsigned m, struct secret *ret)
{
	struct shamir_share v[SHAMIR_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < SHAMIR_MAX && n < m; i++)
		if (y[i].n > 0)
			v[n++] = (struct shamir_share){ (uint8_t)(i + 1), secret_slice(&y[i]) };
	return shamir_join(v, n, ret);
}

/* --- gathering ------------------------------------------------------------------- */

void gathering_drop(struct gathering *g)
{
	for (unsigned i = 0; i < SHAMIR_MAX; i++)
		secret_done(&g->y[i]);
	g->since_ns = 0;
}

unsigned gathering_count(const struct gathering *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SHAMIR_MAX; i++)
		n += g->y[i].n > 0;
	return n;
}

enum hf_err quorum_take(struct gathering *g, const struct quorum *q, struct slice share,
	struct secret *ret)
{
	uint64_t now = clock_mono_ns();
	struct secret *y;

	TRY(quorum_check(q, share));
	if (g->since_ns != 0 && now - g->since_ns > QUORUM_S * (uint64_t)NS_PER_S)
		gathering_drop(g);
	y = &g->y[quorum_number(share) - 1];
	if (y->n > 0)
		return HF_E_SHARE_TWICE;
	TRY(secret_dup(quorum_value(share), y));
	if (g->since_ns == 0)
		g->since_ns = now;
	if (gathering_count(g) < q->m)
		return HF_OK;
	TRY(quorum_join(g->y, q->m, ret));
	gathering_drop(g);
	return HF_OK;
}

/* --- the HSM's ---------------------------------------------------------------------- */

enum hf_err quorum_refresh(struct hsm *h)
{
	struct quorum q;

	TRY(unlock_quorum_of(h, &q));
	asks_custodians_set(h->asks, &q);
	return HF_OK;
}
