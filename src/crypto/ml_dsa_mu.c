/* ml_dsa_mu.c: mu = SHAKE256(tr | 0 | length of context | context | message), where tr is
 * SHAKE256 of the public key, 64 bytes each (FIPS 204 §6.2): what ML-DSA signs. */
#include <openssl/core_names.h>

#include "families.h"
#include "family.h"
#include "ml.h"

struct mu {
	EVP_MD_CTX *ctx;
};

static enum hf_err tr_of(const struct key *k, uint8_t out[ML_DSA_MU])
{
	CLEANUP(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	CLEANUP(secret_done) struct secret pub = { 0 };

	TRY(pkey_octets(k->pkey, OSSL_PKEY_PARAM_PUB_KEY, &pub));
	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(hash_init(ctx, hash_by_name("SHAKE256")));
	OSSL_TRY(EVP_DigestUpdate(ctx, pub.p, pub.n), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestFinalXOF(ctx, out, ML_DSA_MU), HF_E_INTERNAL);
	return HF_OK;
}

/* start digests what comes before the message. */
static enum hf_err start(const struct mu *s, const struct crypt *c)
{
	const struct param_mu_gen *p = &c->params->u.mu_gen;
	uint8_t tr[ML_DSA_MU], head[2] = { 0, (uint8_t)p->context.n };
	struct slice given = p->tr;

	if (c->key != NULL) {
		TRY(tr_of(c->key, tr));
		given = SLICE_OF(tr);
	}
	TRY(hash_init(s->ctx, hash_by_name("SHAKE256")));
	OSSL_TRY(EVP_DigestUpdate(s->ctx, given.p, given.n), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestUpdate(s->ctx, head, sizeof(head)), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestUpdate(s->ctx, p->context.p, p->context.n), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err begin(struct crypt *c)
{
	const struct param_mu_gen *p = &c->params->u.mu_gen;
	struct mu *s;

	if (p->context.n > ML_CONTEXT_MAX || p->tr.n != (c->key != NULL ? 0 : ML_DSA_MU))
		return HF_E_MECHANISM_PARAM;
	s = secret_calloc(1, sizeof(*s));
	if (s == NULL)
		return HF_E_MEMORY;
	c->state = s;
	s->ctx = EVP_MD_CTX_new();
	if (s->ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	return start(s, c);
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	struct mu *s = c->state;

	(void)out;
	OSSL_TRY(EVP_DigestUpdate(s->ctx, in.p, in.n), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	struct mu *s = c->state;
	uint8_t *p;

	(void)sig;
	OSSL_TRY(EVP_DigestUpdate(s->ctx, in.p, in.n), HF_E_INTERNAL);
	TRY(out_add(out, ML_DSA_MU, &p));
	OSSL_TRY(EVP_DigestFinalXOF(s->ctx, p, ML_DSA_MU), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err copy(const struct crypt *from, struct crypt *to)
{
	const struct mu *f = from->state;
	struct mu *t = to->state;

	OSSL_TRY(EVP_MD_CTX_copy_ex(t->ctx, f->ctx), HF_E_INTERNAL);
	return HF_OK;
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	(void)c;
	(void)in;
	return last ? ML_DSA_MU : 0;
}

static void end(struct crypt *c)
{
	struct mu *s = c->state;

	if (s != NULL)
		EVP_MD_CTX_free(s->ctx);
	secret_free(s);
	c->state = NULL;
}

const struct family family_ml_dsa_mu = {
	.name = "ml_dsa_mu",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = end,
	.copy = copy,
};
