/* PINs, lock-out, login state and tickets, as applications meet them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"

static struct box box;
static struct who anna;

static int setup(void **state)
{
	(void)state;
	box_new(&box);
	who_comes(&anna, &box, OWNER, 1);
	ready(&anna, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	who_leaves(&anna);
	box_free(&box);
	return 0;
}

static void anna_comes_back(void)
{
	who_comes(&anna, &box, OWNER, 1);
}

static void restart(void)
{
	who_leaves(&anna);
	box_restart(&box);
	anna_comes_back();
}

static void fail_three_times(void)
{
	opens(&anna, 0, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(log_in(&anna, CKU_USER, "wrong"), HF_E_PIN_INCORRECT);
	assert_int_equal(closes(&anna), HF_OK);
}

static enum hf_err try_right_pin(void)
{
	enum hf_err e;

	opens(&anna, 0, true);
	e = log_in(&anna, CKU_USER, USER_PIN);
	assert_int_equal(closes(&anna), HF_OK);
	return e;
}

static enum hf_err set_pin(struct who *w, const char *old, const char *fresh, struct slice *ret)
{
	struct pin_set_req q = { slice_str(old), slice_str(fresh) };
	struct pin_set_res r = { 0 };
	enum hf_err e = do_pin_set(w, &q, &r);

	if (ret != NULL)
		*ret = r.ticket;
	return e;
}

static enum hf_err init_pin(struct who *w, const char *pin)
{
	struct pin_init_req q = { slice_str(pin) };
	struct pin_init_res r;

	return do_pin_init(w, &q, &r);
}

/* --- lock-out ---------------------------------------------------------------------------- */

static void a_pin_locks_after_its_failures_even_for_the_right_one(void **state)
{
	(void)state;
	fail_three_times();
	assert_int_equal(try_right_pin(), HF_E_PIN_LOCKED);
	assert_true(flags_of(&anna, 0) & CKF_USER_PIN_LOCKED);
}

static void a_right_pin_takes_the_failures_back(void **state)
{
	(void)state;
	opens(&anna, 0, true);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(log_in(&anna, CKU_USER, "wrong"), HF_E_PIN_INCORRECT);
		assert_int_equal(log_in(&anna, CKU_USER, "wrong"), HF_E_PIN_INCORRECT);
		assert_true(flags_of(&anna, 0) & CKF_USER_PIN_FINAL_TRY);
		assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
		assert_false(flags_of(&anna, 0) & CKF_USER_PIN_COUNT_LOW);
		assert_int_equal(log_out(&anna), HF_OK);
	}
}

static void lock_out_survives_a_restart(void **state)
{
	(void)state;
	fail_three_times();
	restart();
	assert_int_equal(try_right_pin(), HF_E_PIN_LOCKED);
}

static void lock_out_survives_an_older_store_put_back(void **state)
{
	(void)state;
	keeper_memory_snapshot(box.keeper);
	fail_three_times();
	who_leaves(&anna);
	box_stop(&box);
	keeper_memory_rollback(box.keeper);
	assert_int_equal(box_start(&box), HF_OK);
	anna_comes_back();
	assert_int_equal(try_right_pin(), HF_E_PIN_LOCKED);
	assert_non_null(strstr(fact(&anna, "store"), "an older store was put back"));
}

static void an_attempt_that_cannot_be_counted_is_not_made(void **state)
{
	(void)state;
	opens(&anna, 0, true);
	keeper_memory_fail_commits(box.keeper, 1);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_STORE);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
}

static void the_officer_gives_a_locked_user_a_new_pin(void **state)
{
	(void)state;
	fail_three_times();
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(init_pin(&anna, "new-user-pin"), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in(&anna, CKU_USER, "new-user-pin"), HF_OK);
}

static void a_locked_officer_cannot_initialize_the_token(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(init(&anna, 0, "wrong-so-pin"), HF_E_PIN_INCORRECT);
	assert_int_equal(init(&anna, 0, SO_PIN), HF_E_PIN_LOCKED);
	assert_true(flags_of(&anna, 0) & CKF_SO_PIN_LOCKED);
}

/* --- login state ------------------------------------------------------------------------------ */

static void login_belongs_to_all_sessions_of_the_application(void **state)
{
	uint64_t first;

	(void)state;
	opens(&anna, 0, false);
	first = anna.session;
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(state_of(&anna), CKS_RW_USER_FUNCTIONS);
	anna.session = first;
	assert_int_equal(state_of(&anna), CKS_RO_USER_FUNCTIONS);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(state_of(&anna), CKS_RO_PUBLIC_SESSION);
}

static void login_is_no_other_applications(void **state)
{
	struct who ben;

	(void)state;
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(makes(&anna, "secret", true), HF_OK);
	who_comes(&ben, &box, OWNER, 2);
	opens(&ben, 0, true);
	assert_int_equal(state_of(&ben), CKS_RW_PUBLIC_SESSION);
	assert_int_equal(finds(&ben), 0);
	logs_in(&ben, CKU_USER, USER_PIN, NULL);
	assert_int_equal(finds(&ben), 1);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(finds(&anna), 0);
	assert_int_equal(finds(&ben), 1);
	who_leaves(&ben);
}

static void two_connections_are_one_application(void **state)
{
	struct who second;

	(void)state;
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	who_comes(&second, &box, OWNER, 1);
	second.session = anna.session;
	assert_int_equal(state_of(&second), CKS_RW_USER_FUNCTIONS);
	who_leaves(&anna);
	assert_int_equal(state_of(&second), CKS_RW_USER_FUNCTIONS);
	who_leaves(&second);
	anna_comes_back();
	anna.session = 1;
	assert_int_equal(state_of(&anna), UINT32_MAX);
	opens(&anna, 0, true);
	assert_int_equal(state_of(&anna), CKS_RW_PUBLIC_SESSION);
}

static void closing_the_last_session_logs_out(void **state)
{
	(void)state;
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(closes(&anna), HF_OK);
	opens(&anna, 0, true);
	assert_int_equal(state_of(&anna), CKS_RW_PUBLIC_SESSION);
}

static void closing_all_sessions_logs_out(void **state)
{
	struct session_close_all_req q = { 0 };
	struct session_close_all_res r;

	(void)state;
	opens(&anna, 0, true);
	opens(&anna, 0, false);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(do_session_close_all(&anna, &q, &r), HF_OK);
	assert_int_equal(state_of(&anna), UINT32_MAX);
	opens(&anna, 0, true);
	assert_int_equal(state_of(&anna), CKS_RW_PUBLIC_SESSION);
}

static void logins_out_of_order_get_the_standards_errors(void **state)
{
	struct login_req named = { CKU_USER, SLICE_STR("so"), SLICE_STR(USER_PIN) };
	struct login_res r;

	(void)state;
	opens(&anna, 0, false);
	assert_int_equal(log_out(&anna), HF_E_NOT_LOGGED_IN);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_E_SESSION_RO_EXISTS);
	assert_int_equal(log_in(&anna, 7, SO_PIN), HF_E_USER_TYPE);
	assert_int_equal(do_login(&anna, &named, &r), HF_E_USER_TYPE);
	assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, USER_PIN), HF_E_NOT_LOGGED_IN);
	assert_int_equal(init_pin(&anna, USER_PIN), HF_E_NOT_LOGGED_IN);
	assert_int_equal(set_pin(&anna, USER_PIN, "whatever", NULL), HF_E_SESSION_RO);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_ALREADY_LOGGED_IN);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_E_OTHER_LOGGED_IN);
	assert_int_equal(init_pin(&anna, USER_PIN), HF_E_NOT_LOGGED_IN);
	assert_int_equal(log_in(&anna, CKU_CONTEXT_SPECIFIC, USER_PIN), HF_E_OP_NONE);
}

static void no_read_only_session_while_the_officer_is_in(void **state)
{
	struct session_open_req q = { 0, false };
	struct session_open_res r;

	(void)state;
	opens(&anna, 0, true);
	logs_in(&anna, CKU_SO, SO_PIN, NULL);
	assert_int_equal(do_session_open(&anna, &q, &r), HF_E_SESSION_SO_EXISTS);
	assert_int_equal(state_of(&anna), CKS_RW_SO_FUNCTIONS);
}

static void a_user_without_a_pin_is_told_so(void **state)
{
	(void)state;
	assert_int_equal(init(&anna, 1, SO_PIN), HF_OK);
	opens(&anna, 1, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_PIN_NOT_SET);
	assert_false(flags_of(&anna, 1) & CKF_USER_PIN_INITIALIZED);
}

static void pins_have_limits(void **state)
{
	(void)state;
	opens(&anna, 0, true);
	assert_int_equal(set_pin(&anna, USER_PIN, "abc", NULL), HF_E_PIN_LENGTH);
	assert_int_equal(init(&anna, 1, "abc"), HF_E_PIN_LENGTH);
	assert_int_equal(set_pin(&anna, "wrong", "abcd", NULL), HF_E_PIN_INCORRECT);
	assert_int_equal(set_pin(&anna, USER_PIN, "abcd", NULL), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, "abcd"), HF_OK);
}

static void a_changed_pin_holds_after_a_restart(void **state)
{
	(void)state;
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(makes(&anna, "secret", true), HF_OK);
	assert_int_equal(set_pin(&anna, USER_PIN, "another-pin", NULL), HF_OK);
	restart();
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in(&anna, CKU_USER, "another-pin"), HF_OK);
	assert_int_equal(finds(&anna), 1);
}

static void stronger_derivation_comes_with_the_next_login(void **state)
{
	(void)state;
	keeper_memory_snapshot(box.keeper);
	who_leaves(&anna);
	box.cfg.argon2_kib = 128;
	box_restart(&box);
	anna_comes_back();
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	who_leaves(&anna);
	box.cfg.argon2_kib = 64; /* never weaker again */
	box_restart(&box);
	anna_comes_back();
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
}

static void a_pin_changes_over_to_the_function_of_the_settings(void **state)
{
	uint64_t v = box_role_version(&box);

	(void)state;
	box.cfg.pin_pbkdf2 = true;
	restart();
	assert_int_equal(try_right_pin(), HF_OK);
	assert_int_equal(box_role_version(&box), v + 1);
	restart();
	assert_int_equal(try_right_pin(), HF_OK);
	assert_int_equal(box_role_version(&box), v + 1);
	box.cfg.pbkdf2_passes += 10;
	restart();
	assert_int_equal(try_right_pin(), HF_OK);
	assert_int_equal(box_role_version(&box), v + 2);
	box.cfg.pbkdf2_passes -= 10; /* never weaker again */
	restart();
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, "wrong"), HF_E_PIN_INCORRECT);
	assert_int_equal(closes(&anna), HF_OK);
	assert_int_equal(try_right_pin(), HF_OK);
	assert_int_equal(box_role_version(&box), v + 2);
	box.cfg.pin_pbkdf2 = false;
	restart();
	assert_int_equal(try_right_pin(), HF_OK);
	assert_int_equal(box_role_version(&box), v + 3);
	assert_int_equal(try_right_pin(), HF_OK);
}

/* --- tickets -------------------------------------------------------------------------------------- */

/* with_ticket logs anna in and makes a private object. */
static struct slice with_ticket(void)
{
	static uint8_t kept[512];
	struct slice t;

	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, &t);
	assert_true(t.n <= sizeof(kept));
	memcpy(kept, t.p, t.n);
	assert_int_equal(makes(&anna, "secret", true), HF_OK);
	return (struct slice){ kept, t.n };
}

static void a_ticket_restores_the_login_after_a_restart(void **state)
{
	struct slice t = with_ticket();

	(void)state;
	restart();
	opens(&anna, 0, true);
	assert_int_equal(finds(&anna), 0);
	assert_int_equal(resume(&anna, 0, t), HF_OK);
	assert_int_equal(resume(&anna, 0, t), HF_OK); /* by another connection, say */
	assert_int_equal(state_of(&anna), CKS_RW_USER_FUNCTIONS);
	assert_int_equal(finds(&anna), 1);
	assert_int_equal(makes(&anna, "another", true), HF_OK);
}

static void a_ticket_may_come_before_the_sessions(void **state)
{
	struct slice t = with_ticket();

	(void)state;
	restart();
	assert_int_equal(resume(&anna, 0, t), HF_OK);
	opens(&anna, 0, true);
	assert_int_equal(finds(&anna), 1);
}

static void a_ticket_outlives_its_connection(void **state)
{
	struct slice t = with_ticket();

	(void)state;
	who_leaves(&anna);
	anna_comes_back();
	opens(&anna, 0, true);
	assert_int_equal(resume(&anna, 0, t), HF_OK);
	assert_int_equal(finds(&anna), 1);
}

static void a_ticket_is_void_after_logout(void **state)
{
	struct slice t = with_ticket();

	(void)state;
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(resume(&anna, 0, t), HF_E_TICKET);
	restart();
	opens(&anna, 0, true);
	assert_int_equal(resume(&anna, 0, t), HF_E_TICKET);
}

static void a_ticket_is_void_after_the_last_session_closed(void **state)
{
	struct slice t = with_ticket();

	(void)state;
	assert_int_equal(closes(&anna), HF_OK);
	restart();
	opens(&anna, 0, true);
	assert_int_equal(resume(&anna, 0, t), HF_E_TICKET);
}

static void a_ticket_is_no_good_to_another_application(void **state)
{
	struct slice t = with_ticket();
	struct who thief;

	(void)state;
	who_comes(&thief, &box, OWNER, 2);
	opens(&thief, 0, true);
	assert_int_equal(resume(&thief, 0, t), HF_E_TICKET);
	who_leaves(&thief);
}

static void a_ticket_is_no_good_to_another_user(void **state)
{
	struct slice t = with_ticket();
	struct who thief;

	(void)state;
	who_leaves(&anna);
	who_comes(&thief, &box, ADMIN, 1); /* the same application id */
	opens(&thief, 0, true);
	assert_int_equal(resume(&thief, 0, t), HF_E_TICKET);
	who_leaves(&thief);
	anna_comes_back();
}

static void a_pin_change_voids_tickets_but_gives_the_changer_a_new_one(void **state)
{
	struct slice t = with_ticket(), fresh;
	uint8_t kept[512];

	(void)state;
	assert_int_equal(set_pin(&anna, USER_PIN, "another-pin", &fresh), HF_OK);
	assert_true(fresh.n > 0 && fresh.n <= sizeof(kept));
	memcpy(kept, fresh.p, fresh.n);
	fresh.p = kept;
	restart();
	opens(&anna, 0, true);
	assert_int_equal(resume(&anna, 0, t), HF_E_TICKET);
	assert_int_equal(resume(&anna, 0, fresh), HF_OK);
}

static void the_officers_new_user_pin_voids_the_users_tickets_only(void **state)
{
	struct slice t = with_ticket(), officers;
	struct who ben;

	(void)state;
	who_comes(&ben, &box, OWNER, 2);
	opens(&ben, 0, true);
	logs_in(&ben, CKU_SO, SO_PIN, &officers);
	assert_int_equal(init_pin(&ben, "new-user-pin"), HF_OK);
	assert_int_equal(resume(&ben, 0, officers), HF_OK);
	who_leaves(&ben);
	who_leaves(&anna);
	anna_comes_back();
	opens(&anna, 0, true);
	assert_int_equal(resume(&anna, 0, t), HF_E_TICKET);
}

static void an_expired_ticket_is_void(void **state)
{
	struct slice t;

	(void)state;
	who_leaves(&anna);
	box.cfg.ticket_seconds = 2;
	box_restart(&box);
	anna_comes_back();
	t = with_ticket();
	who_leaves(&anna);
	sleep(3);
	anna_comes_back();
	opens(&anna, 0, true);
	assert_int_equal(resume(&anna, 0, t), HF_E_TICKET);
}

static void a_changed_ticket_is_void(void **state)
{
	struct slice t = with_ticket();
	uint8_t changed[512];

	(void)state;
	memcpy(changed, t.p, t.n);
	changed[t.n / 2] ^= 1;
	assert_int_equal(resume(&anna, 0, (struct slice){ changed, t.n }), HF_E_TICKET);
	assert_int_equal(resume(&anna, 0, (struct slice){ t.p, t.n - 1 }), HF_E_TICKET);
	assert_int_equal(resume(&anna, 0, SLICE_NONE), HF_E_TICKET);
}

static void a_ticket_is_void_after_the_token_began_anew(void **state)
{
	struct slice t = with_ticket();

	(void)state;
	who_leaves(&anna);
	anna_comes_back();
	assert_int_equal(init(&anna, 0, SO_PIN), HF_OK);
	opens(&anna, 0, true);
	assert_int_equal(resume(&anna, 0, t), HF_E_TICKET);
}

static void a_renewed_ticket_is_as_good(void **state)
{
	struct ticket_renew_req q = { 0 };
	struct ticket_renew_res r;
	uint8_t kept[512];

	(void)state;
	(void)with_ticket();
	assert_int_equal(do_ticket_renew(&anna, &q, &r), HF_OK);
	memcpy(kept, r.ticket.p, r.ticket.n);
	r.ticket.p = kept;
	restart();
	opens(&anna, 0, true);
	assert_int_equal(do_ticket_renew(&anna, &q, &(struct ticket_renew_res){ 0 }), HF_E_NOT_LOGGED_IN);
	assert_int_equal(resume(&anna, 0, r.ticket), HF_OK);
}

static void expired_revocations_are_cleared_away(void **state)
{
	(void)state;
	who_leaves(&anna);
	box.cfg.ticket_seconds = 1;
	box_restart(&box);
	anna_comes_back();
	for (int i = 0; i < 3; i++) {
		opens(&anna, 0, true);
		logs_in(&anna, CKU_USER, USER_PIN, NULL);
		assert_int_equal(log_out(&anna), HF_OK);
	}
	/* The partition's three, the officer's from the setup, which lasts, and these. */
	assert_int_equal(keeper_memory_count(box.keeper, "p/"), 3 + 1 + 3);
	sleep(2);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(keeper_memory_count(box.keeper, "p/"), 3 + 1 + 1);
	sleep(2);
	restart();
	assert_int_equal(keeper_memory_count(box.keeper, "p/"), 3 + 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_pin_locks_after_its_failures_even_for_the_right_one),
		T(a_right_pin_takes_the_failures_back),
		T(lock_out_survives_a_restart),
		T(lock_out_survives_an_older_store_put_back),
		T(an_attempt_that_cannot_be_counted_is_not_made),
		T(the_officer_gives_a_locked_user_a_new_pin),
		T(a_locked_officer_cannot_initialize_the_token),
		T(login_belongs_to_all_sessions_of_the_application),
		T(login_is_no_other_applications),
		T(two_connections_are_one_application),
		T(closing_the_last_session_logs_out),
		T(closing_all_sessions_logs_out),
		T(logins_out_of_order_get_the_standards_errors),
		T(no_read_only_session_while_the_officer_is_in),
		T(a_user_without_a_pin_is_told_so),
		T(pins_have_limits),
		T(a_changed_pin_holds_after_a_restart),
		T(stronger_derivation_comes_with_the_next_login),
		T(a_pin_changes_over_to_the_function_of_the_settings),
		T(a_ticket_restores_the_login_after_a_restart),
		T(a_ticket_may_come_before_the_sessions),
		T(a_ticket_outlives_its_connection),
		T(a_ticket_is_void_after_logout),
		T(a_ticket_is_void_after_the_last_session_closed),
		T(a_ticket_is_no_good_to_another_application),
		T(a_ticket_is_no_good_to_another_user),
		T(a_pin_change_voids_tickets_but_gives_the_changer_a_new_one),
		T(the_officers_new_user_pin_voids_the_users_tickets_only),
		T(an_expired_ticket_is_void),
		T(a_changed_ticket_is_void),
		T(a_ticket_is_void_after_the_token_began_anew),
		T(a_renewed_ticket_is_as_good),
		T(expired_revocations_are_cleared_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
