/* names.c: the standard's names for numbers and back. */
#include "cli.h"
#include "pkcs11_numbers.h"

#include <strings.h>
#include <string.h>

static const struct {
	uint64_t cko;
	const char *name;
} classes[] = {
	{ CKO_DATA, "data" },
	{ CKO_CERTIFICATE, "certificate" },
	{ CKO_PUBLIC_KEY, "public" },
	{ CKO_PRIVATE_KEY, "private" },
	{ CKO_SECRET_KEY, "secret" },
	{ CKO_OTP_KEY, "otp" },
	{ CKO_DOMAIN_PARAMETERS, "parameters" },
	{ CKO_HW_FEATURE, "hardware" },
	{ CKO_MECHANISM, "mechanism" },
	{ CKO_OTP_KEY, "otp" },
	{ CKO_PROFILE, "profile" },
};

static const struct {
	uint64_t ckk;
	const char *name;
} types[] = {
	{ CKK_RSA, "RSA" },
	{ CKK_EC, "EC" },
	{ CKK_EC_EDWARDS, "EdDSA" },
	{ CKK_EC_MONTGOMERY, "XDH" },
	{ CKK_AES, "AES" },
	{ CKK_GENERIC_SECRET, "generic" },
	{ CKK_HKDF, "HKDF" },
	{ CKK_ML_DSA, "ML-DSA" },
	{ CKK_ML_KEM, "ML-KEM" },
	{ CKK_SLH_DSA, "SLH-DSA" },
	{ CKK_HSS, "HSS" },
	{ CKK_XMSS, "XMSS" },
	{ CKK_XMSSMT, "XMSSMT" },
	{ CKK_DSA, "DSA" },
	{ CKK_DH, "DH" },
	{ CKK_DES3, "DES3" },
};

static const struct {
	uint32_t ckm;
	const char *name;
} mechanisms[] = {
#define MECH(name, ops, key, alt_key, min, max, param, arg, flags) { CKM_##name, #name },
#include "mechanisms/all.def"
#undef MECH
};

static const struct attr_name attributes[] = {
#define ATTR(name, kind) { CKA_##name, #name, #kind },
#include "attributes.def"
#undef ATTR
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const char *name_of_class(uint64_t cko)
{
	for (size_t i = 0; i < COUNT(classes); i++)
		if (classes[i].cko == cko)
			return classes[i].name;
	return "other";
}

bool class_of_name(const char *s, uint64_t *ret)
{
	for (size_t i = 0; i < COUNT(classes); i++)
		if (strcasecmp(classes[i].name, s) == 0) {
			*ret = classes[i].cko;
			return true;
		}
	return false;
}

const char *name_of_key_type(uint64_t ckk)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (types[i].ckk == ckk)
			return types[i].name;
	return "other";
}

const char *name_of_mechanism(uint64_t ckm)
{
	for (size_t i = 0; i < COUNT(mechanisms); i++)
		if (mechanisms[i].ckm == ckm)
			return mechanisms[i].name;
	return NULL;
}

bool mechanism_of_name(const char *s, uint32_t *ret)
{
	if (strncasecmp(s, "CKM_", 4) == 0)
		s += 4;
	for (size_t i = 0; i < COUNT(mechanisms); i++)
		if (strcasecmp(mechanisms[i].name, s) == 0) {
			*ret = mechanisms[i].ckm;
			return true;
		}
	return false;
}

const struct attr_name *attr_names(size_t *ret_n)
{
	*ret_n = COUNT(attributes);
	return attributes;
}
