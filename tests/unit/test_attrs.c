/* The rules of attributes: what may be given, what comes of itself, what is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attrs.h"
#include "attrs_rules.h"
#include "tmpl.h"

static enum hf_err birth_as(enum role role, enum birth how, struct attr_list t, struct attrs *ret)
{
	struct birth_info b = { .how = how, .cko = ATTRS_AS_GIVEN, .ckk = ATTRS_AS_GIVEN,
		.mechanism = CKM_AES_KEY_GEN, .role = role };

	return attrs_birth(&b, t, ret);
}

static struct attrs born(enum birth how, struct attr_list t)
{
	struct attrs a = { 0 };

	assert_int_equal(birth_as(ROLE_USER, how, t, &a), HF_OK);
	return a;
}

static enum hf_err refused_as(enum role role, enum birth how, struct attr_list t)
{
	struct attrs a = { 0 };
	enum hf_err e = birth_as(role, how, t, &a);

	assert_null(a.p);
	return e;
}

static enum hf_err refused(enum birth how, struct attr_list t)
{
	return refused_as(ROLE_USER, how, t);
}

#define AES U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES)
#define RSA_PRIV U(CLASS, CKO_PRIVATE_KEY), U(KEY_TYPE, CKK_RSA)

/* --- the set ---------------------------------------------------------------- */

static void a_value_set_is_the_value_got(void **state)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };

	(void)state;
	assert_int_equal(attrs_set(&a, CKA_LABEL, SLICE_STR("one")), HF_OK);
	assert_int_equal(attrs_set_u64(&a, CKA_CLASS, 7), HF_OK);
	assert_int_equal(attrs_set(&a, CKA_LABEL, SLICE_STR("longer than one")), HF_OK);
	assert_true(slice_eq(attrs_get(&a, CKA_LABEL), SLICE_STR("longer than one")));
	assert_int_equal(attrs_u64(&a, CKA_CLASS, 0), 7);
	assert_null(attrs_get(&a, CKA_ID).p);
}

static void an_attribute_deleted_is_absent_and_the_rest_stays(void **state)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };

	(void)state;
	assert_int_equal(attrs_set(&a, CKA_ID, SLICE_STR("id")), HF_OK);
	assert_int_equal(attrs_set(&a, CKA_LABEL, SLICE_STR("label")), HF_OK);
	attrs_del(&a, CKA_LABEL);
	assert_null(attrs_get(&a, CKA_LABEL).p);
	assert_true(slice_eq(attrs_get(&a, CKA_ID), SLICE_STR("id")));
}

static void an_empty_value_is_there(void **state)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };

	(void)state;
	assert_int_equal(attrs_set(&a, CKA_LABEL, SLICE_NONE), HF_OK);
	assert_non_null(attrs_get(&a, CKA_LABEL).p);
	assert_int_equal(attrs_get(&a, CKA_LABEL).n, 0);
}

static void a_set_too_big_is_refused(void **state)
{
	static const uint8_t big[ATTRS_MAX_BYTES];
	CLEANUP(attrs_done) struct attrs a = { 0 };

	(void)state;
	assert_int_equal(attrs_set(&a, CKA_VALUE, SLICE_OF(big)), HF_E_OBJECT_SIZE);
}

static void the_stored_form_comes_back_equal(void **state)
{
	CLEANUP(attrs_done) struct attrs a = born(BIRTH_CREATE, TMPL(AES, AES_16));
	CLEANUP(attrs_done) struct attrs b = { 0 };
	CLEANUP(buf_done) struct buf out = BUF_MAX(65536);

	(void)state;
	attrs_enc(&a, &out);
	assert_int_equal(attrs_dec(buf_slice(&out), &b), HF_OK);
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.p, b.p, a.n);
}

static void a_stored_form_cut_anywhere_is_damaged(void **state)
{
	CLEANUP(attrs_done) struct attrs a = born(BIRTH_CREATE, TMPL(AES, AES_16));
	struct attrs b = { 0 };

	(void)state;
	for (size_t n = 0; n < a.n; n++)
		assert_int_equal(attrs_dec((struct slice){ a.p, n }, &b), HF_E_DAMAGED);
}

static void a_stored_form_out_of_order_is_damaged(void **state)
{
	static const uint8_t twice[] = { 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0,
		0 };
	struct attrs b = { 0 };

	(void)state;
	assert_int_equal(attrs_dec(SLICE_OF(twice), &b), HF_E_DAMAGED);
}

static void the_set_is_walked_in_order(void **state)
{
	CLEANUP(attrs_done) struct attrs a = born(BIRTH_CREATE, TMPL(AES, AES_16));
	struct attr v;
	size_t at = 0, n = 0;
	uint32_t last = 0;

	(void)state;
	while (attrs_next(&a, &at, &v)) {
		assert_true(n == 0 || v.type > last);
		last = v.type;
		n++;
	}
	assert_int_equal(n, get_u32(a.p));
}

/* --- templates --------------------------------------------------------------- */

/* Of one unwrap template in the next: the value of the outermost. */
#define NEST(n) 0, 0, 0, 1, 0x40, 0, 2, 0x11, 0, 0, 0, n
static const uint8_t fourth_level[] = { NEST(24), NEST(12), NEST(0) };
static const uint8_t fifth_level[] = { NEST(36), NEST(24), NEST(12), NEST(0) };
static const uint8_t nested_label[] = { 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 'x' };
static const uint8_t nested_lies[] = { 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1, 'x' };
static const uint8_t nested_many[4] = { 0, 0, 0, ATTRS_NESTED_MAX + 1 };

static void impossible_templates_are_refused(void **state)
{
	const struct {
		const char *why;
		enum hf_err e;
		struct attr_list t;
	} cases[] = {
		{ "unknown attribute", HF_E_ATTR_TYPE, TMPL({ 0x7fffffff, SLICE_NONE }) },
		{ "boolean of 2", HF_E_ATTR_VALUE, TMPL(B(TOKEN, 2)) },
		{ "boolean of no bytes", HF_E_ATTR_VALUE, TMPL(E(TOKEN)) },
		{ "short number", HF_E_ATTR_VALUE, TMPL(S(CLASS, "1234")) },
		{ "date of 7 bytes", HF_E_ATTR_VALUE, TMPL(S(START_DATE, "2026010")) },
		{ "month 13", HF_E_ATTR_VALUE, TMPL(S(START_DATE, "20261301")) },
		{ "the 30th of February", HF_E_ATTR_VALUE, TMPL(S(END_DATE, "20230230")) },
		{ "the 29th of a year that has none", HF_E_ATTR_VALUE, TMPL(S(END_DATE, "21000229")) },
		{ "the 31st of April", HF_E_ATTR_VALUE, TMPL(S(START_DATE, "20260431")) },
		{ "letters in a date", HF_E_ATTR_VALUE, TMPL(S(START_DATE, "2026010a")) },
		{ "half a mechanism", HF_E_ATTR_VALUE, TMPL(S(ALLOWED_MECHANISMS, "12345678abcd")) },
		{ "same twice", HF_E_TEMPLATE_CONFLICT, TMPL(B(TOKEN, 1), B(TOKEN, 1)) },
		{ "two values", HF_E_TEMPLATE_CONFLICT, TMPL(B(TOKEN, 1), B(TOKEN, 0)) },
		{ "fifth level", HF_E_ATTR_VALUE, TMPL(V(WRAP_TEMPLATE, SLICE_OF(fifth_level))) },
		{ "count lies", HF_E_ATTR_VALUE, TMPL(V(WRAP_TEMPLATE, SLICE_OF(nested_lies))) },
		{ "too many", HF_E_ATTR_VALUE, TMPL(V(WRAP_TEMPLATE, SLICE_OF(nested_many))) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (attrs_template(cases[i].t) != cases[i].e)
			fail_msg("%s: %s", cases[i].why, err_name(attrs_template(cases[i].t)));
}

static void possible_templates_are_taken(void **state)
{
	(void)state;
	assert_int_equal(attrs_template(TMPL_NONE), HF_OK);
	assert_int_equal(attrs_template(TMPL(E(START_DATE), S(END_DATE, "20261231"))), HF_OK);
	assert_int_equal(attrs_template(TMPL(S(START_DATE, "20000229"), S(END_DATE, "20280229"))), HF_OK);
	assert_int_equal(
		attrs_template(TMPL(V(UNWRAP_TEMPLATE, SLICE_OF(nested_label)))), HF_OK);
	assert_int_equal(
		attrs_template(TMPL(V(UNWRAP_TEMPLATE, SLICE_OF(fourth_level)))), HF_OK);
}

/* --- birth ------------------------------------------------------------------- */

static void wrong_births_get_the_standards_error(void **state)
{
	const struct {
		const char *why;
		enum birth how;
		enum hf_err e;
		struct attr_list t;
	} cases[] = {
		{ "no class", BIRTH_CREATE, HF_E_TEMPLATE_INCOMPLETE, TMPL(S(LABEL, "x")) },
		{ "no key type", BIRTH_CREATE, HF_E_TEMPLATE_INCOMPLETE,
			TMPL(U(CLASS, CKO_SECRET_KEY)) },
		{ "no value", BIRTH_CREATE, HF_E_TEMPLATE_INCOMPLETE, TMPL(AES) },
		{ "unknown class", BIRTH_CREATE, HF_E_ATTR_VALUE, TMPL(U(CLASS, 77)) },
		{ "unknown key type", BIRTH_CREATE, HF_E_ATTR_VALUE,
			TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, 0x777)) },
		{ "a group as class", BIRTH_CREATE, HF_E_ATTR_VALUE, TMPL(U(CLASS, RULE_KEY)) },
		{ "a group as key type", BIRTH_CREATE, HF_E_ATTR_VALUE,
			TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, RULE_ANY), AES_16) },
		{ "a class of 64 bits", BIRTH_CREATE, HF_E_ATTR_VALUE,
			TMPL(U(CLASS, 0x100000000), S(LABEL, "x")) },
		{ "a profile", BIRTH_CREATE, HF_E_ATTR_READ_ONLY, TMPL(U(CLASS, CKO_PROFILE)) },
		{ "modulus of an AES key", BIRTH_CREATE, HF_E_TEMPLATE_CONFLICT,
			TMPL(AES, AES_16, S(MODULUS, "1")) },
		{ "LOCAL given", BIRTH_CREATE, HF_E_ATTR_READ_ONLY, TMPL(AES, AES_16, B(LOCAL, 1)) },
		{ "unique id given", BIRTH_CREATE, HF_E_ATTR_READ_ONLY,
			TMPL(AES, AES_16, S(UNIQUE_ID, "1")) },
		{ "length on create", BIRTH_CREATE, HF_E_ATTR_READ_ONLY,
			TMPL(AES, AES_16, U(VALUE_LEN, 16)) },
		{ "no length on generate", BIRTH_GENERATE, HF_E_TEMPLATE_INCOMPLETE, TMPL(AES) },
		{ "value on generate", BIRTH_GENERATE, HF_E_ATTR_READ_ONLY,
			TMPL(AES, AES_16, U(VALUE_LEN, 16)) },
		{ "value on unwrap", BIRTH_UNWRAP, HF_E_ATTR_READ_ONLY, TMPL(AES, AES_16) },
		{ "value on derive", BIRTH_DERIVE, HF_E_ATTR_READ_ONLY, TMPL(AES, AES_16) },
		{ "trusted by a user", BIRTH_CREATE, HF_E_ATTR_READ_ONLY,
			TMPL(AES, AES_16, B(TRUSTED, 1)) },
		{ "PIN for a public private key", BIRTH_UNWRAP, HF_E_TEMPLATE_CONFLICT,
			TMPL(RSA_PRIV, B(PRIVATE, 0), B(ALWAYS_AUTHENTICATE, 1)) },
		{ "ends before it starts", BIRTH_CREATE, HF_E_TEMPLATE_CONFLICT,
			TMPL(AES, AES_16, S(START_DATE, "20260102"), S(END_DATE, "20260101")) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (refused(cases[i].how, cases[i].t) != cases[i].e)
			fail_msg("%s: %s", cases[i].why,
				err_name(refused(cases[i].how, cases[i].t)));
}

static void class_and_type_must_be_the_mechanisms(void **state)
{
	struct birth_info b = { .how = BIRTH_GENERATE, .cko = CKO_SECRET_KEY, .ckk = CKK_AES,
		.role = ROLE_USER };
	struct attrs a = { 0 };

	(void)state;
	assert_int_equal(attrs_birth(&b, TMPL(U(KEY_TYPE, CKK_HKDF), U(VALUE_LEN, 16)), &a),
		HF_E_TEMPLATE_CONFLICT);
	assert_int_equal(attrs_birth(&b, TMPL(U(CLASS, CKO_DATA), U(VALUE_LEN, 16)), &a),
		HF_E_TEMPLATE_CONFLICT);
}

static void a_secret_key_is_closed_unless_asked(void **state)
{
	CLEANUP(attrs_done) struct attrs a = born(BIRTH_GENERATE, TMPL(AES, U(VALUE_LEN, 16)));

	(void)state;
	assert_true(attrs_bool(&a, CKA_PRIVATE));
	assert_true(attrs_bool(&a, CKA_SENSITIVE));
	assert_false(attrs_bool(&a, CKA_EXTRACTABLE));
	assert_false(attrs_bool(&a, CKA_TOKEN));
	assert_true(attrs_bool(&a, CKA_MODIFIABLE));
	assert_false(attrs_bool(&a, CKA_DERIVE));
}

static void public_keys_and_certificates_are_public(void **state)
{
	CLEANUP(attrs_done) struct attrs k = born(BIRTH_CREATE,
		TMPL(U(CLASS, CKO_PUBLIC_KEY), U(KEY_TYPE, CKK_EC), S(EC_PARAMS, "p"),
			S(EC_POINT, "q")));
	CLEANUP(attrs_done) struct attrs c = born(BIRTH_CREATE,
		TMPL(U(CLASS, CKO_CERTIFICATE), U(CERTIFICATE_TYPE, CKC_X_509), S(SUBJECT, "s"),
			S(VALUE, "v")));

	(void)state;
	assert_false(attrs_bool(&k, CKA_PRIVATE));
	assert_false(attrs_bool(&c, CKA_PRIVATE));
}

static void a_generated_key_vouches_for_itself(void **state)
{
	CLEANUP(attrs_done) struct attrs a = born(BIRTH_GENERATE, TMPL(AES, U(VALUE_LEN, 16)));

	(void)state;
	assert_true(attrs_bool(&a, CKA_LOCAL));
	assert_true(attrs_bool(&a, CKA_ALWAYS_SENSITIVE));
	assert_true(attrs_bool(&a, CKA_NEVER_EXTRACTABLE));
	assert_int_equal(attrs_u64(&a, CKA_KEY_GEN_MECHANISM, 0), CKM_AES_KEY_GEN);
}

static void a_generated_open_key_does_not_vouch(void **state)
{
	CLEANUP(attrs_done) struct attrs a = born(BIRTH_GENERATE,
		TMPL(AES, U(VALUE_LEN, 16), B(SENSITIVE, 0), B(EXTRACTABLE, 1)));

	(void)state;
	assert_false(attrs_bool(&a, CKA_ALWAYS_SENSITIVE));
	assert_false(attrs_bool(&a, CKA_NEVER_EXTRACTABLE));
}

static void a_key_from_outside_vouches_for_nothing(void **state)
{
	CLEANUP(attrs_done) struct attrs c = born(BIRTH_CREATE, TMPL(AES, AES_16));
	CLEANUP(attrs_done) struct attrs u = born(BIRTH_UNWRAP, TMPL(AES));

	(void)state;
	assert_false(attrs_bool(&c, CKA_LOCAL));
	assert_false(attrs_bool(&c, CKA_ALWAYS_SENSITIVE));
	assert_false(attrs_bool(&c, CKA_NEVER_EXTRACTABLE));
	assert_true(attrs_u64(&c, CKA_KEY_GEN_MECHANISM, 0) == UINT64_MAX);
	assert_false(attrs_bool(&u, CKA_LOCAL));
	assert_false(attrs_bool(&u, CKA_ALWAYS_SENSITIVE));
	assert_false(attrs_bool(&u, CKA_NEVER_EXTRACTABLE));
}

static void an_unwrapped_key_is_extractable_again(void **state)
{
	CLEANUP(attrs_done) struct attrs a = born(BIRTH_UNWRAP, TMPL(AES));

	(void)state;
	assert_true(attrs_bool(&a, CKA_EXTRACTABLE));
	assert_true(attrs_bool(&a, CKA_SENSITIVE));
}

static struct attrs derive_from(const struct attrs *base, bool inherit, struct attr_list t)
{
	struct birth_info b = { .how = BIRTH_DERIVE, .cko = ATTRS_AS_GIVEN, .ckk = ATTRS_AS_GIVEN,
		.role = ROLE_USER, .base = base, .inherit = inherit };
	struct attrs a = { 0 };

	assert_int_equal(attrs_birth(&b, t, &a), HF_OK);
	return a;
}

static void a_derived_key_vouches_only_as_its_base_does(void **state)
{
	CLEANUP(attrs_done) struct attrs good = born(BIRTH_GENERATE, TMPL(AES, U(VALUE_LEN, 16)));
	CLEANUP(attrs_done) struct attrs bad = born(BIRTH_CREATE, TMPL(AES, AES_16));
	CLEANUP(attrs_done) struct attrs a = derive_from(&good, false, TMPL(AES));
	CLEANUP(attrs_done) struct attrs b = derive_from(&bad, false, TMPL(AES));
	CLEANUP(attrs_done) struct attrs c = derive_from(NULL, false, TMPL(AES));

	(void)state;
	assert_true(attrs_bool(&a, CKA_ALWAYS_SENSITIVE));
	assert_true(attrs_bool(&a, CKA_NEVER_EXTRACTABLE));
	assert_false(attrs_bool(&b, CKA_ALWAYS_SENSITIVE));
	assert_false(attrs_bool(&b, CKA_NEVER_EXTRACTABLE));
	assert_false(attrs_bool(&c, CKA_ALWAYS_SENSITIVE));
}

static void a_key_cut_from_a_sensitive_one_stays_sensitive(void **state)
{
	CLEANUP(attrs_done) struct attrs base = born(BIRTH_GENERATE, TMPL(AES, U(VALUE_LEN, 16)));
	CLEANUP(attrs_done) struct attrs a =
		derive_from(&base, true, TMPL(AES, B(SENSITIVE, 0), B(EXTRACTABLE, 1)));

	(void)state;
	assert_true(attrs_bool(&a, CKA_SENSITIVE));
	assert_false(attrs_bool(&a, CKA_EXTRACTABLE));
}

static void only_a_logged_in_user_makes_private_objects(void **state)
{
	struct attr_list key = TMPL(AES, AES_16);

	(void)state;
	assert_int_equal(refused_as(ROLE_PUBLIC, BIRTH_CREATE, key), HF_E_NOT_LOGGED_IN);
	assert_int_equal(refused_as(ROLE_SO, BIRTH_CREATE, key), HF_E_NOT_LOGGED_IN);
}

static void only_the_security_officer_trusts(void **state)
{
	struct attr_list t = TMPL(AES, AES_16, B(PRIVATE, 0), B(TRUSTED, 1));
	CLEANUP(attrs_done) struct attrs a = { 0 };

	(void)state;
	assert_int_equal(refused_as(ROLE_USER, BIRTH_CREATE, t), HF_E_ATTR_READ_ONLY);
	assert_int_equal(birth_as(ROLE_SO, BIRTH_CREATE, t, &a), HF_OK);
	assert_true(attrs_bool(&a, CKA_TRUSTED));
}

static void a_certificate_needs_a_value_or_a_place(void **state)
{
	CLEANUP(attrs_done) struct attrs none = born(BIRTH_CREATE,
		TMPL(U(CLASS, CKO_CERTIFICATE), U(CERTIFICATE_TYPE, CKC_X_509), S(SUBJECT, "s")));
	CLEANUP(attrs_done) struct attrs url = born(BIRTH_CREATE,
		TMPL(U(CLASS, CKO_CERTIFICATE), U(CERTIFICATE_TYPE, CKC_X_509), S(SUBJECT, "s"),
			S(URL, "https://example.org/c")));

	(void)state;
	assert_int_equal(attrs_check_complete(&none), HF_E_TEMPLATE_INCOMPLETE);
	assert_int_equal(attrs_check_complete(&url), HF_OK);
}

static void a_post_quantum_private_key_needs_seed_or_value(void **state)
{
	CLEANUP(attrs_done) struct attrs a = born(BIRTH_CREATE,
		TMPL(U(CLASS, CKO_PRIVATE_KEY), U(KEY_TYPE, CKK_ML_DSA), U(PARAMETER_SET, 1)));

	(void)state;
	assert_int_equal(attrs_check_complete(&a), HF_E_TEMPLATE_INCOMPLETE);
	assert_int_equal(attrs_set(&a, CKA_SEED, SLICE_STR("s")), HF_OK);
	assert_int_equal(attrs_check_complete(&a), HF_OK);
}

static void a_key_without_its_components_is_incomplete(void **state)
{
	CLEANUP(attrs_done) struct attrs a = born(BIRTH_GENERATE, TMPL(AES, U(VALUE_LEN, 16)));

	(void)state;
	assert_int_equal(attrs_check_complete(&a), HF_E_TEMPLATE_INCOMPLETE);
}

static void a_wrong_check_value_is_refused(void **state)
{
	CLEANUP(attrs_done) struct attrs a =
		born(BIRTH_CREATE, TMPL(AES, AES_16, S(CHECK_VALUE, "abc")));
	struct parts p = { .n = 1, .v[0] = { CKA_CHECK_VALUE, { (uint8_t[]){ 'a', 'b', 'd' }, 3 } } };

	(void)state;
	assert_int_equal(attrs_put_parts(&a, &p), HF_E_ATTR_VALUE);
	p.v[0].value.p[2] = 'c';
	assert_int_equal(attrs_put_parts(&a, &p), HF_OK);
}

static void an_empty_check_value_stays_empty(void **state)
{
	CLEANUP(attrs_done) struct attrs a =
		born(BIRTH_CREATE, TMPL(AES, AES_16, E(CHECK_VALUE)));
	struct parts p = { .n = 1, .v[0] = { CKA_CHECK_VALUE, { (uint8_t[]){ 1, 2, 3 }, 3 } } };

	(void)state;
	assert_int_equal(attrs_put_parts(&a, &p), HF_OK);
	assert_int_equal(attrs_get(&a, CKA_CHECK_VALUE).n, 0);
}

/* --- change and copy ---------------------------------------------------------- */

static enum hf_err change_as(enum role role, struct attr_list made, struct attr_list change)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };
	CLEANUP(attrs_done) struct attrs b = { 0 };

	assert_int_equal(birth_as(ROLE_USER, BIRTH_CREATE, made, &a), HF_OK);
	return attrs_change(&a, change, role, &b);
}

static void changes_follow_the_footnotes(void **state)
{
	const struct {
		const char *why;
		enum hf_err e;
		struct attr_list made, change;
	} cases[] = {
		{ "label", HF_OK, TMPL(AES, AES_16), TMPL(S(LABEL, "x")) },
		{ "usage", HF_OK, TMPL(AES, AES_16), TMPL(B(ENCRYPT, 0)) },
		{ "value", HF_E_ATTR_READ_ONLY, TMPL(AES, AES_16), TMPL(S(VALUE, "x")) },
		{ "a guess of the value", HF_E_ATTR_READ_ONLY, TMPL(AES, AES_16), TMPL(AES_16) },
		{ "class", HF_E_ATTR_READ_ONLY, TMPL(AES, AES_16), TMPL(U(CLASS, CKO_DATA)) },
		{ "to the token", HF_E_ATTR_READ_ONLY, TMPL(AES, AES_16), TMPL(B(TOKEN, 1)) },
		{ "to sensitive", HF_OK, TMPL(AES, AES_16, B(SENSITIVE, 0)), TMPL(B(SENSITIVE, 1)) },
		{ "from sensitive", HF_E_ATTR_READ_ONLY, TMPL(AES, AES_16), TMPL(B(SENSITIVE, 0)) },
		{ "sensitive as it is", HF_OK, TMPL(AES, AES_16), TMPL(B(SENSITIVE, 1)) },
		{ "to unextractable", HF_OK, TMPL(AES, AES_16, B(EXTRACTABLE, 1)),
			TMPL(B(EXTRACTABLE, 0)) },
		{ "to extractable", HF_E_ATTR_READ_ONLY, TMPL(AES, AES_16),
			TMPL(B(EXTRACTABLE, 1)) },
		{ "trusted by the user", HF_E_ATTR_READ_ONLY, TMPL(AES, AES_16),
			TMPL(B(TRUSTED, 1)) },
		{ "not an attribute of it", HF_E_ATTR_TYPE, TMPL(AES, AES_16),
			TMPL(S(MODULUS, "x")) },
		{ "twice", HF_E_TEMPLATE_CONFLICT, TMPL(AES, AES_16),
			TMPL(S(LABEL, "x"), S(LABEL, "y")) },
		{ "copyable again", HF_E_ATTR_READ_ONLY, TMPL(AES, AES_16, B(COPYABLE, 0)),
			TMPL(B(COPYABLE, 1)) },
		{ "unmodifiable", HF_E_MODIFY_PROHIBITED, TMPL(AES, AES_16, B(MODIFIABLE, 0)),
			TMPL(S(LABEL, "x")) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum hf_err e = change_as(ROLE_USER, cases[i].made, cases[i].change);

		if (e != cases[i].e)
			fail_msg("%s: %s", cases[i].why, err_name(e));
	}
}

static void the_security_officer_may_trust_later(void **state)
{
	(void)state;
	assert_int_equal(
		change_as(ROLE_SO, TMPL(AES, AES_16, B(PRIVATE, 0)), TMPL(B(TRUSTED, 1))), HF_OK);
}

static enum hf_err copy_of(const struct attrs *from, struct attr_list t, struct attrs *ret)
{
	struct birth_info b = { .how = BIRTH_COPY, .role = ROLE_USER, .base = from };

	return attrs_birth(&b, t, ret);
}

static void a_copy_is_the_same_but_for_the_template(void **state)
{
	CLEANUP(attrs_done) struct attrs a =
		born(BIRTH_GENERATE, TMPL(AES, U(VALUE_LEN, 16), S(LABEL, "a")));
	CLEANUP(attrs_done) struct attrs b = { 0 };

	(void)state;
	assert_int_equal(attrs_set(&a, CKA_UNIQUE_ID, SLICE_STR("1")), HF_OK);
	assert_int_equal(copy_of(&a, TMPL(B(TOKEN, 1), S(LABEL, "b")), &b), HF_OK);
	assert_true(attrs_bool(&b, CKA_TOKEN));
	assert_true(slice_eq(attrs_get(&b, CKA_LABEL), SLICE_STR("b")));
	assert_true(attrs_bool(&b, CKA_LOCAL));
	assert_null(attrs_get(&b, CKA_UNIQUE_ID).p);
}

static void copies_that_open_something_are_refused(void **state)
{
	CLEANUP(attrs_done) struct attrs a = born(BIRTH_CREATE, TMPL(AES, AES_16));
	CLEANUP(attrs_done) struct attrs fixed = born(BIRTH_CREATE, TMPL(AES, AES_16, B(COPYABLE, 0)));
	struct attrs b = { 0 };

	(void)state;
	assert_int_equal(copy_of(&a, TMPL(B(PRIVATE, 0)), &b), HF_E_TEMPLATE_CONFLICT);
	assert_int_equal(copy_of(&a, TMPL(B(SENSITIVE, 0)), &b), HF_E_ATTR_READ_ONLY);
	assert_int_equal(copy_of(&a, TMPL(B(EXTRACTABLE, 1)), &b), HF_E_ATTR_READ_ONLY);
	assert_int_equal(copy_of(&a, TMPL(AES_16), &b), HF_E_ATTR_READ_ONLY);
	assert_int_equal(copy_of(&fixed, TMPL_NONE, &b), HF_E_COPY_PROHIBITED);
}

/* --- telling ------------------------------------------------------------------- */

static enum attr_found told(struct attr_list made, uint32_t type)
{
	CLEANUP(attrs_done) struct attrs a = born(BIRTH_CREATE, made);
	struct slice v;

	return attrs_read(&a, type, &v);
}

static void a_secret_value_is_told_only_of_an_open_key(void **state)
{
	(void)state;
	assert_int_equal(told(TMPL(AES, AES_16), CKA_VALUE), ATTR_SENSITIVE);
	assert_int_equal(told(TMPL(AES, AES_16, B(SENSITIVE, 0)), CKA_VALUE), ATTR_SENSITIVE);
	assert_int_equal(told(TMPL(AES, AES_16, B(EXTRACTABLE, 1)), CKA_VALUE), ATTR_SENSITIVE);
	assert_int_equal(told(TMPL(AES, AES_16, B(SENSITIVE, 0), B(EXTRACTABLE, 1)), CKA_VALUE),
		ATTR_FOUND);
}

static void what_an_object_has_not_is_not_told(void **state)
{
	(void)state;
	assert_int_equal(told(TMPL(AES, AES_16), CKA_MODULUS), ATTR_NO_SUCH);
	assert_int_equal(told(TMPL(AES, AES_16), 0x7fffffff), ATTR_NO_SUCH);
}

static void a_hidden_value_matches_nothing(void **state)
{
	CLEANUP(attrs_done) struct attrs a = born(BIRTH_CREATE, TMPL(AES, AES_16, S(LABEL, "x")));

	(void)state;
	assert_true(attrs_match(&a, TMPL(S(LABEL, "x"), U(CLASS, CKO_SECRET_KEY))));
	assert_false(attrs_match(&a, TMPL(AES_16)));
	assert_false(attrs_match(&a, TMPL(S(LABEL, "y"))));
	assert_true(attrs_match(&a, TMPL_NONE));
}

/* --- the list ------------------------------------------------------------------- */

static void no_attribute_of_an_object_has_two_rules(void **state)
{
	const struct rule *a, *b;

	(void)state;
	for (size_t i = 0; (a = rule_at(i)) != NULL; i++)
		for (size_t j = 0; j < i && (b = rule_at(j)) != NULL; j++)
			if (a->cka == b->cka && rule_applies(b, a->cko, a->type))
				fail_msg("%s and %s", a->text, b->text);
}

static void every_ruled_attribute_has_a_kind(void **state)
{
	const struct rule *r;
	enum attr_kind k;

	(void)state;
	for (size_t i = 0; (r = rule_at(i)) != NULL; i++)
		if (!attr_kind(r->cka, &k))
			fail_msg("%s", r->text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_set_is_the_value_got),
		cmocka_unit_test(an_attribute_deleted_is_absent_and_the_rest_stays),
		cmocka_unit_test(an_empty_value_is_there),
		cmocka_unit_test(a_set_too_big_is_refused),
		cmocka_unit_test(the_stored_form_comes_back_equal),
		cmocka_unit_test(a_stored_form_cut_anywhere_is_damaged),
		cmocka_unit_test(a_stored_form_out_of_order_is_damaged),
		cmocka_unit_test(the_set_is_walked_in_order),
		cmocka_unit_test(impossible_templates_are_refused),
		cmocka_unit_test(possible_templates_are_taken),
		cmocka_unit_test(wrong_births_get_the_standards_error),
		cmocka_unit_test(class_and_type_must_be_the_mechanisms),
		cmocka_unit_test(a_secret_key_is_closed_unless_asked),
		cmocka_unit_test(public_keys_and_certificates_are_public),
		cmocka_unit_test(a_generated_key_vouches_for_itself),
		cmocka_unit_test(a_generated_open_key_does_not_vouch),
		cmocka_unit_test(a_key_from_outside_vouches_for_nothing),
		cmocka_unit_test(an_unwrapped_key_is_extractable_again),
		cmocka_unit_test(a_derived_key_vouches_only_as_its_base_does),
		cmocka_unit_test(a_key_cut_from_a_sensitive_one_stays_sensitive),
		cmocka_unit_test(only_a_logged_in_user_makes_private_objects),
		cmocka_unit_test(only_the_security_officer_trusts),
		cmocka_unit_test(a_certificate_needs_a_value_or_a_place),
		cmocka_unit_test(a_post_quantum_private_key_needs_seed_or_value),
		cmocka_unit_test(a_key_without_its_components_is_incomplete),
		cmocka_unit_test(a_wrong_check_value_is_refused),
		cmocka_unit_test(an_empty_check_value_stays_empty),
		cmocka_unit_test(changes_follow_the_footnotes),
		cmocka_unit_test(the_security_officer_may_trust_later),
		cmocka_unit_test(a_copy_is_the_same_but_for_the_template),
		cmocka_unit_test(copies_that_open_something_are_refused),
		cmocka_unit_test(a_secret_value_is_told_only_of_an_open_key),
		cmocka_unit_test(what_an_object_has_not_is_not_told),
		cmocka_unit_test(a_hidden_value_matches_nothing),
		cmocka_unit_test(no_attribute_of_an_object_has_two_rules),
		cmocka_unit_test(every_ruled_attribute_has_a_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
