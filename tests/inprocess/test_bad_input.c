/* What was refused, item by item, and what no other test has.
 *
 *   brute force            test_lockouts (every lock-out, restart, older store); here: a policy
 *                          change and a role of the HSM are no way around the count
 *   replayed approval      test_guards two_approve_one_use; test_consent an_approval_is_not_used_twice
 *   expired approval       test_guards a_request_expires; test_consent the_time_forgets_...
 *   duplicate share        test_consent a_duplicate_counts_once
 *   share of another HSM   test_consent shares_of_other_custodians_are_told; e2e custodians.py
 *   PIN of the wrong role  test_roles one_users_pin_is_not_anothers; here: officers, partitions, HSM
 *   lowering a policy      test_policies changes_need_..., some_changes_..., a_destroying_change_...;
 *                          here: officers of others
 *   what would be needed   test_roles, test_hsm_roles a_refusal_...
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "box.h"
#include "policy.h"

#define OTHER_SO "so-of-the-other"
#define HSM_PIN "pin-of-the-hsm"

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

/* Two partitions with officers of their own. */
static int setup(void **state)
{
	struct pin_set_req q = { SLICE_STR(SO_PIN), SLICE_STR(OTHER_SO) };
	struct pin_set_res r;

	(void)state;
	box_new(&box);
	come();
	ready(&anna, 0);
	ready(&anna, 1);
	opens(&anna, 1, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(do_pin_set(&anna, &q, &r), HF_OK);
	assert_int_equal(closes(&anna), HF_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	leave();
	box_free(&box);
	return 0;
}

static enum hf_err set(struct who *w, const char *pin, enum policy k, uint64_t v)
{
	struct partition_list_req lq = { 0 };
	struct partition_list_res l;
	struct policy_value change = { policy_rows[k].number, v };
	struct policy_set_req q = { .so_pin = slice_str(pin), .changes = { &change, 1 } };
	struct policy_set_res r;

	assert_int_equal(do_partition_list(w, &lq, &l), HF_OK);
	for (size_t i = 0; i < l.partitions.n; i++)
		if (l.partitions.v[i].slot == 0)
			q.serial = l.partitions.v[i].serial;
	return do_policy_set(w, &q, &r);
}

static uint64_t value(enum policy k)
{
	struct partition_list_req lq = { 0 };
	struct partition_list_res l;
	struct policy_get_req q = { 0 };
	struct policy_get_res r;

	assert_int_equal(do_partition_list(&root, &lq, &l), HF_OK);
	for (size_t i = 0; i < l.partitions.n; i++)
		if (l.partitions.v[i].slot == 0)
			q.serial = l.partitions.v[i].serial;
	assert_int_equal(do_policy_get(&root, &q, &r), HF_OK);
	for (size_t i = 0; i < r.policies.n; i++)
		if (r.policies.v[i].number == policy_rows[k].number)
			return r.policies.v[i].value;
	return UINT64_MAX;
}

static void hsm_pin(const char *role, const char *pin)
{
	struct hsm_role_set_req q = { slice_str(role), slice_str(pin), false };
	struct hsm_role_set_res r;

	assert_int_equal(do_hsm_role_set(&root, &q, &r), HF_OK);
}

static enum hf_err hsm_login(const char *role, const char *pin)
{
	struct hsm_login_req q = { slice_str(role), slice_str(pin) };
	struct hsm_login_res r;

	return do_hsm_login(&root, &q, &r);
}

static void a_pin_opens_no_other_role(void **state)
{
	static const struct {
		uint64_t slot;
		uint32_t user;
		const char *pin, *why;
	} cases[] = {
		{ 0, CKU_SO, USER_PIN, "the user's" },
		{ 0, CKU_USER, SO_PIN, "the officer's" },
		{ 0, CKU_SO, OTHER_SO, "another partition's officer's" },
		{ 1, CKU_SO, SO_PIN, "his own until it was changed" },
		{ 1, CKU_USER, HSM_PIN, "of the HSM's officer" },
		{ 1, CKU_SO, HSM_PIN, "of the HSM's officer" },
	};

	(void)state;
	hsm_pin("so", HSM_PIN);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		opens(&anna, cases[i].slot, true);
		if (log_in(&anna, cases[i].user, cases[i].pin) != HF_E_PIN_INCORRECT)
			fail_msg("a PIN opened: %s", cases[i].why);
		assert_int_equal(closes(&anna), HF_OK);
	}
}

static void an_officers_pin_is_none_of_the_hsms(void **state)
{
	(void)state;
	hsm_pin("administrator", "pin-of-another");
	hsm_pin("so", HSM_PIN);
	assert_int_equal(hsm_login("so", SO_PIN), HF_E_PIN_INCORRECT);
	assert_int_equal(hsm_login("so", "pin-of-another"), HF_E_PIN_INCORRECT);
	assert_int_equal(hsm_login("administrator", HSM_PIN), HF_E_PIN_INCORRECT);
	assert_int_equal(hsm_login("so", HSM_PIN), HF_OK);
}

static void who_may_not_lower_a_policy_does_not(void **state)
{
	(void)state;
	assert_int_equal(set(&anna, SO_PIN, POLICY_MIN_RSA, 3072), HF_OK);
	assert_int_equal(set(&anna, OTHER_SO, POLICY_MIN_RSA, 0), HF_E_PIN_INCORRECT);
	assert_int_equal(set(&root, USER_PIN, POLICY_MIN_RSA, 0), HF_E_PIN_INCORRECT);
	assert_int_equal(value(POLICY_MIN_RSA), 3072);
	assert_int_equal(set(&anna, SO_PIN, POLICY_MIN_RSA, 0), HF_OK);
	assert_int_equal(value(POLICY_MIN_RSA), 0);
}

/* Guesses at policies and at logins are of the same count. */
static void a_policy_change_is_no_way_to_guess(void **state)
{
	(void)state;
	assert_int_equal(set(&anna, SO_PIN, POLICY_MIN_RSA, 3072), HF_OK);
	assert_int_equal(set(&root, "wrong-1", POLICY_MIN_RSA, 0), HF_E_PIN_INCORRECT);
	assert_int_equal(set(&anna, "wrong-2", POLICY_MIN_RSA, 0), HF_E_PIN_INCORRECT);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, "wrong-3"), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_E_PIN_LOCKED);
	leave();
	box_restart(&box);
	come();
	assert_int_equal(set(&root, SO_PIN, POLICY_MIN_RSA, 0), HF_E_PIN_LOCKED);
	assert_int_equal(value(POLICY_MIN_RSA), 3072);
}

static void a_role_of_the_hsm_is_not_guessed(void **state)
{
	enum hf_err e = HF_E_PIN_INCORRECT;
	unsigned tries = 0;

	(void)state;
	hsm_pin("so", HSM_PIN);
	while ((e = hsm_login("so", "wrong-guess")) == HF_E_PIN_INCORRECT && tries < 1000)
		tries++;
	assert_int_equal(e, HF_E_PIN_LOCKED);
	assert_int_equal(hsm_login("so", HSM_PIN), HF_E_PIN_LOCKED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_pin_opens_no_other_role),
		T(an_officers_pin_is_none_of_the_hsms),
		T(who_may_not_lower_a_policy_does_not),
		T(a_policy_change_is_no_way_to_guess),
		T(a_role_of_the_hsm_is_not_guessed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
