/* alg.c: OpenSSL started on our allocator, and its algorithms fetched. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <openssl/provider.h>

#include "alg.h"
#include "ciphers.h"
#include "crypto.h"
#include "fips.h"
#include "pkcs11_numbers.h"

#if OPENSSL_VERSION_NUMBER < 0x30500000L
#error "OpenSSL 3.5 or newer is needed"
#endif

struct algs algs;

static struct hash hashes[] = {
	{ "SHA256", CKM_SHA256, CKG_MGF1_SHA256, CKD_SHA256_KDF, CKD_SHA256_KDF_SP800, 32, NULL, NULL },
	{ "SHA1", CKM_SHA_1, CKG_MGF1_SHA1, CKD_SHA1_KDF, CKD_SHA1_KDF_SP800, 20, NULL, NULL },
	{ "SHA224", CKM_SHA224, CKG_MGF1_SHA224, CKD_SHA224_KDF, CKD_SHA224_KDF_SP800, 28, NULL, NULL },
	{ "SHA384", CKM_SHA384, CKG_MGF1_SHA384, CKD_SHA384_KDF, CKD_SHA384_KDF_SP800, 48, NULL, NULL },
	{ "SHA512", CKM_SHA512, CKG_MGF1_SHA512, CKD_SHA512_KDF, CKD_SHA512_KDF_SP800, 64, NULL, NULL },
	{ "SHA512-224", CKM_SHA512_224, 0, 0, 0, 28, NULL, NULL },
	{ "SHA512-256", CKM_SHA512_256, 0, 0, 0, 32, NULL, NULL },
	{ "SHA3-224", CKM_SHA3_224, CKG_MGF1_SHA3_224, CKD_SHA3_224_KDF, CKD_SHA3_224_KDF_SP800,
	  28, NULL, NULL },
	{ "SHA3-256", CKM_SHA3_256, CKG_MGF1_SHA3_256, CKD_SHA3_256_KDF, CKD_SHA3_256_KDF_SP800,
	  32, NULL, NULL },
	{ "SHA3-384", CKM_SHA3_384, CKG_MGF1_SHA3_384, CKD_SHA3_384_KDF, CKD_SHA3_384_KDF_SP800,
	  48, NULL, NULL },
	{ "SHA3-512", CKM_SHA3_512, CKG_MGF1_SHA3_512, CKD_SHA3_512_KDF, CKD_SHA3_512_KDF_SP800,
	  64, NULL, NULL },
	/* FIPS 204 and 205 pre-hash with these many bytes. */
	{ "SHAKE128", 0, 0, 0, 0, 32, NULL, NULL },
	{ "SHAKE256", 0, 0, 0, 0, 64, NULL, NULL },
	/* No CKM number: they are for their own mechanisms, and X9.63's KDF. */
	{ "MD5", 0, 0, 0, 0, 16, NULL, NULL },
	{ "RIPEMD160", 0, 0, 0, 0, 20, NULL, NULL },
	{ "BLAKE2B-160", 0, 0, CKD_BLAKE2B_160_KDF, 0, 20, "BLAKE2B-512", NULL },
	{ "BLAKE2B-256", 0, 0, CKD_BLAKE2B_256_KDF, 0, 32, "BLAKE2B-512", NULL },
	{ "BLAKE2B-384", 0, 0, CKD_BLAKE2B_384_KDF, 0, 48, "BLAKE2B-512", NULL },
	{ "BLAKE2B-512", 0, 0, CKD_BLAKE2B_512_KDF, 0, 64, NULL, NULL },
};
#define HASHES (sizeof(hashes) / sizeof(hashes[0]))

enum hf_err ossl_err(enum hf_err e)
{
	bool memory = false;
	unsigned long code;

	while ((code = ERR_get_error()) != 0)
		memory |= ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
	return memory ? HF_E_MEMORY : e;
}

const struct hash *hash_by_name(const char *name)
{
	for (size_t i = 0; name != NULL && i < HASHES; i++)
		if (strcmp(hashes[i].name, name) == 0)
			return &hashes[i];
	return NULL;
}

const struct hash *hash_by_ckm(uint64_t ckm)
{
	for (size_t i = 0; ckm != 0 && i < HASHES; i++)
		if (hashes[i].ckm == ckm)
			return &hashes[i];
	return NULL;
}

const struct hash *hash_by_mgf(uint64_t mgf)
{
	for (size_t i = 0; mgf != 0 && i < HASHES; i++)
		if (hashes[i].mgf == mgf)
			return &hashes[i];
	return NULL;
}

const struct hash *hash_by_kdf(uint64_t kdf, bool *ret_sp800)
{
	for (size_t i = 0; kdf != 0 && i < HASHES; i++)
		if (hashes[i].kdf == kdf || hashes[i].kdf_sp800 == kdf) {
			*ret_sp800 = hashes[i].kdf_sp800 == kdf;
			return &hashes[i];
		}
	return NULL;
}

enum hf_err hash_init(EVP_MD_CTX *ctx, const struct hash *h)
{
	size_t n = h->n;
	OSSL_PARAM size[] = {
		OSSL_PARAM_construct_size_t(OSSL_DIGEST_PARAM_SIZE, &n),
		OSSL_PARAM_construct_end(),
	};

	OSSL_TRY(EVP_DigestInit_ex2(ctx, h->md, h->evp == NULL ? NULL : size), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err hash_once(const struct hash *h, const struct slice part[], size_t n,
	uint8_t out[EVP_MAX_MD_SIZE])
{
	CLEANUP(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(hash_init(ctx, h));
	for (size_t i = 0; i < n; i++)
		OSSL_TRY(EVP_DigestUpdate(ctx, part[i].p, part[i].n), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestFinal_ex(ctx, out, NULL), HF_E_INTERNAL);
	return HF_OK;
}

static bool fetch_hashes(void)
{
	for (size_t i = 0; i < HASHES; i++) {
		const char *name = hashes[i].evp == NULL ? hashes[i].name : hashes[i].evp;

		hashes[i].md = EVP_MD_fetch(NULL, name, NULL);
		if (hashes[i].md == NULL)
			return false;
	}
	return true;
}

static bool not_fips(const struct hash *h)
{
	return crypto_is_fips() && (h == NULL || EVP_MD_get0_provider(h->md) != fips_provider());
}

EVP_MAC *hmac_over(const struct hash *h)
{
	return not_fips(h) ? algs.other_hmac : algs.hmac;
}

EVP_KDF *tls1_prf_over(const struct hash *h)
{
	return not_fips(h) ? algs.other_tls1_prf : algs.tls1_prf;
}

static bool fetch_others(void)
{
	if (!crypto_is_fips())
		return true;
	algs.other_hmac = EVP_MAC_fetch(NULL, "HMAC", "provider=default");
	algs.other_tls1_prf = EVP_KDF_fetch(NULL, "TLS1-PRF", "provider=default");
	return algs.other_hmac != NULL && algs.other_tls1_prf != NULL;
}

enum hf_err alg_init(void)
{
	algs.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	algs.cmac = EVP_MAC_fetch(NULL, "CMAC", NULL);
	algs.blake2b = EVP_MAC_fetch(NULL, "BLAKE2BMAC", NULL);
	algs.poly1305 = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	algs.hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	algs.pbkdf2 = EVP_KDF_fetch(NULL, "PBKDF2", NULL);
	algs.tls1_prf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	algs.argon2id = EVP_KDF_fetch(NULL, "ARGON2ID", NULL);
	if (algs.hmac == NULL || algs.cmac == NULL || algs.blake2b == NULL ||
	    algs.poly1305 == NULL || algs.hkdf == NULL || algs.pbkdf2 == NULL ||
	    algs.tls1_prf == NULL || algs.argon2id == NULL || !fetch_hashes() || !fetch_others())
		return ossl_err(HF_E_INTERNAL);
	return ciphers_init();
}
