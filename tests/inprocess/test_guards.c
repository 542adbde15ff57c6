/* Keys with guards: their own PIN, a number of uses, approval by others. */
#include "guarded.h"

static void so_many_uses(void **state)
{
	(void)state;
	assert_int_equal(guard(3, "", 0, ""), HF_OK);
	assert_int_equal(signs(&anna), HF_OK);
	assert_int_equal(signs(&bob), HF_OK);
	restart();
	assert_int_equal(guard(4, "", 0, ""), HF_E_GUARD_LIMIT); /* never raised */
	assert_int_equal(guard(0, "", 0, ""), HF_E_GUARD_LIMIT);
	assert_int_equal(signs(&anna), HF_OK);
	assert_int_equal(signs(&anna), HF_E_KEY_EXHAUSTED);
	assert_int_equal(guard(2, "", 0, ""), HF_E_KEY_EXHAUSTED);
}

static void a_pin_of_its_own(void **state)
{
	(void)state;
	assert_int_equal(guard(0, KEY_PIN, 0, ""), HF_OK);
	assert_int_equal(signs(&anna), HF_E_KEY_GUARDED);
	assert_int_equal(open_key(&anna, "wrong"), HF_E_PIN_INCORRECT);
	assert_int_equal(signs(&anna), HF_E_KEY_GUARDED);
	assert_int_equal(open_key(&anna, KEY_PIN), HF_OK);
	assert_int_equal(signs(&anna), HF_OK);
	assert_int_equal(signs(&anna), HF_OK);
	assert_int_equal(signs(&bob), HF_E_KEY_GUARDED); /* his session, his PIN */
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	assert_int_equal(signs(&anna), HF_E_KEY_GUARDED);
	assert_int_equal(guard(0, "another-pin", 0, ""), HF_E_KEY_GUARDED);
}

static void its_pin_comes_with_the_operation(void **state)
{
	(void)state;
	assert_int_equal(guard(2, KEY_PIN, 0, ""), HF_OK);
	assert_int_equal(begins(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, USER_PIN), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, ""), HF_E_PIN_INCORRECT);
	assert_int_equal(ends(&anna), HF_E_KEY_GUARDED);
	assert_int_equal(ends(&anna), HF_E_OP_NONE);
	assert_int_equal(begins(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, KEY_PIN), HF_OK);
	assert_int_equal(ends(&anna), HF_OK);
	assert_int_equal(signs(&anna), HF_OK); /* this session has it now */
	assert_int_equal(begins(&anna), HF_E_KEY_EXHAUSTED); /* nothing but uses was counted */
	assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, KEY_PIN), HF_E_OP_NONE);
}

static void approvals_are_wanted_besides_its_pin(void **state)
{
	(void)state;
	assert_int_equal(guard(0, KEY_PIN, 1, "bob,carol"), HF_OK);
	assert_int_equal(begins(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, KEY_PIN), HF_OK);
	assert_int_equal(ends(&anna), HF_E_APPROVAL);
}

static void wrong_pins_with_the_operation_lock_it(void **state)
{
	(void)state;
	assert_int_equal(guard(0, KEY_PIN, 0, ""), HF_OK);
	assert_int_equal(begins(&anna), HF_OK);
	for (unsigned i = 0; i < GUARD_FAILURES; i++)
		assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, "wrong"), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, KEY_PIN), HF_E_PIN_LOCKED);
	assert_int_equal(ends(&anna), HF_E_KEY_GUARDED);
	assert_int_equal(closes(&anna), HF_OK);
	enter(&anna, "user", USER_PIN); /* the user is not locked */
}

static void its_pin_comes_after_a_refusal_where_there_is_no_init(void **state)
{
	uint64_t other;

	(void)state;
	assert_int_equal(makes_key(true, &other), HF_OK);
	assert_int_equal(guard(0, KEY_PIN, 0, ""), HF_OK);
	assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, KEY_PIN), HF_E_OP_NONE);
	assert_int_equal(wraps(other), HF_E_KEY_GUARDED);
	assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, KEY_PIN), HF_OK);
	assert_int_equal(wraps(other), HF_OK);
}

static void its_pin_locks_for_good(void **state)
{
	(void)state;
	assert_int_equal(guard(0, KEY_PIN, 0, ""), HF_OK);
	for (unsigned i = 0; i < GUARD_FAILURES; i++) {
		assert_int_equal(open_key(&anna, "wrong"), HF_E_PIN_INCORRECT);
		if (i == 4)
			restart();
	}
	assert_int_equal(open_key(&anna, KEY_PIN), HF_E_PIN_LOCKED);
}

static void a_guarded_key_has_no_double(void **state)
{
	struct object_copy_req copy = { key, { NULL, 0 } };
	struct object_copy_res copied;
	struct key_wrap_req w = { { CKM_AES_KEY_WRAP_KWP, SLICE_NONE }, 0, key, 4096 };
	struct key_wrap_res wr;

	(void)state;
	assert_int_equal(makes_key(true, &w.with), HF_OK);
	assert_int_equal(do_key_wrap(&anna, &w, &wr), HF_OK);
	assert_int_equal(guard(5, "", 0, ""), HF_OK);
	assert_int_equal(do_key_wrap(&anna, &w, &wr), HF_E_KEY_NOT_WRAPPABLE);
	assert_int_equal(do_object_copy(&anna, &copy, &copied), HF_E_COPY_PROHIBITED);
}

static void guards_that_cannot_be(void **state)
{
	uint64_t good = key;

	(void)state;
	assert_int_equal(guard(0, "", 3, "bob,carol"), HF_E_ARGUMENTS);
	assert_int_equal(guard(0, "", 1, "bob,bob"), HF_E_ARGUMENTS);
	assert_int_equal(guard(0, "", 1, "bob,,carol"), HF_E_ARGUMENTS);
	assert_int_equal(guard(0, "", 1, "so"), HF_E_ARGUMENTS);
	assert_int_equal(guard(0, "", 1, "dora"), HF_E_USER_TYPE); /* there is none */
	assert_int_equal(guard(0, "x", 0, ""), HF_E_PIN_LENGTH);
	assert_int_equal(makes_key(false, &key), HF_OK);
	assert_int_equal(guard(1, "", 0, ""), HF_E_ARGUMENTS); /* its value can be read */
	key = good;
	assert_int_equal(signs(&anna), HF_OK);
}

static void the_guard_tells(void **state)
{
	struct guard_get_req q = { key };
	struct guard_get_res r;
	uint64_t number;

	(void)state;
	assert_int_equal(guard(7, "", 1, "bob,carol"), HF_OK);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&carol, number), HF_OK);
	assert_int_equal(do_guard_get(&bob, &q, &r), HF_OK);
	assert_int_equal(r.limit, 7);
	assert_int_equal(r.request, number);
	assert_true(slice_eq(r.approvers, SLICE_STR("bob,carol+")));
	assert_true(slice_eq(r.requester, SLICE_STR("user")));
}

static void set_policy(enum policy k)
{
	struct partition_list_req lq = { 0 };
	struct partition_list_res l;
	struct policy_value on = { policy_rows[k].number, 1 };
	struct policy_set_req q = { .so_pin = SLICE_STR(SO_PIN), .changes = { &on, 1 },
		.destroy = policy_rows[k].destroys == POLICY_DESTROYS_UP };
	struct policy_set_res r;

	assert_int_equal(do_partition_list(&anna, &lq, &l), HF_OK);
	q.serial = l.partitions.v[0].serial;
	assert_int_equal(do_policy_set(&anna, &q, &r), HF_OK);
}

static void lock_key(void)
{
	for (unsigned i = 0; i < GUARD_FAILURES; i++)
		assert_int_equal(open_key(&bob, "wrong"), HF_E_PIN_INCORRECT);
	assert_int_equal(open_key(&bob, KEY_PIN), HF_E_PIN_LOCKED);
}

static void a_locked_pin_is_not_reset_unless_the_policy_says_so(void **state)
{
	(void)state;
	assert_int_equal(key_pin(&anna, KEY_PIN), HF_OK);
	assert_int_equal(key_pin(&anna, "another-pin"), HF_E_POLICY);
	lock_key();
	assert_int_equal(key_pin(&anna, "another-pin"), HF_E_POLICY);
	assert_int_equal(open_key(&anna, "another-pin"), HF_E_PIN_LOCKED);
	assert_int_equal(signs(&anna), HF_E_KEY_GUARDED);
}

static void the_officer_resets_a_locked_pin(void **state)
{
	(void)state;
	set_policy(POLICY_KEY_PIN_RESET);
	all_enter(); /* that policy's change destroys, and ends all sessions */
	assert_int_equal(signs(&anna), HF_E_KEY_HANDLE);
	assert_int_equal(makes_key(true, &key), HF_OK);
	assert_int_equal(guard(2, KEY_PIN, 0, ""), HF_OK);
	lock_key();
	assert_int_equal(key_pin(&bob, "another-pin"), HF_E_DENIED); /* no officer */
	assert_int_equal(key_pin(&anna, ""), HF_E_PIN_LENGTH);
	assert_int_equal(key_pin(&anna, "another-pin"), HF_OK);
	assert_int_equal(open_key(&bob, KEY_PIN), HF_E_PIN_INCORRECT);
	assert_int_equal(open_key(&bob, "another-pin"), HF_OK);
	assert_int_equal(signs(&bob), HF_OK);
	restart();
	assert_int_equal(open_key(&bob, "another-pin"), HF_OK);
	assert_int_equal(signs(&bob), HF_OK);
	assert_int_equal(signs(&bob), HF_E_KEY_EXHAUSTED); /* the limit stayed */
}

static void whoever_knows_the_pin_changes_it(void **state)
{
	(void)state;
	assert_int_equal(key_pin(&anna, KEY_PIN), HF_OK);
	assert_int_equal(open_key(&anna, KEY_PIN), HF_OK);
	assert_int_equal(key_pin(&anna, "another-pin"), HF_OK);
	assert_int_equal(open_key(&anna, KEY_PIN), HF_E_PIN_INCORRECT);
	assert_int_equal(open_key(&anna, "another-pin"), HF_OK);
}

static void a_partition_may_want_guards(void **state)
{
	(void)state;
	set_policy(POLICY_KEY_PIN);
	assert_int_equal(signs(&anna), HF_E_POLICY);
	assert_int_equal(guard(0, KEY_PIN, 0, ""), HF_OK);
	assert_int_equal(open_key(&anna, KEY_PIN), HF_OK);
	assert_int_equal(signs(&anna), HF_OK);
	set_policy(POLICY_KEY_LIMIT);
	assert_int_equal(signs(&anna), HF_E_POLICY);
	assert_int_equal(guard(9, "", 0, ""), HF_OK);
	assert_int_equal(signs(&anna), HF_OK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(so_many_uses),
		T(a_pin_of_its_own),
		T(its_pin_comes_with_the_operation),
		T(approvals_are_wanted_besides_its_pin),
		T(wrong_pins_with_the_operation_lock_it),
		T(its_pin_comes_after_a_refusal_where_there_is_no_init),
		T(its_pin_locks_for_good),
		T(a_guarded_key_has_no_double),
		T(guards_that_cannot_be),
		T(the_guard_tells),
		T(a_locked_pin_is_not_reset_unless_the_policy_says_so),
		T(the_officer_resets_a_locked_pin),
		T(whoever_knows_the_pin_changes_it),
		T(a_partition_may_want_guards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
