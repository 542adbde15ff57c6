/* ec_gen.c: key pairs on all kinds of curves. The row's key type says which. */
#include <openssl/ec.h>
#include <openssl/objects.h>

#include "crypto.h"
#include "curve.h"
#include "families.h"
#include "fips.h"

static enum hf_err make(const struct curve *c, EVP_PKEY **ret)
{
	const char *type = c->ckk == CKK_EC ? "EC" : c->ossl;
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type,
		fips_props_for(type, 0, c));

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_keygen_init(ctx), HF_E_INTERNAL);
	if (c->ckk == CKK_EC)
		OSSL_TRY(EVP_PKEY_CTX_set_group_name(ctx, c->ossl), HF_E_CURVE);
	OSSL_TRY(EVP_PKEY_generate(ctx, ret), HF_E_INTERNAL);
	return HF_OK;
}

/* --- a private key from more bits than it has (FIPS 186-5, A.2.1) ------------- */

#define EXTRA_BYTES 8

OSSL_CLEANUP(EC_GROUP, EC_GROUP_free)

/* scalar: random bits, 64 more than the order has, modulo order - 1, plus 1. */
static enum hf_err scalar(const BIGNUM *order, struct secret *ret)
{
	CLEANUP(BN_CTX_free_p) BN_CTX *ctx = BN_CTX_secure_new();
	CLEANUP(BN_clear_free_p) BIGNUM *c = BN_secure_new();
	CLEANUP(BN_clear_free_p) BIGNUM *most = BN_dup(order);
	CLEANUP(secret_done) struct secret v = { 0 };
	size_t n = (size_t)BN_num_bytes(order);

	if (ctx == NULL || c == NULL || most == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(secret_alloc(&v, n + EXTRA_BYTES));
	TRY(crypto_random(v.p, v.n));
	BN_set_flags(c, BN_FLG_CONSTTIME);
	OSSL_TRY(BN_bin2bn(v.p, (int)v.n, c) != NULL, HF_E_MEMORY);
	OSSL_TRY(BN_sub_word(most, 1), HF_E_INTERNAL);
	OSSL_TRY(BN_mod(c, c, most, ctx), HF_E_INTERNAL);
	OSSL_TRY(BN_add_word(c, 1), HF_E_INTERNAL);
	TRY(secret_alloc(ret, n));
	OSSL_TRY(BN_bn2binpad(c, ret->p, (int)n) == (int)n, HF_E_INTERNAL);
	return HF_OK;
}

struct pair_source {
	struct slice params, value;
};

static struct slice source_of_pair(const void *ctx, uint32_t cka)
{
	const struct pair_source *s = ctx;

	return cka == CKA_EC_PARAMS ? s->params : cka == CKA_VALUE ? s->value : SLICE_NONE;
}

static enum hf_err make_extra(const struct curve *c, EVP_PKEY **ret)
{
	CLEANUP(EC_GROUP_free_p) EC_GROUP *g = EC_GROUP_new_by_curve_name(OBJ_txt2nid(c->ossl));
	CLEANUP(secret_done) struct secret d = { 0 };
	struct pair_source from = { .params = c->oid };
	struct key *k;

	if (g == NULL)
		return ossl_err(HF_E_CURVE);
	TRY(scalar(EC_GROUP_get0_order(g), &d));
	from.value = secret_slice(&d);
	TRY(key_parse(CKO_PRIVATE_KEY, c->ckk, &(struct key_source){ source_of_pair, &from }, &k));
	*ret = k->pkey;
	k->pkey = NULL;
	key_free(k);
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

/* test: signing and verifying is as dear as four other pairs, and tells no more of these two halves. It stays
 * where FIPS 140-3 wants it. */
static enum hf_err test(const struct params *p, EVP_PKEY *pkey)
{
	return p->approved || crypto_is_fips() ? key_pair_test(pkey) : key_pair_agrees(pkey);
}

static enum hf_err generate(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl, struct parts *pub,
	struct parts *priv)
{
	struct slice params = source_get(pub_tmpl, CKA_EC_PARAMS);
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *pkey = NULL;
	const struct curve *c;

	if (params.p == NULL)
		TRY(source_need(tmpl, CKA_EC_PARAMS, &params));
	TRY(curve_find(m->key, params, &c));
	TRY(m->arg == NULL ? make(c, &pkey) : make_extra(c, &pkey));
	TRY(test(p, pkey));
	TRY(key_pair_parts(m->key, pkey, pub, priv));
	TRY(replace(pub, CKA_EC_PARAMS, params));
	return replace(priv, CKA_EC_PARAMS, params);
}

const struct family family_ec_gen = { .name = "ec_gen", .generate = generate };
