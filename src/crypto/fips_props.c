/* fips_props.c: which keys and digests are not for the FIPS provider; see fips.h. */
#include <string.h>

#include <openssl/core_names.h>

#include "curve_group.h"
#include "fips.h"
#include "pkcs11_numbers.h"

#define OTHERS "provider=default"
#define RSA_BITS_MIN 2048u
#define EC_BITS_MIN 224u

const char *fips_props_of(const EVP_PKEY *k)
{
	return !crypto_is_fips() || EVP_PKEY_get0_provider(k) == fips_provider() ? NULL : OTHERS;
}

static bool takes_curve(const struct curve *c)
{
	size_t bits;

	return c->ckk != CKK_EC ||
		((curve_group_of(c->ckk, c->oid, &bits) & CURVES_NIST) != 0 && bits >= EC_BITS_MIN);
}

/* Keys over finite fields are approved nowhere here: their groups are anybody's. */
const char *fips_props_for(const char *type, size_t bits, const struct curve *c)
{
	if (!crypto_is_fips())
		return NULL;
	if (strcmp(type, "RSA") == 0 && bits != 0 && bits < RSA_BITS_MIN)
		return OTHERS;
	if (c != NULL && !takes_curve(c))
		return OTHERS;
	return strcmp(type, "DSA") == 0 || strcmp(type, "DH") == 0 || strcmp(type, "DHX") == 0 ?
		OTHERS : NULL;
}

const char *fips_props_parts(const char *type, const OSSL_PARAM *parts)
{
	const OSSL_PARAM *n, *group;

	if (!crypto_is_fips())
		return NULL;
	n = OSSL_PARAM_locate_const(parts, OSSL_PKEY_PARAM_RSA_N);
	group = OSSL_PARAM_locate_const(parts, OSSL_PKEY_PARAM_GROUP_NAME);
	return fips_props_for(type, n != NULL ? 8 * n->data_size : 0,
		group != NULL ? curve_by_ossl(CKK_EC, group->data) : NULL);
}

const char *fips_props_hash(const EVP_PKEY *k, const struct hash *h)
{
	if (crypto_is_fips() && h != NULL && EVP_MD_get0_provider(h->md) != fips_provider())
		return OTHERS;
	return fips_props_of(k);
}
