/* Roles: what each may do, named users, and the rules about PINs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"
#include "policy.h"

#define PIN "Pin-of-named-1"

static struct box box;
static struct who anna, root;

static void come(void)
{
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
}

static void leave(void)
{
	who_leaves(&anna);
	who_leaves(&root);
}

static int setup(void **state)
{
	(void)state;
	box_new(&box);
	come();
	ready(&anna, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	leave();
	box_free(&box);
	return 0;
}

static void restart(void)
{
	leave();
	box_restart(&box);
	come();
}

static enum hf_err set_user(const char *name, enum role role, const char *pin, bool change)
{
	struct user_set_req q = { slice_str(name), (uint8_t)role, slice_str(pin), change };
	struct user_set_res r;
	enum hf_err e;

	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	e = do_user_set(&anna, &q, &r);
	assert_int_equal(closes(&anna), HF_OK);
	return e;
}

static void makes_user(const char *name, enum role role)
{
	assert_int_equal(set_user(name, role, PIN, false), HF_OK);
}

static enum hf_err log_in_as(struct who *w, const char *name, const char *pin)
{
	struct login_req q = { CKU_USER, slice_str(name), slice_str(pin) };
	struct login_res r;

	return do_login(w, &q, &r);
}

static void enter_as(const char *name)
{
	opens(&anna, 0, true);
	assert_int_equal(log_in_as(&anna, name, PIN), HF_OK);
}

static struct slice serial(void)
{
	struct partition_list_req q = { 0 };
	struct partition_list_res r;

	assert_int_equal(do_partition_list(&root, &q, &r), HF_OK);
	return r.partitions.v[0].serial;
}

static void policy(enum policy k, uint64_t v)
{
	struct policy_value change = { policy_rows[k].number, v };
	struct policy_set_req q = { serial(), SLICE_STR(SO_PIN), { &change, 1 }, true };
	struct policy_set_res r;

	assert_int_equal(do_policy_set(&root, &q, &r), HF_OK);
}

static enum hf_err new_pin(const char *old, const char *new)
{
	struct pin_set_req q = { slice_str(old), slice_str(new) };
	struct pin_set_res r;

	return do_pin_set(&anna, &q, &r);
}

static enum hf_err makes_key(bool token, uint64_t *ret)
{
	static const uint8_t yes = 1;
	const uint8_t keep = token;
	const uint8_t len[8] = { 0, 0, 0, 0, 0, 0, 0, 32 };
	const struct attr v[] = {
		{ CKA_VALUE_LEN, SLICE_OF(len) }, { CKA_TOKEN, { &keep, 1 } }, { CKA_PRIVATE, { &yes, 1 } },
		{ CKA_SIGN, { &yes, 1 } }, { CKA_WRAP, { &yes, 1 } }, { CKA_EXTRACTABLE, { &yes, 1 } },
	};
	struct key_generate_req q = { { CKM_GENERIC_SECRET_KEY_GEN, SLICE_NONE }, { v, 6 } };
	struct key_generate_res r;
	enum hf_err e = do_key_generate(&anna, &q, &r);

	if (e == HF_OK && ret != NULL)
		*ret = r.key;
	return e;
}

static enum hf_err signs(uint64_t key)
{
	struct sign_init_req i = { { CKM_SHA256_HMAC, SLICE_NONE }, key };
	struct sign_init_res ir;
	struct sign_req q = { SLICE_STR("data"), 64 };
	struct sign_res r;

	TRY(do_sign_init(&anna, &i, &ir));
	return do_sign(&anna, &q, &r);
}

static enum hf_err destroys(uint64_t object)
{
	struct object_destroy_req q = { object };
	struct object_destroy_res r;

	return do_object_destroy(&anna, &q, &r);
}

static enum hf_err relabels(uint64_t object)
{
	struct attr label = { CKA_LABEL, SLICE_STR("new") };
	struct attr_set_req q = { object, { &label, 1 } };
	struct attr_set_res r;

	return do_attr_set(&anna, &q, &r);
}

static enum hf_err block(const char *name, bool blocked)
{
	struct user_block_req q = { slice_str(name), blocked };
	struct user_block_res r;

	return do_user_block(&anna, &q, &r);
}

static uint64_t a_key(void)
{
	uint64_t key;

	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	assert_int_equal(makes_key(true, &key), HF_OK);
	assert_int_equal(closes(&anna), HF_OK);
	return key;
}

/* --- who may what ---------------------------------------------------------------------- */

static void a_crypto_user_uses_only(void **state)
{
	uint64_t key = a_key(), own;
	struct key_wrap_req w = { { CKM_AES_KEY_WRAP_KWP, SLICE_NONE }, key, key, 4096 };
	struct key_wrap_res wr;

	(void)state;
	makes_user("signer", ROLE_CRYPTO_USER);
	enter_as("signer");
	assert_int_equal(state_of(&anna), CKS_RW_USER_FUNCTIONS);
	assert_int_equal(signs(key), HF_OK);
	assert_int_equal(destroys(key), HF_E_DENIED);
	assert_int_equal(relabels(key), HF_E_DENIED);
	assert_int_equal(makes_key(true, NULL), HF_E_DENIED);
	assert_int_equal(do_key_wrap(&anna, &w, &wr), HF_E_DENIED);
	assert_int_equal(makes_key(false, &own), HF_OK); /* for its session */
	assert_int_equal(destroys(own), HF_OK);
	assert_int_equal(signs(key), HF_OK);
}

static void a_limited_officer_makes_and_uses(void **state)
{
	uint64_t key;

	(void)state;
	makes_user("maker", ROLE_LIMITED);
	enter_as("maker");
	assert_int_equal(makes_key(true, &key), HF_OK);
	assert_int_equal(signs(key), HF_OK);
	assert_int_equal(relabels(key), HF_E_DENIED);
	assert_int_equal(destroys(key), HF_E_DENIED);
}

static void a_second_crypto_officer_may_all(void **state)
{
	uint64_t key = a_key();

	(void)state;
	makes_user("chief", ROLE_USER);
	enter_as("chief");
	assert_int_equal(relabels(key), HF_OK);
	assert_int_equal(destroys(key), HF_OK);
}

static void the_officer_uses_no_key(void **state)
{
	uint64_t key = a_key();

	(void)state;
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(signs(key), HF_E_NOT_LOGGED_IN);
}

static void users_make_no_users(void **state)
{
	struct user_set_req q = { SLICE_STR("x"), ROLE_USER, SLICE_STR(PIN), false };
	struct user_set_res r;

	(void)state;
	makes_user("chief", ROLE_USER);
	enter_as("chief");
	assert_int_equal(do_user_set(&anna, &q, &r), HF_E_NOT_LOGGED_IN);
}

static void a_refusal_says_what_it_takes(void **state)
{
	struct why_res r;
	uint64_t key = a_key();

	(void)state;
	makes_user("signer", ROLE_CRYPTO_USER);
	enter_as("signer");
	assert_int_equal(makes_key(true, NULL), HF_E_DENIED);
	assert_int_equal(relabels(key), HF_E_DENIED);
	assert_int_equal(block("x", true), HF_E_DENIED);
	assert_int_equal(do_why(&anna, &(struct why_req){ 0 }, &r), HF_OK);
	assert_true(slice_eq(r.why, SLICE_STR("needs a login as so, not as crypto-user")));
	assert_int_equal(do_why(&root, &(struct why_req){ 0 }, &r), HF_OK);
	assert_int_equal(r.why.n, 0); /* the others' refusals are theirs */
}

/* --- rights ------------------------------------------------------------------------------ */

static enum hf_err restrict_user(const char *name, enum role role, const char *pin, uint32_t may,
	const char *keys)
{
	struct user_set_req q = { slice_str(name), (uint8_t)role, slice_str(pin), false, true, may,
		slice_str(keys) };
	enum hf_err e;

	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	e = do_user_set(&anna, &q, &(struct user_set_res){ 0 });
	assert_int_equal(closes(&anna), HF_OK);
	return e;
}

static void a_user_may_have_some_rights_only(void **state)
{
	uint64_t key = a_key();
	struct why_res r;

	(void)state;
	assert_int_equal(restrict_user("signer", ROLE_USER, PIN, RIGHT_SIGN | RIGHT_VERIFY, ""), HF_OK);
	enter_as("signer");
	assert_int_equal(signs(key), HF_OK);
	assert_int_equal(makes_key(false, NULL), HF_E_DENIED);
	assert_int_equal(relabels(key), HF_E_DENIED);
	assert_int_equal(destroys(key), HF_E_DENIED);
	assert_int_equal(do_why(&anna, &(struct why_req){ 0 }, &r), HF_OK);
	assert_true(slice_eq(r.why, SLICE_STR("this user is restricted ('holdfast user list'), "
		"and has no right to this: destroy")));
}

static void a_user_may_have_some_keys_only(void **state)
{
	uint64_t key = a_key();

	(void)state;
	assert_int_equal(restrict_user("payer", ROLE_USER, PIN, RIGHTS_ALL, "pay-*,0xbeef"), HF_OK);
	enter_as("payer");
	assert_int_equal(signs(key), HF_E_KEY_HANDLE);
	assert_int_equal(destroys(key), HF_E_OBJECT_HANDLE);
	assert_int_equal(finds(&anna), 0);
	assert_int_equal(makes(&anna, "pay-roll", true), HF_OK);
	assert_int_equal(makes(&anna, "roll", true), HF_E_DENIED);
	assert_int_equal(makes(&anna, "roll", false), HF_OK); /* everybody's */
	assert_int_equal(makes_key(false, &key), HF_OK); /* his session's */
	assert_int_equal(signs(key), HF_OK);
	assert_int_equal(finds(&anna), 3);
}

static void what_he_may_outlives_a_restart_and_a_ticket(void **state)
{
	uint64_t key = a_key();
	struct slice ticket;
	struct login_req q = { CKU_USER, SLICE_STR("signer"), SLICE_STR(PIN) };
	struct login_res r;
	uint8_t copy[512];

	(void)state;
	assert_int_equal(restrict_user("signer", ROLE_USER, PIN, RIGHT_SIGN, ""), HF_OK);
	opens(&anna, 0, true);
	assert_int_equal(do_login(&anna, &q, &r), HF_OK);
	assert_true(r.ticket.n <= sizeof(copy));
	memcpy(copy, r.ticket.p, r.ticket.n);
	ticket = (struct slice){ copy, r.ticket.n };
	restart();
	assert_int_equal(resume(&anna, 0, ticket), HF_OK);
	opens(&anna, 0, true);
	assert_int_equal(signs(key), HF_OK);
	assert_int_equal(destroys(key), HF_E_DENIED);
}

static void the_officer_restricts_without_a_pin(void **state)
{
	uint64_t key = a_key();

	(void)state;
	makes_user("a", ROLE_USER);
	enter_as("a");
	assert_int_equal(closes(&anna), HF_OK);
	assert_int_equal(restrict_user("a", 0, "", RIGHT_VERIFY, ""), HF_OK);
	enter_as("a");
	assert_int_equal(signs(key), HF_E_DENIED);
	assert_int_equal(closes(&anna), HF_OK);
	assert_int_equal(set_user("a", ROLE_USER, "Another-pin-2", false), HF_OK); /* stays restricted */
	opens(&anna, 0, true);
	assert_int_equal(log_in_as(&anna, "a", "Another-pin-2"), HF_OK);
	assert_int_equal(signs(key), HF_E_DENIED);
}

static void restrictions_that_cannot_be(void **state)
{
	(void)state;
	assert_int_equal(restrict_user("new", ROLE_USER, "", RIGHT_SIGN, ""), HF_E_PIN_LENGTH);
	assert_int_equal(restrict_user("new", 0, PIN, RIGHT_SIGN, ""), HF_E_USER_TYPE);
	assert_int_equal(restrict_user("new", ROLE_USER, PIN, RIGHTS_ALL + 1, ""), HF_E_USER_RIGHTS);
	assert_int_equal(restrict_user("new", ROLE_USER, PIN, RIGHT_SIGN, "a,,b"), HF_E_USER_RIGHTS);
	assert_int_equal(restrict_user("new", ROLE_USER, PIN, RIGHT_SIGN, "0xzz"), HF_E_USER_RIGHTS);
	assert_int_equal(restrict_user("new", ROLE_USER, PIN, RIGHT_SIGN, "a,0x123"), HF_E_USER_RIGHTS);
	assert_int_equal(restrict_user("new", ROLE_USER, PIN, RIGHT_SIGN, "0x"), HF_E_USER_RIGHTS);
	assert_int_equal(restrict_user("new", ROLE_USER, PIN, RIGHT_SIGN, "*****"), HF_E_USER_RIGHTS);
	assert_int_equal(log_in_as(&anna, "new", PIN), HF_E_SESSION_HANDLE);
}

/* --- names ------------------------------------------------------------------------------ */

static void names_that_cannot_be(void **state)
{
	static const char *const bad[] = { "", "so", "user", "a:b", "a/b", "a b", "-a",
		"a-name-that-is-longer-than-32-chars" };

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(set_user(bad[i], ROLE_CRYPTO_USER, PIN, false), HF_E_USER_NAME);
	assert_int_equal(set_user("a", ROLE_SO, PIN, false), HF_E_ARGUMENTS);
	assert_int_equal(set_user("a", (enum role)3, PIN, false), HF_E_ARGUMENTS);
}

static void a_users_role_stays(void **state)
{
	(void)state;
	makes_user("a", ROLE_CRYPTO_USER);
	assert_int_equal(set_user("a", ROLE_USER, PIN, false), HF_E_USER_ROLE);
}

static void a_name_before_the_pin_will_do(void **state)
{
	(void)state;
	makes_user("signer", ROLE_CRYPTO_USER);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, "signer:" PIN), HF_OK);
	assert_int_equal(makes_key(true, NULL), HF_E_DENIED);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, "nobody:" PIN), HF_E_PIN_INCORRECT); /* the user's */
	assert_int_equal(log_in_as(&anna, "nobody", PIN), HF_E_USER_TYPE);
	assert_int_equal(log_in_as(&anna, "so", SO_PIN), HF_E_USER_TYPE);
}

static void one_users_pin_is_not_anothers(void **state)
{
	(void)state;
	makes_user("a", ROLE_CRYPTO_USER);
	assert_int_equal(set_user("b", ROLE_USER, "Another-pin-2", false), HF_OK);
	opens(&anna, 0, true);
	assert_int_equal(log_in_as(&anna, "b", PIN), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in_as(&anna, "a", "Another-pin-2"), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in_as(&anna, "a", USER_PIN), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in_as(&anna, "b", "Another-pin-2"), HF_OK);
}

static void users_outlive_a_restart_and_keep_their_locks(void **state)
{
	(void)state;
	makes_user("a", ROLE_CRYPTO_USER);
	makes_user("b", ROLE_LIMITED);
	opens(&anna, 0, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(log_in_as(&anna, "a", "wrong"), HF_E_PIN_INCORRECT);
	restart();
	opens(&anna, 0, true);
	assert_int_equal(log_in_as(&anna, "a", PIN), HF_E_PIN_LOCKED);
	assert_int_equal(log_in_as(&anna, "b", PIN), HF_OK);
	assert_int_equal(closes(&anna), HF_OK);
	makes_user("a", ROLE_CRYPTO_USER); /* the officer unlocks */
	enter_as("a");
}

static void a_ticket_is_its_users(void **state)
{
	struct login_req q = { CKU_USER, SLICE_STR("a"), SLICE_STR(PIN) };
	struct login_res r;
	uint8_t copy[512];
	struct slice ticket;

	(void)state;
	makes_user("a", ROLE_CRYPTO_USER);
	opens(&anna, 0, true);
	assert_int_equal(do_login(&anna, &q, &r), HF_OK);
	memcpy(copy, r.ticket.p, r.ticket.n);
	ticket = (struct slice){ copy, r.ticket.n };
	restart();
	opens(&anna, 0, true);
	assert_int_equal(resume(&anna, 0, ticket), HF_OK);
	assert_int_equal(makes_key(true, NULL), HF_E_DENIED); /* a crypto user still */
	assert_int_equal(closes(&anna), HF_OK);
	restart();
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(do_user_delete(&anna, &(struct user_delete_req){ SLICE_STR("a") },
		&(struct user_delete_res){ 0 }), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(resume(&anna, 0, ticket), HF_E_TICKET);
}

static void the_list_tells(void **state)
{
	struct user_list_req q = { serial() };
	struct user_list_res r;

	(void)state;
	makes_user("a", ROLE_CRYPTO_USER);
	assert_int_equal(do_user_list(&anna, &q, &r), HF_OK);
	assert_int_equal(r.users.n, 3);
	assert_true(slice_eq(r.users.v[2].name, SLICE_STR("a")));
	assert_int_equal(r.users.v[2].role, ROLE_CRYPTO_USER);
	assert_true(r.users.v[2].set && !r.users.v[2].locked && r.users.v[2].changed > 0);
}

static void an_initialized_token_has_no_named_users(void **state)
{
	(void)state;
	makes_user("a", ROLE_CRYPTO_USER);
	assert_int_equal(init(&anna, 0, SO_PIN), HF_OK);
	opens(&anna, 0, true);
	assert_int_equal(log_in_as(&anna, "a", PIN), HF_E_USER_TYPE);
}

/* --- logins that end ------------------------------------------------------------------------ */

static struct who bert; /* another application of the same person */

static void officer_enters(void)
{
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
}

static void bert_enters_as(const char *name)
{
	who_comes(&bert, &box, OWNER, 2);
	opens(&bert, 0, true);
	assert_int_equal(log_in_as(&bert, name, PIN), HF_OK);
	assert_int_equal(state_of(&bert), CKS_RW_USER_FUNCTIONS);
}

static void deleting_a_user_logs_her_out(void **state)
{
	(void)state;
	makes_user("a", ROLE_USER);
	makes_user("b", ROLE_USER);
	bert_enters_as("a");
	officer_enters();
	assert_int_equal(do_user_delete(&anna, &(struct user_delete_req){ SLICE_STR("b") },
		&(struct user_delete_res){ 0 }), HF_OK);
	assert_int_equal(state_of(&bert), CKS_RW_USER_FUNCTIONS);
	assert_int_equal(do_user_delete(&anna, &(struct user_delete_req){ SLICE_STR("a") },
		&(struct user_delete_res){ 0 }), HF_OK);
	assert_int_equal(state_of(&bert), CKS_RW_PUBLIC_SESSION);
	assert_int_equal(makes(&bert, "x", true), HF_E_NOT_LOGGED_IN);
	who_leaves(&bert);
}

static void a_new_pin_from_the_officer_logs_out(void **state)
{
	struct user_set_req q = { SLICE_STR("a"), ROLE_USER, SLICE_STR("Another-pin-2"), false };
	struct user_set_res r;

	(void)state;
	makes_user("a", ROLE_USER);
	bert_enters_as("a");
	officer_enters();
	assert_int_equal(do_user_set(&anna, &q, &r), HF_OK);
	assert_int_equal(state_of(&bert), CKS_RW_PUBLIC_SESSION);
	who_leaves(&bert);
}

static void a_blocked_user_is_out_until_let_in(void **state)
{
	(void)state;
	makes_user("a", ROLE_USER);
	bert_enters_as("a");
	officer_enters();
	assert_int_equal(block("nobody", true), HF_E_USER_TYPE);
	assert_int_equal(block("so", true), HF_E_USER_TYPE);
	assert_int_equal(block("a", true), HF_OK);
	assert_int_equal(state_of(&bert), CKS_RW_PUBLIC_SESSION);
	assert_int_equal(log_in_as(&bert, "a", PIN), HF_E_USER_BLOCKED);
	who_leaves(&bert);
	restart();
	opens(&anna, 0, true);
	assert_int_equal(log_in_as(&anna, "a", PIN), HF_E_USER_BLOCKED);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(block("a", false), HF_OK);
	assert_int_equal(closes(&anna), HF_OK);
	enter_as("a");
	assert_int_equal(block("a", true), HF_E_NOT_LOGGED_IN); /* the officer's to say */
}

static void a_ticket_is_not_the_next_users_of_that_name(void **state)
{
	struct login_req q = { CKU_USER, SLICE_STR("a"), SLICE_STR(PIN) };
	struct login_res r;
	uint8_t copy[512];
	size_t n;

	(void)state;
	makes_user("a", ROLE_CRYPTO_USER);
	opens(&anna, 0, true);
	assert_int_equal(do_login(&anna, &q, &r), HF_OK);
	n = r.ticket.n;
	memcpy(copy, r.ticket.p, n);
	restart();
	officer_enters();
	assert_int_equal(do_user_delete(&anna, &(struct user_delete_req){ SLICE_STR("a") },
		&(struct user_delete_res){ 0 }), HF_OK);
	assert_int_equal(closes(&anna), HF_OK);
	makes_user("a", ROLE_CRYPTO_USER);
	opens(&anna, 0, true);
	assert_int_equal(resume(&anna, 0, (struct slice){ copy, n }), HF_E_TICKET);
}

/* --- what a lock-out does --------------------------------------------------------------------- */

static void guess_three_times(uint32_t user)
{
	opens(&anna, 0, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(log_in(&anna, user, "wrong"), HF_E_PIN_INCORRECT);
}

static size_t objects_left(void)
{
	struct partition_list_req q = { 0 };
	struct partition_list_res r;

	assert_int_equal(do_partition_list(&root, &q, &r), HF_OK);
	return r.partitions.v[0].objects;
}

static void a_public_object(void)
{
	opens(&anna, 0, true);
	assert_int_equal(makes(&anna, "x", false), HF_OK);
	assert_int_equal(closes(&anna), HF_OK);
	assert_int_equal(objects_left(), 1);
}

static void a_locked_user_may_stay_locked(void **state)
{
	struct pin_init_req q = { SLICE_STR("given-by-so") };
	struct pin_init_res r;

	(void)state;
	policy(POLICY_LOCK_OUT_USER, 0);
	guess_three_times(CKU_USER);
	restart();
	officer_enters();
	assert_int_equal(do_pin_init(&anna, &q, &r), HF_E_POLICY);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_PIN_LOCKED);
}

static void a_locked_user_may_cost_the_objects(void **state)
{
	struct pin_init_req q = { SLICE_STR("given-by-so") };
	struct pin_init_res r;

	(void)state;
	a_public_object();
	policy(POLICY_LOCK_OUT_USER, 2);
	(void)a_key();
	guess_three_times(CKU_USER);
	assert_int_equal(objects_left(), 0);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_PIN_NOT_SET);
	restart();
	assert_int_equal(objects_left(), 0);
	officer_enters();
	assert_int_equal(do_pin_init(&anna, &q, &r), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, "given-by-so"), HF_OK);
	assert_int_equal(makes(&anna, "y", false), HF_OK);
	restart();
	assert_int_equal(objects_left(), 1); /* destroyed once, not at each start */
}

static void a_locked_officer_may_cost_the_objects(void **state)
{
	(void)state;
	a_public_object();
	policy(POLICY_LOCK_OUT_SO, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(init(&anna, 0, "wrong-so-pin"), HF_E_PIN_INCORRECT);
	assert_int_equal(objects_left(), 0);
	assert_int_equal(init(&anna, 0, SO_PIN), HF_E_PIN_NOT_SET);
	restart();
	assert_int_equal(init(&anna, 0, SO_PIN), HF_E_PIN_NOT_SET);
}

static void what_a_crash_left_the_next_start_destroys(void **state)
{
	(void)state;
	a_public_object();
	policy(POLICY_LOCK_OUT_USER, 2);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, "wrong"), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in(&anna, CKU_USER, "wrong"), HF_E_PIN_INCORRECT);
	keeper_memory_fail_after(box.keeper, 1); /* counted, not destroyed */
	assert_int_equal(log_in(&anna, CKU_USER, "wrong"), HF_E_PIN_INCORRECT);
	assert_int_equal(objects_left(), 1);
	keeper_memory_fail_commits(box.keeper, 0);
	restart();
	assert_int_equal(objects_left(), 0);
}

static void an_older_store_gives_no_destroyed_object_back(void **state)
{
	(void)state;
	a_public_object();
	policy(POLICY_LOCK_OUT_USER, 2);
	keeper_memory_snapshot(box.keeper);
	guess_three_times(CKU_USER);
	assert_int_equal(objects_left(), 0);
	leave();
	box_stop(&box);
	keeper_memory_rollback(box.keeper);
	assert_int_equal(box_start(&box), HF_OK);
	come();
	opens(&anna, 0, true);
	assert_int_not_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
}

/* --- PINs --------------------------------------------------------------------------------- */

static void a_name_before_both_pins_is_none_of_the_pin(void **state)
{
	(void)state;
	makes_user("bob", ROLE_CRYPTO_USER);
	opens(&anna, 0, true);
	assert_int_equal(new_pin("bob:" PIN, "bob:another-pin"), HF_OK);
	assert_int_equal(log_in_as(&anna, "bob", "bob:another-pin"), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in_as(&anna, "bob", "another-pin"), HF_OK);
}

static void a_mistyped_name_locks_nobody(void **state)
{
	(void)state;
	makes_user("bob", ROLE_CRYPTO_USER);
	opens(&anna, 0, true);
	for (int i = 0; i < 20; i++)
		assert_int_equal(log_in(&anna, CKU_USER, "bbo:" PIN), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
}

/* Where the crypto officer's own PIN may look so it is an attempt, and counts. */
static void a_pin_with_a_colon_stays_a_pin(void **state)
{
	(void)state;
	opens(&anna, 0, true);
	assert_int_equal(new_pin(USER_PIN, "bbo:pin-of-mine"), HF_OK);
	for (unsigned i = 0; i < box.cfg.pin_failures; i++)
		(void)!log_in(&anna, CKU_USER, "bbo:" PIN);
	assert_int_equal(log_in(&anna, CKU_USER, "bbo:pin-of-mine"), HF_E_PIN_LOCKED);
}

static void a_pin_is_changed_by_name(void **state)
{
	struct pin_change_req q = { SLICE_STR("so"), SLICE_STR(SO_PIN), SLICE_STR("another-pin") };
	struct pin_change_res r;

	(void)state;
	opens(&anna, 0, true);
	assert_int_equal(do_pin_change(&anna, &q, &r), HF_OK);
	assert_int_equal(do_pin_change(&anna, &q, &r), HF_E_PIN_INCORRECT);
	q.name = SLICE_STR("nobody");
	assert_int_equal(do_pin_change(&anna, &q, &r), HF_E_USER_TYPE);
	assert_int_equal(log_in(&anna, CKU_SO, "another-pin"), HF_OK);
}

static void a_pin_from_the_officer_is_changed_first(void **state)
{
	(void)state;
	assert_int_equal(set_user("a", ROLE_CRYPTO_USER, PIN, true), HF_OK);
	opens(&anna, 0, true);
	assert_int_equal(log_in_as(&anna, "a", PIN), HF_E_PIN_EXPIRED);
	assert_int_equal(new_pin("a:" PIN, "A-new-pin-9"), HF_OK);
	assert_int_equal(log_in_as(&anna, "a", PIN), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in_as(&anna, "a", "A-new-pin-9"), HF_OK);
}

static void the_policy_says_so_for_all(void **state)
{
	struct pin_init_req q = { SLICE_STR("given-by-so") };
	struct pin_init_res r;

	(void)state;
	policy(POLICY_PIN_FIRST, 1);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(do_pin_init(&anna, &q, &r), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, "given-by-so"), HF_E_PIN_EXPIRED);
	assert_int_equal(new_pin("given-by-so", "my-own-pin"), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, "my-own-pin"), HF_OK);
}

static void classes_of_characters(void **state)
{
	(void)state;
	policy(POLICY_PIN_CLASSES, 3);
	opens(&anna, 0, true);
	assert_int_equal(new_pin(USER_PIN, "lowercaseonly"), HF_E_PIN_CLASSES);
	assert_int_equal(new_pin(USER_PIN, "lower4567"), HF_E_PIN_CLASSES);
	assert_int_equal(new_pin(USER_PIN, "Lower4567"), HF_OK);
	assert_int_equal(set_user("a", ROLE_CRYPTO_USER, "weakpin", false), HF_E_PIN_CLASSES);
	opens(&anna, 0, true);
	assert_int_equal(log_in_as(&anna, "a", "weakpin"), HF_E_USER_TYPE); /* not made */
}

static void no_pin_comes_back_soon(void **state)
{
	(void)state;
	policy(POLICY_PIN_HISTORY, 3);
	opens(&anna, 0, true);
	assert_int_equal(new_pin(USER_PIN, USER_PIN), HF_E_PIN_USED);
	assert_int_equal(new_pin(USER_PIN, "second-pin"), HF_OK);
	assert_int_equal(new_pin("second-pin", USER_PIN), HF_E_PIN_USED);
	restart();
	opens(&anna, 0, true);
	assert_int_equal(new_pin("second-pin", "third-pin"), HF_OK);
	assert_int_equal(new_pin("third-pin", USER_PIN), HF_E_PIN_USED);
	assert_int_equal(new_pin("third-pin", "fourth-pin"), HF_OK);
	assert_int_equal(new_pin("fourth-pin", USER_PIN), HF_OK);
}

static void a_wrong_old_pin_counts_before_any_rule(void **state)
{
	(void)state;
	policy(POLICY_PIN_CLASSES, 3);
	opens(&anna, 0, true);
	assert_int_equal(new_pin("wrong", "weakweak"), HF_E_PIN_INCORRECT);
}

static void who_is_idle_is_logged_out(void **state)
{
	(void)state;
	policy(POLICY_IDLE, 1);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	assert_int_equal(makes(&anna, "x", true), HF_OK);
	assert_int_equal(sleep(2), 0);
	assert_int_equal(makes(&anna, "y", true), HF_E_NOT_LOGGED_IN);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	assert_int_equal(makes(&anna, "y", true), HF_OK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_crypto_user_uses_only),
		T(a_limited_officer_makes_and_uses),
		T(a_second_crypto_officer_may_all),
		T(the_officer_uses_no_key),
		T(users_make_no_users),
		T(a_refusal_says_what_it_takes),
		T(a_user_may_have_some_rights_only),
		T(a_user_may_have_some_keys_only),
		T(what_he_may_outlives_a_restart_and_a_ticket),
		T(the_officer_restricts_without_a_pin),
		T(restrictions_that_cannot_be),
		T(names_that_cannot_be),
		T(a_users_role_stays),
		T(a_name_before_the_pin_will_do),
		T(one_users_pin_is_not_anothers),
		T(users_outlive_a_restart_and_keep_their_locks),
		T(a_ticket_is_its_users),
		T(the_list_tells),
		T(an_initialized_token_has_no_named_users),
		T(deleting_a_user_logs_her_out),
		T(a_new_pin_from_the_officer_logs_out),
		T(a_blocked_user_is_out_until_let_in),
		T(a_ticket_is_not_the_next_users_of_that_name),
		T(a_locked_user_may_stay_locked),
		T(a_locked_user_may_cost_the_objects),
		T(a_locked_officer_may_cost_the_objects),
		T(what_a_crash_left_the_next_start_destroys),
		T(an_older_store_gives_no_destroyed_object_back),
		T(a_pin_from_the_officer_is_changed_first),
		T(a_name_before_both_pins_is_none_of_the_pin),
		T(a_pin_is_changed_by_name),
		T(a_mistyped_name_locks_nobody),
		T(a_pin_with_a_colon_stays_a_pin),
		T(the_policy_says_so_for_all),
		T(classes_of_characters),
		T(no_pin_comes_back_soon),
		T(a_wrong_old_pin_counts_before_any_rule),
		T(who_is_idle_is_logged_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
