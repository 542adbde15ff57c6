/* attrs_rules.c: spec/attributes.def as tables, and how to look into them. */
#include "attrs_rules.h"

#include <string.h>

#include "pkcs11_numbers.h"

/* The list's names for groups, and for types that are no CKK_. */
#define CKO_KEY RULE_KEY
#define CKO_STORED RULE_STORED
#define CKK_ANY RULE_ANY
#define CKK_X_509 CKC_X_509
#define CKK_X_509_ATTR_CERT CKC_X_509_ATTR_CERT
#define CKK_WTLS CKC_WTLS
#define CKK_CLOCK CKH_CLOCK
#define CKK_MONOTONIC_COUNTER CKH_MONOTONIC_COUNTER

static const struct rule rules[] = {
#define RULE(class, type, name, flags, dflt)                                   \
	{ (uint32_t)CKO_##class, (uint32_t)CKK_##type, (uint32_t)CKA_##name, flags, DEF_##dflt, \
		#class " " #type " " #name },
#include "attributes.def"
#undef RULE
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

static const struct {
	uint32_t cka;
	enum attr_kind kind;
} kinds[] = {
#define ATTR(name, kind) { (uint32_t)CKA_##name, KIND_##kind },
#include "attributes.def"
#undef ATTR
};

const struct rule *rule_at(size_t i)
{
	return i < RULES ? &rules[i] : NULL;
}

static bool is_key(uint32_t cko)
{
	return cko == CKO_PUBLIC_KEY || cko == CKO_PRIVATE_KEY || cko == CKO_SECRET_KEY ||
		cko == CKO_OTP_KEY;
}

static bool is_stored(uint32_t cko)
{
	return is_key(cko) || cko == CKO_DATA || cko == CKO_CERTIFICATE ||
		cko == CKO_DOMAIN_PARAMETERS || cko == CKO_TRUST;
}

bool rule_applies(const struct rule *r, uint32_t cko, uint32_t type)
{
	if (r->type != RULE_ANY && r->type != type)
		return false;
	return r->cko == cko || (r->cko == RULE_KEY && is_key(cko)) ||
		(r->cko == RULE_STORED && is_stored(cko));
}

const struct rule *rule_next(const struct rule *after, uint32_t cko, uint32_t type)
{
	const struct rule *r = after == NULL ? rules : after + 1;

	while (r < rules + RULES && !rule_applies(r, cko, type))
		r++;
	return r < rules + RULES ? r : NULL;
}

const struct rule *rule_find(uint32_t cko, uint32_t type, uint32_t cka)
{
	for (size_t i = 0; i < RULES; i++)
		if (rules[i].cka == cka && rule_applies(&rules[i], cko, type))
			return &rules[i];
	return NULL;
}

const struct rule *rule_of(const struct attrs *a, uint32_t cka)
{
	uint32_t cko = (uint32_t)attrs_u64(a, CKA_CLASS, ATTRS_AS_GIVEN);

	return rule_find(cko, rule_object_type(a), cka);
}

bool rule_type_attr(uint32_t cko, uint32_t *ret)
{
	if (is_key(cko) || cko == CKO_DOMAIN_PARAMETERS)
		*ret = CKA_KEY_TYPE;
	else if (cko == CKO_CERTIFICATE)
		*ret = CKA_CERTIFICATE_TYPE;
	else if (cko == CKO_HW_FEATURE)
		*ret = CKA_HW_FEATURE_TYPE;
	else
		return false;
	return true;
}

bool rule_known(uint32_t cko, uint32_t type)
{
	uint32_t cka;
	bool typed = rule_type_attr(cko, &cka);

	for (size_t i = 0; i < RULES; i++)
		if (rules[i].cko == cko && (typed ? rules[i].type == type : true))
			return true;
	return false;
}

uint32_t rule_object_type(const struct attrs *a)
{
	uint32_t cka;

	if (!rule_type_attr((uint32_t)attrs_u64(a, CKA_CLASS, ATTRS_AS_GIVEN), &cka))
		return RULE_ANY;
	return (uint32_t)attrs_u64(a, cka, ATTRS_AS_GIVEN);
}

bool attr_kind(uint32_t cka, enum attr_kind *ret)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].cka == cka) {
			*ret = kinds[i].kind;
			return true;
		}
	}
	return false;
}

static unsigned digits(const uint8_t *p, size_t n)
{
	unsigned v = 0;

	for (size_t i = 0; i < n; i++)
		v = v * 10 + (unsigned)(p[i] - '0');
	return v;
}

/* CK_DATE: "YYYYMMDD", a day of the Gregorian calendar. */
static bool date_ok(struct slice s)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year, month, day, leap;

	if (s.n == 0)
		return true;
	if (s.n != 8)
		return false;
	for (size_t i = 0; i < 8; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	year = digits(s.p, 4);
	month = digits(s.p + 4, 2);
	day = digits(s.p + 6, 2);
	leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + leap;
}

/* A template within a template, and so on for so many levels more. */
static bool nested_ok(struct slice s, unsigned deeper)
{
	CLEANUP(arena_done) struct arena mem = { 0 };
	struct attr_list l;
	enum attr_kind k;

	if (attrs_nested(s, &mem, &l) != HF_OK)
		return false;
	for (size_t i = 0; i < l.n; i++) {
		if (!attr_kind(l.v[i].type, &k))
			return false;
		if (k == KIND_ATTRS && (deeper == 0 || !nested_ok(l.v[i].value, deeper - 1)))
			return false;
	}
	return attrs_template(l) == HF_OK;
}

bool attr_value_ok(enum attr_kind k, struct slice v)
{
	switch (k) {
	case KIND_BOOL:
		return v.n == 1 && v.p[0] <= 1;
	case KIND_ULONG:
		return v.n == 8;
	case KIND_BYTES:
		return true;
	case KIND_DATE:
		return date_ok(v);
	case KIND_ATTRS:
		return nested_ok(v, ATTRS_NESTING_MAX - 1);
	case KIND_MECHS:
		return v.n % 8 == 0;
	}
	return false;
}
