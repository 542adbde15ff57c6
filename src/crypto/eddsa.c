/* eddsa.c: Ed25519 and Ed448, plain, with context, and pre-hashed (RFC 8032;
 * PKCS#11 3.2 §6.3.14). */
#include <openssl/core_names.h>

#include "curve.h"
#include "families.h"
#include "family.h"
#include "fips.h"

#define CONTEXT_MAX 255

struct eddsa {
	struct kept kept;
	EVP_PKEY_CTX *pctx;
	bool plain; /* made without parameters, so fit for the next use */
};

static void drop(struct kept *k)
{
	struct eddsa *s = (struct eddsa *)k;

	EVP_PKEY_CTX_free(s->pctx);
	secret_free(s);
}

/* instance: which of RFC 8032's algorithms. A context that is present and empty
 * stands for plain Ed25519, which has none. */
static const char *instance(const struct crypt *c)
{
	const struct param_eddsa *p = &c->params->u.eddsa;
	bool small = c->key->curve->n == 32;
	bool prehash = c->params->present && p->prehash;

	if (!small)
		return prehash ? "Ed448ph" : "Ed448";
	if (prehash)
		return "Ed25519ph";
	return c->params->present && p->context.n > 0 ? "Ed25519ctx" : "Ed25519";
}

static enum hf_err setup(struct eddsa *s, const struct crypt *c)
{
	const struct param_eddsa *p = &c->params->u.eddsa;
	OSSL_PARAM params[2] = { OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end() };
	EVP_SIGNATURE *alg = EVP_SIGNATURE_fetch(NULL, instance(c), NULL);
	int ok;

	s->plain = !c->params->present || (!p->prehash && p->context.n == 0);
	if (!s->plain && p->context.n > 0)
		params[0] = OSSL_PARAM_construct_octet_string(OSSL_SIGNATURE_PARAM_CONTEXT_STRING,
			(void *)(uintptr_t)p->context.p, p->context.n);
	s->pctx = EVP_PKEY_CTX_new_from_pkey(NULL, c->key->pkey, fips_props_of(c->key->pkey));
	if (s->pctx == NULL || alg == NULL) {
		EVP_SIGNATURE_free(alg);
		return ossl_err(HF_E_MEMORY);
	}
	ok = c->verb == VERB_SIGN ? EVP_PKEY_sign_message_init(s->pctx, alg, params) :
				    EVP_PKEY_verify_message_init(s->pctx, alg, params);
	EVP_SIGNATURE_free(alg);
	OSSL_TRY(ok, HF_E_MECHANISM_PARAM);
	return HF_OK;
}

static enum hf_err begin(struct crypt *c)
{
	const struct param_eddsa *p = &c->params->u.eddsa;
	bool plain = !c->params->present || (!p->prehash && p->context.n == 0), fresh;
	struct eddsa *s;
	enum hf_err e;

	if (c->params->present && p->context.n > CONTEXT_MAX)
		return HF_E_MECHANISM_PARAM;
	TRY(kept_begin(c, sizeof(*s), drop, &fresh));
	s = c->state;
	if (plain && s->plain)
		return HF_OK;
	EVP_PKEY_CTX_free(s->pctx);
	e = setup(s, c);
	if (e == HF_OK)
		return HF_OK;
	c->state = NULL;
	drop(&s->kept);
	return e;
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	struct eddsa *s = c->state;
	size_t n = 2 * c->key->curve->n;
	uint8_t *p;

	if (c->verb == VERB_VERIFY) {
		if (sig.n != n)
			return HF_E_SIGNATURE_LEN;
		OSSL_TRY(EVP_PKEY_verify(s->pctx, sig.p, sig.n, in.p, in.n), HF_E_SIGNATURE);
		return HF_OK;
	}
	TRY(out_add(out, n, &p));
	if (EVP_PKEY_sign(s->pctx, p, &n, in.p, in.n) == 1)
		return HF_OK;
	buf_cut(out, out->n - 2 * c->key->curve->n);
	return ossl_err(HF_E_INTERNAL);
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	(void)in;
	return last && c->verb == VERB_SIGN ? 2 * c->key->curve->n : 0;
}

const struct family family_eddsa = {
	.name = "eddsa",
	.begin = begin,
	.finish = finish,
	.bound = bound,
	.end = kept_end,
};
