/* key_secret.c: types of secret keys, their sizes and check values. */
#include <string.h>

#include "key.h"

#define SECRET_KEY_MAX 65536 /* bytes of a key of free length */
#define CHECK_VALUE_LEN 3    /* PKCS#11 3.2 §4.10.2 */

static enum hf_err check_aes(struct slice value, uint8_t out[EVP_MAX_MD_SIZE])
{
	static const uint8_t zeros[16];
	CLEANUP(EVP_CIPHER_CTX_free_p) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_EncryptInit_ex2(ctx, aes_cipher(AES_ECB, value.n), value.p, NULL, NULL),
		HF_E_INTERNAL);
	OSSL_TRY(EVP_EncryptUpdate(ctx, out, &n, zeros, sizeof(zeros)), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err check_sha1(struct slice value, uint8_t out[EVP_MAX_MD_SIZE])
{
	return hash_once(hash_by_name("SHA1"), &value, 1, out);
}

struct secret_type {
	uint32_t ckk;
	size_t size[3]; /* the only sizes; none: 1 to SECRET_KEY_MAX */
	enum hf_err (*check)(struct slice value, uint8_t out[EVP_MAX_MD_SIZE]);
};

static const struct secret_type types[] = {
	{ CKK_AES, { 16, 24, 32 }, check_aes },
	{ CKK_GENERIC_SECRET, { 0 }, check_sha1 },
	{ CKK_HKDF, { 0 }, check_sha1 },
	{ CKK_SHA_1_HMAC, { 0 }, check_sha1 },
	{ CKK_SHA224_HMAC, { 0 }, check_sha1 },
	{ CKK_SHA256_HMAC, { 0 }, check_sha1 },
	{ CKK_SHA384_HMAC, { 0 }, check_sha1 },
	{ CKK_SHA512_HMAC, { 0 }, check_sha1 },
	{ CKK_SHA512_224_HMAC, { 0 }, check_sha1 },
	{ CKK_SHA512_256_HMAC, { 0 }, check_sha1 },
	{ CKK_SHA3_224_HMAC, { 0 }, check_sha1 },
	{ CKK_SHA3_256_HMAC, { 0 }, check_sha1 },
	{ CKK_SHA3_384_HMAC, { 0 }, check_sha1 },
	{ CKK_SHA3_512_HMAC, { 0 }, check_sha1 },
	{ CKK_SHA512_T_HMAC, { 0 }, check_sha1 },
	{ CKK_MD5_HMAC, { 0 }, check_sha1 },
	{ CKK_RIPEMD160_HMAC, { 0 }, check_sha1 },
	{ CKK_BLAKE2B_160_HMAC, { 0 }, check_sha1 },
	{ CKK_BLAKE2B_256_HMAC, { 0 }, check_sha1 },
	{ CKK_BLAKE2B_384_HMAC, { 0 }, check_sha1 },
	{ CKK_BLAKE2B_512_HMAC, { 0 }, check_sha1 },
};

static const struct secret_type *find(uint32_t ckk)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].ckk == ckk)
			return &types[i];
	return NULL;
}

bool secret_known(uint32_t ckk)
{
	return find(ckk) != NULL;
}

size_t secret_only_size(uint32_t ckk)
{
	const struct secret_type *t = find(ckk);

	return t != NULL && t->size[1] == 0 ? t->size[0] : 0;
}

bool secret_size_ok(uint32_t ckk, size_t n)
{
	const struct secret_type *t = find(ckk);

	if (t == NULL || n == 0 || n > SECRET_KEY_MAX)
		return false;
	if (t->size[0] == 0)
		return true;
	for (size_t i = 0; i < sizeof(t->size) / sizeof(t->size[0]); i++)
		if (t->size[i] == n)
			return true;
	return false;
}

enum hf_err secret_output(uint32_t ckk, struct slice value, struct parts *ret)
{
	const struct secret_type *t = find(ckk);
	uint8_t check[EVP_MAX_MD_SIZE];

	if (t == NULL)
		return HF_E_ATTR_VALUE;
	TRY(parts_put_u64(ret, CKA_VALUE_LEN, value.n));
	TRY(t->check(value, check));
	return parts_put(ret, CKA_CHECK_VALUE, (struct slice){ check, CHECK_VALUE_LEN });
}
