#include "builtin.h"

#include <string.h>

#include "attrs_rules.h"
#include "clock.h"
#include "op.h"
#include "pkcs11_numbers.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define NOT_HERE UINT32_MAX /* not in this partition */

/* A handle is this bit, the class, and which one of its class. */
static uint64_t handle_of(uint32_t cko, uint32_t which)
{
	return BUILTIN_HANDLE | (uint64_t)cko << 32 | which;
}

/* --- hardware features -------------------------------------------------------- */

static enum hf_err clock_value(struct calls_ctx *c, struct attrs *a)
{
	uint8_t text[16];

	(void)c;
	clock_digits(clock_wall_us(), text);
	return attrs_set(a, CKA_VALUE, SLICE_OF(text));
}

/* Each start of the HSM leaves a record in the audit log, so its number grows
 * from start to start; the second half grows from look to look. */
static enum hf_err counter_value(struct calls_ctx *c, struct attrs *a)
{
	uint8_t both[16];

	put_u64(both, c->hsm->counter_base);
	put_u64(both + 8, atomic_fetch_add(&c->hsm->counter, 1) + 1);
	TRY(attrs_set_bool(a, CKA_RESET_ON_INIT, false));
	TRY(attrs_set_bool(a, CKA_HAS_RESET, false));
	return attrs_set(a, CKA_VALUE, SLICE_OF(both));
}

static bool feature_at(struct calls_ctx *c, size_t i, uint32_t *ret)
{
	static const uint32_t have[] = { CKH_MONOTONIC_COUNTER, CKH_CLOCK };

	(void)c;
	if (i < COUNT(have))
		*ret = have[i];
	return i < COUNT(have);
}

static enum hf_err feature_fill(struct calls_ctx *c, uint32_t which, struct attrs *a)
{
	TRY(attrs_set_u64(a, CKA_HW_FEATURE_TYPE, which));
	return which == CKH_CLOCK ? clock_value(c, a) : counter_value(c, a);
}

/* --- mechanisms ------------------------------------------------------------------ */

static bool mechanism_at(struct calls_ctx *c, size_t i, uint32_t *ret)
{
	const struct mech *m = mech_at(i);

	if (m != NULL)
		*ret = mech_ops(c->part, m) != 0 ? m->type : NOT_HERE;
	return m != NULL;
}

static enum hf_err mechanism_fill(struct calls_ctx *c, uint32_t which, struct attrs *a)
{
	(void)c;
	return attrs_set_u64(a, CKA_MECHANISM_TYPE, which);
}

/* --- profiles ---------------------------------------------------------------------- */

/* Not CKP_PUBLIC_CERTIFICATES_TOKEN: whether every certificate is public and
 * bears its key's CKA_ID is its owner's choice. Not CKP_COMPLETE_PROVIDER: some
 * of the standard's mechanisms are broken and left out. */
static bool profile_at(struct calls_ctx *c, size_t i, uint32_t *ret)
{
	static const uint32_t have[] = { CKP_BASELINE_PROVIDER, CKP_EXTENDED_PROVIDER,
		CKP_AUTHENTICATION_TOKEN, CKP_HKDF_TLS_TOKEN };

	(void)c;
	if (i < COUNT(have))
		*ret = have[i];
	return i < COUNT(have);
}

static enum hf_err profile_fill(struct calls_ctx *c, uint32_t which, struct attrs *a)
{
	(void)c;
	return attrs_set_u64(a, CKA_PROFILE_ID, which);
}

static bool validation_at(struct calls_ctx *c, size_t i, uint32_t *ret)
{
	(void)c;
	(void)i;
	(void)ret;
	return false;
}

/* --- all of them -------------------------------------------------------------------- */

static const struct builtin {
	uint32_t cko;
	/* at tells the i-th of the class, ascending, or NOT_HERE; false: past the end. */
	bool (*at)(struct calls_ctx *c, size_t i, uint32_t *ret);
	enum hf_err (*fill)(struct calls_ctx *c, uint32_t which, struct attrs *a);
} builtins[] = {
	{ CKO_HW_FEATURE, feature_at, feature_fill },
	{ CKO_MECHANISM, mechanism_at, mechanism_fill },
	{ CKO_PROFILE, profile_at, profile_fill },
	{ CKO_VALIDATION, validation_at, NULL },
};

static const struct builtin *builtin_of(uint64_t cko)
{
	for (size_t i = 0; i < COUNT(builtins); i++)
		if (builtins[i].cko == cko)
			return &builtins[i];
	return NULL;
}

static uint64_t class_wanted(struct attr_list t)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.v[i].type == CKA_CLASS && t.v[i].value.n == 8)
			return get_u64(t.v[i].value.p);
	return UINT64_MAX;
}

bool builtin_wanted(struct attr_list tmpl)
{
	return builtin_of(class_wanted(tmpl)) != NULL;
}

static bool exists(struct calls_ctx *c, const struct builtin *b, uint32_t which)
{
	uint32_t have;

	for (size_t i = 0; b->at(c, i, &have); i++)
		if (have == which && have != NOT_HERE)
			return true;
	return false;
}

/* make gives it what its rules have as defaults, then what it is about. */
static enum hf_err make(struct calls_ctx *c, const struct builtin *b, uint32_t which,
	struct attrs *a)
{
	TRY(attrs_set_u64(a, CKA_CLASS, b->cko));
	for (const struct rule *r = NULL; (r = rule_next(r, b->cko, RULE_ANY)) != NULL;)
		if (r->dflt == DEF_TRUE || r->dflt == DEF_FALSE)
			TRY(attrs_set_bool(a, r->cka, r->dflt == DEF_TRUE));
	return b->fill(c, which, a);
}

enum hf_err builtin_get(struct calls_ctx *c, uint64_t handle, enum hf_err missing,
	struct object **ret)
{
	const struct builtin *b = builtin_of((handle & ~BUILTIN_HANDLE) >> 32);
	CLEANUP(object_release) struct object *o = NULL;

	if (b == NULL || !exists(c, b, (uint32_t)handle))
		return missing;
	o = hf_alloc(1, sizeof(*o));
	if (o == NULL)
		return HF_E_MEMORY;
	atomic_init(&o->refs, 1);
	TRY(make(c, b, (uint32_t)handle, &o->attrs));
	o->handle = handle;
	o->cko = b->cko;
	o->ckk = ATTRS_AS_GIVEN;
	*ret = o;
	o = NULL;
	return HF_OK;
}

static enum hf_err matches(struct calls_ctx *c, const struct builtin *b, uint32_t which,
	struct attr_list tmpl, bool *ret)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };

	TRY(make(c, b, which, &a));
	*ret = attrs_match(&a, tmpl);
	return HF_OK;
}

enum hf_err builtin_find(struct calls_ctx *c, struct attr_list tmpl, uint64_t after, uint32_t max,
	struct u64_list *ret, uint64_t *ret_cursor)
{
	const struct builtin *b = builtin_of(class_wanted(tmpl));
	size_t room = 0, n = 0;
	uint64_t *v;
	uint32_t which;
	bool match;

	while (b->at(c, room, &which))
		room++;
	v = arena_alloc(c->arena, room + 1, sizeof(*v));
	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	*ret_cursor = 0;
	for (size_t i = 0; b->at(c, i, &which) && i < room; i++) {
		if (which == NOT_HERE || handle_of(b->cko, which) <= after)
			continue;
		TRY(matches(c, b, which, tmpl, &match));
		if (match && n == max) {
			*ret_cursor = v[n - 1];
			break;
		}
		if (match)
			v[n++] = handle_of(b->cko, which);
	}
	*ret = (struct u64_list){ v, n };
	return HF_OK;
}
