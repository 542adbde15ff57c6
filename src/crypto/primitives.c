/* primitives.c: see crypto.h. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include "ciphers.h"
#include "crypto.h"
#include "fips.h"
#include "mechs.h"
#include "pkcs11_numbers.h"

static pthread_key_t own_hash_key, own_mac_key;
static enum hf_err init_result = HF_E_INTERNAL;

static void *ossl_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return secret_malloc(n);
}

static void *ossl_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return secret_realloc(p, n);
}

static void ossl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	secret_free(p);
}

static void own_hash_done(void *ctx)
{
	EVP_MD_CTX_free(ctx);
}

static void own_mac_done(void *ctx)
{
	EVP_MAC_CTX_free(ctx);
}

/* No configuration file, no engines, no handler at exit: the vault may open
 * nothing, and its threads may still compute while it leaves. */
static enum hf_err init(void)
{
	static const uint64_t options = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT |
		OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_ADD_ALL_CIPHERS |
		OPENSSL_INIT_ADD_ALL_DIGESTS;

	if (CRYPTO_set_mem_functions(ossl_malloc, ossl_realloc, ossl_free) != 1)
		return HF_E_INTERNAL; /* somebody used OpenSSL before us */
	OSSL_TRY(OPENSSL_init_crypto(options, NULL), HF_E_INTERNAL);
	if (OSSL_PROVIDER_load(NULL, "default") == NULL)
		return ossl_err(HF_E_INTERNAL);
	if (OSSL_PROVIDER_load(NULL, "legacy") == NULL) /* packaged apart: SEED is missing then */
		ERR_clear_error();
	TRY(fips_load());
	if (pthread_key_create(&own_hash_key, own_hash_done) != 0 ||
	    pthread_key_create(&own_mac_key, own_mac_done) != 0)
		return HF_E_MEMORY;
	TRY(alg_init());
	return mechs_init();
}

static void init_once(void)
{
	init_result = init();
}

enum hf_err crypto_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (pthread_once(&once, init_once) != 0)
		return HF_E_INTERNAL;
	return init_result;
}

const char *crypto_version(void)
{
	static char text[160];

	if (!crypto_is_fips())
		return OpenSSL_version(OPENSSL_VERSION);
	(void)snprintf(text, sizeof(text), "%s, FIPS provider %s", OpenSSL_version(OPENSSL_VERSION),
		crypto_fips_version());
	return text;
}

static bool same_block(const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

bool crypto_blocks_new(const uint8_t before[CRYPTO_BLOCK], struct slice out)
{
	bool twice = false;

	for (size_t at = 0; out.n - at >= CRYPTO_BLOCK; at += CRYPTO_BLOCK) {
		twice |= same_block(before, out.p + at);
		before = out.p + at;
	}
	return !twice;
}

/* A block that nobody gets is drawn first: a generator that stands still gives it again. */
enum hf_err crypto_random(uint8_t *out, size_t n)
{
	uint8_t before[CRYPTO_BLOCK];
	bool fresh;

	OSSL_TRY(RAND_priv_bytes_ex(NULL, before, sizeof(before), 0), HF_E_INTERNAL);
	OSSL_TRY(RAND_priv_bytes_ex(NULL, out, n, 0), HF_E_INTERNAL);
	fresh = crypto_blocks_new(before, (struct slice){ out, n }) && !selftest_told("random-block");
	secret_wipe(before, sizeof(before));
	if (!fresh)
		secret_wipe(out, n);
	return fresh ? HF_OK : HF_E_SELFTEST;
}

static enum hf_err stir(EVP_RAND_CTX *drbg, struct slice in)
{
	uint8_t out[16];
	int ok = drbg != NULL &&
		EVP_RAND_generate(drbg, out, sizeof(out), 0, 0, in.p, in.n) == 1;

	secret_wipe(out, sizeof(out));
	OSSL_TRY(ok, HF_E_INTERNAL);
	return HF_OK;
}

/* The first is whence those of all threads are seeded, the second this thread's own. */
enum hf_err crypto_stir(struct slice in)
{
	uint8_t digest[CRYPTO_HASH];

	TRY(crypto_sha256(in, digest));
	TRY(stir(RAND_get0_primary(NULL), SLICE_OF(digest)));
	return stir(RAND_get0_private(NULL), SLICE_OF(digest));
}

/* own_hash is a context of the thread's own, since every audit record is hashed; NULL: no memory. */
static EVP_MD_CTX *own_hash(void)
{
	EVP_MD_CTX *ctx = pthread_getspecific(own_hash_key);

	if (ctx != NULL)
		return ctx;
	ctx = EVP_MD_CTX_new();
	if (ctx != NULL && pthread_setspecific(own_hash_key, ctx) == 0)
		return ctx;
	EVP_MD_CTX_free(ctx);
	return NULL;
}

static enum hf_err sha256(const struct slice part[], size_t n, uint8_t out[CRYPTO_HASH])
{
	EVP_MD_CTX *ctx = own_hash();

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(hash_init(ctx, hash_by_name("SHA256")));
	for (size_t i = 0; i < n; i++)
		OSSL_TRY(EVP_DigestUpdate(ctx, part[i].p, part[i].n), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestFinal_ex(ctx, out, NULL), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err crypto_sha256(struct slice in, uint8_t out[CRYPTO_HASH])
{
	return sha256(&in, 1, out);
}

enum hf_err crypto_sha256_2(struct slice a, struct slice b, uint8_t out[CRYPTO_HASH])
{
	struct slice part[2] = { a, b };

	return sha256(part, 2, out);
}

static char sha256_name[] = "SHA256"; /* OSSL_PARAM wants it writable */

static const uint8_t zeros[CRYPTO_HASH]; /* to HMAC the same key as none, and no salt to HKDF */

/* own_mac is a context of the thread's own with digest and without key, since every record that is sealed,
 * opened or counted takes some: to look the digest up costs more than the work. NULL: no memory. */
static EVP_MAC_CTX *own_mac(void)
{
	EVP_MAC_CTX *ctx = pthread_getspecific(own_mac_key);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256_name, 0),
		OSSL_PARAM_construct_end(),
	};

	if (ctx != NULL)
		return ctx;
	ctx = EVP_MAC_CTX_new(algs.hmac);
	if (ctx != NULL && EVP_MAC_CTX_set_params(ctx, params) == 1 &&
	    pthread_setspecific(own_mac_key, ctx) == 0)
		return ctx;
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

/* own_mac_forget: no key outlives its use in the thread's context. */
static void own_mac_forget(EVP_MAC_CTX *ctx)
{
	if (EVP_MAC_init(ctx, zeros, sizeof(zeros), NULL) == 1)
		return;
	ERR_clear_error();
	(void)pthread_setspecific(own_mac_key, NULL);
	EVP_MAC_CTX_free(ctx);
}

/* hmac_again is HMAC-SHA-256 under a key, or with a NULL one under that of before. */
static enum hf_err hmac_again(EVP_MAC_CTX *ctx, const struct slice *key, const struct slice part[], size_t n,
	uint8_t out[CRYPTO_HASH])
{
	struct slice k = key != NULL ? *key : SLICE_NONE;
	size_t len;

	if (key != NULL && key->n == 0)
		k = SLICE_OF(zeros);
	OSSL_TRY(EVP_MAC_init(ctx, k.p, k.n, NULL), HF_E_INTERNAL);
	for (size_t i = 0; i < n; i++)
		OSSL_TRY(EVP_MAC_update(ctx, part[i].p, part[i].n), HF_E_INTERNAL);
	OSSL_TRY(EVP_MAC_final(ctx, out, &len, CRYPTO_HASH), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err crypto_hmac(struct slice key, struct slice in, uint8_t out[CRYPTO_HASH])
{
	EVP_MAC_CTX *ctx = own_mac();
	enum hf_err e;

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	e = hmac_again(ctx, &key, &in, 1, out);
	own_mac_forget(ctx);
	return e;
}

/* octets: OSSL_PARAMs that are only read still want a pointer to non-const. */
static OSSL_PARAM octets(const char *name, struct slice v)
{
	static uint8_t nothing[1];

	return OSSL_PARAM_construct_octet_string(name,
		v.n == 0 ? nothing : (void *)(uintptr_t)v.p, v.n);
}

/* provider_hkdf: where OpenSSL's FIPS provider is in force it derives as it was validated to. */
static enum hf_err provider_hkdf(struct slice key, struct slice salt, struct slice info, uint8_t *out,
	size_t n)
{
	CLEANUP(EVP_KDF_CTX_free_p) EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(algs.hkdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256_name, 0),
		octets(OSSL_KDF_PARAM_KEY, key),
		octets(OSSL_KDF_PARAM_INFO, info),
		octets(OSSL_KDF_PARAM_SALT, salt),
		OSSL_PARAM_construct_end(),
	};

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	if (salt.n == 0)
		params[3] = OSSL_PARAM_construct_end();
	OSSL_TRY(EVP_KDF_derive(ctx, out, n, params), HF_E_INTERNAL);
	return HF_OK;
}

/* expand: RFC 5869 §2.3. */
static enum hf_err expand(EVP_MAC_CTX *ctx, struct slice prk, struct slice info, uint8_t *out, size_t n)
{
	uint8_t t[CRYPTO_HASH];
	enum hf_err e = HF_OK;
	size_t had = 0;

	for (uint8_t i = 1; had < n && e == HF_OK; i++) {
		size_t some = n - had < sizeof(t) ? n - had : sizeof(t);
		const struct slice part[] = { { t, i == 1 ? 0 : sizeof(t) }, info, { &i, 1 } };

		e = hmac_again(ctx, i == 1 ? &prk : NULL, part, 3, t);
		if (e == HF_OK)
			memcpy(out + had, t, some);
		had += some;
	}
	secret_wipe(t, sizeof(t));
	return e;
}

/* hkdf is RFC 5869 by HMACs: OpenSSL's looks its digest and its HMAC up each time, which takes as long as the
 * rest of opening a record. */
static enum hf_err hkdf(struct slice key, struct slice salt, struct slice info, uint8_t *out, size_t n)
{
	const struct slice from = salt.n > 0 ? salt : SLICE_OF(zeros);
	uint8_t prk[CRYPTO_HASH];
	EVP_MAC_CTX *ctx;
	enum hf_err e;

	if (crypto_is_fips())
		return provider_hkdf(key, salt, info, out, n);
	ctx = own_mac();
	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	e = hmac_again(ctx, &from, &key, 1, prk);
	if (e == HF_OK)
		e = expand(ctx, SLICE_OF(prk), info, out, n);
	secret_wipe(prk, sizeof(prk));
	own_mac_forget(ctx);
	return e;
}

enum hf_err crypto_derive(struct slice key, const char *label, struct slice context,
	struct secret *ret)
{
	CLEANUP(buf_done) struct buf info = BUF_MAX(strlen(label) + context.n);
	CLEANUP(secret_done) struct secret out = { 0 };

	buf_raw(&info, slice_str(label));
	buf_raw(&info, context);
	TRY(buf_err(&info));
	TRY(secret_alloc(&out, CRYPTO_KEY));
	TRY(hkdf(key, SLICE_NONE, buf_slice(&info), out.p, out.n));
	*ret = secret_take(&out);
	return HF_OK;
}

/* --- sealing -------------------------------------------------------------
 *
 *   format 1 | salt 32 | ciphertext | tag 16
 */
#define SEAL_FORMAT 1
#define SEAL_SALT 32
#define SEAL_TAG 16
#define SEAL_IV 12

/* seal_context: AES-256-GCM under HKDF(key, salt), additional data taken. */
static enum hf_err seal_context(struct slice key, struct slice salt, struct slice aad, int encrypt,
	EVP_CIPHER_CTX *ctx)
{
	uint8_t k[CRYPTO_KEY + SEAL_IV];
	enum hf_err e;
	int n;

	if (ctx == NULL || aad.n > INT_MAX)
		return HF_E_MEMORY;
	e = hkdf(key, salt, SLICE_STR("holdfast seal"), k, sizeof(k));
	if (e == HF_OK && EVP_CipherInit_ex2(ctx, cipher_find(CKK_AES, CRYPTO_KEY, BLOCK_GCM), k,
				  k + CRYPTO_KEY, encrypt, NULL) != 1)
		e = ossl_err(HF_E_INTERNAL);
	secret_wipe(k, sizeof(k));
	if (e == HF_OK && aad.n > 0 &&
	    EVP_CipherUpdate(ctx, NULL, &n, aad.p, (int)aad.n) != 1)
		e = ossl_err(HF_E_INTERNAL);
	return e;
}

enum hf_err crypto_seal(struct slice key, struct slice aad, struct slice plain, struct buf *out)
{
	CLEANUP(EVP_CIPHER_CTX_free_p) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t *p;
	int n = 0;

	if (plain.n > INT_MAX - CRYPTO_SEAL_EXTRA)
		return HF_E_TOO_BIG;
	p = buf_add(out, CRYPTO_SEAL_EXTRA + plain.n);
	TRY(buf_err(out));
	p[0] = SEAL_FORMAT;
	TRY(crypto_random(p + 1, SEAL_SALT));
	TRY(seal_context(key, (struct slice){ p + 1, SEAL_SALT }, aad, 1, ctx));
	p += 1 + SEAL_SALT;
	if (plain.n > 0)
		OSSL_TRY(EVP_EncryptUpdate(ctx, p, &n, plain.p, (int)plain.n), HF_E_INTERNAL);
	p += plain.n;
	OSSL_TRY(EVP_EncryptFinal_ex(ctx, p, &n), HF_E_INTERNAL);
	OSSL_TRY(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, p), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err crypto_open(struct slice key, struct slice aad, struct slice sealed,
	struct secret *ret)
{
	CLEANUP(EVP_CIPHER_CTX_free_p) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	CLEANUP(secret_done) struct secret plain = { 0 };
	const uint8_t *in;
	uint8_t none[16];
	size_t size;
	int n = 0;

	if (sealed.n < CRYPTO_SEAL_EXTRA || sealed.n > INT_MAX || sealed.p[0] != SEAL_FORMAT)
		return HF_E_DAMAGED;
	size = sealed.n - CRYPTO_SEAL_EXTRA;
	in = sealed.p + 1 + SEAL_SALT;
	TRY(seal_context(key, (struct slice){ sealed.p + 1, SEAL_SALT }, aad, 0, ctx));
	TRY(secret_alloc(&plain, size));
	if (size > 0)
		OSSL_TRY(EVP_DecryptUpdate(ctx, plain.p, &n, in, (int)size), HF_E_INTERNAL);
	OSSL_TRY(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG,
			 (void *)(uintptr_t)(in + size)),
		HF_E_INTERNAL);
	OSSL_TRY(EVP_DecryptFinal_ex(ctx, none, &n), HF_E_DAMAGED);
	*ret = secret_take(&plain);
	return HF_OK;
}

enum hf_err crypto_argon2id(struct slice pin, struct slice salt, uint32_t kib, uint32_t passes,
	struct secret *ret)
{
	CLEANUP(EVP_KDF_CTX_free_p) EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(algs.argon2id);
	CLEANUP(secret_done) struct secret out = { 0 };
	OSSL_PARAM params[] = {
		octets(OSSL_KDF_PARAM_PASSWORD, pin),
		octets(OSSL_KDF_PARAM_SALT, salt),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_MEMCOST, &kib),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ITER, &passes),
		OSSL_PARAM_construct_end(),
	};

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(secret_alloc(&out, CRYPTO_KEY));
	/* Where memory lacks for one of Argon2's inner hashes, OpenSSL 3.5 goes on
	 * to a wrong key and calls it success: only its error queue tells. */
	(void)ossl_err(HF_OK);
	OSSL_TRY(EVP_KDF_derive(ctx, out.p, out.n, params), HF_E_ARGUMENTS);
	TRY(ossl_err(HF_OK));
	*ret = secret_take(&out);
	return HF_OK;
}

enum hf_err crypto_stretch(struct slice pin, struct slice salt, uint32_t kib, uint32_t passes,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret out = { 0 };

	if (kib > 0)
		return crypto_argon2id(pin, salt, kib, passes, ret);
	TRY(secret_alloc(&out, CRYPTO_KEY));
	TRY(pbkdf2(hash_by_name("SHA256"), pin, salt, passes, &out));
	*ret = secret_take(&out);
	return HF_OK;
}

/* --- Ed25519 ------------------------------------------------------------- */

static enum hf_err ed25519_key(struct slice seed, EVP_PKEY **ret)
{
	*ret = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed.p, seed.n);
	return *ret == NULL ? ossl_err(HF_E_ARGUMENTS) : HF_OK;
}

enum hf_err crypto_ed25519_public(struct slice seed, uint8_t out[32])
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *k = NULL;
	size_t n = 32;

	TRY(ed25519_key(seed, &k));
	OSSL_TRY(EVP_PKEY_get_raw_public_key(k, out, &n), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err crypto_ed25519_sign(struct slice seed, struct slice msg, uint8_t out[64])
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *k = NULL;
	CLEANUP(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = 64;

	TRY(ed25519_key(seed, &k));
	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_DigestSignInit(ctx, NULL, NULL, NULL, k), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestSign(ctx, out, &n, msg.p, msg.n), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err crypto_ed25519_verify(struct slice pub, struct slice msg, struct slice sig)
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *k = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL,
		pub.p, pub.n);
	CLEANUP(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (k == NULL)
		return ossl_err(HF_E_PUBLIC_KEY);
	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	if (sig.n != 64)
		return HF_E_SIGNATURE_LEN;
	OSSL_TRY(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestVerify(ctx, sig.p, sig.n, msg.p, msg.n), HF_E_SIGNATURE);
	return HF_OK;
}
