/* Copies of keys, keys that come in, and what nobody logged in may do: none is a way around what
 * the key's attributes, the roles and the policies say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "box.h"
#include "policy.h"
#include "tmpl.h"

#define PIN "Pin-of-named-1"

static struct box box;
static struct who anna, root;

static int setup(void **state)
{
	(void)state;
	box_new(&box);
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
	ready(&anna, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	who_leaves(&anna);
	who_leaves(&root);
	box_free(&box);
	return 0;
}

static void policy(enum policy k, uint64_t v)
{
	struct partition_list_req l = { 0 };
	struct partition_list_res lr = { 0 };
	struct policy_value change = { policy_rows[k].number, v };
	struct policy_set_req q = { .so_pin = SLICE_STR(SO_PIN), .changes = { &change, 1 }, .destroy = true };
	struct policy_set_res r;

	assert_int_equal(do_partition_list(&root, &l, &lr), HF_OK);
	if (lr.partitions.v != NULL)
		q.serial = lr.partitions.v[0].serial;
	assert_int_equal(do_policy_set(&root, &q, &r), HF_OK);
}

static void officer(void)
{
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
}

/* user makes one with these rights and logs in as that one. */
static void user(enum role role, uint32_t may)
{
	struct user_set_req q = { .name = SLICE_STR("berta"), .role = (uint8_t)role, .pin = SLICE_STR(PIN),
		.restrict_ = true, .may = may };
	struct login_req l = { CKU_USER, q.name, SLICE_STR(PIN) };

	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(do_user_set(&anna, &q, &(struct user_set_res){ 0 }), HF_OK);
	assert_int_equal(closes(&anna), HF_OK);
	opens(&anna, 0, true);
	assert_int_equal(do_login(&anna, &l, &(struct login_res){ 0 }), HF_OK);
}

static enum hf_err generate(struct attr_list t, uint64_t *ret)
{
	struct key_generate_req q = { { CKM_AES_KEY_GEN, SLICE_NONE }, t };
	struct key_generate_res r = { 0 };
	enum hf_err e = do_key_generate(&anna, &q, &r);

	*ret = r.key;
	return e;
}

#define KEY U(VALUE_LEN, 32), B(PRIVATE, 1), B(SIGN, 0), B(VERIFY, 0)
#define KEK KEY, B(TOKEN, 1), B(ENCRYPT, 0), B(DECRYPT, 0), B(WRAP, 1), B(UNWRAP, 1)
#define TARGET KEY, B(WRAP, 0), B(UNWRAP, 0), B(EXTRACTABLE, 1)

/* officers_key makes a token key, and logs the officer out. */
static uint64_t officers_key(struct attr_list t)
{
	uint64_t key;

	officer();
	assert_int_equal(generate(t, &key), HF_OK);
	assert_int_equal(closes(&anna), HF_OK);
	return key;
}

static enum hf_err copy_to(uint64_t key, struct attr_list t, uint64_t *ret)
{
	struct object_copy_req q = { key, t };
	struct object_copy_res r = { 0 };
	enum hf_err e = do_object_copy(&anna, &q, &r);

	*ret = r.copy;
	return e;
}

static enum hf_err copy(uint64_t key, struct attr_list t)
{
	uint64_t made;

	return copy_to(key, t, &made);
}

static enum hf_err change(uint64_t key, struct attr_list t)
{
	return do_attr_set(&anna, &(struct attr_set_req){ key, t }, &(struct attr_set_res){ 0 });
}

static enum hf_err encrypts(uint64_t key)
{
	struct encrypt_init_req q = { { CKM_AES_ECB, SLICE_NONE }, key };

	TRY(do_encrypt_init(&anna, &q, &(struct encrypt_init_res){ 0 }));
	return do_encrypt(&anna, &(struct encrypt_req){ SLICE_STR("sixteen bytes..."), 64 },
		&(struct encrypt_res){ 0 });
}

/* --- copies ----------------------------------------------------------------------------- */

#define DATED KEK, B(EXTRACTABLE, 1), S(START_DATE, "20000101"), S(END_DATE, "21000101")

struct template {
	const char *why;
	struct attr_list t;
};

static void all(uint64_t key, const struct template *v, size_t n, enum hf_err want)
{
	for (size_t i = 0; i < n; i++)
		if (copy(key, v[i].t) != want)
			fail_msg("%s", v[i].why);
}

static void all_wider(uint64_t key, enum hf_err want)
{
	const struct template v[] = {
		{ "another use", TMPL(B(TOKEN, 0), B(DECRYPT, 1), B(WRAP, 0), B(UNWRAP, 0)) },
		{ "derivation", TMPL(B(DERIVE, 1), B(TOKEN, 0)) },
		{ "a later end", TMPL(S(END_DATE, "21010101"), B(TOKEN, 0)) },
		{ "no end", TMPL(E(END_DATE), B(TOKEN, 0)) },
		{ "an earlier start", TMPL(S(START_DATE, "19990101"), B(TOKEN, 0)) },
	};

	all(key, v, sizeof(v) / sizeof(v[0]), want);
}

static void all_narrower(uint64_t key)
{
	const struct template v[] = {
		{ "the same", TMPL(B(TOKEN, 0)) },
		{ "another name", TMPL(S(LABEL, "mine"), S(ID, "7"), B(TOKEN, 0)) },
		{ "a use less", TMPL(B(WRAP, 0), B(TOKEN, 0)) },
		{ "never out", TMPL(B(EXTRACTABLE, 0), B(COPYABLE, 0), B(WRAP_WITH_TRUSTED, 1),
			B(TOKEN, 0)) },
		{ "an earlier end", TMPL(S(END_DATE, "20990101"), B(TOKEN, 0)) },
		{ "not to be changed", TMPL(B(MODIFIABLE, 0), B(TOKEN, 0)) },
	};

	all(key, v, sizeof(v) / sizeof(v[0]), HF_OK);
}

static void a_users_copy_does_no_more(void **state)
{
	uint64_t key = officers_key(TMPL(DATED)), made;

	(void)state;
	user(ROLE_CRYPTO_USER, RIGHTS_ALL);
	all_wider(key, HF_E_DENIED);
	all_narrower(key);
	assert_int_equal(copy_to(key, TMPL(B(TOKEN, 0)), &made), HF_OK); /* nor afterwards */
	assert_int_equal(change(made, TMPL(B(DECRYPT, 1))), HF_E_MODIFY_PROHIBITED);
	assert_int_equal(copy(made, TMPL(B(MODIFIABLE, 1))), HF_E_MODIFY_PROHIBITED);
	assert_int_equal(copy(key, TMPL(B(TOKEN, 0), B(MODIFIABLE, 1))), HF_E_DENIED);
	assert_int_equal(generate(TMPL(TARGET), &made), HF_OK); /* a key of his own is his */
	assert_int_equal(copy(made, TMPL(B(DERIVE, 1))), HF_OK);
}

static void a_limited_officers_copy_does_no_more(void **state)
{
	uint64_t key = officers_key(TMPL(DATED)), made;

	(void)state;
	user(ROLE_LIMITED, RIGHTS_ALL);
	all_wider(key, HF_E_DENIED);
	assert_int_equal(copy(key, TMPL(B(TOKEN, 1), B(DERIVE, 1))), HF_E_DENIED);
	all_narrower(key);
	assert_int_equal(copy_to(key, TMPL(B(TOKEN, 1)), &made), HF_OK);
	assert_int_equal(change(made, TMPL(B(DERIVE, 1))), HF_E_DENIED);
	assert_int_equal(copy(made, TMPL(B(TOKEN, 0), B(DERIVE, 1))), HF_E_DENIED);
}

static void a_copy_takes_the_right_to_change(void **state)
{
	uint64_t key = officers_key(TMPL(DATED));

	(void)state;
	user(ROLE_USER, RIGHT_CREATE | RIGHT_DECRYPT);
	all_wider(key, HF_E_DENIED);
	all_narrower(key);
}

static void who_may_change_a_key_may_so_copy_it(void **state)
{
	uint64_t key = officers_key(TMPL(DATED)), made;

	(void)state;
	officer();
	all_wider(key, HF_OK);
	all_narrower(key);
	assert_int_equal(copy_to(key, TMPL(B(TOKEN, 0)), &made), HF_OK);
	assert_int_equal(change(made, TMPL(B(DERIVE, 1))), HF_OK);
	policy(POLICY_MULTIPURPOSE, 0);
	assert_int_equal(copy(key, TMPL(B(TOKEN, 0), B(DERIVE, 1))), HF_E_POLICY);
	policy(POLICY_CHANGING_ATTRIBUTES, 0);
	all_wider(key, HF_E_POLICY);
	all_narrower(key);
}

static void a_fixed_key_stays_fixed_in_copies(void **state)
{
	uint64_t key = officers_key(TMPL(DATED, B(MODIFIABLE, 0)));

	(void)state;
	officer();
	all_wider(key, HF_E_MODIFY_PROHIBITED);
	all_narrower(key);
	assert_int_equal(copy(key, TMPL(B(TOKEN, 0), B(MODIFIABLE, 1))), HF_E_MODIFY_PROHIBITED);
}

/* --- keys that have to have a guard -------------------------------------------------------- */

static void guards_are_not_evaded(enum policy k)
{
	uint64_t key = officers_key(TMPL(TARGET, B(TOKEN, 1))), with, made;
	struct key_wrap_req w = { { CKM_AES_KEY_WRAP_KWP, SLICE_NONE }, 0, key, 4096 };
	struct key_wrap_res wr;

	officer();
	assert_int_equal(generate(TMPL(KEY, B(WRAP, 1)), &with), HF_OK);
	w.with = with;
	assert_int_equal(encrypts(key), HF_OK);
	assert_int_equal(do_key_wrap(&anna, &w, &wr), HF_OK);
	policy(k, 1);
	assert_int_equal(encrypts(key), HF_E_POLICY);
	assert_int_equal(copy(key, TMPL(B(TOKEN, 0))), HF_E_POLICY);
	assert_int_equal(do_key_wrap(&anna, &w, &wr), HF_E_POLICY);
	assert_int_equal(copy_to(key, TMPL(B(TOKEN, 1)), &made), HF_OK); /* which wants a guard, too */
	assert_int_equal(encrypts(made), HF_E_POLICY);
	assert_int_equal(generate(TMPL(TARGET), &made), HF_OK); /* what does not stay is free */
	assert_int_equal(encrypts(made), HF_OK);
	assert_int_equal(copy_to(made, TMPL(B(TOKEN, 1)), &made), HF_OK);
	assert_int_equal(encrypts(made), HF_E_POLICY);
}

static void a_limit_is_not_evaded(void **state)
{
	(void)state;
	guards_are_not_evaded(POLICY_KEY_LIMIT);
}

static void a_pin_is_not_evaded(void **state)
{
	(void)state;
	guards_are_not_evaded(POLICY_KEY_PIN);
}

/* --- keys that come in ------------------------------------------------------------------------ */

static void a_key_that_comes_in_stays_sensitive(void **state)
{
	uint64_t kek = officers_key(TMPL(KEK)), target = officers_key(TMPL(TARGET, B(TOKEN, 1)));
	struct key_wrap_req w = { { CKM_AES_KEY_WRAP_KWP, SLICE_NONE }, kek, target, 4096 };
	struct key_wrap_res wrapped = { 0 };
	struct key_unwrap_req q = { .mech = w.mech, .with = kek };
	struct key_unwrap_res r = { 0 };
	uint32_t value = CKA_VALUE;
	struct attr_get_req g = { .types = { &value, 1 } };
	struct attr_get_res got = { 0 };

	(void)state;
	officer();
	assert_int_equal(do_key_wrap(&anna, &w, &wrapped), HF_OK);
	q.wrapped = wrapped.out;
	assert_int_equal(closes(&anna), HF_OK);
	user(ROLE_CRYPTO_USER, RIGHTS_ALL);
	q.attrs = TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES), B(SENSITIVE, 0), B(EXTRACTABLE, 1));
	assert_int_equal(do_key_unwrap(&anna, &q, &r), HF_OK);
	policy(POLICY_CLEAR_UNWRAPPED, 0);
	assert_int_equal(do_key_unwrap(&anna, &q, &r), HF_E_POLICY);
	q.attrs = TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES), B(EXTRACTABLE, 1));
	assert_int_equal(do_key_unwrap(&anna, &q, &r), HF_OK);
	g.object = r.key;
	assert_int_equal(do_attr_get(&anna, &g, &got), HF_OK);
	assert_true(got.got.v != NULL && got.got.v[0].found == ATTR_SENSITIVE);
}

/* --- nobody logged in --------------------------------------------------------------------------- */

static enum hf_err destroys(uint64_t object)
{
	return do_object_destroy(&anna, &(struct object_destroy_req){ object },
		&(struct object_destroy_res){ 0 });
}

static enum hf_err creates(struct attr_list t, uint64_t *ret)
{
	struct object_create_res r = { 0 };
	enum hf_err e = do_object_create(&anna, &(struct object_create_req){ t }, &r);

	*ret = r.object;
	return e;
}

#define OPEN_KEY TMPL(U(VALUE_LEN, 32), B(PRIVATE, 0), B(TOKEN, 1), B(DECRYPT, 0))
#define DATA(keep) TMPL(U(CLASS, CKO_DATA), B(PRIVATE, 0), B(TOKEN, keep), S(VALUE, "data"))

static void without_a_login_what_stays_is_read_only(void **state)
{
	uint64_t kept, own, key;

	(void)state;
	opens(&anna, 0, true);
	assert_int_equal(creates(DATA(1), &kept), HF_OK);
	policy(POLICY_PUBLIC_CHANGES, 0);
	assert_int_equal(creates(DATA(1), &own), HF_E_NOT_LOGGED_IN);
	assert_int_equal(generate(OPEN_KEY, &key), HF_E_NOT_LOGGED_IN);
	assert_int_equal(change(kept, TMPL(S(LABEL, "x"))), HF_E_NOT_LOGGED_IN);
	assert_int_equal(copy(kept, TMPL(B(TOKEN, 1))), HF_E_NOT_LOGGED_IN);
	assert_int_equal(destroys(kept), HF_E_NOT_LOGGED_IN);
	assert_int_equal(finds(&anna), 1);
	assert_int_equal(creates(DATA(0), &own), HF_OK); /* the session's are its own */
	assert_int_equal(change(own, TMPL(S(LABEL, "x"))), HF_OK);
	assert_int_equal(destroys(own), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	assert_int_equal(change(kept, TMPL(S(LABEL, "x"))), HF_OK);
	assert_int_equal(destroys(kept), HF_OK);
}

static void a_public_copy_of_a_key_does_no_more(void **state)
{
	uint64_t key, made;

	(void)state;
	opens(&anna, 0, true);
	assert_int_equal(generate(OPEN_KEY, &key), HF_OK);
	policy(POLICY_PUBLIC_CHANGES, 0);
	assert_int_equal(copy(key, TMPL(B(TOKEN, 0), B(DECRYPT, 1))), HF_E_NOT_LOGGED_IN);
	assert_int_equal(copy_to(key, TMPL(B(TOKEN, 0)), &made), HF_OK);
	assert_int_equal(change(made, TMPL(B(DECRYPT, 1))), HF_E_MODIFY_PROHIBITED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_users_copy_does_no_more),
		T(a_limited_officers_copy_does_no_more),
		T(a_copy_takes_the_right_to_change),
		T(who_may_change_a_key_may_so_copy_it),
		T(a_fixed_key_stays_fixed_in_copies),
		T(a_limit_is_not_evaded),
		T(a_pin_is_not_evaded),
		T(a_key_that_comes_in_stays_sensitive),
		T(without_a_login_what_stays_is_read_only),
		T(a_public_copy_of_a_key_does_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
