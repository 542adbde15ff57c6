/* strength.c: what the rules about sizes know of a key, from its attributes. */
#include "strength.h"

#include "crypto.h"
#include "curve_group.h"
#include "pkcs11_numbers.h"
#include "xmss.h"

static uint64_t bits_of(struct slice number)
{
	size_t i = 0;
	uint64_t bits;

	while (i < number.n && number.p[i] == 0)
		i++;
	bits = (number.n - i) * 8;
	for (unsigned top = i < number.n ? number.p[i] : 0x80; top < 0x80; top <<= 1)
		bits--;
	return bits;
}

static struct strength rsa_strength(const struct attrs *a)
{
	struct slice n = attrs_get(a, CKA_MODULUS);
	uint64_t bits = n.n > 0 ? bits_of(n) : attrs_u64(a, CKA_MODULUS_BITS, 0);

	return (struct strength){ bits > 0 ? STRENGTH_RSA : STRENGTH_OTHER, bits, 0 };
}

static struct strength ec_strength(const struct attrs *a, uint32_t ckk)
{
	struct slice params = attrs_get(a, CKA_EC_PARAMS);
	size_t bits = 0;
	unsigned group = params.n > 0 ? curve_group_of(ckk, params, &bits) : 0;

	return (struct strength){ group != 0 ? STRENGTH_EC : STRENGTH_OTHER, bits, group };
}

static struct strength secret_strength(const struct attrs *a)
{
	size_t n = attrs_get(a, CKA_VALUE).n;
	size_t only = key_only_size((uint32_t)attrs_u64(a, CKA_KEY_TYPE, 0));
	uint64_t bytes = n > 0 ? n : attrs_u64(a, CKA_VALUE_LEN, only);

	return (struct strength){ bytes > 0 ? STRENGTH_SECRET : STRENGTH_OTHER, bytes * 8, 0 };
}

/* SP 800-208 §5 has fewer sets than RFC 8391. */
static struct strength xmss_strength(const struct attrs *a, uint32_t ckk)
{
	const struct xmss_set *s = xmss_set_of(ckk, attrs_u64(a, CKA_PARAMETER_SET, 0));

	return (struct strength){ s == NULL || s->approved ? STRENGTH_OTHER : STRENGTH_UNAPPROVED, 0, 0 };
}

struct strength strength_of(const struct attrs *a)
{
	uint64_t cko = attrs_u64(a, CKA_CLASS, ATTRS_AS_GIVEN);
	uint32_t ckk = (uint32_t)attrs_u64(a, CKA_KEY_TYPE, ATTRS_AS_GIVEN);

	if (cko == CKO_SECRET_KEY)
		return secret_strength(a);
	if (cko != CKO_PRIVATE_KEY && cko != CKO_PUBLIC_KEY)
		return (struct strength){ 0 };
	if (ckk == CKK_RSA)
		return rsa_strength(a);
	if (ckk == CKK_EC || ckk == CKK_EC_EDWARDS || ckk == CKK_EC_MONTGOMERY)
		return ec_strength(a, ckk);
	if (ckk == CKK_XMSS || ckk == CKK_XMSSMT)
		return xmss_strength(a, ckk);
	return (struct strength){ 0 };
}
