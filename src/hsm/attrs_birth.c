/* attrs_birth.c: the interpreter of the rules: how objects come to be, change,
 * and what they tell. */
#include "attrs.h"
#include "attrs_rules.h"

#include <string.h>

#include "pkcs11_numbers.h"

static struct slice tmpl_get(struct attr_list t, uint32_t type)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.v[i].type == type)
			return t.v[i].value;
	return SLICE_NONE;
}

static bool tmpl_has(struct attr_list t, uint32_t type)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.v[i].type == type)
			return true;
	return false;
}

enum hf_err attrs_template(struct attr_list t)
{
	enum attr_kind k;

	for (size_t i = 0; i < t.n; i++) {
		if (!attr_kind(t.v[i].type, &k))
			return HF_E_ATTR_TYPE;
		if (!attr_value_ok(k, t.v[i].value))
			return HF_E_ATTR_VALUE;
		for (size_t j = 0; j < i; j++)
			if (t.v[j].type == t.v[i].type)
				return HF_E_TEMPLATE_CONFLICT;
	}
	return HF_OK;
}

/* what_of settles one of class and type from the template and what must be. */
static enum hf_err what_of(struct attr_list t, uint32_t cka, uint32_t must, struct attrs *a)
{
	struct slice given = tmpl_get(t, cka);
	uint64_t v = given.n == 8 ? get_u64(given.p) : must;

	if (given.n == 0 && must == ATTRS_AS_GIVEN)
		return HF_E_TEMPLATE_INCOMPLETE;
	if (v >= RULE_KEY) /* the groups of rules are no class and no type */
		return HF_E_ATTR_VALUE;
	if (must != ATTRS_AS_GIVEN && v != must)
		return HF_E_TEMPLATE_CONFLICT;
	return attrs_set_u64(a, cka, v);
}

static enum hf_err class_and_type(const struct birth_info *b, struct attr_list t, struct attrs *a)
{
	uint32_t cka, cko;

	TRY(what_of(t, CKA_CLASS, b->cko, a));
	cko = (uint32_t)attrs_u64(a, CKA_CLASS, 0);
	if (rule_type_attr(cko, &cka))
		TRY(what_of(t, cka, b->ckk, a));
	return rule_known(cko, rule_object_type(a)) ? HF_OK : HF_E_ATTR_VALUE;
}

static unsigned forbidden(enum birth how)
{
	static const unsigned by_birth[] = {
		[BIRTH_CREATE] = NO_CREATE, [BIRTH_GENERATE] = NO_GENERATE,
		[BIRTH_UNWRAP] = NO_UNWRAP, [BIRTH_DERIVE] = NO_GENERATE, [BIRTH_COPY] = 0,
	};

	return by_birth[how] | SYSTEM;
}

static unsigned required(enum birth how)
{
	static const unsigned by_birth[] = {
		[BIRTH_CREATE] = REQ_CREATE, [BIRTH_GENERATE] = REQ_GENERATE,
		[BIRTH_UNWRAP] = REQ_UNWRAP, [BIRTH_DERIVE] = 0, [BIRTH_COPY] = 0,
	};

	return by_birth[how];
}

static bool is_true(struct slice v)
{
	return v.n == 1 && v.p[0] != 0;
}

static enum hf_err take_given(const struct birth_info *b, struct attr_list t, struct attrs *a)
{
	for (size_t i = 0; i < t.n; i++) {
		const struct rule *r = rule_of(a, t.v[i].type);

		/* An attribute of other objects (PKCS#11 3.2 §4.1.1, point 5). */
		if (r == NULL)
			return HF_E_TEMPLATE_CONFLICT;
		if ((r->flags & forbidden(b->how)) != 0)
			return HF_E_ATTR_READ_ONLY;
		if ((r->flags & SO_TRUE) != 0 && is_true(t.v[i].value) && b->role != ROLE_SO)
			return HF_E_ATTR_READ_ONLY;
		TRY(attrs_set(a, t.v[i].type, t.v[i].value));
	}
	return HF_OK;
}

static uint32_t class_of(const struct attrs *a)
{
	return (uint32_t)attrs_u64(a, CKA_CLASS, ATTRS_AS_GIVEN);
}

/* vouched: the flag held for every key that this one came from, and for it now. */
static bool vouched(const struct birth_info *b, uint32_t cka, bool now)
{
	switch (b->how) {
	case BIRTH_GENERATE:
		return now;
	case BIRTH_DERIVE:
		for (size_t i = 0; i < OTHER_KEYS_MAX; i++)
			now = now && (b->other[i] == NULL || attrs_bool(b->other[i], cka));
		return now && b->base != NULL && attrs_bool(b->base, cka);
	case BIRTH_CREATE:
	case BIRTH_UNWRAP:
	case BIRTH_COPY:
		return false;
	}
	return false;
}

/* set_code: the defaults that are more than a value. The private flag follows
 * what existing programs expect of a software token: keys with secrets and data
 * are private, public keys and certificates are not. */
static enum hf_err set_code(const struct birth_info *b, uint32_t cka, struct attrs *a)
{
	uint32_t cko = class_of(a);

	switch (cka) {
	case CKA_PRIVATE:
		return attrs_set_bool(a, cka,
			cko == CKO_PRIVATE_KEY || cko == CKO_SECRET_KEY || cko == CKO_OTP_KEY ||
			cko == CKO_DATA);
	case CKA_EXTRACTABLE:
		/* PKCS#11 3.2 §5.18.5: what came wrapped was extractable. */
		return attrs_set_bool(a, cka, b->how == BIRTH_UNWRAP);
	case CKA_LOCAL:
		return attrs_set_bool(a, cka, b->how == BIRTH_GENERATE);
	case CKA_KEY_GEN_MECHANISM:
		return attrs_set_u64(a, cka,
			b->how == BIRTH_GENERATE ? b->mechanism : UINT64_MAX);
	case CKA_ALWAYS_SENSITIVE:
		return attrs_set_bool(a, cka, vouched(b, cka, attrs_bool(a, CKA_SENSITIVE)));
	case CKA_NEVER_EXTRACTABLE:
		return attrs_set_bool(a, cka, vouched(b, cka, !attrs_bool(a, CKA_EXTRACTABLE)));
	default:
		return HF_E_INTERNAL; /* a row says CODE and nobody wrote it */
	}
}

/* A stateful key is never copied (PKCS#11 3.2 §6.65.3, §6.66.4). */
static enum hf_err set_default(const struct birth_info *b, const struct rule *r, struct attrs *a)
{
	if (r->cka == CKA_COPYABLE && attrs_one_time(a))
		return attrs_set_bool(a, r->cka, false);
	switch ((enum rule_default)r->dflt) {
	case DEF_NONE:
		return HF_OK;
	case DEF_EMPTY:
		return attrs_set(a, r->cka, SLICE_NONE);
	case DEF_TRUE:
		return attrs_set_bool(a, r->cka, true);
	case DEF_FALSE:
		return attrs_set_bool(a, r->cka, false);
	case DEF_ZERO:
		return attrs_set_u64(a, r->cka, 0);
	case DEF_CODE:
		return set_code(b, r->cka, a);
	}
	return HF_E_INTERNAL;
}

static enum hf_err fill(const struct birth_info *b, struct attr_list t, struct attrs *a)
{
	uint32_t cko = class_of(a), type = rule_object_type(a);

	for (const struct rule *r = NULL; (r = rule_next(r, cko, type)) != NULL;) {
		if (attrs_get(a, r->cka).p != NULL)
			continue;
		if ((r->flags & required(b->how)) != 0 && !tmpl_has(t, r->cka) &&
		    !(b->one_size && r->cka == CKA_VALUE_LEN))
			return HF_E_TEMPLATE_INCOMPLETE;
		TRY(set_default(b, r, a));
	}
	return HF_OK;
}

/* inherit: PKCS#11 3.2 §6.43.3: a key cut from sensitive keys is no less so. */
static enum hf_err inherit(const struct attrs *from, struct attrs *a)
{
	if (from == NULL)
		return HF_OK;
	if (attrs_bool(from, CKA_SENSITIVE))
		TRY(attrs_set_bool(a, CKA_SENSITIVE, true));
	if (!attrs_bool(from, CKA_EXTRACTABLE))
		TRY(attrs_set_bool(a, CKA_EXTRACTABLE, false));
	return HF_OK;
}

/* trust_ok: whom a trust object trusts it names by a hash too (PKCS#11 3.2 §4,
 * trust objects, footnote 2). */
static enum hf_err trust_ok(const struct attrs *a)
{
	static const uint32_t uses[] = { CKA_TRUST_SERVER_AUTH, CKA_TRUST_CLIENT_AUTH,
		CKA_TRUST_CODE_SIGNING, CKA_TRUST_EMAIL_PROTECTION, CKA_TRUST_IPSEC_IKE,
		CKA_TRUST_TIME_STAMPING, CKA_TRUST_OCSP_SIGNING };
	bool hashed = attrs_get(a, CKA_HASH_OF_CERTIFICATE).n != 0 &&
		attrs_get(a, CKA_NAME_HASH_ALGORITHM).n != 0;

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		uint64_t trust = attrs_u64(a, uses[i], CKT_TRUST_UNKNOWN);

		if (trust > CKT_TRUST_MUST_VERIFY_TRUST)
			return HF_E_ATTR_VALUE;
		if (trust != CKT_TRUST_UNKNOWN && trust != CKT_NOT_TRUSTED && !hashed)
			return HF_E_TEMPLATE_INCOMPLETE;
	}
	return HF_OK;
}

static enum hf_err consistent(const struct attrs *a, enum role role)
{
	struct slice start = attrs_get(a, CKA_START_DATE), end = attrs_get(a, CKA_END_DATE);

	if (attrs_bool(a, CKA_PRIVATE) && !role_is_user(role))
		return HF_E_NOT_LOGGED_IN;
	if (class_of(a) == CKO_TRUST)
		TRY(trust_ok(a));
	if (attrs_one_time(a) && (attrs_bool(a, CKA_COPYABLE) || attrs_bool(a, CKA_EXTRACTABLE) ||
	    !attrs_bool(a, CKA_SENSITIVE)))
		return HF_E_TEMPLATE_CONFLICT;
	if (attrs_bool(a, CKA_ALWAYS_AUTHENTICATE) && !attrs_bool(a, CKA_PRIVATE))
		return HF_E_TEMPLATE_CONFLICT;
	if (start.n == 8 && end.n == 8 && slice_cmp(end, start) < 0)
		return HF_E_TEMPLATE_CONFLICT;
	return HF_OK;
}

/* change_one: now holds the attribute's present value, if it has one. The value
 * it has already is no change; not so for hidden ones, where the answer would
 * tell whether a guess was right. */
static enum hf_err change_one(const struct attrs *now, const struct attr *c, enum role role,
	unsigned allowed, struct attrs *a)
{
	const struct rule *r = rule_of(now, c->type);
	struct slice old = attrs_get(now, c->type);
	bool to = is_true(c->value);

	if (r == NULL)
		return HF_E_ATTR_TYPE;
	if ((r->flags & SECRET) == 0 && old.p != NULL && slice_eq(old, c->value))
		return HF_OK;
	if ((r->flags & allowed) == 0)
		return HF_E_ATTR_READ_ONLY;
	if ((r->flags & ONLY_TO_TRUE) != 0 && !to)
		return HF_E_ATTR_READ_ONLY;
	if ((r->flags & ONLY_TO_FALSE) != 0 && to)
		return HF_E_ATTR_READ_ONLY;
	if ((r->flags & SO_TRUE) != 0 && to && role != ROLE_SO)
		return HF_E_ATTR_READ_ONLY;
	return attrs_set(a, c->type, c->value);
}

static enum hf_err change_all(const struct attrs *now, struct attr_list change, enum role role,
	unsigned allowed, struct attrs *ret)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };

	TRY(attrs_template(change));
	TRY(attrs_dup(now, &a));
	for (size_t i = 0; i < change.n; i++)
		TRY(change_one(now, &change.v[i], role, allowed, &a));
	TRY(consistent(&a, role));
	*ret = attrs_take(&a);
	return HF_OK;
}

static enum hf_err copy(const struct birth_info *b, struct attr_list t, struct attrs *ret)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };

	if (!attrs_bool(b->base, CKA_COPYABLE))
		return HF_E_COPY_PROHIBITED;
	TRY(change_all(b->base, t, b->role, MODIFY | COPY, &a));
	if (attrs_bool(b->base, CKA_PRIVATE) && !attrs_bool(&a, CKA_PRIVATE))
		return HF_E_TEMPLATE_CONFLICT;
	attrs_del(&a, CKA_UNIQUE_ID);
	*ret = attrs_take(&a);
	return HF_OK;
}

enum hf_err attrs_birth(const struct birth_info *b, struct attr_list t, struct attrs *ret)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };

	if (b->how == BIRTH_COPY)
		return copy(b, t, ret);
	TRY(attrs_template(t));
	TRY(class_and_type(b, t, &a));
	TRY(take_given(b, t, &a));
	if (b->inherit) {
		/* Before the defaults, so that the always/never flags see it. */
		TRY(inherit(b->base, &a));
		for (size_t i = 0; i < OTHER_KEYS_MAX; i++)
			TRY(inherit(b->other[i], &a));
	}
	TRY(fill(b, t, &a));
	TRY(consistent(&a, b->role));
	*ret = attrs_take(&a);
	return HF_OK;
}

static bool has_bytes(const struct attrs *a, uint32_t cka)
{
	return attrs_get(a, cka).n != 0;
}

enum hf_err attrs_check_complete(const struct attrs *a)
{
	uint32_t cko = class_of(a), type = rule_object_type(a);
	const struct rule *value = rule_find(cko, type, CKA_VALUE);

	for (const struct rule *r = NULL; (r = rule_next(r, cko, type)) != NULL;)
		if ((r->flags & REQ_CREATE) != 0 && attrs_get(a, r->cka).p == NULL)
			return HF_E_TEMPLATE_INCOMPLETE;
	/* Either of two: the value, or the seed (post-quantum private keys) or
	 * the place (certificates) that stands for it. */
	if (cko == CKO_PRIVATE_KEY && rule_find(cko, type, CKA_SEED) != NULL && value != NULL &&
	    !has_bytes(a, CKA_VALUE) && !has_bytes(a, CKA_SEED))
		return HF_E_TEMPLATE_INCOMPLETE;
	if (cko == CKO_CERTIFICATE && !has_bytes(a, CKA_VALUE) && !has_bytes(a, CKA_URL))
		return HF_E_TEMPLATE_INCOMPLETE;
	return HF_OK;
}

enum hf_err attrs_change(const struct attrs *now, struct attr_list change, enum role role,
	struct attrs *ret)
{
	if (!attrs_bool(now, CKA_MODIFIABLE))
		return HF_E_MODIFY_PROHIBITED;
	return change_all(now, change, role, MODIFY, ret);
}

enum attr_found attrs_read(const struct attrs *a, uint32_t type, struct slice *ret)
{
	const struct rule *r = rule_of(a, type);

	*ret = SLICE_NONE;
	if (r == NULL)
		return ATTR_NO_SUCH;
	if ((r->flags & SECRET) != 0 &&
	    (attrs_bool(a, CKA_SENSITIVE) || !attrs_bool(a, CKA_EXTRACTABLE)))
		return ATTR_SENSITIVE;
	*ret = attrs_get(a, type);
	return ret->p == NULL ? ATTR_NO_SUCH : ATTR_FOUND;
}

bool attrs_match(const struct attrs *a, struct attr_list t)
{
	struct slice v;

	for (size_t i = 0; i < t.n; i++)
		if (attrs_read(a, t.v[i].type, &v) != ATTR_FOUND || !slice_eq(v, t.v[i].value))
			return false;
	return true;
}
