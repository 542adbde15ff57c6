/* ff.c: key pairs, domain parameters and agreement over finite fields (PKCS#11 3.2
 * §6.2, §6.4). DSA's signatures are in ecdsa.c. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/dsa.h>

#include "families.h"
#include "family.h"
#include "fips.h"

static enum hf_err push_attr(OSSL_PARAM_BLD *bld, const char *name, const struct key_source *s,
	uint32_t cka, BIGNUM **keep)
{
	struct slice v;

	TRY(source_need(s, cka, &v));
	if (v.n == 0 || v.n > 2048)
		return HF_E_ATTR_VALUE;
	*keep = BN_bin2bn(v.p, (int)v.n, NULL);
	OSSL_TRY(*keep != NULL && OSSL_PARAM_BLD_push_BN(bld, name, *keep), HF_E_MEMORY);
	return HF_OK;
}

/* domain_of makes the template's parameters a key without values. */
static enum hf_err domain_of(const struct mech *m, const struct key_source *pub, EVP_PKEY **ret)
{
	CLEANUP(OSSL_PARAM_BLD_free_p) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	CLEANUP(BN_clear_free_p) BIGNUM *p = NULL;
	CLEANUP(BN_clear_free_p) BIGNUM *q = NULL;
	CLEANUP(BN_clear_free_p) BIGNUM *g = NULL;
	CLEANUP(OSSL_PARAM_free_p) OSSL_PARAM *params = NULL;
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, m->arg,
		fips_props_for(m->arg, 0, NULL));

	if (bld == NULL || ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(push_attr(bld, OSSL_PKEY_PARAM_FFC_P, pub, CKA_PRIME, &p));
	if (m->key == CKK_DSA)
		TRY(push_attr(bld, OSSL_PKEY_PARAM_FFC_Q, pub, CKA_SUBPRIME, &q));
	TRY(push_attr(bld, OSSL_PKEY_PARAM_FFC_G, pub, CKA_BASE, &g));
	params = OSSL_PARAM_BLD_to_param(bld);
	if (params == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_fromdata_init(ctx), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_KEY_PARAMETERS, params), HF_E_DOMAIN_PARAMS);
	return HF_OK;
}

static enum hf_err make_pair(EVP_PKEY *domain, EVP_PKEY **ret)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, domain,
		fips_props_of(domain));

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_keygen_init(ctx), HF_E_DOMAIN_PARAMS);
	OSSL_TRY(EVP_PKEY_generate(ctx, ret), HF_E_DOMAIN_PARAMS);
	return HF_OK;
}

static enum hf_err generate(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl, struct parts *pub,
	struct parts *priv)
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *domain = NULL;
	EVP_PKEY *pkey = NULL;
	size_t bits;

	(void)p;
	(void)tmpl;
	TRY(domain_of(m, pub_tmpl, &domain));
	bits = (size_t)EVP_PKEY_get_bits(domain);
	if (bits < m->min || bits > m->max)
		return HF_E_DOMAIN_PARAMS;
	TRY(make_pair(domain, &pkey));
	return key_pair_output(m->key, pkey, pub, priv);
}

const struct family family_ff_gen = { .name = "ff_gen", .generate = generate };

/* --- agreement ----------------------------------------------------------------- */

/* peer_of: another's public value over the base key's own parameters. */
static enum hf_err peer_of(const struct key *base, struct slice value, EVP_PKEY **ret)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *check = NULL;

	*ret = EVP_PKEY_new();
	if (*ret == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_copy_parameters(*ret, base->pkey), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_set1_encoded_public_key(*ret, value.p, value.n), HF_E_MECHANISM_PARAM);
	check = EVP_PKEY_CTX_new_from_pkey(NULL, *ret, fips_props_of(*ret));
	if (check == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_public_check_quick(check), HF_E_MECHANISM_PARAM);
	return HF_OK;
}

static enum hf_err agree(const struct key *base, EVP_PKEY *peer, struct secret *z)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, base->pkey,
		fips_props_of(base->pkey));
	size_t n = z->n;

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_derive_init(ctx), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_CTX_set_dh_pad(ctx, 1), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_derive_set_peer(ctx, peer), HF_E_MECHANISM_PARAM);
	OSSL_TRY(EVP_PKEY_derive(ctx, z->p, &n), HF_E_MECHANISM_PARAM);
	return n == z->n ? HF_OK : HF_E_INTERNAL;
}

/* The secret, as long as the prime, loses its first bytes where fewer are wanted
 * (PKCS#11 3.2 §6.4.7). */
static enum hf_err derive(const struct mech *m, const struct params *p, const struct key *base,
	const struct key *other, size_t want, struct secret *ret)
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *peer = NULL;
	CLEANUP(secret_done) struct secret z = { 0 };
	size_t size = (base->size + 7) / 8;
	struct slice value = p->u.public_value.raw;

	(void)m;
	(void)other;
	while (value.n > size && value.p[0] == 0)
		value = (struct slice){ value.p + 1, value.n - 1 };
	if (value.n == 0 || value.n > size)
		return HF_E_MECHANISM_PARAM;
	if (want > size)
		return HF_E_KEY_SIZE;
	TRY(secret_alloc(&z, size));
	memcpy(z.p + (size - value.n), value.p, value.n);
	TRY(peer_of(base, secret_slice(&z), &peer));
	TRY(agree(base, peer, &z));
	return secret_dup((struct slice){ z.p + (want == 0 ? 0 : size - want),
		want == 0 ? size : want }, ret);
}

const struct family family_dh = { .name = "dh", .derive = derive };

/* --- domain parameters ----------------------------------------------------------- */

/* Safe primes of RFC 7919 and RFC 3526, which none can have chosen with a trap, and
 * which cost nothing; other sizes are made. */
static const struct {
	uint64_t bits;
	const char *group;
} groups[] = {
	{ 1536, "modp_1536" }, { 2048, "ffdhe2048" }, { 3072, "ffdhe3072" },
	{ 4096, "ffdhe4096" }, { 6144, "ffdhe6144" }, { 8192, "ffdhe8192" },
};

static enum hf_err set_dh(EVP_PKEY_CTX *ctx, uint64_t bits)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (groups[i].bits == bits) {
			OSSL_PARAM params[] = {
				OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
					(char *)(uintptr_t)groups[i].group, 0),
				OSSL_PARAM_construct_end(),
			};

			OSSL_TRY(EVP_PKEY_CTX_set_params(ctx, params), HF_E_INTERNAL);
			return HF_OK;
		}
	if (bits > 1024)
		return HF_E_ATTR_VALUE;
	OSSL_TRY(EVP_PKEY_CTX_set_dh_paramgen_prime_len(ctx, (int)bits), HF_E_ATTR_VALUE);
	return HF_OK;
}

static enum hf_err set_dsa(EVP_PKEY_CTX *ctx, uint64_t bits, const struct key_source *tmpl)
{
	uint64_t q = bits <= 1024 ? 160 : 256;

	if (source_has(tmpl, CKA_SUBPRIME_BITS))
		TRY(source_u64(tmpl, CKA_SUBPRIME_BITS, &q));
	if (bits > 3072 || (q != 160 && q != 224 && q != 256))
		return HF_E_ATTR_VALUE;
	OSSL_TRY(EVP_PKEY_CTX_set_dsa_paramgen_bits(ctx, (int)bits), HF_E_ATTR_VALUE);
	OSSL_TRY(EVP_PKEY_CTX_set_dsa_paramgen_q_bits(ctx, (int)q), HF_E_ATTR_VALUE);
	return HF_OK;
}

static enum hf_err put(EVP_PKEY *pkey, const char *name, uint32_t cka, struct parts *ret)
{
	CLEANUP(BN_clear_free_p) BIGNUM *v = NULL;

	OSSL_TRY(EVP_PKEY_get_bn_param(pkey, name, &v), HF_E_INTERNAL);
	return parts_put_bn(ret, cka, v, 0);
}

static enum hf_err generate_domain(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl, struct parts *pub,
	struct parts *priv)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, m->arg,
		fips_props_for(m->arg, 0, NULL));
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *pkey = NULL;
	uint64_t bits;

	(void)p;
	(void)pub_tmpl;
	(void)pub;
	TRY(source_u64(tmpl, CKA_PRIME_BITS, &bits));
	if (bits < m->min || bits > m->max || bits % 64 != 0)
		return HF_E_ATTR_VALUE;
	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_paramgen_init(ctx), HF_E_INTERNAL);
	TRY(m->key == CKK_DSA ? set_dsa(ctx, bits, tmpl) : set_dh(ctx, bits));
	OSSL_TRY(EVP_PKEY_generate(ctx, &pkey), HF_E_ATTR_VALUE);
	TRY(put(pkey, OSSL_PKEY_PARAM_FFC_P, CKA_PRIME, priv));
	if (m->key == CKK_DSA)
		TRY(put(pkey, OSSL_PKEY_PARAM_FFC_Q, CKA_SUBPRIME, priv));
	return put(pkey, OSSL_PKEY_PARAM_FFC_G, CKA_BASE, priv);
}

const struct family family_ff_domain = { .name = "ff_domain", .generate = generate_domain };
