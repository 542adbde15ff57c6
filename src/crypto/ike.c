/* ike.c: the keys of IKE, version 1 and 2 (RFC 2409, RFC 7296; PKCS#11 3.2 §6.63
 * and following). */
#include <string.h>

#include "families.h"
#include "prf.h"

#define INPUT_MAX 6

/* struct input collects what the PRF digests. */
struct input {
	struct slice part[INPUT_MAX];
	size_t n;
};

static void put(struct input *in, struct slice v)
{
	in->part[in->n++] = v;
}

static enum hf_err put_key(struct input *in, const struct key *k)
{
	if (k == NULL || k->cko != CKO_SECRET_KEY)
		return HF_E_KEY_HANDLE;
	put(in, secret_slice(&k->value));
	return HF_OK;
}

/* once is one output of the PRF, or its front. */
static enum hf_err once(uint64_t prf, struct slice key, const struct input *in, size_t want,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret out = { 0 };
	CLEANUP(prf_done) struct prf p = { 0 };

	TRY(prf_begin(prf, key, &p));
	if (want > p.n)
		return HF_E_KEY_SIZE;
	TRY(secret_alloc(&out, EVP_MAX_MD_SIZE));
	TRY(prf_run(&p, in->part, in->n, out.p));
	secret_cut(&out, want == 0 ? p.n : want);
	*ret = secret_take(&out);
	return HF_OK;
}

/* repeated is K1 | K2 | ..., where K1 = prf(first) and Kn = prf(Kn-1 | more); more's
 * first part is ours. counter: a byte of both that goes up by one each time. */
static enum hf_err repeated(const struct prf *p, struct input *first, struct input *more,
	uint8_t *counter, struct secret *out)
{
	uint8_t k[EVP_MAX_MD_SIZE];
	enum hf_err e = HF_OK;

	more->part[0] = (struct slice){ k, p->n };
	for (size_t at = 0; e == HF_OK && at < out->n; at += p->n) {
		const struct input *in = at == 0 ? first : more;

		e = prf_run(p, in->part, in->n, k);
		memcpy(out->p + at, k, out->n - at < p->n ? out->n - at : p->n);
		if (counter != NULL)
			++*counter;
	}
	secret_wipe(k, sizeof(k));
	more->part[0] = SLICE_NONE;
	return e;
}

/* prf: SKEYSEED and SKEYID (RFC 7296 §2.14, §2.18; RFC 2409 §5). */
static enum hf_err ike_prf(struct derivation *d, struct secret *ret)
{
	const struct param_ike_prf *p = &d->params->u.ike_prf;
	CLEANUP(buf_done) struct buf nonces = BUF_MAX(4096);
	struct slice base = secret_slice(&d->base->value);
	struct input in = { .n = 0 };

	if (p->data_as_key && p->rekey)
		return HF_E_MECHANISM_PARAM;
	buf_raw(&nonces, p->ni);
	buf_raw(&nonces, p->nr);
	if (buf_err(&nonces) != HF_OK)
		return HF_E_MECHANISM_PARAM;
	if (p->data_as_key) {
		put(&in, base);
		return once(p->prf, buf_slice(&nonces), &in, d->want[0], ret);
	}
	if (p->rekey)
		TRY(put_key(&in, d->other[0]));
	put(&in, buf_slice(&nonces));
	return once(p->prf, base, &in, d->want[0], ret);
}

/* ike1_prf: SKEYID_d, _a and _e (RFC 2409 §5). */
static enum hf_err ike1_prf(struct derivation *d, struct secret *ret)
{
	const struct param_ike1_prf *p = &d->params->u.ike1_prf;
	uint8_t number = (uint8_t)p->number;
	struct input in = { .n = 0 };

	if (p->number > UINT8_MAX)
		return HF_E_MECHANISM_PARAM;
	if (p->has_previous)
		TRY(put_key(&in, d->other[1]));
	TRY(put_key(&in, d->other[0]));
	put(&in, p->cky_i);
	put(&in, p->cky_r);
	put(&in, (struct slice){ &number, 1 });
	return once(p->prf, secret_slice(&d->base->value), &in, d->want[0], ret);
}

/* ike2_plus: prf+ (RFC 7296 §2.13). */
static enum hf_err ike2_plus(struct derivation *d, struct secret *ret)
{
	const struct param_ike2_plus *p = &d->params->u.ike2_plus;
	CLEANUP(secret_done) struct secret out = { 0 };
	CLEANUP(prf_done) struct prf f = { 0 };
	struct input first = { .n = 0 }, more = { .n = 1 };
	uint8_t counter = 1;

	if (d->want[0] == 0)
		return HF_E_TEMPLATE_INCOMPLETE;
	if (p->has_seed_key)
		TRY(put_key(&first, d->other[0]));
	put(&first, p->seed);
	put(&first, (struct slice){ &counter, 1 });
	for (size_t i = 0; i < first.n; i++)
		put(&more, first.part[i]);
	TRY(prf_begin(p->prf, secret_slice(&d->base->value), &f));
	if (d->want[0] > 255 * f.n)
		return HF_E_KEY_SIZE;
	TRY(secret_alloc(&out, d->want[0]));
	TRY(repeated(&f, &first, &more, &counter, &out));
	*ret = secret_take(&out);
	return HF_OK;
}

/* ike1_extended: keys longer than a PRF's output (RFC 2409 §5.5, appendix B). A
 * long enough key without further input is only shortened. */
static enum hf_err ike1_extended(struct derivation *d, struct secret *ret)
{
	const struct param_ike1_extended *p = &d->params->u.ike1_extended;
	static const uint8_t zero[1];
	CLEANUP(secret_done) struct secret out = { 0 };
	CLEANUP(prf_done) struct prf f = { 0 };
	struct input first = { .n = 0 }, more = { .n = 1 };
	struct slice base = secret_slice(&d->base->value);
	bool bare = !p->has_gxy && p->extra.n == 0;
	size_t want = d->want[0];

	if (want == 0)
		return HF_E_TEMPLATE_INCOMPLETE;
	TRY(prf_begin(p->prf, base, &f));
	if (want > 255 * f.n)
		return HF_E_KEY_SIZE;
	if (bare && want <= base.n)
		return secret_dup((struct slice){ base.p, want }, ret);
	if (p->has_gxy)
		TRY(put_key(&first, d->other[0]));
	put(&first, bare ? SLICE_OF(zero) : p->extra);
	for (size_t i = 0; !bare && i < first.n; i++)
		put(&more, first.part[i]);
	TRY(secret_alloc(&out, want));
	TRY(repeated(&f, &first, &more, NULL, &out));
	*ret = secret_take(&out);
	return HF_OK;
}

static enum hf_err derive_many(struct derivation *d)
{
	static const struct {
		enum param_id id;
		enum hf_err (*run)(struct derivation *d, struct secret *ret);
	} ways[] = {
		{ PARAM_IKE_PRF, ike_prf },
		{ PARAM_IKE1_PRF, ike1_prf },
		{ PARAM_IKE2_PLUS, ike2_plus },
		{ PARAM_IKE1_EXTENDED, ike1_extended },
	};

	d->n = 1;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (ways[i].id == d->params->id)
			return ways[i].run(d, &d->made[0]);
	return HF_E_INTERNAL;
}

const struct family family_ike = { .name = "ike", .derive_many = derive_many };
