/* rsa_oaep.c: RSAES-OAEP (RFC 8017 §7.1). */
#include <openssl/rsa.h>

#include "families.h"
#include "rsa.h"

static size_t most(const struct crypt *c)
{
	size_t k = rsa_bytes(c->key), pad = 2 * hash_by_ckm(c->params->u.rsa_oaep.hash)->n + 2;

	return k < pad ? 0 : k - pad;
}

static enum hf_err check(const struct crypt *c)
{
	const struct param_rsa_oaep *p = &c->params->u.rsa_oaep;
	const struct hash *h = hash_by_ckm(p->hash);

	if (h == NULL || hash_by_mgf(p->mgf) == NULL || p->source > CKZ_DATA_SPECIFIED ||
	    (p->source == 0 && p->label.n > 0) || p->label.n > INT_MAX)
		return HF_E_MECHANISM_PARAM;
	return rsa_bytes(c->key) < 2 * h->n + 2 ? HF_E_KEY_SIZE : HF_OK;
}

static enum hf_err set_label(EVP_PKEY_CTX *ctx, struct slice label)
{
	void *copy = NULL; /* the context takes it over */

	if (label.n > 0) {
		copy = OPENSSL_memdup(label.p, label.n);
		if (copy == NULL)
			return ossl_err(HF_E_MEMORY);
	}
	if (EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, (int)label.n) == 1)
		return HF_OK;
	OPENSSL_free(copy);
	return ossl_err(HF_E_INTERNAL);
}

static enum hf_err setup(struct rsa_crypt *s, const struct param_rsa_oaep *p)
{
	OSSL_TRY(EVP_PKEY_CTX_set_rsa_oaep_md(s->pctx, hash_by_ckm(p->hash)->md), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_CTX_set_rsa_mgf1_md(s->pctx, hash_by_mgf(p->mgf)->md), HF_E_INTERNAL);
	TRY(set_label(s->pctx, p->label));
	s->oaep = *p;
	s->oaep.label.p = NULL; /* only its length is looked at again */
	return HF_OK;
}

/* A label is set anew for every use: it is rare, and comparing is no shorter. */
static bool same(const struct rsa_crypt *s, const struct param_rsa_oaep *p)
{
	return s->oaep.hash == p->hash && s->oaep.mgf == p->mgf && s->oaep.label.n == 0 &&
	       p->label.n == 0;
}

static enum hf_err begin(struct crypt *c)
{
	enum hf_err e = HF_OK;
	bool fresh;

	TRY(check(c));
	TRY(rsa_crypt_begin(c, RSA_PKCS1_OAEP_PADDING, &fresh));
	if (fresh || !same(c->state, &c->params->u.rsa_oaep))
		e = setup(c->state, &c->params->u.rsa_oaep);
	if (e != HF_OK)
		rsa_crypt_fail(c);
	return e;
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	(void)out;
	return rsa_crypt_update(c, in);
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	(void)sig;
	return rsa_crypt_finish(c, in, most(c), out);
}

const struct family family_rsa_oaep = {
	.name = "rsa_oaep",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = rsa_crypt_bound,
	.end = rsa_crypt_end,
	.copy = rsa_copy,
};
