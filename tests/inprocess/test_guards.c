/* Keys with guards: their own PIN, a number of uses, approval by others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"
#include "guard.h"

#define PIN "pin-of-named"
#define KEY_PIN "pin-of-the-key"

static struct box box;
static struct who anna, bob, carol;
static uint64_t key;

static void come(void)
{
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&bob, &box, OWNER, 2);
	who_comes(&carol, &box, OWNER, 3);
}

static void leave(void)
{
	who_leaves(&anna);
	who_leaves(&bob);
	who_leaves(&carol);
}

static void enter(struct who *w, const char *name, const char *pin)
{
	struct login_req q = { CKU_USER, slice_str(name), slice_str(pin) };
	struct login_res r;

	opens(w, 0, true);
	assert_int_equal(do_login(w, &q, &r), HF_OK);
}

static void all_enter(void)
{
	enter(&anna, "user", USER_PIN);
	enter(&bob, "bob", PIN);
	enter(&carol, "carol", PIN);
}

static void makes_user(const char *name, enum role role)
{
	struct user_set_req q = { slice_str(name), (uint8_t)role, SLICE_STR(PIN), false };
	struct user_set_res r;

	assert_int_equal(do_user_set(&anna, &q, &r), HF_OK);
}

static enum hf_err makes_key(bool sensitive, uint64_t *ret)
{
	static const uint8_t yes = 1;
	const uint8_t hidden = sensitive;
	const uint8_t len[8] = { 0, 0, 0, 0, 0, 0, 0, 32 };
	const struct attr v[] = {
		{ CKA_VALUE_LEN, SLICE_OF(len) }, { CKA_TOKEN, { &yes, 1 } }, { CKA_PRIVATE, { &yes, 1 } },
		{ CKA_SIGN, { &yes, 1 } }, { CKA_SENSITIVE, { &hidden, 1 } },
		{ CKA_EXTRACTABLE, { &yes, 1 } },
		{ CKA_WRAP, { &yes, 1 } },
	};
	struct key_generate_req q = { { CKM_AES_KEY_GEN, SLICE_NONE }, { v, 7 } };
	struct key_generate_res r;

	TRY(do_key_generate(&anna, &q, &r));
	*ret = r.key;
	return HF_OK;
}

static int setup(void **state)
{
	(void)state;
	box_new(&box);
	come();
	ready(&anna, 0);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	makes_user("bob", ROLE_CRYPTO_USER);
	makes_user("carol", ROLE_CRYPTO_USER);
	assert_int_equal(closes(&anna), HF_OK);
	all_enter();
	assert_int_equal(makes_key(true, &key), HF_OK);
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
	all_enter();
}

static enum hf_err guard(uint64_t limit, const char *pin, uint8_t needed, const char *approvers)
{
	struct guard_set_req q = { key, limit, slice_str(pin), needed, slice_str(approvers), 3600 };
	struct guard_set_res r;

	return do_guard_set(&anna, &q, &r);
}

static enum hf_err signs(struct who *w)
{
	struct sign_init_req i = { { CKM_AES_CMAC, SLICE_NONE }, key };
	struct sign_init_res ir;
	struct sign_req q = { SLICE_STR("data"), 64 };
	struct sign_res r;

	TRY(do_sign_init(w, &i, &ir));
	return do_sign(w, &q, &r);
}

static enum hf_err open_key(struct who *w, const char *pin)
{
	struct guard_open_req q = { key, slice_str(pin) };
	struct guard_open_res r;

	return do_guard_open(w, &q, &r);
}

static enum hf_err key_pin(struct who *w, const char *pin)
{
	struct guard_pin_req q = { key, slice_str(pin) };
	struct guard_pin_res r;

	return do_guard_pin(w, &q, &r);
}

static enum hf_err request(struct who *w, uint64_t *ret)
{
	struct guard_request_req q = { key };
	struct guard_request_res r;

	TRY(do_guard_request(w, &q, &r));
	*ret = r.request;
	return HF_OK;
}

static enum hf_err approve(struct who *w, uint64_t number)
{
	struct guard_approve_req q = { key, number };
	struct guard_approve_res r;

	return do_guard_approve(w, &q, &r);
}

static void so_many_uses(void **state)
{
	(void)state;
	assert_int_equal(guard(3, "", 0, ""), HF_OK);
	assert_int_equal(signs(&anna), HF_OK);
	assert_int_equal(signs(&bob), HF_OK);
	restart();
	assert_int_equal(guard(4, "", 0, ""), HF_E_ATTR_READ_ONLY); /* never raised */
	assert_int_equal(guard(0, "", 0, ""), HF_E_ATTR_READ_ONLY);
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

static enum hf_err begins(struct who *w)
{
	struct sign_init_req q = { { CKM_AES_CMAC, SLICE_NONE }, key };

	return do_sign_init(w, &q, &(struct sign_init_res){ 0 });
}

static enum hf_err ends(struct who *w)
{
	struct sign_req q = { SLICE_STR("data"), 64 };

	return do_sign(w, &q, &(struct sign_res){ 0 });
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

static enum hf_err wraps(uint64_t what)
{
	struct key_wrap_req q = { { CKM_AES_KEY_WRAP_KWP, SLICE_NONE }, key, what, 4096 };

	return do_key_wrap(&anna, &q, &(struct key_wrap_res){ 0 });
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

static void two_approve_one_use(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 2, "bob,carol"), HF_OK);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(approve(&bob, 1), HF_E_REQUEST);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(approve(&anna, number), HF_E_DENIED);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK); /* counts once */
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	restart();
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(approve(&carol, number), HF_OK);
	assert_int_equal(signs(&bob), HF_E_APPROVAL); /* not his request */
	assert_int_equal(signs(&anna), HF_OK);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(approve(&carol, number), HF_E_REQUEST); /* replayed */
}

static void an_older_store_gives_no_approval_back(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 2, "bob,carol"), HF_OK);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(approve(&carol, number), HF_OK);
	keeper_memory_snapshot(box.keeper);
	assert_int_equal(signs(&anna), HF_OK);
	for (int i = 0; i < 2; i++) {
		leave();
		box_stop(&box);
		if (i == 0)
			keeper_memory_rollback(box.keeper);
		assert_int_equal(box_start(&box), HF_OK);
		come();
		all_enter();
		assert_int_equal(signs(&anna), HF_E_APPROVAL);
		assert_int_equal(approve(&bob, number), HF_E_REQUEST);
	}
}

static void a_request_expires(void **state)
{
	struct guard_set_req q = { key, 0, SLICE_NONE, 1, SLICE_STR("bob"), 1 };
	struct guard_set_res r;
	uint64_t number, again;

	(void)state;
	assert_int_equal(do_guard_set(&anna, &q, &r), HF_OK);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(sleep(2), 0);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(approve(&bob, number), HF_E_REQUEST);
	assert_int_equal(request(&anna, &again), HF_OK);
	assert_true(again != number);
}

static void nobody_approves_his_own(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 1, "bob,carol"), HF_OK);
	assert_int_equal(request(&bob, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_E_DENIED);
	assert_int_equal(approve(&carol, number), HF_OK);
	assert_int_equal(signs(&bob), HF_OK);
}

/* --- persons ----------------------------------------------------------------------- */

/* The officer does this in between. */
static void officer(void (*does)(void))
{
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	does();
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
}

static void deletes_bob(void)
{
	struct user_delete_req q = { SLICE_STR("bob") };

	assert_int_equal(do_user_delete(&anna, &q, &(struct user_delete_res){ 0 }), HF_OK);
}

static void makes_bob_anew(void)
{
	deletes_bob();
	makes_user("bob", ROLE_CRYPTO_USER);
}

static void resets_bob(void)
{
	makes_user("bob", ROLE_CRYPTO_USER);
}

static void bob_returns(void)
{
	assert_int_equal(closes(&bob), HF_OK);
	enter(&bob, "bob", PIN);
}

static void an_approver_made_anew_is_none(void **state)
{
	struct guard_get_req q = { key };
	struct guard_get_res r;
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 1, "bob,carol"), HF_OK);
	officer(makes_bob_anew);
	bob_returns();
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_E_DENIED);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(do_guard_get(&anna, &q, &r), HF_OK);
	assert_true(slice_eq(r.approvers, SLICE_STR("bob (gone),carol")));
	assert_int_equal(approve(&carol, number), HF_OK);
	assert_int_equal(signs(&anna), HF_OK);
}

static void an_approver_with_the_officer_s_pin_is_none(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 1, "bob"), HF_OK);
	officer(resets_bob);
	bob_returns();
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_E_DENIED);
	restart();
	assert_int_equal(approve(&bob, number), HF_E_DENIED);
}

static void an_approver_who_changes_her_pin_stays_one(void **state)
{
	struct pin_set_req q = { SLICE_STR(PIN), SLICE_STR("another-of-bob") };
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 1, "bob"), HF_OK);
	assert_int_equal(do_pin_set(&bob, &q, &(struct pin_set_res){ 0 }), HF_OK);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(signs(&anna), HF_OK);
}

static void an_approval_goes_with_the_approver(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 2, "bob,carol"), HF_OK);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(approve(&carol, number), HF_OK);
	officer(deletes_bob);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
}

static enum hf_err asks(uint8_t what, uint8_t needed, const char *approvers, uint64_t *ret)
{
	struct guard_ask_req q = { .key = key, .what = what, .comment = SLICE_STR("please"),
		.needed = needed, .approvers = slice_str(approvers), .valid_s = 3600 };
	struct guard_ask_res r;

	TRY(do_guard_ask(&anna, &q, &r));
	*ret = r.request;
	return HF_OK;
}

static void an_approval_is_for_what_was_asked(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(guard(0, "", 1, "bob,carol"), HF_OK);
	assert_int_equal(request(&anna, &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(guard(0, "", 0, ""), HF_E_APPROVAL); /* that was for a use */
	assert_int_equal(key_pin(&anna, KEY_PIN), HF_E_APPROVAL);
	assert_int_equal(asks(FOR_GUARD, 1, "carol", &number), HF_OK);
	assert_int_equal(approve(&bob, number), HF_OK);
	assert_int_equal(signs(&anna), HF_E_APPROVAL);
	assert_int_equal(guard(0, "", 1, "bob"), HF_E_APPROVAL); /* another change */
	assert_int_equal(guard(0, KEY_PIN, 1, "carol"), HF_E_APPROVAL);
	assert_int_equal(guard(0, "", 1, "carol"), HF_OK);
	assert_int_equal(asks(FOR_PIN, 0, "", &number), HF_OK);
	assert_int_equal(approve(&carol, number), HF_OK);
	assert_int_equal(key_pin(&anna, KEY_PIN), HF_OK);
}

static void requests_are_told_and_taken_back(void **state)
{
	struct guard_requests_req q = { key };
	struct guard_requests_res r;
	struct guard_cancel_req end = { .key = key };
	struct guard_cancel_res er;
	uint64_t mine, his;

	(void)state;
	assert_int_equal(guard(0, "", 1, "bob,carol"), HF_OK);
	assert_int_equal(request(&bob, &his), HF_OK);
	assert_int_equal(asks(FOR_GUARD, 1, "carol", &mine), HF_OK);
	assert_int_equal(approve(&carol, mine), HF_OK);
	assert_int_equal(do_guard_requests(&carol, &q, &r), HF_OK);
	assert_int_equal(r.requests.n, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct key_request *t = &r.requests.v[i];
		bool is_mine = t->request == mine;

		assert_true(slice_eq(t->requester, slice_str(is_mine ? "user" : "bob")));
		assert_true(slice_eq(t->approved, slice_str(is_mine ? "carol" : "")));
		assert_true(slice_eq(t->comment, slice_str(is_mine ? "please" : "")));
		assert_true(slice_eq(t->what, slice_str(is_mine ?
			"guard: limit 0, 1 approvals of carol within 3600 s" : "one use")));
	}
	end.request = his;
	assert_int_equal(do_guard_cancel(&carol, &end, &er), HF_E_DENIED);
	assert_int_equal(do_guard_cancel(&bob, &end, &er), HF_OK);
	assert_int_equal(do_guard_cancel(&bob, &end, &er), HF_E_REQUEST);
	assert_int_equal(approve(&carol, his), HF_E_REQUEST);
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
		T(two_approve_one_use),
		T(an_older_store_gives_no_approval_back),
		T(a_request_expires),
		T(nobody_approves_his_own), T(an_approver_made_anew_is_none),
		T(an_approver_with_the_officer_s_pin_is_none), T(an_approver_who_changes_her_pin_stays_one),
		T(an_approval_goes_with_the_approver), T(an_approval_is_for_what_was_asked),
		T(requests_are_told_and_taken_back),
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
