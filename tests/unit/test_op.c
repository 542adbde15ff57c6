/* The engine for operations: what PKCS#11 3.2 §5.2 and §5.8 ff. promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine.h"

#define AES U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES), AES_16
#define GENERIC U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_GENERIC_SECRET), AES_16
#define NONE SLICE_NONE
#define ASK WIRE_NO_OUTPUT

static int setup(void **state)
{
	static struct engine e;

	engine_open(&e);
	*state = &e;
	return 0;
}

static int teardown(void **state)
{
	engine_close(*state);
	assert_int_equal(stub_states, 0);
	return 0;
}

static enum hf_err begin(struct engine *e, enum op_kind k, uint32_t ckm, const struct object *key)
{
	struct mech_in m = { .type = ckm };

	return op_begin(&e->c, k, &m, key != NULL ? key->handle : 0);
}

/* struct result is what a call gave. */
struct result {
	enum hf_err e;
	uint32_t need;
	struct slice out;
};

static struct result step(struct engine *e, enum op_kind k, enum op_step s, struct slice in,
	uint32_t max)
{
	struct result a = { 0 };
	struct op_io io = { .in = in, .max = max, .ret_need = &a.need, .ret_out = &a.out };

	a.e = op_data(&e->c, k, s, &io);
	return a;
}

static enum hf_err feed(struct engine *e, enum op_kind k, enum op_step s, struct slice in,
	struct slice sig)
{
	struct op_io io = { .in = in, .signature = sig };

	return op_data(&e->c, k, s, &io);
}

static void expect(struct result a, struct slice out)
{
	assert_int_equal(a.e, HF_OK);
	assert_int_equal(a.need, out.n);
	assert_true(slice_eq(a.out, out));
}

static void expect_need(struct result a, uint32_t need)
{
	assert_int_equal(a.e, HF_OK);
	assert_int_equal(a.need, need);
	assert_int_equal(a.out.n, 0);
}

static bool running(struct engine *e, enum op_kind k)
{
	return e->session.ops[k] != NULL;
}

static struct object *started(struct engine *e, enum op_kind k, uint32_t ckm)
{
	struct object *key = engine_add(e, TMPL(AES));

	assert_int_equal(begin(e, k, ckm, key), HF_OK);
	return key;
}

/* --- single part -------------------------------------------------------------------- */

static void a_single_part_ends_the_operation(void **state)
{
	struct engine *e = *state;

	started(e, OPK_ENCRYPT, STUB_CIPHER);
	expect(step(e, OPK_ENCRYPT, OP_SINGLE, SLICE_STR("abc"), 3), SLICE_STR("bcd"));
	assert_false(running(e, OPK_ENCRYPT));
	assert_int_equal(step(e, OPK_ENCRYPT, OP_SINGLE, NONE, 3).e, HF_E_OP_NONE);
}

static void asking_for_the_length_changes_nothing(void **state)
{
	struct engine *e = *state;

	started(e, OPK_SIGN, STUB_SIGN);
	for (int i = 0; i < 3; i++)
		expect_need(step(e, OPK_SIGN, OP_SINGLE, SLICE_STR("x"), ASK), 5);
	expect(step(e, OPK_SIGN, OP_SINGLE, SLICE_STR("x"), 5), SLICE_STR("sig:\1"));
}

static void too_little_room_leaves_the_operation_alive(void **state)
{
	struct engine *e = *state;

	started(e, OPK_SIGN, STUB_SIGN);
	expect_need(step(e, OPK_SIGN, OP_SINGLE, SLICE_STR("x"), 4), 5);
	expect_need(step(e, OPK_SIGN, OP_SINGLE, SLICE_STR("x"), 0), 5);
	expect(step(e, OPK_SIGN, OP_SINGLE, SLICE_STR("x"), 5), SLICE_STR("sig:\1"));
}

static void room_for_the_plaintext_alone_is_enough(void **state)
{
	struct engine *e = *state;

	started(e, OPK_DECRYPT, STUB_PADDED);
	expect(step(e, OPK_DECRYPT, OP_SINGLE, SLICE_STR("bcdQ"), 3), SLICE_STR("abc"));
}

static void after_too_little_room_other_data_may_come(void **state)
{
	struct engine *e = *state;

	started(e, OPK_DECRYPT, STUB_PADDED);
	expect_need(step(e, OPK_DECRYPT, OP_SINGLE, SLICE_STR("bcdQ"), 2), 3);
	expect(step(e, OPK_DECRYPT, OP_SINGLE, SLICE_STR("bQ"), 2), SLICE_STR("a"));
}

static void any_error_ends_the_operation(void **state)
{
	struct engine *e = *state;

	started(e, OPK_DECRYPT, STUB_PADDED);
	assert_int_equal(
		step(e, OPK_DECRYPT, OP_SINGLE, SLICE_STR("bcd"), 9).e, HF_E_ENCRYPTED_DATA);
	assert_false(running(e, OPK_DECRYPT));
}

static void a_single_part_after_an_update_is_refused(void **state)
{
	struct engine *e = *state;

	started(e, OPK_SIGN, STUB_SIGN);
	assert_int_equal(feed(e, OPK_SIGN, OP_UPDATE, SLICE_STR("x"), NONE), HF_OK);
	assert_int_equal(step(e, OPK_SIGN, OP_SINGLE, NONE, 9).e, HF_E_OP_ACTIVE);
}

/* --- many parts ------------------------------------------------------------------- */

static void parts_give_what_the_whole_gives(void **state)
{
	struct engine *e = *state;

	started(e, OPK_ENCRYPT, STUB_CIPHER);
	expect(step(e, OPK_ENCRYPT, OP_UPDATE, SLICE_STR("ab"), 2), SLICE_STR("bc"));
	expect(step(e, OPK_ENCRYPT, OP_UPDATE, NONE, 0), NONE);
	expect(step(e, OPK_ENCRYPT, OP_UPDATE, SLICE_STR("c"), 10), SLICE_STR("d"));
	expect(step(e, OPK_ENCRYPT, OP_FINAL, NONE, 0), NONE);
	assert_false(running(e, OPK_ENCRYPT));
}

static void an_update_without_room_takes_nothing(void **state)
{
	struct engine *e = *state;

	started(e, OPK_SIGN, STUB_SIGN);
	op_cancel(&e->session, OPK_SIGN);
	started(e, OPK_ENCRYPT, STUB_CIPHER);
	expect_need(step(e, OPK_ENCRYPT, OP_UPDATE, SLICE_STR("ab"), 1), 2);
	expect_need(step(e, OPK_ENCRYPT, OP_UPDATE, SLICE_STR("ab"), ASK), 2);
	expect(step(e, OPK_ENCRYPT, OP_SINGLE, SLICE_STR("ab"), 2), SLICE_STR("bc"));
}

static void a_family_without_update_gets_all_at_the_end(void **state)
{
	struct engine *e = *state;

	started(e, OPK_SIGN, STUB_ONCE);
	assert_int_equal(feed(e, OPK_SIGN, OP_UPDATE, SLICE_STR("ab"), NONE), HF_OK);
	assert_int_equal(feed(e, OPK_SIGN, OP_UPDATE, SLICE_STR("c"), NONE), HF_OK);
	expect_need(step(e, OPK_SIGN, OP_FINAL, NONE, 4), 5);
	expect(step(e, OPK_SIGN, OP_FINAL, NONE, 5), SLICE_STR("sig:\3"));
}

static void a_gathered_cipher_gives_nothing_until_the_end(void **state)
{
	struct engine *e = *state;

	started(e, OPK_ENCRYPT, STUB_PADDED);
	expect_need(step(e, OPK_ENCRYPT, OP_UPDATE, SLICE_STR("ab"), ASK), 0);
	expect(step(e, OPK_ENCRYPT, OP_UPDATE, SLICE_STR("ab"), 0), NONE);
	expect_need(step(e, OPK_ENCRYPT, OP_FINAL, NONE, ASK), 3);
	expect(step(e, OPK_ENCRYPT, OP_FINAL, NONE, 3), SLICE_STR("bcQ"));
}

static void a_last_part_without_room_waits_to_be_fetched(void **state)
{
	struct engine *e = *state;

	started(e, OPK_DECRYPT, STUB_PADDED);
	expect(step(e, OPK_DECRYPT, OP_UPDATE, SLICE_STR("bcdQ"), 0), NONE);
	expect_need(step(e, OPK_DECRYPT, OP_FINAL, NONE, 2), 3);
	expect_need(step(e, OPK_DECRYPT, OP_FINAL, NONE, ASK), 3);
	expect(step(e, OPK_DECRYPT, OP_FINAL, NONE, 3), SLICE_STR("abc"));
	assert_false(running(e, OPK_DECRYPT));
}

static void a_finished_operation_takes_no_more_data(void **state)
{
	struct engine *e = *state;

	started(e, OPK_DECRYPT, STUB_PADDED);
	expect(step(e, OPK_DECRYPT, OP_UPDATE, SLICE_STR("bcdQ"), 0), NONE);
	expect_need(step(e, OPK_DECRYPT, OP_FINAL, NONE, 2), 3);
	assert_int_equal(step(e, OPK_DECRYPT, OP_UPDATE, SLICE_STR("x"), 9).e, HF_E_OP_ACTIVE);
}

static void a_final_without_an_update_works_on_nothing(void **state)
{
	struct engine *e = *state;

	started(e, OPK_SIGN, STUB_SIGN);
	expect(step(e, OPK_SIGN, OP_FINAL, NONE, 5), (struct slice){ (const uint8_t *)"sig:\0", 5 });
}

static void verification_tells_wrong_from_right(void **state)
{
	struct engine *e = *state;

	started(e, OPK_VERIFY, STUB_SIGN);
	assert_int_equal(feed(e, OPK_VERIFY, OP_SINGLE, SLICE_STR("x"), SLICE_STR("sig:\1")), HF_OK);
	assert_false(running(e, OPK_VERIFY));
	started(e, OPK_VERIFY, STUB_SIGN);
	assert_int_equal(feed(e, OPK_VERIFY, OP_UPDATE, SLICE_STR("xy"), NONE), HF_OK);
	assert_int_equal(feed(e, OPK_VERIFY, OP_FINAL, NONE, SLICE_STR("sig:\1")), HF_E_SIGNATURE);
	assert_false(running(e, OPK_VERIFY));
	started(e, OPK_VERIFY, STUB_SIGN);
	assert_int_equal(feed(e, OPK_VERIFY, OP_SINGLE, NONE, SLICE_STR("s")), HF_E_SIGNATURE_LEN);
}

/* --- beginning ------------------------------------------------------------------------ */

static void one_operation_of_a_kind_runs_in_a_session(void **state)
{
	struct engine *e = *state;
	struct object *key = started(e, OPK_SIGN, STUB_SIGN);

	assert_int_equal(begin(e, OPK_SIGN, STUB_SIGN, key), HF_E_OP_ACTIVE);
	assert_int_equal(begin(e, OPK_VERIFY, STUB_SIGN, key), HF_OK);
	assert_true(running(e, OPK_SIGN));
}

static void a_beginning_sent_again_begins_anew(void **state)
{
	struct engine *e = *state;
	struct object *key = started(e, OPK_SIGN, STUB_SIGN);

	e->c.head.flags = WIRE_FLAG_REPEAT;
	assert_int_equal(begin(e, OPK_SIGN, STUB_SIGN, key), HF_OK);
	assert_int_equal(feed(e, OPK_SIGN, OP_UPDATE, SLICE_STR("x"), NONE), HF_OK);
	assert_int_equal(begin(e, OPK_SIGN, STUB_SIGN, key), HF_E_OP_ACTIVE);
}

static void a_cancelled_operation_is_gone(void **state)
{
	struct engine *e = *state;

	started(e, OPK_SIGN, STUB_SIGN);
	op_cancel(&e->session, OPK_SIGN);
	op_cancel(&e->session, OPK_SIGN);
	assert_int_equal(step(e, OPK_SIGN, OP_SINGLE, NONE, 9).e, HF_E_OP_NONE);
}

static void unfit_keys_and_mechanisms_get_the_standards_error(void **state)
{
	static const uint8_t only_once[] = { 0, 0, 0, 0, 0x80, 0, 0, 4 };
	const struct {
		const char *why;
		enum hf_err e;
		enum op_kind k;
		uint32_t ckm;
		struct attr_list key;
	} cases[] = {
		{ "unknown mechanism", HF_E_MECHANISM, OPK_SIGN, 0x7777, TMPL(AES) },
		{ "not its operation", HF_E_MECHANISM, OPK_SIGN, STUB_CIPHER, TMPL(AES) },
		{ "family without functions", HF_E_MECHANISM, OPK_SIGN, STUB_IDLE, TMPL(AES) },
		{ "another type", HF_E_KEY_TYPE, OPK_ENCRYPT, STUB_CIPHER, TMPL(GENERIC) },
		{ "data for a key", HF_E_KEY_HANDLE, OPK_SIGN, STUB_SIGN, TMPL(U(CLASS, CKO_DATA)) },
		{ "too short a key", HF_E_KEY_SIZE, OPK_ENCRYPT, STUB_CIPHER,
			TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES), S(VALUE, "short")) },
		{ "may not sign", HF_E_KEY_FUNCTION, OPK_SIGN, STUB_SIGN, TMPL(AES, B(SIGN, 0)) },
		{ "only another mechanism", HF_E_MECHANISM, OPK_SIGN, STUB_SIGN,
			TMPL(AES, V(ALLOWED_MECHANISMS, SLICE_OF(only_once))) },
		{ "the mechanism allowed", HF_OK, OPK_SIGN, STUB_ONCE,
			TMPL(AES, V(ALLOWED_MECHANISMS, SLICE_OF(only_once))) },
		{ "the other type it takes", HF_OK, OPK_SIGN, STUB_ONCE, TMPL(GENERIC) },
		{ "any secret key", HF_OK, OPK_SIGN, STUB_SIGN, TMPL(GENERIC) },
		{ "legacy, allowed so far", HF_OK, OPK_SIGN, STUB_LEGACY, TMPL(AES) },
	};
	struct engine *e = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum hf_err r = begin(e, cases[i].k, cases[i].ckm, engine_add(e, cases[i].key));

		if (r != cases[i].e)
			fail_msg("%s: %s", cases[i].why, err_name(r));
		op_cancel(&e->session, cases[i].k);
	}
}

static void a_parameter_where_none_belongs_is_refused(void **state)
{
	struct engine *e = *state;
	struct mech_in m = { STUB_SIGN, SLICE_STR("x") };

	assert_int_equal(op_begin(&e->c, OPK_SIGN, &m, engine_add(e, TMPL(AES))->handle),
		HF_E_MECHANISM_PARAM);
}

static void no_key_is_found_behind_a_wrong_handle(void **state)
{
	struct engine *e = *state;
	struct mech_in m = { .type = STUB_SIGN };

	assert_int_equal(op_begin(&e->c, OPK_SIGN, &m, 12345), HF_E_KEY_HANDLE);
}

static void the_audit_record_knows_key_and_mechanism(void **state)
{
	struct engine *e = *state;
	struct object *key = started(e, OPK_SIGN, STUB_SIGN);

	assert_true(e->c.audit.has_object);
	assert_memory_equal(e->c.audit.object, key->uid, UID_LEN);
	assert_int_equal(e->c.audit.mechanism, STUB_SIGN);
}

static void a_key_destroyed_meanwhile_serves_to_the_end(void **state)
{
	struct engine *e = *state;
	struct object *key = started(e, OPK_SIGN, STUB_SIGN);

	assert_int_equal(object_destroy(&e->c, key), HF_OK);
	expect(step(e, OPK_SIGN, OP_SINGLE, SLICE_STR("x"), 5), SLICE_STR("sig:\1"));
}

/* --- logins ---------------------------------------------------------------------------- */

static void a_logout_ends_what_private_keys_do(void **state)
{
	struct engine *e = *state;

	started(e, OPK_SIGN, STUB_SIGN);
	assert_int_equal(begin(e, OPK_VERIFY, STUB_SIGN, engine_add(e, TMPL(AES, B(PRIVATE, 0)))),
		HF_OK);
	ops_drop_private(&e->session);
	assert_false(running(e, OPK_SIGN));
	assert_true(running(e, OPK_VERIFY));
}

static void after_a_logout_a_private_key_signs_no_more(void **state)
{
	struct engine *e = *state;

	started(e, OPK_SIGN, STUB_SIGN);
	e->c.role = ROLE_PUBLIC;
	assert_int_equal(step(e, OPK_SIGN, OP_SINGLE, NONE, 9).e, HF_E_NOT_LOGGED_IN);
	assert_false(running(e, OPK_SIGN));
}


/* The stand-in has no private keys: a secret one with their attribute. */
static struct object *guarded(struct engine *e)
{
	struct object *o = engine_add(e, TMPL(AES));
	CLEANUP(attrs_done) struct attrs a = { 0 };
	struct object *ret;

	assert_int_equal(attrs_dup(&o->attrs, &a), HF_OK);
	assert_int_equal(attrs_set_bool(&a, CKA_ALWAYS_AUTHENTICATE, true), HF_OK);
	engine_call(e);
	assert_int_equal(object_add(&e->c, &a, &ret), HF_OK);
	object_unref(ret);
	return ret;
}

static void a_guarded_key_wants_the_pin_for_every_use(void **state)
{
	struct engine *e = *state;
	struct object *key = guarded(e);

	assert_int_equal(begin(e, OPK_SIGN, STUB_SIGN, key), HF_OK);
	assert_int_equal(step(e, OPK_SIGN, OP_SINGLE, NONE, 9).e, HF_E_NOT_LOGGED_IN);
	assert_int_equal(begin(e, OPK_SIGN, STUB_SIGN, key), HF_OK);
	assert_int_equal(op_waits_for_login(&e->session), key->handle);
	op_context_login(&e->session, key->handle + 1);
	assert_int_equal(step(e, OPK_SIGN, OP_SINGLE, NONE, 9).e, HF_E_NOT_LOGGED_IN);
	assert_int_equal(begin(e, OPK_SIGN, STUB_SIGN, key), HF_OK);
	op_context_login(&e->session, key->handle);
	expect(step(e, OPK_SIGN, OP_SINGLE, SLICE_STR("x"), 9), SLICE_STR("sig:\1"));
	assert_int_equal(begin(e, OPK_SIGN, STUB_SIGN, key), HF_OK);
	assert_int_equal(step(e, OPK_SIGN, OP_SINGLE, NONE, 9).e, HF_E_NOT_LOGGED_IN);
}

static void a_pin_that_nothing_waits_for_is_told_so(void **state)
{
	struct engine *e = *state;

	assert_int_equal(op_waits_for_login(&e->session), 0);
	started(e, OPK_SIGN, STUB_SIGN);
	assert_int_equal(op_waits_for_login(&e->session), 0);
}

/* --- digests ---------------------------------------------------------------------------- */

static void a_keys_value_is_digested(void **state)
{
	struct engine *e = *state;
	struct object *key = engine_add(e, TMPL(AES));

	assert_int_equal(begin(e, OPK_DIGEST, STUB_DIGEST, NULL), HF_OK);
	assert_int_equal(op_digest_key(&e->c, key->handle), HF_OK);
	assert_int_equal(feed(e, OPK_DIGEST, OP_UPDATE, SLICE_STR("x"), NONE), HF_OK);
	expect(step(e, OPK_DIGEST, OP_FINAL, NONE, 5), SLICE_STR("dig:\21"));
}

static void a_value_short_enough_to_guess_is_not_digested(void **state)
{
	struct engine *e = *state;
	struct object *key = engine_add(e, TMPL(U(CLASS, CKO_SECRET_KEY),
		U(KEY_TYPE, CKK_GENERIC_SECRET), S(VALUE, "1234")));

	assert_int_equal(begin(e, OPK_DIGEST, STUB_DIGEST, NULL), HF_OK);
	assert_int_equal(op_digest_key(&e->c, key->handle), HF_E_KEY_INDIGESTIBLE);
	assert_false(running(e, OPK_DIGEST));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_single_part_ends_the_operation),
		T(asking_for_the_length_changes_nothing),
		T(too_little_room_leaves_the_operation_alive),
		T(room_for_the_plaintext_alone_is_enough),
		T(after_too_little_room_other_data_may_come),
		T(any_error_ends_the_operation),
		T(a_single_part_after_an_update_is_refused),
		T(parts_give_what_the_whole_gives),
		T(an_update_without_room_takes_nothing),
		T(a_family_without_update_gets_all_at_the_end),
		T(a_gathered_cipher_gives_nothing_until_the_end),
		T(a_last_part_without_room_waits_to_be_fetched),
		T(a_finished_operation_takes_no_more_data),
		T(a_final_without_an_update_works_on_nothing),
		T(verification_tells_wrong_from_right),
		T(one_operation_of_a_kind_runs_in_a_session),
		T(a_beginning_sent_again_begins_anew),
		T(a_cancelled_operation_is_gone),
		T(unfit_keys_and_mechanisms_get_the_standards_error),
		T(a_parameter_where_none_belongs_is_refused),
		T(no_key_is_found_behind_a_wrong_handle),
		T(the_audit_record_knows_key_and_mechanism),
		T(a_key_destroyed_meanwhile_serves_to_the_end),
		T(a_logout_ends_what_private_keys_do),
		T(after_a_logout_a_private_key_signs_no_more),
		T(a_guarded_key_wants_the_pin_for_every_use),
		T(a_pin_that_nothing_waits_for_is_told_so),
		T(a_keys_value_is_digested),
		T(a_value_short_enough_to_guess_is_not_digested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
