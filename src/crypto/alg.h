/* alg.h: OpenSSL's algorithms, fetched once at crypto_init and kept. Private to
 * src/crypto, as everything that shows OpenSSL's types. */
#ifndef HF_ALG_H
#define HF_ALG_H

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>

#include "bytes.h"
#include "err.h"
#include "secret.h"

/* struct hash: a digest and the numbers under which PKCS#11 knows it. */
struct hash {
	const char *name;   /* a mechanism row's argument, and OpenSSL's */
	uint32_t ckm;       /* CKM_SHA256 */
	uint32_t mgf;       /* CKG_MGF1_SHA256, or 0 */
	uint32_t kdf;       /* CKD_SHA256_KDF (ANSI X9.63), or 0 */
	uint32_t kdf_sp800; /* CKD_SHA256_KDF_SP800 (SP 800-56A, one step), or 0 */
	size_t n;           /* bytes of a digest */
	const char *evp;    /* OpenSSL's, where it is not name: a longer digest, which */
	EVP_MD *md;         /* makes one of n bytes when told so */
};

/* NULL: unknown. A number 0 finds nothing. */
const struct hash *hash_by_name(const char *name);
const struct hash *hash_by_ckm(uint64_t ckm);
const struct hash *hash_by_mgf(uint64_t mgf);
/* hash_by_kdf also tells which of the two constructions it is. */
const struct hash *hash_by_kdf(uint64_t kdf, bool *ret_sp800);

/* hash_init starts a digest. */
enum hf_err hash_init(EVP_MD_CTX *ctx, const struct hash *h) HF_MUST_CHECK;
/* hash_once digests a, b and c, one behind the other. */
enum hf_err hash_once(const struct hash *h, const struct slice part[], size_t n,
	uint8_t out[EVP_MAX_MD_SIZE]) HF_MUST_CHECK;

/* pbkdf2 (RFC 8018) fills out. */
enum hf_err pbkdf2(const struct hash *h, struct slice password, struct slice salt, uint64_t iterations,
	struct secret *out) HF_MUST_CHECK;

struct algs {
	EVP_MAC *hmac, *cmac, *blake2b, *poly1305;
	EVP_KDF *hkdf, *pbkdf2, *tls1_prf, *argon2id;
	EVP_MAC *other_hmac;     /* the default provider's, where the FIPS provider */
	EVP_KDF *other_tls1_prf; /* is in force: for digests that this has not */
};
extern struct algs algs;
EVP_MAC *hmac_over(const struct hash *h);
EVP_KDF *tls1_prf_over(const struct hash *h); /* NULL: MD5 and SHA-1, before TLS 1.2 */

enum hf_err alg_init(void) HF_MUST_CHECK;

/* selftest_told: is this test told to fail (crypto_selftest)? */
bool selftest_told(const char *name);

/* ossl_err empties OpenSSL's error queue and returns HF_E_MEMORY if that was
 * the cause, else e. */
enum hf_err ossl_err(enum hf_err e);

/* OSSL_TRY: the call must return 1, else e (or HF_E_MEMORY) is returned. */
#define OSSL_TRY(call, e)                                                      \
	do {                                                                   \
		if ((call) != 1)                                               \
			return ossl_err(e);                                    \
	} while (0)

/* For CLEANUP: frees what the variable points to. */
#define OSSL_CLEANUP(type, fn)                                                 \
	static inline void fn##_p(type **p)                                    \
	{                                                                      \
		fn(*p);                                                        \
	}
OSSL_CLEANUP(BIGNUM, BN_clear_free)
OSSL_CLEANUP(BN_CTX, BN_CTX_free)
OSSL_CLEANUP(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
OSSL_CLEANUP(EVP_KDF_CTX, EVP_KDF_CTX_free)
OSSL_CLEANUP(EVP_MAC_CTX, EVP_MAC_CTX_free)
OSSL_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free)
OSSL_CLEANUP(EVP_PKEY, EVP_PKEY_free)
OSSL_CLEANUP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
OSSL_CLEANUP(OSSL_PARAM, OSSL_PARAM_free)
OSSL_CLEANUP(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)

#endif
