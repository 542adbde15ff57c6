/* key_ec.c: keys on Weierstrass, Edwards and Montgomery curves. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>

#include "curve.h"
#include "der.h"
#include "fips.h"

#define POINT_MAX 160 /* bytes; secp521r1 needs 133 */

static enum hf_err read_curve(struct key *k, const struct key_source *s)
{
	struct slice params;

	TRY(source_need(s, CKA_EC_PARAMS, &params));
	TRY(curve_find(k->ckk, params, &k->curve));
	k->size = k->curve->bits;
	return HF_OK;
}

static enum hf_err parse_public(struct key *k, const struct key_source *s)
{
	struct slice point;

	TRY(source_need(s, CKA_EC_POINT, &point));
	return ec_public(k->curve, point_raw(k->curve, point), &k->pkey);
}

/* put_info: ecPublicKey with the curve as its parameter (RFC 5480 §2.1.1), or the curve's own
 * OID (RFC 8410 §3). */
static enum hf_err put_info(const struct curve *c, struct slice point, struct parts *ret)
{
	static const uint8_t ec_public_key[] = { DER_OID, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1 };
	CLEANUP(buf_done) struct buf algorithm = BUF_MAX(64);

	if (c->ckk == CKK_EC)
		buf_raw(&algorithm, SLICE_OF(ec_public_key));
	buf_raw(&algorithm, c->oid);
	TRY(buf_err(&algorithm));
	return parts_put_spki(ret, buf_slice(&algorithm), point);
}

/* put_public: what tells the point; computing its coordinates is done once, for both halves of a pair. */
static enum hf_err put_public(const struct key *k, struct parts *ret)
{
	uint8_t raw[POINT_MAX];
	struct slice point = { raw, 0 };

	if (k->told != NULL)
		return parts_put(ret, CKA_PUBLIC_KEY_INFO, parts_get(k->told, CKA_PUBLIC_KEY_INFO));
	OSSL_TRY(EVP_PKEY_get_octet_string_param(k->pkey, OSSL_PKEY_PARAM_PUB_KEY, raw, sizeof(raw),
			 &point.n), HF_E_INTERNAL);
	TRY(put_info(k->curve, point, ret));
	return k->cko == CKO_PUBLIC_KEY ? parts_put_point(ret, point) : HF_OK;
}

/* --- Weierstrass --------------------------------------------------------- */

OSSL_CLEANUP(EC_GROUP, EC_GROUP_free)
OSSL_CLEANUP(EC_POINT, EC_POINT_clear_free)

/* public_of computes d * G, uncompressed; d must be in [1, order - 1]. */
static enum hf_err public_of(const struct curve *c, const BIGNUM *d, struct secret *ret)
{
	CLEANUP(EC_GROUP_free_p) EC_GROUP *g = EC_GROUP_new_by_curve_name(OBJ_txt2nid(c->ossl));
	CLEANUP(EC_POINT_clear_free_p) EC_POINT *q = g == NULL ? NULL : EC_POINT_new(g);
	CLEANUP(BN_CTX_free_p) BN_CTX *ctx = BN_CTX_secure_new();
	CLEANUP(secret_done) struct secret out = { 0 };

	if (q == NULL || ctx == NULL)
		return ossl_err(HF_E_CURVE);
	if (BN_is_zero(d) || BN_cmp(d, EC_GROUP_get0_order(g)) >= 0)
		return HF_E_ATTR_VALUE;
	OSSL_TRY(EC_POINT_mul(g, q, d, NULL, NULL, ctx), HF_E_INTERNAL);
	TRY(secret_alloc(&out, 1 + 2 * c->n));
	if (EC_POINT_point2oct(g, q, POINT_CONVERSION_UNCOMPRESSED, out.p, out.n, ctx) != out.n)
		return ossl_err(HF_E_INTERNAL);
	*ret = secret_take(&out);
	return HF_OK;
}

static enum hf_err parse_private(struct key *k, const struct key_source *s)
{
	CLEANUP(OSSL_PARAM_BLD_free_p) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	CLEANUP(BN_clear_free_p) BIGNUM *d = BN_secure_new();
	CLEANUP(secret_done) struct secret q = { 0 };
	struct slice v;

	if (bld == NULL || d == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(source_need(s, CKA_VALUE, &v));
	if (v.n == 0 || v.n > k->curve->n + 1)
		return HF_E_ATTR_VALUE;
	BN_set_flags(d, BN_FLG_CONSTTIME);
	if (BN_bin2bn(v.p, (int)v.n, d) == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(public_of(k->curve, d, &q));
	if (!OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, k->curve->ossl, 0) ||
	    !OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, q.p, q.n) ||
	    !OSSL_PARAM_BLD_push_BN_pad(bld, OSSL_PKEY_PARAM_PRIV_KEY, d, k->curve->n))
		return ossl_err(HF_E_INTERNAL);
	return pkey_build("EC", true, bld, HF_E_ATTR_VALUE, &k->pkey);
}

static enum hf_err ec_parse(struct key *k, const struct key_source *s)
{
	TRY(read_curve(k, s));
	return k->cko == CKO_PUBLIC_KEY ? parse_public(k, s) : parse_private(k, s);
}

static enum hf_err ec_adopt(struct key *k, EVP_PKEY *pkey)
{
	char name[64];
	size_t n;

	k->pkey = pkey;
	if (!EVP_PKEY_is_a(pkey, "EC"))
		return HF_E_WRAPPED_KEY;
	OSSL_TRY(EVP_PKEY_get_group_name(pkey, name, sizeof(name), &n), HF_E_CURVE);
	k->curve = curve_by_ossl(CKK_EC, name);
	if (k->curve == NULL)
		return HF_E_CURVE;
	k->size = k->curve->bits;
	return HF_OK;
}

static enum hf_err ec_check(const struct key *k)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey,
		fips_props_of(k->pkey));

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	if (k->cko == CKO_PUBLIC_KEY)
		OSSL_TRY(EVP_PKEY_public_check(ctx), HF_E_PUBLIC_KEY);
	else
		OSSL_TRY(EVP_PKEY_pairwise_check(ctx), HF_E_ATTR_VALUE);
	return HF_OK;
}

static enum hf_err ec_put_private(const struct key *k, struct parts *ret)
{
	CLEANUP(BN_clear_free_p) BIGNUM *d = NULL;

	OSSL_TRY(EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d), HF_E_INTERNAL);
	return parts_put_bn(ret, CKA_VALUE, d, k->curve->n);
}

static enum hf_err ec_output(const struct key *k, struct parts *ret)
{
	TRY(parts_put(ret, CKA_EC_PARAMS, k->curve->oid));
	if (k->cko == CKO_PRIVATE_KEY)
		TRY(ec_put_private(k, ret));
	return put_public(k, ret);
}

const struct key_kind kind_ec = { CKK_EC, ec_parse, ec_check, ec_adopt, ec_output };

/* --- Edwards and Montgomery (RFC 8032, RFC 7748) -------------------------- */

static enum hf_err raw_parse(struct key *k, const struct key_source *s)
{
	struct slice v;

	TRY(read_curve(k, s));
	if (k->cko == CKO_PUBLIC_KEY)
		return parse_public(k, s);
	TRY(source_need(s, CKA_VALUE, &v));
	if (v.n != k->curve->n)
		return HF_E_ATTR_VALUE;
	k->pkey = EVP_PKEY_new_raw_private_key_ex(NULL, k->curve->ossl, NULL, v.p, v.n);
	return k->pkey == NULL ? ossl_err(HF_E_ATTR_VALUE) : HF_OK;
}

static enum hf_err raw_adopt(struct key *k, EVP_PKEY *pkey)
{
	const char *name = EVP_PKEY_get0_type_name(pkey);

	k->pkey = pkey;
	k->curve = name == NULL ? NULL : curve_by_ossl(k->ckk, name);
	if (k->curve == NULL)
		return HF_E_WRAPPED_KEY;
	k->size = k->curve->bits;
	return HF_OK;
}

static enum hf_err raw_output(const struct key *k, struct parts *ret)
{
	TRY(parts_put(ret, CKA_EC_PARAMS, k->curve->oid));
	if (k->cko == CKO_PRIVATE_KEY)
		TRY(parts_put_octets(ret, CKA_VALUE, k->pkey, OSSL_PKEY_PARAM_PRIV_KEY));
	return put_public(k, ret);
}

const struct key_kind kind_edwards = { CKK_EC_EDWARDS, raw_parse, edwards_check, raw_adopt,
	raw_output };
const struct key_kind kind_montgomery = { CKK_EC_MONTGOMERY, raw_parse, NULL, raw_adopt,
	raw_output };
