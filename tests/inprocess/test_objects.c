/* Objects through the gate: what an application may do with them, and what of
 * them outlives a session, a login, a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vault.h"

#define AES U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES), AES_16
#define DATA U(CLASS, CKO_DATA), S(VALUE, "v")
#define ON_TOKEN B(TOKEN, 1)

static struct vault vault;

static int setup(void **state)
{
	vault_open(&vault);
	*state = &vault;
	return 0;
}

static int teardown(void **state)
{
	vault_close(*state);
	return 0;
}

static enum hf_err create_fails(struct vault *v, struct attr_list t)
{
	struct object_create_req q = { .attrs = t };
	struct object_create_res r;

	return do_object_create(v, &q, &r);
}

static enum hf_err set(struct vault *v, uint64_t object, struct attr_list t)
{
	struct attr_set_req q = { .object = object, .attrs = t };
	struct attr_set_res r;

	return do_attr_set(v, &q, &r);
}

static enum hf_err destroy(struct vault *v, uint64_t object)
{
	struct object_destroy_req q = { .object = object };
	struct object_destroy_res r;

	return do_object_destroy(v, &q, &r);
}

static enum hf_err copy(struct vault *v, uint64_t object, struct attr_list t, uint64_t *ret)
{
	struct object_copy_req q = { .object = object, .attrs = t };
	struct object_copy_res r = { 0 };
	enum hf_err e = do_object_copy(v, &q, &r);

	*ret = r.copy;
	return e;
}

static void has_value(struct vault *v, uint64_t object, uint32_t type, struct slice want)
{
	assert_true(slice_eq(value_of(v, object, type), want));
}

/* --- making ------------------------------------------------------------------- */

static void what_is_created_is_read_back(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(DATA, S(LABEL, "x"), S(APPLICATION, "a")));

	has_value(v, o, CKA_VALUE, SLICE_STR("v"));
	has_value(v, o, CKA_LABEL, SLICE_STR("x"));
	assert_true(flag_of(v, o, CKA_PRIVATE));
	assert_int_equal(value_of(v, o, CKA_UNIQUE_ID).n, 32);
}

static void a_created_key_gets_what_belongs_to_it(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(AES));

	assert_int_equal(get_u64(value_of(v, o, CKA_VALUE_LEN).p), 16);
	assert_int_equal(value_of(v, o, CKA_CHECK_VALUE).n, 3);
	assert_false(flag_of(v, o, CKA_LOCAL));
}

static void components_that_make_no_key_are_refused(void **state)
{
	struct vault *v = *state;

	assert_int_equal(create_fails(v, TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES),
		S(VALUE, "15 bytes, sorry"))), HF_E_ATTR_VALUE);
	assert_int_not_equal(create_fails(v, TMPL(U(CLASS, CKO_PUBLIC_KEY), U(KEY_TYPE, CKK_EC),
		S(EC_PARAMS, "no curve"), S(EC_POINT, "no point"))), HF_OK);
	assert_int_not_equal(create_fails(v, TMPL(U(CLASS, CKO_PRIVATE_KEY), U(KEY_TYPE, CKK_RSA),
		S(MODULUS, "m"), S(PUBLIC_EXPONENT, "e"), S(PRIVATE_EXPONENT, "d"))), HF_OK);
	assert_int_equal(count(v, TMPL_NONE), 0);
}

static void a_wrong_check_value_is_refused(void **state)
{
	assert_int_equal(create_fails(*state, TMPL(AES, S(CHECK_VALUE, "bad"))), HF_E_ATTR_VALUE);
}

static void a_creation_sent_again_makes_one_object(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(DATA, ON_TOKEN));

	vault_again(v);
	assert_int_equal(create(v, TMPL(DATA, ON_TOKEN)), o);
	assert_int_equal(count(v, TMPL_NONE), 1);
	assert_int_not_equal(create(v, TMPL(DATA, ON_TOKEN)), o);
}

static void a_creation_is_known_again_after_a_restart_by_its_application_alone(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(DATA, ON_TOKEN));

	vault_restart(v);
	login_as(v, CKU_USER, USER_PIN);
	vault_again(v);
	assert_int_not_equal(create(v, TMPL(DATA, ON_TOKEN)), o);
}

static void a_store_that_fails_leaves_no_object(void **state)
{
	struct vault *v = *state;

	keeper_memory_fail_commits(v->keeper, 1);
	assert_int_equal(create_fails(v, TMPL(DATA, ON_TOKEN)), HF_E_STORE);
	assert_int_equal(count(v, TMPL_NONE), 0);
	create(v, TMPL(DATA, ON_TOKEN));
}

/* --- telling --------------------------------------------------------------------- */

static void a_sensitive_value_is_never_told(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(AES));
	struct slice s;

	assert_int_equal(told(v, o, CKA_VALUE, &s), ATTR_SENSITIVE);
	assert_int_equal(s.n, 0);
	assert_int_equal(count(v, TMPL(AES_16)), 0);
}

static void an_open_value_is_told(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(AES, B(SENSITIVE, 0), B(EXTRACTABLE, 1)));

	has_value(v, o, CKA_VALUE, SLICE_STR("0123456789abcdef"));
	assert_int_equal(set(v, o, TMPL(B(SENSITIVE, 1))), HF_OK);
	assert_int_equal(told(v, o, CKA_VALUE, NULL), ATTR_SENSITIVE);
	assert_int_equal(set(v, o, TMPL(B(SENSITIVE, 0))), HF_E_ATTR_READ_ONLY);
}

static void what_an_object_has_not_is_not_told(void **state)
{
	struct vault *v = *state;

	assert_int_equal(told(v, create(v, TMPL(AES)), CKA_MODULUS, NULL), ATTR_NO_SUCH);
}

/* --- changing, copying, destroying ---------------------------------------------------- */

static void a_change_lasts(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(DATA, ON_TOKEN, B(PRIVATE, 0)));

	assert_int_equal(set(v, o, TMPL(S(LABEL, "new"))), HF_OK);
	vault_restart(v);
	has_value(v, o, CKA_LABEL, SLICE_STR("new"));
}

static void a_change_refused_by_the_store_is_none(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(DATA, ON_TOKEN, S(LABEL, "old")));

	keeper_memory_fail_commits(v->keeper, 1);
	assert_int_equal(set(v, o, TMPL(S(LABEL, "new"))), HF_E_STORE);
	has_value(v, o, CKA_LABEL, SLICE_STR("old"));
	assert_int_equal(set(v, o, TMPL(S(LABEL, "new"))), HF_OK);
}

static void a_change_sent_again_is_no_error(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(AES, B(SENSITIVE, 0)));

	assert_int_equal(set(v, o, TMPL(B(SENSITIVE, 1), S(LABEL, "x"))), HF_OK);
	vault_again(v);
	assert_int_equal(set(v, o, TMPL(B(SENSITIVE, 1), S(LABEL, "x"))), HF_OK);
}

static void the_unmodifiable_stays_as_it_is(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(DATA, B(MODIFIABLE, 0)));

	assert_int_equal(set(v, o, TMPL(S(LABEL, "x"))), HF_E_MODIFY_PROHIBITED);
}

static void a_session_object_is_copied_to_the_token(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(AES, S(LABEL, "k"))), c;

	assert_int_equal(copy(v, o, TMPL(ON_TOKEN), &c), HF_OK);
	assert_int_not_equal(o, c);
	vault_restart(v);
	login_as(v, CKU_USER, USER_PIN);
	assert_false(exists(v, o));
	assert_true(exists(v, c));
}

static void copies_that_open_something_are_refused(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(AES)), c;

	assert_int_equal(copy(v, o, TMPL(B(EXTRACTABLE, 1)), &c), HF_E_ATTR_READ_ONLY);
	assert_int_equal(copy(v, o, TMPL(B(PRIVATE, 0)), &c), HF_E_TEMPLATE_CONFLICT);
	o = create(v, TMPL(DATA, B(COPYABLE, 0)));
	assert_int_equal(copy(v, o, TMPL_NONE, &c), HF_E_COPY_PROHIBITED);
}

static void the_destroyed_does_not_come_back(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(DATA, ON_TOKEN, B(PRIVATE, 0)));

	assert_int_equal(destroy(v, o), HF_OK);
	assert_int_equal(destroy(v, o), HF_E_OBJECT_HANDLE);
	vault_again(v);
	assert_int_equal(destroy(v, o), HF_OK);
	vault_restart(v);
	assert_false(exists(v, o));
}

static void what_the_store_would_not_delete_is_still_there(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(DATA, ON_TOKEN));

	keeper_memory_fail_commits(v->keeper, 1);
	assert_int_equal(destroy(v, o), HF_E_STORE);
	assert_true(exists(v, o));
	assert_int_equal(destroy(v, o), HF_OK);
}

static void a_read_only_session_leaves_the_token_alone(void **state)
{
	struct vault *v = *state;
	struct session_open_req q = { .slot = v->slot };
	struct session_open_res r;
	uint64_t o = create(v, TMPL(DATA, ON_TOKEN)), c;

	assert_int_equal(do_session_open(v, &q, &r), HF_OK);
	v->session = r.session;
	assert_int_equal(create_fails(v, TMPL(DATA, ON_TOKEN)), HF_E_SESSION_RO);
	assert_int_equal(set(v, o, TMPL(S(LABEL, "x"))), HF_E_SESSION_RO);
	assert_int_equal(copy(v, o, TMPL_NONE, &c), HF_E_SESSION_RO);
	assert_int_equal(destroy(v, o), HF_E_SESSION_RO);
	create(v, TMPL(DATA));
}

/* --- who sees what ------------------------------------------------------------------------- */

static void private_objects_hide_when_nobody_is_logged_in(void **state)
{
	struct vault *v = *state;
	uint64_t closed = create(v, TMPL(DATA, ON_TOKEN));
	uint64_t open = create(v, TMPL(DATA, ON_TOKEN, B(PRIVATE, 0)));

	log_out(v);
	assert_false(exists(v, closed));
	assert_true(exists(v, open));
	assert_int_equal(count(v, TMPL_NONE), 1);
	login_as(v, CKU_USER, USER_PIN);
	assert_true(exists(v, closed));
	has_value(v, closed, CKA_VALUE, SLICE_STR("v"));
}

static void private_session_objects_end_with_the_login(void **state)
{
	struct vault *v = *state;
	uint64_t closed = create(v, TMPL(DATA));
	uint64_t open = create(v, TMPL(DATA, B(PRIVATE, 0)));

	log_out(v);
	login_as(v, CKU_USER, USER_PIN);
	assert_false(exists(v, closed));
	assert_true(exists(v, open));
}

static void session_objects_end_with_their_session(void **state)
{
	struct vault *v = *state;
	struct session_open_req q = { .slot = v->slot, .rw = true };
	struct session_close_req cq = { 0 };
	struct session_close_res cr;
	struct session_open_res r;
	uint64_t first = v->session, o;

	assert_int_equal(do_session_open(v, &q, &r), HF_OK);
	v->session = r.session;
	o = create(v, TMPL(DATA));
	v->session = first;
	assert_true(exists(v, o)); /* one application's sessions share them */
	v->session = r.session;
	assert_int_equal(do_session_close(v, &cq, &cr), HF_OK);
	v->session = first;
	assert_false(exists(v, o));
}

static void another_application_sees_token_objects_only(void **state)
{
	struct vault *v = *state;
	uint64_t mine = create(v, TMPL(DATA)), shared = create(v, TMPL(DATA, ON_TOKEN));
	struct hsm_conn *conn = v->conn;
	uint64_t session = v->session;

	vault_connect(v);
	assert_false(exists(v, shared)); /* its own login is its own */
	login_as(v, CKU_USER, USER_PIN);
	assert_false(exists(v, mine));
	assert_true(exists(v, shared));
	assert_int_equal(count(v, TMPL_NONE), 1);
	hsm_conn_close(v->conn);
	v->conn = conn;
	v->session = session;
	assert_true(exists(v, mine));
}

static void the_security_officer_sees_public_objects_and_trusts_them(void **state)
{
	struct vault *v = *state;
	uint64_t open = create(v, TMPL(AES, ON_TOKEN, B(PRIVATE, 0)));
	uint64_t closed = create(v, TMPL(AES, ON_TOKEN));

	assert_int_equal(set(v, open, TMPL(B(TRUSTED, 1))), HF_E_ATTR_READ_ONLY);
	log_out(v);
	login_as(v, CKU_SO, SO_PIN);
	assert_false(exists(v, closed));
	assert_int_equal(create_fails(v, TMPL(DATA)), HF_E_NOT_LOGGED_IN);
	assert_int_equal(set(v, open, TMPL(B(TRUSTED, 1))), HF_OK);
	assert_true(flag_of(v, open, CKA_TRUSTED));
}

static void nobody_makes_private_objects_without_login(void **state)
{
	struct vault *v = *state;

	log_out(v);
	assert_int_equal(create_fails(v, TMPL(DATA)), HF_E_NOT_LOGGED_IN);
	create(v, TMPL(DATA, B(PRIVATE, 0)));
}

/* --- finding -------------------------------------------------------------------------------- */

static void pages_of_a_search_hold_all_once(void **state)
{
	struct vault *v = *state;
	struct find_req q = { .max = 7 };
	struct find_res r = { .cursor = 1 };
	uint64_t last = 0;
	size_t n = 0;

	for (int i = 0; i < 50; i++)
		create(v, TMPL(DATA, S(LABEL, "l")));
	q.attrs = TMPL(S(LABEL, "l"));
	for (; r.cursor != 0; q.after = r.cursor) {
		assert_int_equal(do_find(v, &q, &r), HF_OK);
		for (size_t i = 0; i < r.objects.n; i++) {
			assert_true(r.objects.v[i] > last);
			last = r.objects.v[i];
			n++;
		}
	}
	assert_int_equal(n, 50);
}

static void objects_are_found_by_what_they_are(void **state)
{
	struct vault *v = *state;

	create(v, TMPL(AES, S(ID, "1"), S(LABEL, "a")));
	create(v, TMPL(DATA, S(LABEL, "a")));
	assert_int_equal(count(v, TMPL(S(LABEL, "a"))), 2);
	assert_int_equal(count(v, TMPL(S(LABEL, "a"), U(CLASS, CKO_DATA))), 1);
	assert_int_equal(count(v, TMPL(S(ID, "1"))), 1);
	assert_int_equal(count(v, TMPL(S(ID, "2"))), 0);
	assert_int_equal(count(v, TMPL({ 0x7fffffff, SLICE_NONE })), 0);
}

/* --- other classes ------------------------------------------------------------------------------ */

static void a_certificate_is_kept(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(U(CLASS, CKO_CERTIFICATE), U(CERTIFICATE_TYPE, CKC_X_509),
		ON_TOKEN, S(SUBJECT, "s"), S(VALUE, "der"), S(ID, "i")));

	log_out(v);
	has_value(v, o, CKA_VALUE, SLICE_STR("der"));
	assert_false(flag_of(v, o, CKA_TRUSTED));
}

static void big_data_is_kept_and_bigger_refused(void **state)
{
	static uint8_t big[(1 << 20) + (1 << 16)];
	struct vault *v = *state;
	struct slice fits = { big, 1 << 20 };
	uint64_t o = create(v, TMPL(U(CLASS, CKO_DATA), ON_TOKEN, V(VALUE, fits)));

	assert_int_equal(value_of(v, o, CKA_VALUE).n, fits.n);
	assert_int_equal(create_fails(v, TMPL(U(CLASS, CKO_DATA), V(VALUE, SLICE_OF(big)))),
		HF_E_OBJECT_SIZE);
}

#define TRUST U(CLASS, CKO_TRUST), S(ISSUER, "i"), S(SERIAL_NUMBER, "1")

static void a_trust_object_names_by_hash_whom_it_trusts(void **state)
{
	struct vault *v = *state;
	uint64_t o = create(v, TMPL(TRUST, U(TRUST_SERVER_AUTH, CKT_NOT_TRUSTED)));

	assert_int_equal(get_u64(value_of(v, o, CKA_TRUST_CODE_SIGNING).p), CKT_TRUST_UNKNOWN);
	assert_false(flag_of(v, o, CKA_PRIVATE));
	assert_int_equal(set(v, o, TMPL(U(TRUST_CODE_SIGNING, CKT_TRUST_ANCHOR))),
		HF_E_TEMPLATE_INCOMPLETE);
	assert_int_equal(create_fails(v, TMPL(TRUST, U(TRUST_SERVER_AUTH, CKT_TRUSTED),
		S(HASH_OF_CERTIFICATE, "hash"))), HF_E_TEMPLATE_INCOMPLETE);
	assert_int_equal(create_fails(v, TMPL(TRUST, U(TRUST_SERVER_AUTH, 5))), HF_E_ATTR_VALUE);
	assert_int_equal(create_fails(v, TMPL(U(CLASS, CKO_TRUST), S(ISSUER, "i"))),
		HF_E_TEMPLATE_INCOMPLETE);
	o = create(v, TMPL(TRUST, U(TRUST_SERVER_AUTH, CKT_TRUST_ANCHOR),
		U(NAME_HASH_ALGORITHM, CKM_SHA256), S(HASH_OF_CERTIFICATE, "hash")));
	assert_int_equal(set(v, o, TMPL(U(TRUST_CODE_SIGNING, CKT_TRUST_ANCHOR))), HF_OK);
}

/* --- what the HSM says of itself ------------------------------------------------------------ */

static struct u64_list find(struct vault *v, struct attr_list t)
{
	struct find_req q = { .attrs = t, .max = 1000 };
	struct find_res r = { 0 };

	assert_int_equal(do_find(v, &q, &r), HF_OK);
	return r.objects;
}

static void builtin_objects_are_found_by_their_class_alone(void **state)
{
	struct vault *v = *state;

	assert_int_equal(count(v, TMPL_NONE), 0);
	assert_int_equal(count(v, TMPL(ON_TOKEN)), 0);
	assert_int_equal(count(v, TMPL(U(PROFILE_ID, CKP_BASELINE_PROVIDER))), 0);
	assert_int_equal(count(v, TMPL(U(HW_FEATURE_TYPE, CKH_CLOCK))), 0);
	log_out(v);
	assert_int_equal(count(v, TMPL(U(CLASS, CKO_PROFILE))), 4);
	assert_int_equal(count(v, TMPL(U(CLASS, CKO_PROFILE), ON_TOKEN,
		U(PROFILE_ID, CKP_EXTENDED_PROVIDER))), 1);
	assert_int_equal(count(v, TMPL(U(CLASS, CKO_PROFILE),
		U(PROFILE_ID, CKP_COMPLETE_PROVIDER))), 0);
	assert_int_equal(count(v, TMPL(U(CLASS, CKO_HW_FEATURE))), 2);
	assert_int_equal(count(v, TMPL(U(CLASS, CKO_VALIDATION))), 0);
}

static void each_mechanism_of_the_partition_is_an_object(void **state)
{
	struct vault *v = *state;
	struct mech_list_req q = { .slot = v->slot };
	struct mech_list_res r;
	struct u64_list o;

	assert_int_equal(do_mech_list(v, &q, &r), HF_OK);
	o = find(v, TMPL(U(CLASS, CKO_MECHANISM)));
	assert_int_equal(o.n, r.types.n);
	for (size_t i = 0; i < o.n; i++)
		assert_int_equal(get_u64(value_of(v, o.v[i], CKA_MECHANISM_TYPE).p), r.types.v[i]);
	assert_int_equal(count(v, TMPL(U(CLASS, CKO_MECHANISM), U(MECHANISM_TYPE, CKM_AES_GCM))), 1);
}

static void pages_of_builtin_objects_hold_all_once(void **state)
{
	struct vault *v = *state;
	struct find_req q = { .attrs = TMPL(U(CLASS, CKO_MECHANISM)), .max = 7 };
	struct find_res r = { .cursor = 1 };
	size_t n = 0, all = find(v, q.attrs).n;

	for (; r.cursor != 0; q.after = r.cursor) {
		assert_int_equal(do_find(v, &q, &r), HF_OK);
		n += r.objects.n;
	}
	assert_int_equal(n, all);
}

static void the_clock_tells_the_time(void **state)
{
	struct vault *v = *state;
	uint64_t o = find(v, TMPL(U(CLASS, CKO_HW_FEATURE), U(HW_FEATURE_TYPE, CKH_CLOCK))).v[0];
	struct slice s = value_of(v, o, CKA_VALUE);

	assert_int_equal(s.n, 16);
	for (size_t i = 0; i < s.n; i++)
		assert_in_range(s.p[i], '0', '9');
	assert_true(slice_cmp(s, SLICE_STR("2026")) > 0);
}

static void the_counter_grows_with_each_look_and_each_start(void **state)
{
	struct vault *v = *state;
	struct attr_list t = TMPL(U(CLASS, CKO_HW_FEATURE), U(HW_FEATURE_TYPE, CKH_MONOTONIC_COUNTER));
	uint64_t o = find(v, t).v[0];
	struct slice first = value_of(v, o, CKA_VALUE), second = value_of(v, o, CKA_VALUE);

	assert_true(slice_cmp(first, second) < 0);
	vault_restart(v);
	assert_true(slice_cmp(second, value_of(v, o, CKA_VALUE)) < 0);
	assert_false(flag_of(v, o, CKA_HAS_RESET));
	assert_false(flag_of(v, o, CKA_RESET_ON_INIT));
}

static void builtin_objects_are_as_they_are(void **state)
{
	struct vault *v = *state;
	uint64_t o = find(v, TMPL(U(CLASS, CKO_PROFILE))).v[0], c;
	struct slice sig;

	assert_int_equal(set(v, o, TMPL(U(PROFILE_ID, 5))), HF_E_MODIFY_PROHIBITED);
	assert_int_equal(copy(v, o, TMPL_NONE, &c), HF_E_COPY_PROHIBITED);
	assert_int_equal(destroy(v, o), HF_E_DESTROY_PROHIBITED);
	assert_int_not_equal(sign_with(v, MECH(SHA256_HMAC), o, SLICE_STR("x"), &sig), HF_OK);
	assert_int_not_equal(sign_with(v, MECH(SHA256_RSA_PKCS), o, SLICE_STR("x"), &sig), HF_OK);
	assert_false(exists(v, o + 1000));
	assert_false(exists(v, UINT64_MAX));
	assert_int_equal(create_fails(v, TMPL(U(CLASS, CKO_PROFILE), U(PROFILE_ID, 5))),
		HF_E_ATTR_READ_ONLY);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_created_is_read_back),
		T(a_created_key_gets_what_belongs_to_it),
		T(components_that_make_no_key_are_refused),
		T(a_wrong_check_value_is_refused),
		T(a_creation_sent_again_makes_one_object),
		T(a_creation_is_known_again_after_a_restart_by_its_application_alone),
		T(a_store_that_fails_leaves_no_object),
		T(a_sensitive_value_is_never_told),
		T(an_open_value_is_told),
		T(what_an_object_has_not_is_not_told),
		T(a_change_lasts),
		T(a_change_refused_by_the_store_is_none),
		T(a_change_sent_again_is_no_error),
		T(the_unmodifiable_stays_as_it_is),
		T(a_session_object_is_copied_to_the_token),
		T(copies_that_open_something_are_refused),
		T(the_destroyed_does_not_come_back),
		T(what_the_store_would_not_delete_is_still_there),
		T(a_read_only_session_leaves_the_token_alone),
		T(private_objects_hide_when_nobody_is_logged_in),
		T(private_session_objects_end_with_the_login),
		T(session_objects_end_with_their_session),
		T(another_application_sees_token_objects_only),
		T(the_security_officer_sees_public_objects_and_trusts_them),
		T(nobody_makes_private_objects_without_login),
		T(pages_of_a_search_hold_all_once),
		T(objects_are_found_by_what_they_are),
		T(a_certificate_is_kept),
		T(big_data_is_kept_and_bigger_refused),
		T(a_trust_object_names_by_hash_whom_it_trusts),
		T(builtin_objects_are_found_by_their_class_alone),
		T(each_mechanism_of_the_partition_is_an_object),
		T(pages_of_builtin_objects_hold_all_once),
		T(the_clock_tells_the_time),
		T(the_counter_grows_with_each_look_and_each_start),
		T(builtin_objects_are_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
