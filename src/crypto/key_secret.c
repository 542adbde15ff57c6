/* key_secret.c: types of secret keys, their sizes and check values. */
#include <string.h>

#include "ciphers.h"
#include "family.h"
#include "key.h"

#define SECRET_KEY_MAX 65536 /* bytes of a key of free length */
#define CHECK_VALUE_LEN 3    /* PKCS#11 3.2 §4.10.2 */

/* check_block: a block of zeros, encrypted. */
static enum hf_err check_block(uint32_t ckk, struct slice value, uint8_t out[EVP_MAX_MD_SIZE])
{
	static const uint8_t zeros[BLOCK_MAX];
	CLEANUP(EVP_CIPHER_CTX_free_p) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *ecb = cipher_find(ckk, value.n, BLOCK_ECB);
	uint8_t room[BLOCK_KEY_MAX];
	int n, ok;

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	if (ecb == NULL)
		return HF_E_ATTR_VALUE;
	ok = EVP_EncryptInit_ex2(ctx, ecb, block_key(ckk, value, room).p, NULL, NULL);
	secret_wipe(room, sizeof(room));
	OSSL_TRY(ok, HF_E_INTERNAL);
	OSSL_TRY(EVP_EncryptUpdate(ctx, out, &n, zeros, (int)cipher_block(ckk)), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err check_sha1(uint32_t ckk, struct slice value, uint8_t out[EVP_MAX_MD_SIZE])
{
	(void)ckk;
	return hash_once(hash_by_name("SHA1"), &value, 1, out);
}

/* odd is b with DES's odd parity. */
static uint8_t odd(uint8_t b)
{
	uint8_t p = b >> 1;

	p ^= p >> 4;
	p ^= p >> 2;
	p ^= p >> 1;
	return (uint8_t)((b & 0xfe) | (~p & 1));
}

static bool parity_ok(struct slice value)
{
	uint8_t wrong = 0;

	for (size_t i = 0; i < value.n; i++)
		wrong |= value.p[i] ^ odd(value.p[i]);
	return wrong == 0;
}

/* halves_differ: FIPS 140-3 IG C.I asks it of XTS's two keys. */
static bool halves_differ(struct slice value)
{
	size_t half = value.n / 2;

	return !secret_eq((struct slice){ value.p, half }, (struct slice){ value.p + half, half });
}

struct secret_type {
	uint32_t ckk;
	size_t size[3]; /* the only sizes; none: 1 to SECRET_KEY_MAX */
	enum hf_err (*check)(uint32_t ckk, struct slice value, uint8_t out[EVP_MAX_MD_SIZE]);
	bool (*ok)(struct slice value); /* NULL: any value of that size is one */
};

static const struct secret_type types[] = {
	{ CKK_AES, { 16, 24, 32 }, check_block, NULL },
	{ CKK_CAMELLIA, { 16, 24, 32 }, check_block, NULL },
	{ CKK_ARIA, { 16, 24, 32 }, check_block, NULL },
	{ CKK_SEED, { 16 }, check_block, NULL },
	{ CKK_DES, { 8 }, check_block, parity_ok },
	{ CKK_DES2, { 16 }, check_block, parity_ok },
	{ CKK_DES3, { 24 }, check_block, parity_ok },
	{ CKK_AES_XTS, { 32, 64 }, check_sha1, halves_differ },
	{ CKK_CHACHA20, { 32 }, check_sha1, NULL },
	{ CKK_SALSA20, { 32 }, check_sha1, NULL },
	{ CKK_POLY1305, { 32 }, check_sha1, NULL },
	{ CKK_GENERIC_SECRET, { 0 }, check_sha1, NULL },
	{ CKK_HKDF, { 0 }, check_sha1, NULL },
	{ CKK_SHA_1_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_SHA224_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_SHA256_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_SHA384_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_SHA512_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_SHA512_224_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_SHA512_256_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_SHA3_224_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_SHA3_256_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_SHA3_384_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_SHA3_512_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_SHA512_T_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_MD5_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_RIPEMD160_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_BLAKE2B_160_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_BLAKE2B_256_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_BLAKE2B_384_HMAC, { 0 }, check_sha1, NULL },
	{ CKK_BLAKE2B_512_HMAC, { 0 }, check_sha1, NULL },
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
	return find(ckk) != NULL && ciphers_have(ckk);
}

size_t key_only_size(uint32_t ckk)
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

bool secret_value_ok(uint32_t ckk, struct slice value)
{
	const struct secret_type *t = find(ckk);

	return secret_size_ok(ckk, value.n) && (t->ok == NULL || t->ok(value));
}

enum hf_err key_fit(uint32_t ckk, struct secret *v)
{
	const struct secret_type *t = find(ckk);

	TRY(cut_derived(v, key_only_size(ckk)));
	for (size_t i = 0; t != NULL && t->ok == parity_ok && i < v->n; i++)
		v->p[i] = odd(v->p[i]);
	return HF_OK;
}

enum hf_err secret_output(uint32_t ckk, struct slice value, struct parts *ret)
{
	const struct secret_type *t = find(ckk);
	uint8_t check[EVP_MAX_MD_SIZE];

	if (t == NULL)
		return HF_E_ATTR_VALUE;
	TRY(parts_put_u64(ret, CKA_VALUE_LEN, value.n));
	TRY(t->check(ckk, value, check));
	return parts_put(ret, CKA_CHECK_VALUE, (struct slice){ check, CHECK_VALUE_LEN });
}
