/* key_rsa.c: RSA keys, with whatever part of their components is there. */
#include <openssl/core_names.h>

#include "key.h"

#define RSA_BITS_MIN 512
#define RSA_BITS_MAX 16384
#define RSA_E_BITS_MAX 256 /* FIPS 186-5 §A.1.1 */

enum { N, E, D, P, Q, DP, DQ, QI, COMPONENTS, PUBLIC = E + 1 };

static const struct {
	uint32_t cka;
	const char *name;
} component[COMPONENTS] = {
	[N] = { CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N },
	[E] = { CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E },
	[D] = { CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D },
	[P] = { CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1 },
	[Q] = { CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2 },
	[DP] = { CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1 },
	[DQ] = { CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2 },
	[QI] = { CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1 },
};

struct rsa {
	BIGNUM *v[COMPONENTS];
};

static void rsa_done(struct rsa *r)
{
	for (int i = 0; i < COMPONENTS; i++)
		BN_clear_free(r->v[i]);
}

/* calc: a scratch context and five numbers in it. */
struct calc {
	BN_CTX *ctx;
	BIGNUM *t[5];
};

static void calc_done(struct calc *c)
{
	if (c->ctx != NULL)
		BN_CTX_end(c->ctx);
	BN_CTX_free(c->ctx);
}

static enum hf_err calc_begin(struct calc *c)
{
	c->ctx = BN_CTX_secure_new();
	if (c->ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	BN_CTX_start(c->ctx);
	for (int i = 0; i < 5; i++) {
		c->t[i] = BN_CTX_get(c->ctx);
		if (c->t[i] == NULL)
			return ossl_err(HF_E_MEMORY);
		BN_set_flags(c->t[i], BN_FLG_CONSTTIME);
	}
	return HF_OK;
}

static enum hf_err put_new(struct rsa *r, int i)
{
	r->v[i] = BN_secure_new();
	if (r->v[i] == NULL)
		return ossl_err(HF_E_MEMORY);
	if (i != N && i != E)
		BN_set_flags(r->v[i], BN_FLG_CONSTTIME);
	return HF_OK;
}

static enum hf_err rsa_read(struct rsa *r, const struct key_source *s, int count)
{
	for (int i = 0; i < count; i++) {
		struct slice v = source_get(s, component[i].cka);

		if (v.n == 0)
			continue;
		if (v.n > RSA_BITS_MAX / 8 + 1)
			return HF_E_ATTR_VALUE;
		TRY(put_new(r, i));
		if (BN_bin2bn(v.p, (int)v.n, r->v[i]) == NULL)
			return ossl_err(HF_E_MEMORY);
		if (BN_is_zero(r->v[i]))
			return HF_E_ATTR_VALUE;
	}
	return r->v[N] == NULL ? HF_E_TEMPLATE_INCOMPLETE : HF_OK;
}

static bool public_ok(const struct rsa *r)
{
	int bits = BN_num_bits(r->v[N]);

	return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX && BN_is_odd(r->v[N]) &&
	       BN_is_odd(r->v[E]) && !BN_is_one(r->v[E]) &&
	       BN_num_bits(r->v[E]) <= RSA_E_BITS_MAX && BN_cmp(r->v[E], r->v[N]) < 0;
}

static enum hf_err rsa_pkey(const struct rsa *r, int count, EVP_PKEY **ret)
{
	CLEANUP(OSSL_PARAM_BLD_free_p) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();

	if (bld == NULL)
		return ossl_err(HF_E_MEMORY);
	for (int i = 0; i < count; i++)
		OSSL_TRY(OSSL_PARAM_BLD_push_BN(bld, component[i].name, r->v[i]), HF_E_INTERNAL);
	return pkey_build("RSA", count > PUBLIC, bld, HF_E_ATTR_VALUE, ret);
}

/* --- completing a private key -------------------------------------------- */

/* lcm_minus_1: t[0] = lcm(p - 1, q - 1). */
static enum hf_err lcm_minus_1(const struct rsa *r, struct calc *c)
{
	if (!BN_sub(c->t[1], r->v[P], BN_value_one()) || !BN_sub(c->t[2], r->v[Q], BN_value_one()) ||
	    !BN_gcd(c->t[3], c->t[1], c->t[2], c->ctx) ||
	    !BN_mul(c->t[4], c->t[1], c->t[2], c->ctx) ||
	    !BN_div(c->t[0], NULL, c->t[4], c->t[3], c->ctx))
		return ossl_err(HF_E_ATTR_VALUE);
	return HF_OK;
}

/* inverse: r->v[to] = r->v[from]^-1 mod lcm(p - 1, q - 1). */
static enum hf_err inverse(struct rsa *r, int from, int to)
{
	CLEANUP(calc_done) struct calc c = { 0 };

	TRY(calc_begin(&c));
	TRY(lcm_minus_1(r, &c));
	TRY(put_new(r, to));
	if (BN_mod_inverse(r->v[to], r->v[from], c.t[0], c.ctx) == NULL)
		return ossl_err(HF_E_ATTR_VALUE);
	return HF_OK;
}

/* guess_e tries the exponents in use: 2^(d*e) = 2 mod n. */
static enum hf_err guess_e(struct rsa *r)
{
	static const BN_ULONG common[] = { 65537, 3, 17, 5, 257, 35, 37, 41 };
	CLEANUP(calc_done) struct calc c = { 0 };

	TRY(calc_begin(&c));
	TRY(put_new(r, E));
	if (!BN_is_odd(r->v[N]) || !BN_set_word(c.t[0], 2) ||
	    !BN_mod_exp_mont_consttime(c.t[1], c.t[0], r->v[D], r->v[N], c.ctx, NULL))
		return ossl_err(HF_E_ATTR_VALUE);
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
		if (!BN_set_word(r->v[E], common[i]) ||
		    !BN_mod_exp(c.t[2], c.t[1], r->v[E], r->v[N], c.ctx))
			return ossl_err(HF_E_MEMORY);
		if (BN_cmp(c.t[2], c.t[0]) == 0)
			return HF_OK;
	}
	return HF_E_TEMPLATE_INCOMPLETE;
}

/* try_factor: with base g, t[0] = odd part of d*e - 1, that was halved `twos`
 * times; a square root of 1 other than +-1 gives p in t[3]. */
static enum hf_err try_factor(const struct rsa *r, struct calc *c, BN_ULONG g, int twos, bool *ret)
{
	BIGNUM *x = c->t[1], *y = c->t[2], *nm1 = c->t[4];

	*ret = false;
	if (!BN_set_word(y, g) || !BN_sub(nm1, r->v[N], BN_value_one()) ||
	    !BN_mod_exp_mont_consttime(x, y, c->t[0], r->v[N], c->ctx, NULL))
		return ossl_err(HF_E_ATTR_VALUE);
	for (int i = 0; i < twos && !BN_is_one(x) && BN_cmp(x, nm1) != 0; i++) {
		if (!BN_mod_sqr(y, x, r->v[N], c->ctx))
			return ossl_err(HF_E_MEMORY);
		if (BN_is_one(y)) {
			*ret = BN_sub(x, x, BN_value_one()) && BN_gcd(c->t[3], x, r->v[N], c->ctx);
			return *ret ? HF_OK : ossl_err(HF_E_MEMORY);
		}
		BN_swap(x, y);
	}
	return HF_OK;
}

/* factor finds the primes from n, e and d (SP 800-56B rev. 2 §C.1). */
static enum hf_err factor(struct rsa *r)
{
	CLEANUP(calc_done) struct calc c = { 0 };
	bool found = false;
	int twos = 0;

	TRY(calc_begin(&c));
	if (!BN_is_odd(r->v[N]) || !BN_mul(c.t[0], r->v[D], r->v[E], c.ctx) ||
	    !BN_sub_word(c.t[0], 1) || BN_is_zero(c.t[0]) || BN_is_odd(c.t[0]))
		return ossl_err(HF_E_ATTR_VALUE);
	while (!BN_is_bit_set(c.t[0], twos))
		twos++;
	if (!BN_rshift(c.t[0], c.t[0], twos))
		return ossl_err(HF_E_MEMORY);
	for (BN_ULONG g = 2; g < 100 && !found; g++)
		TRY(try_factor(r, &c, g, twos, &found));
	if (!found)
		return HF_E_ATTR_VALUE;
	TRY(put_new(r, P));
	TRY(put_new(r, Q));
	if (BN_copy(r->v[P], c.t[3]) == NULL || !BN_div(r->v[Q], NULL, r->v[N], r->v[P], c.ctx))
		return ossl_err(HF_E_MEMORY);
	if (BN_cmp(r->v[P], r->v[Q]) < 0)
		BN_swap(r->v[P], r->v[Q]);
	return HF_OK;
}

static enum hf_err crt(struct rsa *r)
{
	static const int prime_of[] = { [DP] = P, [DQ] = Q };
	CLEANUP(calc_done) struct calc c = { 0 };

	TRY(calc_begin(&c));
	for (int i = DP; i <= DQ; i++) {
		if (r->v[i] != NULL)
			continue;
		TRY(put_new(r, i));
		if (!BN_sub(c.t[0], r->v[prime_of[i]], BN_value_one()) ||
		    !BN_mod(r->v[i], r->v[D], c.t[0], c.ctx))
			return ossl_err(HF_E_ATTR_VALUE);
	}
	if (r->v[QI] != NULL)
		return HF_OK;
	TRY(put_new(r, QI));
	if (BN_mod_inverse(r->v[QI], r->v[Q], r->v[P], c.ctx) == NULL)
		return ossl_err(HF_E_ATTR_VALUE);
	return HF_OK;
}

/* complete computes what is missing from n and (d or p and q). */
static enum hf_err complete(struct rsa *r)
{
	bool primes = r->v[P] != NULL && r->v[Q] != NULL;

	if (r->v[D] == NULL && (!primes || r->v[E] == NULL))
		return HF_E_TEMPLATE_INCOMPLETE;
	if ((r->v[P] == NULL) != (r->v[Q] == NULL))
		return HF_E_TEMPLATE_INCOMPLETE;
	if (r->v[D] == NULL)
		TRY(inverse(r, E, D));
	if (r->v[E] == NULL)
		TRY(primes ? inverse(r, D, E) : guess_e(r));
	if (!primes)
		TRY(factor(r));
	return crt(r);
}

static enum hf_err adopt(struct key *k, EVP_PKEY *pkey)
{
	k->pkey = pkey;
	if (!EVP_PKEY_is_a(pkey, "RSA"))
		return HF_E_WRAPPED_KEY;
	k->size = (size_t)EVP_PKEY_get_bits(pkey);
	return HF_OK;
}

static enum hf_err parse(struct key *k, const struct key_source *s)
{
	CLEANUP(rsa_done) struct rsa r = { 0 };
	bool priv = k->cko == CKO_PRIVATE_KEY;
	EVP_PKEY *pkey = NULL;

	TRY(rsa_read(&r, s, priv ? COMPONENTS : PUBLIC));
	if (priv)
		TRY(complete(&r));
	else if (r.v[E] == NULL)
		return HF_E_TEMPLATE_INCOMPLETE;
	if (!public_ok(&r))
		return HF_E_ATTR_VALUE;
	TRY(rsa_pkey(&r, priv ? COMPONENTS : PUBLIC, &pkey));
	return adopt(k, pkey);
}

static enum hf_err rsa_of(EVP_PKEY *pkey, int count, struct rsa *r)
{
	for (int i = 0; i < count; i++)
		OSSL_TRY(EVP_PKEY_get_bn_param(pkey, component[i].name, &r->v[i]), HF_E_INTERNAL);
	return HF_OK;
}

/* inverse_ok: e * x = 1 mod (prime - 1). */
static bool inverse_ok(const struct rsa *r, int x, int prime, struct calc *c)
{
	return BN_sub(c->t[0], r->v[prime], BN_value_one()) &&
	       BN_mod_mul(c->t[1], r->v[E], r->v[x], c->t[0], c->ctx) && BN_is_one(c->t[1]);
}

/* check: p * q = n, and every exponent and the coefficient belong to them. That
 * p and q are prime is left to the signature that must verify. */
static enum hf_err check(const struct key *k)
{
	CLEANUP(rsa_done) struct rsa r = { 0 };
	CLEANUP(calc_done) struct calc c = { 0 };

	if (k->cko != CKO_PRIVATE_KEY)
		return HF_OK;
	TRY(rsa_of(k->pkey, COMPONENTS, &r));
	TRY(calc_begin(&c));
	if (!public_ok(&r) || !BN_mul(c.t[0], r.v[P], r.v[Q], c.ctx) ||
	    BN_cmp(c.t[0], r.v[N]) != 0 || BN_is_one(r.v[P]) || BN_is_one(r.v[Q]) ||
	    BN_cmp(r.v[P], r.v[Q]) == 0 || !inverse_ok(&r, D, P, &c) ||
	    !inverse_ok(&r, D, Q, &c) || !inverse_ok(&r, DP, P, &c) ||
	    !inverse_ok(&r, DQ, Q, &c) ||
	    !BN_mod_mul(c.t[1], r.v[QI], r.v[Q], r.v[P], c.ctx) || !BN_is_one(c.t[1]))
		return ossl_err(HF_E_ATTR_VALUE);
	return key_pair_test(k->pkey) == HF_OK ? HF_OK : HF_E_ATTR_VALUE;
}

static enum hf_err output(const struct key *k, struct parts *ret)
{
	CLEANUP(rsa_done) struct rsa r = { 0 };
	bool priv = k->cko == CKO_PRIVATE_KEY;
	int count = priv ? COMPONENTS : PUBLIC;

	TRY(rsa_of(k->pkey, count, &r));
	for (int i = 0; i < count; i++)
		TRY(parts_put_bn(ret, component[i].cka, r.v[i], 0));
	if (!priv)
		TRY(parts_put_u64(ret, CKA_MODULUS_BITS, k->size));
	return parts_put_info(ret, k->pkey);
}

const struct key_kind kind_rsa = { CKK_RSA, parse, check, adopt, output };
