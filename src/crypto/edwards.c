/* edwards.c: is a public key a point of its curve? OpenSSL asks that when it
 * verifies, and takes any bytes for a key until then. */
#include <string.h>

#include "curve.h"

/* struct field: -x^2 or x^2, as a says, + y^2 = 1 + d x^2 y^2 (RFC 8032 §5.1, §5.2). */
struct field {
	size_t n;       /* bytes of an encoded point */
	const char *p, *d; /* hex; d is up / down modulo p */
	bool minus;     /* a = -1 */
};

static const struct field fields[] = {
	{ 32, "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed",
		"52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3", true },
	{ 57, "fffffffffffffffffffffffffffffffffffffffffffffffffffffffe"
	      "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"fffffffffffffffffffffffffffffffffffffffffffffffffffffffe"
		"ffffffffffffffffffffffffffffffffffffffffffffffffffff6756", false },
};

static const struct field *field_of(size_t n)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].n == n)
			return &fields[i];
	return NULL;
}

/* read_y takes the sign of x, the uppermost bit, from the encoding. */
static enum hf_err read_y(struct slice raw, BIGNUM *y, bool *ret_sign)
{
	uint8_t bytes[57];

	memcpy(bytes, raw.p, raw.n);
	*ret_sign = bytes[raw.n - 1] >> 7;
	bytes[raw.n - 1] &= 0x7f;
	return BN_lebin2bn(bytes, (int)raw.n, y) == NULL ? ossl_err(HF_E_MEMORY) : HF_OK;
}

/* on_curve: x^2 = (1 - y^2) / (a - d y^2) has a root, and one of that sign. What is
 * asked of the quotient is asked of the product: it is a square if the other is one. */
static enum hf_err on_curve(const struct field *f, const BIGNUM *p, const BIGNUM *d, struct slice raw,
	BN_CTX *ctx)
{
	BIGNUM *y = BN_CTX_get(ctx), *u = BN_CTX_get(ctx), *v = BN_CTX_get(ctx);
	bool sign;
	int square;

	if (v == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(read_y(raw, y, &sign));
	if (BN_cmp(y, p) >= 0)
		return HF_E_PUBLIC_KEY;
	if (!BN_mod_sqr(y, y, p, ctx) || !BN_mod_sub(u, BN_value_one(), y, p, ctx) ||
	    !BN_mod_mul(v, d, y, p, ctx) ||
	    !(f->minus ? BN_mod_add(v, v, BN_value_one(), p, ctx) :
			 BN_mod_sub(v, BN_value_one(), v, p, ctx)) ||
	    (f->minus && !BN_mod_sub(u, p, u, p, ctx)) || !BN_mod_mul(v, u, v, p, ctx))
		return ossl_err(HF_E_INTERNAL);
	square = BN_kronecker(v, p, ctx);
	if (square < -1)
		return ossl_err(HF_E_INTERNAL);
	if (square == -1 || (BN_is_zero(u) && sign)) /* -0 is not encoded */
		return HF_E_PUBLIC_KEY;
	return HF_OK;
}

enum hf_err edwards_check(const struct key *k)
{
	CLEANUP(BN_CTX_free_p) BN_CTX *ctx = BN_CTX_new();
	CLEANUP(BN_clear_free_p) BIGNUM *p = NULL, *d = NULL;
	uint8_t raw[57];
	size_t n = sizeof(raw);
	const struct field *f;

	if (k->cko != CKO_PUBLIC_KEY)
		return HF_OK;
	OSSL_TRY(EVP_PKEY_get_raw_public_key(k->pkey, raw, &n), HF_E_INTERNAL);
	f = field_of(n);
	if (f == NULL)
		return HF_E_CURVE;
	if (ctx == NULL || !BN_hex2bn(&p, f->p) || !BN_hex2bn(&d, f->d))
		return ossl_err(HF_E_MEMORY);
	BN_CTX_start(ctx);
	enum hf_err e = on_curve(f, p, d, (struct slice){ raw, n }, ctx);
	BN_CTX_end(ctx);
	return e;
}
