/* key_ml.c: ML-DSA and ML-KEM keys, as seed or expanded; SLH-DSA keys. */
#include <openssl/core_names.h>

#include "fips.h"
#include "ml.h"

static const struct ml_set sets[] = {
	{ CKK_ML_DSA, CKP_ML_DSA_44, "ML-DSA-44", 1312, 2420 },
	{ CKK_ML_DSA, CKP_ML_DSA_65, "ML-DSA-65", 1952, 3309 },
	{ CKK_ML_DSA, CKP_ML_DSA_87, "ML-DSA-87", 2592, 4627 },
	{ CKK_ML_KEM, CKP_ML_KEM_512, "ML-KEM-512", 800, 768 },
	{ CKK_ML_KEM, CKP_ML_KEM_768, "ML-KEM-768", 1184, 1088 },
	{ CKK_ML_KEM, CKP_ML_KEM_1024, "ML-KEM-1024", 1568, 1568 },
	{ CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128S, "SLH-DSA-SHA2-128s", 32, 7856 },
	{ CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128F, "SLH-DSA-SHA2-128f", 32, 17088 },
	{ CKK_SLH_DSA, CKP_SLH_DSA_SHA2_192S, "SLH-DSA-SHA2-192s", 48, 16224 },
	{ CKK_SLH_DSA, CKP_SLH_DSA_SHA2_192F, "SLH-DSA-SHA2-192f", 48, 35664 },
	{ CKK_SLH_DSA, CKP_SLH_DSA_SHA2_256S, "SLH-DSA-SHA2-256s", 64, 29792 },
	{ CKK_SLH_DSA, CKP_SLH_DSA_SHA2_256F, "SLH-DSA-SHA2-256f", 64, 49856 },
	{ CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_128S, "SLH-DSA-SHAKE-128s", 32, 7856 },
	{ CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_128F, "SLH-DSA-SHAKE-128f", 32, 17088 },
	{ CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_192S, "SLH-DSA-SHAKE-192s", 48, 16224 },
	{ CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_192F, "SLH-DSA-SHAKE-192f", 48, 35664 },
	{ CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_256S, "SLH-DSA-SHAKE-256s", 64, 29792 },
	{ CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_256F, "SLH-DSA-SHAKE-256f", 64, 49856 },
};
#define SETS (sizeof(sets) / sizeof(sets[0]))

enum hf_err ml_set_of(uint32_t ckk, const struct key_source *s, const struct ml_set **ret)
{
	uint64_t ckp;

	TRY(source_u64(s, CKA_PARAMETER_SET, &ckp));
	for (size_t i = 0; i < SETS; i++)
		if (sets[i].ckk == ckk && sets[i].ckp == ckp) {
			*ret = &sets[i];
			return HF_OK;
		}
	return HF_E_ATTR_VALUE;
}

static enum hf_err push(OSSL_PARAM_BLD *bld, const char *name, struct slice v)
{
	if (v.n == 0)
		return HF_OK;
	OSSL_TRY(OSSL_PARAM_BLD_push_octet_string(bld, name, v.p, v.n), HF_E_INTERNAL);
	return HF_OK;
}

/* The names are the same for all three ("seed", "priv", "pub"). A private key of
 * SLH-DSA has no seed: its rules give it no CKA_SEED. */
static enum hf_err parse(struct key *k, const struct key_source *s)
{
	CLEANUP(OSSL_PARAM_BLD_free_p) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	bool priv = k->cko == CKO_PRIVATE_KEY;
	struct slice value = source_get(s, CKA_VALUE);
	struct slice seed = priv ? source_get(s, CKA_SEED) : SLICE_NONE;

	if (bld == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(ml_set_of(k->ckk, s, &k->set));
	k->size = k->set->size;
	if (value.n == 0 && seed.n == 0)
		return HF_E_TEMPLATE_INCOMPLETE;
	if (!priv && value.n != k->set->size)
		return HF_E_ATTR_VALUE;
	TRY(push(bld, priv ? OSSL_PKEY_PARAM_PRIV_KEY : OSSL_PKEY_PARAM_PUB_KEY, value));
	TRY(push(bld, OSSL_PKEY_PARAM_ML_DSA_SEED, seed));
	return pkey_build(k->set->name, priv, bld, HF_E_ATTR_VALUE, &k->pkey);
}

static enum hf_err adopt(struct key *k, EVP_PKEY *pkey)
{
	k->pkey = pkey;
	for (size_t i = 0; i < SETS; i++)
		if (sets[i].ckk == k->ckk && EVP_PKEY_is_a(pkey, sets[i].name)) {
			k->set = &sets[i];
			k->size = sets[i].size;
			return HF_OK;
		}
	return HF_E_WRAPPED_KEY;
}

static enum hf_err output(const struct key *k, struct parts *ret)
{
	bool priv = k->cko == CKO_PRIVATE_KEY;
	size_t n = 0;

	TRY(parts_put_u64(ret, CKA_PARAMETER_SET, k->set->ckp));
	TRY(parts_put_octets(ret, CKA_VALUE, k->pkey,
		priv ? OSSL_PKEY_PARAM_PRIV_KEY : OSSL_PKEY_PARAM_PUB_KEY));
	if (priv && EVP_PKEY_get_octet_string_param(k->pkey, OSSL_PKEY_PARAM_ML_DSA_SEED, NULL, 0,
			    &n) == 1)
		TRY(parts_put_octets(ret, CKA_SEED, k->pkey, OSSL_PKEY_PARAM_ML_DSA_SEED));
	ERR_clear_error();
	return parts_put_info(ret, k->pkey);
}

/* check: an expanded key carries no proof that it is one; use it once. */
static enum hf_err check(const struct key *k)
{
	if (k->cko != CKO_PRIVATE_KEY)
		return HF_OK;
	return key_pair_test(k->pkey) == HF_OK ? HF_OK : HF_E_ATTR_VALUE;
}

/* slh_check: the tree's root is computed anew; a signature would take seconds. */
static enum hf_err slh_check(const struct key *k)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey,
		fips_props_of(k->pkey));

	if (k->cko != CKO_PRIVATE_KEY)
		return HF_OK;
	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_pairwise_check(ctx), HF_E_ATTR_VALUE);
	return HF_OK;
}

const struct key_kind kind_ml_dsa = { CKK_ML_DSA, parse, check, adopt, output };
const struct key_kind kind_ml_kem = { CKK_ML_KEM, parse, check, adopt, output };
const struct key_kind kind_slh_dsa = { CKK_SLH_DSA, parse, slh_check, adopt, output };
