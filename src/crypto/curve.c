/* curve.c: the named curves, and points on them. */
#include <string.h>

#include <openssl/core_names.h>

#include "curve.h"
#include "curve_group.h"
#include "der.h"

#define OID(der) { (const uint8_t *)(der), sizeof(der) - 1 }
#define WEIERSTRASS(name, ossl, bits, der)                                     \
	{ CKK_EC, name, ossl, OID(der), { NULL, 0 }, bits, (bits + 7) / 8 }

/* OIDs: SEC 2, RFC 5639, RFC 8410; the second ones as GnuPG and older tokens
 * have them. */
static const struct curve curves[] = {
	WEIERSTRASS("secp192r1", "prime192v1", 192,
		"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x01"),
	WEIERSTRASS("secp224r1", "secp224r1", 224,
		"\x06\x05\x2b\x81\x04\x00\x21"),
	WEIERSTRASS("secp256r1", "prime256v1", 256,
		"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"),
	WEIERSTRASS("secp384r1", "secp384r1", 384,
		"\x06\x05\x2b\x81\x04\x00\x22"),
	WEIERSTRASS("secp521r1", "secp521r1", 521,
		"\x06\x05\x2b\x81\x04\x00\x23"),
	WEIERSTRASS("secp256k1", "secp256k1", 256,
		"\x06\x05\x2b\x81\x04\x00\x0a"),
	WEIERSTRASS("brainpoolP160r1", "brainpoolP160r1", 160,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x01"),
	WEIERSTRASS("brainpoolP160t1", "brainpoolP160t1", 160,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x02"),
	WEIERSTRASS("brainpoolP192r1", "brainpoolP192r1", 192,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x03"),
	WEIERSTRASS("brainpoolP192t1", "brainpoolP192t1", 192,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x04"),
	WEIERSTRASS("brainpoolP224r1", "brainpoolP224r1", 224,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x05"),
	WEIERSTRASS("brainpoolP224t1", "brainpoolP224t1", 224,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x06"),
	WEIERSTRASS("brainpoolP256r1", "brainpoolP256r1", 256,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07"),
	WEIERSTRASS("brainpoolP256t1", "brainpoolP256t1", 256,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x08"),
	WEIERSTRASS("brainpoolP320r1", "brainpoolP320r1", 320,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x09"),
	WEIERSTRASS("brainpoolP320t1", "brainpoolP320t1", 320,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0a"),
	WEIERSTRASS("brainpoolP384r1", "brainpoolP384r1", 384,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0b"),
	WEIERSTRASS("brainpoolP384t1", "brainpoolP384t1", 384,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0c"),
	WEIERSTRASS("brainpoolP512r1", "brainpoolP512r1", 512,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0d"),
	WEIERSTRASS("brainpoolP512t1", "brainpoolP512t1", 512,
		"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0e"),
	{ CKK_EC_EDWARDS, "edwards25519", "ED25519", OID("\x06\x03\x2b\x65\x70"),
	  OID("\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01"), 255, 32 },
	{ CKK_EC_EDWARDS, "edwards448", "ED448", OID("\x06\x03\x2b\x65\x71"),
	  { NULL, 0 }, 448, 57 },
	{ CKK_EC_MONTGOMERY, "curve25519", "X25519", OID("\x06\x03\x2b\x65\x6e"),
	  OID("\x06\x0a\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01"), 255, 32 },
	{ CKK_EC_MONTGOMERY, "curve448", "X448", OID("\x06\x03\x2b\x65\x6f"),
	  { NULL, 0 }, 448, 56 },
};
#define CURVES (sizeof(curves) / sizeof(curves[0]))

static bool names(const struct curve *c, struct slice s)
{
	return slice_eq(s, slice_str(c->name)) || slice_eq(s, slice_str(c->ossl));
}

static bool is_oid(const struct curve *c, struct slice s)
{
	return slice_eq(s, c->oid) || (c->oid_2.n > 0 && slice_eq(s, c->oid_2));
}

enum hf_err curve_find(uint32_t ckk, struct slice params, const struct curve **ret)
{
	struct slice name = SLICE_NONE, oid;
	bool named = der_whole(params, DER_PRINTABLE_STRING, &name);

	if (!named && !der_whole(params, DER_OID, &oid))
		return HF_E_DOMAIN_PARAMS;
	for (size_t i = 0; i < CURVES; i++)
		if (curves[i].ckk == ckk &&
		    (named ? names(&curves[i], name) : is_oid(&curves[i], params))) {
			*ret = &curves[i];
			return HF_OK;
		}
	return HF_E_CURVE;
}

unsigned curve_group_of(uint32_t ckk, struct slice params, size_t *ret_bits)
{
	const struct curve *c;

	*ret_bits = 0;
	if (curve_find(ckk, params, &c) != HF_OK)
		return 0;
	*ret_bits = c->bits;
	if (ckk != CKK_EC)
		return ckk == CKK_EC_EDWARDS ? CURVES_EDWARDS : CURVES_MONTGOMERY;
	if (strncmp(c->name, "brainpool", 9) == 0)
		return CURVES_BRAINPOOL;
	return strcmp(c->name, "secp256k1") == 0 ? CURVES_SECP256K1 : CURVES_NIST;
}

const struct curve *curve_by_ossl(uint32_t ckk, const char *name)
{
	for (size_t i = 0; i < CURVES; i++)
		if (curves[i].ckk == ckk && strcmp(curves[i].ossl, name) == 0)
			return &curves[i];
	return NULL;
}

struct slice point_raw(const struct curve *c, struct slice point)
{
	struct slice inner;

	if (der_whole(point, DER_OCTET_STRING, &inner) && point_size_ok(c, inner))
		return inner;
	return point;
}

bool point_size_ok(const struct curve *c, struct slice raw)
{
	if (c->ckk != CKK_EC)
		return raw.n == c->n;
	if (raw.n == 0)
		return false;
	if (raw.p[0] == 2 || raw.p[0] == 3)
		return raw.n == 1 + c->n;
	return raw.p[0] == 4 && raw.n == 1 + 2 * c->n;
}

enum hf_err parts_put_point(struct parts *p, struct slice raw)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1024);

	der_head(&b, DER_OCTET_STRING, raw.n);
	buf_raw(&b, raw);
	TRY(buf_err(&b));
	return parts_put(p, CKA_EC_POINT, buf_slice(&b));
}

static enum hf_err weierstrass_public(const struct curve *c, struct slice raw, EVP_PKEY **ret)
{
	CLEANUP(OSSL_PARAM_BLD_free_p) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();

	if (bld == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, c->ossl, 0),
		HF_E_INTERNAL);
	OSSL_TRY(OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, raw.p, raw.n),
		HF_E_INTERNAL);
	return pkey_build("EC", false, bld, HF_E_PUBLIC_KEY, ret);
}

enum hf_err ec_public(const struct curve *c, struct slice raw, EVP_PKEY **ret)
{
	if (!point_size_ok(c, raw))
		return HF_E_PUBLIC_KEY;
	if (c->ckk == CKK_EC)
		return weierstrass_public(c, raw, ret);
	*ret = EVP_PKEY_new_raw_public_key_ex(NULL, c->ossl, NULL, raw.p, raw.n);
	return *ret == NULL ? ossl_err(HF_E_PUBLIC_KEY) : HF_OK;
}
