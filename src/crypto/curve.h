/* curve.h: the named curves. */
#ifndef HF_CURVE_H
#define HF_CURVE_H

#include "key.h"

struct curve {
	uint32_t ckk;       /* CKK_EC, CKK_EC_EDWARDS or CKK_EC_MONTGOMERY */
	const char *name;   /* as a PrintableString in CKA_EC_PARAMS */
	const char *ossl;   /* OpenSSL's group name or key type */
	struct slice oid;   /* DER, the other form of CKA_EC_PARAMS */
	struct slice oid_2; /* an older OID that means the same; may be empty */
	size_t bits;
	size_t n; /* bytes of a coordinate and of a private value */
};

/* curve_find reads CKA_EC_PARAMS: HF_E_CURVE if it names no curve of that key
 * type, HF_E_DOMAIN_PARAMS if it is neither an OID nor a name. */
enum hf_err curve_find(uint32_t ckk, struct slice params, const struct curve **ret) HF_MUST_CHECK;
const struct curve *curve_by_ossl(uint32_t ckk, const char *name); /* NULL: none */

/* point_raw strips the DER OCTET STRING from a CKA_EC_POINT, if it is in one. */
struct slice point_raw(const struct curve *c, struct slice point);
/* point_size_ok: the length that a raw point on c can have. */
bool point_size_ok(const struct curve *c, struct slice raw);
/* parts_put_point writes CKA_EC_POINT as DER OCTET STRING. */
enum hf_err parts_put_point(struct parts *p, struct slice raw) HF_MUST_CHECK;

/* ec_public makes a public key of a raw point: HF_E_PUBLIC_KEY if it is none. */
enum hf_err ec_public(const struct curve *c, struct slice raw, EVP_PKEY **ret) HF_MUST_CHECK;

/* edwards_check: HF_E_PUBLIC_KEY if a public key decodes to no point (RFC 8032 §5.1.3, §5.2.3). */
enum hf_err edwards_check(const struct key *k) HF_MUST_CHECK;

#endif
