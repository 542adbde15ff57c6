/* ml_dsa_own.c: ML-DSA-65 for signatures of Holdfast's own; the keys that applications
 * hold are ml_dsa.c's. */
#include "crypto.h"

#include <openssl/core_names.h>

#include "alg.h"

static const char name[] = "ML-DSA-65";

static enum hf_err key_from(const char *part, struct slice value, bool priv, EVP_PKEY **ret)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, name, NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(part, (void *)(uintptr_t)value.p, value.n),
		OSSL_PARAM_construct_end(),
	};

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_fromdata_init(ctx), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_fromdata(ctx, ret, priv ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params),
		HF_E_PUBLIC_KEY);
	return HF_OK;
}

enum hf_err crypto_ml_dsa65_public(struct slice seed, uint8_t out[CRYPTO_ML_DSA65_PUBLIC])
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *k = NULL;
	size_t n = 0;

	TRY(key_from(OSSL_PKEY_PARAM_ML_DSA_SEED, seed, true, &k));
	OSSL_TRY(EVP_PKEY_get_octet_string_param(k, OSSL_PKEY_PARAM_PUB_KEY, out, CRYPTO_ML_DSA65_PUBLIC,
		&n), HF_E_INTERNAL);
	return n == CRYPTO_ML_DSA65_PUBLIC ? HF_OK : HF_E_INTERNAL;
}

enum hf_err crypto_ml_dsa65_sign(struct slice seed, struct slice msg,
	uint8_t out[CRYPTO_ML_DSA65_SIGNATURE])
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *k = NULL;
	CLEANUP(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = CRYPTO_ML_DSA65_SIGNATURE;

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(key_from(OSSL_PKEY_PARAM_ML_DSA_SEED, seed, true, &k));
	OSSL_TRY(EVP_DigestSignInit(ctx, NULL, NULL, NULL, k), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestSign(ctx, out, &n, msg.p, msg.n), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err crypto_ml_dsa65_verify(struct slice pub, struct slice msg, struct slice sig)
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *k = NULL;
	CLEANUP(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	if (sig.n != CRYPTO_ML_DSA65_SIGNATURE)
		return HF_E_SIGNATURE_LEN;
	TRY(key_from(OSSL_PKEY_PARAM_PUB_KEY, pub, false, &k));
	OSSL_TRY(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestVerify(ctx, sig.p, sig.n, msg.p, msg.n), HF_E_SIGNATURE);
	return HF_OK;
}
