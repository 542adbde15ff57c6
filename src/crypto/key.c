/* key.c: keys of any type: parse, import, encode, decode; states kept ready. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/x509.h>

#include "fips.h"
#include "hbs.h"
#include "key.h"

/* A wrapped key may end in zeros that filled its last cipher block. */
#define FILL_MAX 15

static enum hf_err secret_parse(struct key *k, const struct key_source *s)
{
	struct slice v;

	TRY(source_need(s, CKA_VALUE, &v));
	if (!secret_value_ok(k->ckk, v))
		return HF_E_ATTR_VALUE;
	k->size = v.n;
	return secret_dup(v, &k->value);
}

static enum hf_err kind_secret_output(const struct key *k, struct parts *ret)
{
	return secret_output(k->ckk, secret_slice(&k->value), ret);
}

static const struct key_kind kind_secret = {
	.parse = secret_parse,
	.output = kind_secret_output,
};

static const struct key_kind *kind_of(uint32_t cko, uint32_t ckk)
{
	static const struct key_kind *const kinds[] = {
		&kind_rsa, &kind_ec, &kind_edwards, &kind_montgomery, &kind_ml_dsa, &kind_ml_kem,
		&kind_slh_dsa, &kind_dsa, &kind_dh, &kind_hss, &kind_xmss, &kind_xmssmt,
	};

	if (cko == CKO_OTP_KEY)
		return ckk == CKK_HOTP ? &kind_otp : NULL;
	if (cko == CKO_SECRET_KEY)
		return secret_known(ckk) ? &kind_secret : NULL;
	if (cko != CKO_PUBLIC_KEY && cko != CKO_PRIVATE_KEY)
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i]->ckk == ckk)
			return kinds[i];
	return NULL;
}

static enum hf_err key_new(uint32_t cko, uint32_t ckk, struct key **ret)
{
	const struct key_kind *kind = kind_of(cko, ckk);
	struct key *k;

	if (kind == NULL)
		return HF_E_ATTR_VALUE;
	k = hf_alloc(1, sizeof(*k));
	if (k == NULL)
		return HF_E_MEMORY;
	k->kept = hf_alloc(KEPT_MAX, sizeof(*k->kept));
	k->evict = hf_alloc(1, sizeof(*k->evict));
	if (k->kept == NULL || k->evict == NULL) {
		key_free(k);
		return HF_E_MEMORY;
	}
	k->cko = cko;
	k->ckk = ckk;
	k->kind = kind;
	*ret = k;
	return HF_OK;
}

void key_free(struct key *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; k->kept != NULL && i < KEPT_MAX; i++) {
		struct kept *s = atomic_load(&k->kept[i]);

		if (s != NULL)
			s->drop(s);
	}
	hf_free(k->kept);
	hf_free(k->evict);
	EVP_PKEY_free(k->pkey);
	secret_done(&k->value);
	hbs_free(k->hbs);
	hf_free(k);
}

static void key_free_p(struct key **k)
{
	key_free(*k);
}

struct kept *kept_take(const struct key *k, const struct mech *m, enum verb v)
{
	for (size_t i = 0; i < KEPT_MAX; i++) {
		struct kept *s = NULL;

		if (atomic_load_explicit(&k->kept[i], memory_order_relaxed) != NULL)
			s = atomic_exchange(&k->kept[i], NULL);
		if (s == NULL)
			continue;
		if (s->mech == m && s->verb == v)
			return s;
		kept_give(k, s);
	}
	return NULL;
}

void kept_give(const struct key *k, struct kept *s)
{
	struct kept *old;

	for (size_t i = 0; i < KEPT_MAX; i++) {
		old = NULL;
		if (atomic_load_explicit(&k->kept[i], memory_order_relaxed) == NULL &&
		    atomic_compare_exchange_strong(&k->kept[i], &old, s))
			return;
	}
	old = atomic_exchange(&k->kept[atomic_fetch_add(k->evict, 1) % KEPT_MAX], s);
	if (old != NULL)
		old->drop(old);
}

enum hf_err key_parse(uint32_t cko, uint32_t ckk, const struct key_source *s, struct key **ret)
{
	CLEANUP(key_free_p) struct key *k = NULL;

	TRY(key_new(cko, ckk, &k));
	TRY(k->kind->parse(k, s));
	*ret = k;
	k = NULL;
	return HF_OK;
}

enum hf_err key_adopt(uint32_t cko, uint32_t ckk, EVP_PKEY *pkey, struct key **ret)
{
	CLEANUP(key_free_p) struct key *k = NULL;
	enum hf_err e = key_new(cko, ckk, &k);

	if (e == HF_OK && k->kind->adopt == NULL)
		e = HF_E_WRAPPED_KEY;
	if (e != HF_OK) {
		EVP_PKEY_free(pkey);
		return e;
	}
	TRY(k->kind->adopt(k, pkey));
	*ret = k;
	k = NULL;
	return HF_OK;
}

size_t key_size(const struct key *k)
{
	return k->size;
}

uint32_t key_type(const struct key *k)
{
	return k->ckk;
}

uint32_t key_class(const struct key *k)
{
	return k->cko;
}

/* wanted tells whether the object needs the part that we made: yes unless the
 * source has it. An EC point is always ours, since it may have come raw; an
 * empty CKA_PUBLIC_KEY_INFO is the attribute's default, not a wish. */
static enum hf_err wanted(const struct part *p, const struct key_source *s, bool *ret)
{
	struct slice given = source_get(s, p->cka);

	*ret = given.p == NULL || p->cka == CKA_EC_POINT;
	if (given.p == NULL)
		return HF_OK;
	if (p->cka == CKA_PUBLIC_KEY_INFO) {
		*ret = given.n == 0;
		if (given.n > 0 && !slice_eq(given, secret_slice(&p->value)))
			return HF_E_TEMPLATE_CONFLICT;
	}
	if (p->cka == CKA_CHECK_VALUE && given.n > 0 &&
	    !slice_eq(given, secret_slice(&p->value)))
		return HF_E_ATTR_VALUE;
	return HF_OK;
}

enum hf_err key_import(uint32_t cko, uint32_t ckk, const struct key_source *s, struct parts *extra)
{
	CLEANUP(key_free_p) struct key *k = NULL;
	CLEANUP(parts_done) struct parts all = { 0 };
	bool want;

	TRY(key_parse(cko, ckk, s, &k));
	if (k->kind->check != NULL)
		TRY(k->kind->check(k));
	TRY(k->kind->output(k, &all));
	for (size_t i = 0; i < all.n; i++) {
		TRY(wanted(&all.v[i], s, &want));
		if (want)
			TRY(parts_put(extra, all.v[i].cka, secret_slice(&all.v[i].value)));
	}
	return HF_OK;
}

static enum hf_err pkcs8_encode(EVP_PKEY *pkey, struct secret *ret)
{
	PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(pkey);
	unsigned char *der = NULL;
	enum hf_err e = HF_E_INTERNAL;
	int n;

	if (p8 == NULL)
		return ossl_err(HF_E_INTERNAL);
	n = i2d_PKCS8_PRIV_KEY_INFO(p8, &der);
	if (n > 0)
		e = secret_dup((struct slice){ der, (size_t)n }, ret);
	OPENSSL_clear_free(der, n > 0 ? (size_t)n : 0);
	PKCS8_PRIV_KEY_INFO_free(p8);
	return e == HF_OK ? HF_OK : ossl_err(e);
}

enum hf_err key_encode(const struct key *k, struct secret *ret)
{
	if (k->cko == CKO_SECRET_KEY)
		return secret_dup(secret_slice(&k->value), ret);
	if (k->cko != CKO_PRIVATE_KEY || k->pkey == NULL) /* stateful keys have none */
		return HF_E_KEY_NOT_WRAPPABLE;
	return pkcs8_encode(k->pkey, ret);
}

static bool only_zeros(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

static enum hf_err pkcs8_decode(struct slice plain, EVP_PKEY **ret)
{
	const unsigned char *p = plain.p;
	PKCS8_PRIV_KEY_INFO *p8;
	EVP_PKEY *pkey = NULL;
	size_t used;

	if (plain.n == 0 || plain.n > LONG_MAX)
		return HF_E_WRAPPED_KEY;
	p8 = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)plain.n);
	if (p8 == NULL)
		return ossl_err(HF_E_WRAPPED_KEY);
	used = (size_t)(p - plain.p);
	if (plain.n - used <= FILL_MAX && only_zeros(p, plain.n - used))
		pkey = EVP_PKCS82PKEY(p8);
	PKCS8_PRIV_KEY_INFO_free(p8);
	if (pkey == NULL)
		return ossl_err(HF_E_WRAPPED_KEY);
	*ret = pkey;
	return HF_OK;
}

static enum hf_err private_decode(uint32_t ckk, struct slice plain, struct parts *ret)
{
	CLEANUP(key_free_p) struct key *k = NULL;
	EVP_PKEY *pkey = NULL;

	TRY(pkcs8_decode(plain, &pkey));
	TRY(key_adopt(CKO_PRIVATE_KEY, ckk, pkey, &k));
	if (k->kind->check != NULL)
		TRY(k->kind->check(k));
	return k->kind->output(k, ret);
}

/* unfilled takes those zeros off a key whose type tells its length. */
static struct slice unfilled(uint32_t ckk, struct slice plain)
{
	size_t n = key_only_size(ckk);

	if (n != 0 && n < plain.n && plain.n - n <= FILL_MAX && only_zeros(plain.p + n, plain.n - n))
		plain.n = n;
	return plain;
}

enum hf_err key_decode(uint32_t cko, uint32_t ckk, struct slice plain, struct parts *ret)
{
	enum hf_err e;

	if (kind_of(cko, ckk) == NULL || cko == CKO_PUBLIC_KEY)
		return HF_E_ATTR_VALUE;
	if (cko == CKO_PRIVATE_KEY) {
		e = private_decode(ckk, plain, ret);
		return e == HF_OK || e == HF_E_MEMORY ? e : HF_E_WRAPPED_KEY;
	}
	plain = unfilled(ckk, plain);
	if (!secret_value_ok(ckk, plain))
		return HF_E_WRAPPED_KEY;
	TRY(parts_put(ret, CKA_VALUE, plain));
	return secret_output(ckk, plain, ret);
}

/* --- pairs --------------------------------------------------------------- */

static const uint8_t test_message[] = "pairwise consistency test";

static enum hf_err test_signature(EVP_PKEY *pkey)
{
	CLEANUP(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	CLEANUP(secret_done) struct secret sig = { 0 };
	char md[32] = "UNDEF";
	const char *name = md, *props = fips_props_of(pkey);
	size_t n = (size_t)EVP_PKEY_get_size(pkey);

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	if (EVP_PKEY_get_default_digest_name(pkey, md, sizeof(md)) <= 0 || strcmp(md, "UNDEF") == 0)
		name = NULL;
	TRY(secret_alloc(&sig, n));
	OSSL_TRY(EVP_DigestSignInit_ex(ctx, NULL, name, NULL, props, pkey, NULL), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestSign(ctx, sig.p, &n, test_message, sizeof(test_message)), HF_E_INTERNAL);
	OSSL_TRY(EVP_MD_CTX_reset(ctx), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestVerifyInit_ex(ctx, NULL, name, NULL, props, pkey, NULL), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestVerify(ctx, sig.p, n, test_message, sizeof(test_message)), HF_E_SELFTEST);
	return HF_OK;
}

static enum hf_err test_kem(EVP_PKEY *pkey)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey,
		fips_props_of(pkey));
	CLEANUP(secret_done) struct secret ct = { 0 };
	uint8_t there[64], back[64];
	size_t cn = 0, tn = sizeof(there), bn = sizeof(back);
	bool same;

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_encapsulate_init(ctx, NULL), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_encapsulate(ctx, NULL, &cn, NULL, &tn), HF_E_INTERNAL);
	if (tn > sizeof(there))
		return HF_E_INTERNAL;
	TRY(secret_alloc(&ct, cn));
	OSSL_TRY(EVP_PKEY_encapsulate(ctx, ct.p, &cn, there, &tn), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_decapsulate_init(ctx, NULL), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_decapsulate(ctx, back, &bn, ct.p, cn), HF_E_INTERNAL);
	same = secret_eq((struct slice){ there, tn }, (struct slice){ back, bn });
	secret_wipe(there, sizeof(there));
	secret_wipe(back, sizeof(back));
	return same ? HF_OK : HF_E_SELFTEST;
}

/* test_public makes the public key anew of the private one. */
static enum hf_err test_public(EVP_PKEY *pkey)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey,
		fips_props_of(pkey));

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_pairwise_check(ctx), HF_E_SELFTEST);
	return HF_OK;
}

enum hf_err key_pair_test(EVP_PKEY *pkey)
{
	if (selftest_told("pair-wise") || selftest_told("pair-wise-use"))
		return HF_E_SELFTEST;
	if (EVP_PKEY_can_sign(pkey))
		return test_signature(pkey);
	if (EVP_PKEY_is_a(pkey, "X25519") || EVP_PKEY_is_a(pkey, "X448") ||
	    EVP_PKEY_is_a(pkey, "DH"))
		return test_public(pkey);
	return test_kem(pkey);
}

enum hf_err key_pair_agrees(EVP_PKEY *pkey)
{
	return selftest_told("pair-wise") ? HF_E_SELFTEST : test_public(pkey);
}

static enum hf_err half_output(uint32_t cko, uint32_t ckk, EVP_PKEY *pkey, const struct parts *told,
	struct parts *ret)
{
	CLEANUP(key_free_p) struct key *k = NULL;

	if (EVP_PKEY_up_ref(pkey) != 1)
		return ossl_err(HF_E_INTERNAL);
	TRY(key_adopt(cko, ckk, pkey, &k));
	k->told = told;
	return k->kind->output(k, ret);
}

enum hf_err key_half_output(uint32_t cko, uint32_t ckk, EVP_PKEY *pkey, struct parts *ret)
{
	return half_output(cko, ckk, pkey, NULL, ret);
}

enum hf_err key_public_half(const struct key *k, struct parts *ret)
{
	struct key half = { .cko = CKO_PUBLIC_KEY, .ckk = k->ckk, .hbs = k->hbs };

	if (k->hbs != NULL)
		return k->kind->output(&half, ret);
	return k->pkey != NULL ? key_half_output(CKO_PUBLIC_KEY, k->ckk, k->pkey, ret) : HF_E_KEY_TYPE;
}

enum hf_err key_pair_parts(uint32_t ckk, EVP_PKEY *pkey, struct parts *pub, struct parts *priv)
{
	TRY(key_half_output(CKO_PUBLIC_KEY, ckk, pkey, pub));
	return half_output(CKO_PRIVATE_KEY, ckk, pkey, pub, priv);
}

enum hf_err key_pair_output(uint32_t ckk, EVP_PKEY *pkey, struct parts *pub, struct parts *priv)
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *own = pkey;

	TRY(key_pair_test(own));
	return key_pair_parts(ckk, own, pub, priv);
}

enum hf_err pkey_build(const char *type, bool priv, OSSL_PARAM_BLD *bld, enum hf_err e,
	EVP_PKEY **ret)
{
	CLEANUP(OSSL_PARAM_free_p) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = params == NULL ? NULL :
		EVP_PKEY_CTX_new_from_name(NULL, type, fips_props_parts(type, params));

	if (ctx == NULL)
		return ossl_err(HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_fromdata_init(ctx), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_fromdata(ctx, ret, priv ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params),
		e);
	return HF_OK;
}
