/* xwing.c: see xwing.h. */
#include "xwing.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "family.h"
#include "fips.h"

#define M_SEED 64u
#define M_PUBLIC 1184u
#define M_CIPHERTEXT 1088u
#define X_LEN 32u
#define SHARED 32u

/* The label of the draft, section 5.3. */
static const uint8_t label[] = { 0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c };

/* struct pair is both private halves, and the public ones as bytes. */
struct pair {
	EVP_PKEY *m, *x;
	uint8_t x_public[X_LEN];
};

static void pair_done(struct pair *p)
{
	EVP_PKEY_free(p->m);
	EVP_PKEY_free(p->x);
}

static enum hf_err expand(struct slice seed, struct secret *ret)
{
	CLEANUP(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(secret_alloc(ret, M_SEED + X_LEN));
	OSSL_TRY(EVP_DigestInit_ex2(ctx, EVP_shake256(), NULL), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestUpdate(ctx, seed.p, seed.n), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestFinalXOF(ctx, ret->p, ret->n), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err import(const char *type, int selection, OSSL_PARAM *params, enum hf_err bad,
	EVP_PKEY **ret)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_fromdata_init(ctx), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_fromdata(ctx, ret, selection, params), bad);
	return HF_OK;
}

static enum hf_err pair_of(struct slice seed, struct pair *ret)
{
	CLEANUP(secret_done) struct secret both = { 0 };
	size_t n = X_LEN;
	OSSL_PARAM params[2] = { OSSL_PARAM_END, OSSL_PARAM_END };

	if (seed.n != XWING_SEED)
		return HF_E_ARGUMENTS;
	TRY(expand(seed, &both));
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED, both.p, M_SEED);
	TRY(import("ML-KEM-768", EVP_PKEY_KEYPAIR, params, HF_E_INTERNAL, &ret->m));
	ret->x = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, both.p + M_SEED, X_LEN);
	if (ret->x == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_get_raw_public_key(ret->x, ret->x_public, &n), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err xwing_public(struct slice seed, uint8_t ret[XWING_PUBLIC])
{
	CLEANUP(pair_done) struct pair p = { 0 };
	size_t n = M_PUBLIC;

	TRY(pair_of(seed, &p));
	OSSL_TRY(EVP_PKEY_get_octet_string_param(p.m, OSSL_PKEY_PARAM_PUB_KEY, ret, M_PUBLIC, &n),
		HF_E_INTERNAL);
	memcpy(ret + M_PUBLIC, p.x_public, X_LEN);
	return n == M_PUBLIC ? HF_OK : HF_E_INTERNAL;
}

/* combine: SHA3-256(ss_M || ss_X || ct_X || pk_X || label). */
static enum hf_err combine(struct slice both, const uint8_t *ct_x, const uint8_t *pk_x,
	struct secret *ret)
{
	CLEANUP(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	CLEANUP(secret_done) struct secret s = { 0 };

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(secret_alloc(&s, SHARED));
	OSSL_TRY(EVP_DigestInit_ex2(ctx, EVP_sha3_256(), NULL), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestUpdate(ctx, both.p, both.n), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestUpdate(ctx, ct_x, X_LEN), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestUpdate(ctx, pk_x, X_LEN), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestUpdate(ctx, label, sizeof(label)), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestFinal_ex(ctx, s.p, NULL), HF_E_INTERNAL);
	*ret = secret_take(&s);
	return HF_OK;
}

static enum hf_err agree(EVP_PKEY *own, EVP_PKEY *peer, uint8_t out[X_LEN])
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own,
		fips_props_of(own));
	size_t n = X_LEN;

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_derive_init(ctx), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_derive_set_peer(ctx, peer), HF_E_PUBLIC_KEY);
	OSSL_TRY(EVP_PKEY_derive(ctx, out, &n), HF_E_PUBLIC_KEY);
	return HF_OK;
}

static enum hf_err encapsulate_m(struct slice pub, uint8_t *ct, uint8_t *shared)
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *k = NULL;
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = NULL;
	size_t n = M_CIPHERTEXT, shared_n = SHARED;
	OSSL_PARAM params[2] = { OSSL_PARAM_END, OSSL_PARAM_END };

	params[0] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
		(void *)(uintptr_t)pub.p, M_PUBLIC);
	TRY(import("ML-KEM-768", EVP_PKEY_PUBLIC_KEY, params, HF_E_PUBLIC_KEY, &k));
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k, fips_props_of(k));
	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_encapsulate_init(ctx, NULL), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_encapsulate(ctx, ct, &n, shared, &shared_n), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err encapsulate_x(const uint8_t *pub, uint8_t *ct, uint8_t *shared)
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *peer = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL,
		pub, X_LEN);
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *own = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	size_t n = X_LEN;

	if (peer == NULL || own == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_get_raw_public_key(own, ct, &n), HF_E_INTERNAL);
	return agree(own, peer, shared);
}

enum hf_err xwing_encapsulate(struct slice pub, uint8_t ret_ct[XWING_CIPHERTEXT],
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret both = { 0 };
	const uint8_t *x = pub.p + M_PUBLIC;

	if (pub.n != XWING_PUBLIC)
		return HF_E_PUBLIC_KEY;
	TRY(secret_alloc(&both, 2 * SHARED));
	TRY(encapsulate_m(pub, ret_ct, both.p));
	TRY(encapsulate_x(x, ret_ct + M_CIPHERTEXT, both.p + SHARED));
	return combine(secret_slice(&both), ret_ct + M_CIPHERTEXT, x, ret);
}

static enum hf_err decapsulate_m(const struct pair *p, struct slice ct, uint8_t *shared)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, p->m,
		fips_props_of(p->m));
	size_t n = SHARED;

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_decapsulate_init(ctx, NULL), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_decapsulate(ctx, shared, &n, ct.p, M_CIPHERTEXT), HF_E_WRAPPED_KEY);
	return HF_OK;
}

enum hf_err xwing_decapsulate(struct slice seed, struct slice ct, struct secret *ret)
{
	CLEANUP(pair_done) struct pair p = { 0 };
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *peer = NULL;
	CLEANUP(secret_done) struct secret both = { 0 };

	if (ct.n != XWING_CIPHERTEXT)
		return HF_E_WRAPPED_KEY_LEN;
	TRY(pair_of(seed, &p));
	TRY(secret_alloc(&both, 2 * SHARED));
	TRY(decapsulate_m(&p, ct, both.p));
	peer = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, ct.p + M_CIPHERTEXT, X_LEN);
	if (peer == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(agree(p.x, peer, both.p + SHARED));
	return combine(secret_slice(&both), ct.p + M_CIPHERTEXT, p.x_public, ret);
}
