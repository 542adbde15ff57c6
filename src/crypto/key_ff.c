/* key_ff.c: keys over finite fields: DSA (FIPS 186-4) and Diffie-Hellman (PKCS#3).
 * A private key comes without its public value, so that is computed. */
#include <openssl/core_names.h>

#include "fips.h"
#include "key.h"

#define PRIME_MIN 512 /* bits */
#define PRIME_MAX 10000

/* struct field holds the numbers of a key; q only for DSA. */
struct field {
	BIGNUM *p, *q, *g, *x, *y;
};

static void field_done(struct field *f)
{
	BN_clear_free(f->p);
	BN_clear_free(f->q);
	BN_clear_free(f->g);
	BN_clear_free(f->x);
	BN_clear_free(f->y);
}

static enum hf_err read_bn(const struct key_source *s, uint32_t cka, BIGNUM **ret)
{
	struct slice v;

	TRY(source_need(s, cka, &v));
	if (v.n == 0 || v.n > PRIME_MAX / 8)
		return HF_E_ATTR_VALUE;
	*ret = BN_secure_new();
	if (*ret == NULL || BN_bin2bn(v.p, (int)v.n, *ret) == NULL)
		return ossl_err(HF_E_MEMORY);
	return HF_OK;
}

/* in_range: 1 < v < limit. */
static bool in_range(const BIGNUM *v, const BIGNUM *limit)
{
	return !BN_is_zero(v) && !BN_is_one(v) && BN_cmp(v, limit) < 0;
}

static enum hf_err read_domain(const struct key *k, const struct key_source *s, struct field *f)
{
	TRY(read_bn(s, CKA_PRIME, &f->p));
	TRY(read_bn(s, CKA_BASE, &f->g));
	if (k->ckk == CKK_DSA)
		TRY(read_bn(s, CKA_SUBPRIME, &f->q));
	if (BN_num_bits(f->p) < PRIME_MIN || BN_num_bits(f->p) > PRIME_MAX || !BN_is_odd(f->p) ||
	    !in_range(f->g, f->p) || (f->q != NULL && !in_range(f->q, f->p)))
		return HF_E_DOMAIN_PARAMS;
	return HF_OK;
}

/* compute_public: g^x mod p, in time that does not depend on x. */
static enum hf_err compute_public(struct field *f)
{
	CLEANUP(BN_CTX_free_p) BN_CTX *ctx = BN_CTX_secure_new();

	f->y = BN_new();
	if (ctx == NULL || f->y == NULL)
		return ossl_err(HF_E_MEMORY);
	if (BN_is_zero(f->x) || BN_cmp(f->x, f->q != NULL ? f->q : f->p) >= 0)
		return HF_E_ATTR_VALUE;
	BN_set_flags(f->x, BN_FLG_CONSTTIME);
	OSSL_TRY(BN_mod_exp_mont_consttime(f->y, f->g, f->x, f->p, ctx, NULL), HF_E_ATTR_VALUE);
	return HF_OK;
}

static bool push(OSSL_PARAM_BLD *bld, const char *name, const BIGNUM *v)
{
	return v == NULL || OSSL_PARAM_BLD_push_BN(bld, name, v) == 1;
}

static enum hf_err build(struct key *k, const struct field *f)
{
	CLEANUP(OSSL_PARAM_BLD_free_p) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();

	if (bld == NULL)
		return ossl_err(HF_E_MEMORY);
	if (!push(bld, OSSL_PKEY_PARAM_FFC_P, f->p) || !push(bld, OSSL_PKEY_PARAM_FFC_Q, f->q) ||
	    !push(bld, OSSL_PKEY_PARAM_FFC_G, f->g) || !push(bld, OSSL_PKEY_PARAM_PUB_KEY, f->y) ||
	    !push(bld, OSSL_PKEY_PARAM_PRIV_KEY, f->x))
		return ossl_err(HF_E_INTERNAL);
	return pkey_build(k->ckk == CKK_DSA ? "DSA" : "DH", k->cko == CKO_PRIVATE_KEY, bld,
		HF_E_ATTR_VALUE, &k->pkey);
}

static enum hf_err parse(struct key *k, const struct key_source *s)
{
	CLEANUP(field_done) struct field f = { 0 };

	TRY(read_domain(k, s, &f));
	k->size = (size_t)BN_num_bits(f.p);
	k->half = f.q != NULL ? (size_t)BN_num_bytes(f.q) : 0;
	if (k->cko == CKO_PRIVATE_KEY) {
		TRY(read_bn(s, CKA_VALUE, &f.x));
		TRY(compute_public(&f));
	} else {
		TRY(read_bn(s, CKA_VALUE, &f.y));
		if (!in_range(f.y, f.p))
			return HF_E_ATTR_VALUE;
	}
	return build(k, &f);
}

static enum hf_err adopt(struct key *k, EVP_PKEY *pkey)
{
	CLEANUP(field_done) struct field f = { 0 };
	bool dsa = k->ckk == CKK_DSA;

	k->pkey = pkey;
	if (!EVP_PKEY_is_a(pkey, dsa ? "DSA" : "DH"))
		return HF_E_WRAPPED_KEY;
	k->size = (size_t)EVP_PKEY_get_bits(pkey);
	if (!dsa)
		return HF_OK;
	OSSL_TRY(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_FFC_Q, &f.q), HF_E_WRAPPED_KEY);
	k->half = (size_t)BN_num_bytes(f.q);
	return HF_OK;
}

static enum hf_err put(const struct key *k, const char *name, uint32_t cka, struct parts *ret)
{
	CLEANUP(BN_clear_free_p) BIGNUM *v = NULL;

	OSSL_TRY(EVP_PKEY_get_bn_param(k->pkey, name, &v), HF_E_INTERNAL);
	return parts_put_bn(ret, cka, v, 0);
}

static enum hf_err output(const struct key *k, struct parts *ret)
{
	bool priv = k->cko == CKO_PRIVATE_KEY;

	TRY(put(k, OSSL_PKEY_PARAM_FFC_P, CKA_PRIME, ret));
	if (k->ckk == CKK_DSA)
		TRY(put(k, OSSL_PKEY_PARAM_FFC_Q, CKA_SUBPRIME, ret));
	TRY(put(k, OSSL_PKEY_PARAM_FFC_G, CKA_BASE, ret));
	TRY(put(k, priv ? OSSL_PKEY_PARAM_PRIV_KEY : OSSL_PKEY_PARAM_PUB_KEY, CKA_VALUE, ret));
	return parts_put_info(ret, k->pkey);
}

/* check_group: a public value outside the subgroup would make forgeries easy. */
static enum hf_err check_group(const struct key *k)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey,
		fips_props_of(k->pkey));

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_public_check(ctx), HF_E_ATTR_VALUE);
	return HF_OK;
}

const struct key_kind kind_dsa = { CKK_DSA, parse, check_group, adopt, output };
const struct key_kind kind_dh = { CKK_DH, parse, NULL, adopt, output };
