/* ec_gen.c: key pairs on all kinds of curves. The row's key type says which. */
#include <openssl/ec.h>

#include "curve.h"
#include "families.h"

static enum hf_err make(const struct curve *c, EVP_PKEY **ret)
{
	const char *type = c->ckk == CKK_EC ? "EC" : c->ossl;
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_keygen_init(ctx), HF_E_INTERNAL);
	if (c->ckk == CKK_EC)
		OSSL_TRY(EVP_PKEY_CTX_set_group_name(ctx, c->ossl), HF_E_CURVE);
	OSSL_TRY(EVP_PKEY_generate(ctx, ret), HF_E_INTERNAL);
	return HF_OK;
}

/* replace: both halves carry the curve as the caller wrote it. */
static enum hf_err replace(struct parts *p, uint32_t cka, struct slice value)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].cka == cka) {
			secret_done(&p->v[i].value);
			return secret_dup(value, &p->v[i].value);
		}
	return parts_put(p, cka, value);
}

static enum hf_err generate(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl, struct parts *pub,
	struct parts *priv)
{
	struct slice params = source_get(pub_tmpl, CKA_EC_PARAMS);
	const struct curve *c;
	EVP_PKEY *pkey = NULL;

	(void)p;
	if (params.p == NULL)
		TRY(source_need(tmpl, CKA_EC_PARAMS, &params));
	TRY(curve_find(m->key, params, &c));
	TRY(make(c, &pkey));
	TRY(key_pair_output(m->key, pkey, pub, priv));
	TRY(replace(pub, CKA_EC_PARAMS, params));
	return replace(priv, CKA_EC_PARAMS, params);
}

const struct family family_ec_gen = { .name = "ec_gen", .generate = generate };
