/* tpm_session.c: what a session with a TPM takes (crypto.h). */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>

#include "alg.h"
#include "crypto.h"
#include "fips.h"

#define COORDINATE 32
#define POINT (1 + 2 * COORDINATE)

enum hf_err crypto_aes128_cfb(const uint8_t key[16], const uint8_t iv[16], bool encrypt, uint8_t *p,
	size_t n)
{
	CLEANUP(EVP_CIPHER_CTX_free_p) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int done;

	if (ctx == NULL || n > INT32_MAX)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_CipherInit_ex2(ctx, EVP_aes_128_cfb128(), key, iv, encrypt, NULL), HF_E_INTERNAL);
	OSSL_TRY(EVP_CipherUpdate(ctx, p, &done, p, (int)n), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err peer_key(const uint8_t point[2 * COORDINATE], EVP_PKEY **ret)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	char group[] = "P-256";
	uint8_t encoded[POINT] = { POINT_CONVERSION_UNCOMPRESSED };
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof(encoded)),
		OSSL_PARAM_construct_end(),
	};

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	memcpy(encoded + 1, point, sizeof(encoded) - 1);
	OSSL_TRY(EVP_PKEY_fromdata_init(ctx), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_PUBLIC_KEY, params), HF_E_PUBLIC_KEY);
	return HF_OK;
}

enum hf_err crypto_p256_agree(const uint8_t peer[2 * COORDINATE], uint8_t own[2 * COORDINATE],
	struct secret *ret)
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *theirs = NULL, *ours = EVP_PKEY_Q_keygen(NULL, NULL, "EC",
		"P-256");
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = NULL;
	CLEANUP(secret_done) struct secret z = { 0 };
	uint8_t encoded[POINT];
	size_t n;

	if (ours == NULL)
		return ossl_err(HF_E_INTERNAL);
	TRY(peer_key(peer, &theirs));
	OSSL_TRY(EVP_PKEY_get_octet_string_param(ours, OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof(encoded),
		&n), HF_E_INTERNAL);
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ours, fips_props_of(ours));
	if (ctx == NULL || n != POINT)
		return ossl_err(HF_E_INTERNAL);
	TRY(secret_alloc(&z, COORDINATE));
	OSSL_TRY(EVP_PKEY_derive_init(ctx), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_derive_set_peer_ex(ctx, theirs, 1), HF_E_PUBLIC_KEY);
	OSSL_TRY(EVP_PKEY_derive(ctx, z.p, &z.n), HF_E_PUBLIC_KEY);
	memcpy(own, encoded + 1, sizeof(encoded) - 1);
	*ret = secret_take(&z);
	return HF_OK;
}
