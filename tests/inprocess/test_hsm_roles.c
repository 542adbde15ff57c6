/* The roles of the HSM: who plays which, their PINs, and lock-out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "box.h"
#include "policies.h"

#define SO "Hsm-officer-1"
#define ADM "Administrator-1"
#define AUD "Auditor-pin-1"
#define WORKER 1001u /* administers nothing */

static struct box box;
static struct who root, worker;

static void come(void)
{
	who_comes(&root, &box, ADMIN, 1);
	who_comes(&worker, &box, WORKER, 2);
}

static void leave(void)
{
	who_leaves(&root);
	who_leaves(&worker);
}

static int setup(void **state)
{
	(void)state;
	box_new(&box);
	come();
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

static enum hf_err set(struct who *w, const char *role, const char *pin)
{
	struct hsm_role_set_req q = { slice_str(role), slice_str(pin), false };

	return do_hsm_role_set(w, &q, &(struct hsm_role_set_res){ 0 });
}

static enum hf_err enters(struct who *w, const char *role, const char *pin)
{
	struct hsm_login_req q = { slice_str(role), slice_str(pin) };

	return do_hsm_login(w, &q, &(struct hsm_login_res){ 0 });
}

static enum hf_err leaves(struct who *w)
{
	return do_hsm_logout(w, &(struct hsm_logout_req){ 0 }, &(struct hsm_logout_res){ 0 });
}

static enum hf_err new_pin(struct who *w, const char *role, const char *old, const char *new)
{
	struct hsm_pin_set_req q = { slice_str(role), slice_str(old), slice_str(new) };

	return do_hsm_pin_set(w, &q, &(struct hsm_pin_set_res){ 0 });
}

static enum hf_err partition(struct who *w, const char *label)
{
	struct partition_create_req q = { .label = slice_str(label), .so_pin = SLICE_STR(SO_PIN) };

	return do_partition_create(w, &q, &(struct partition_create_res){ 0 });
}

static enum hf_err reads_log(struct who *w)
{
	struct audit_read_req q = { 0, 10 };

	return do_audit_read(w, &q, &(struct audit_read_res){ 0 });
}

static enum hf_err manages(struct who *w)
{
	return do_unlock_methods(w, &(struct unlock_methods_req){ 0 }, &(struct unlock_methods_res){ 0 });
}

static void all_three(void)
{
	assert_int_equal(set(&root, "auditor", AUD), HF_OK);
	assert_int_equal(set(&root, "administrator", ADM), HF_OK);
	assert_int_equal(set(&root, "so", SO), HF_OK);
}

/* --- who plays what --------------------------------------------------------------------- */

static void without_pins_uids_hold(void **state)
{
	(void)state;
	assert_int_equal(partition(&root, "a"), HF_OK);
	assert_int_equal(reads_log(&root), HF_OK);
	assert_int_equal(manages(&root), HF_OK);
	assert_int_equal(partition(&worker, "b"), HF_E_DENIED);
	assert_int_equal(reads_log(&worker), HF_E_DENIED);
	assert_int_equal(enters(&root, "so", SO), HF_E_PIN_NOT_SET);
}

static void health_takes_no_role(void **state)
{
	struct metrics_res r = { 0 };

	(void)state;
	assert_int_equal(partition(&root, "a"), HF_OK);
	all_three();
	assert_int_equal(do_metrics(&root, &(struct metrics_req){ 0 }, &r), HF_OK);
	assert_int_equal(r.partitions.n, 1);
	assert_int_equal(do_metrics(&worker, &(struct metrics_req){ 0 }, &r), HF_OK);
	assert_int_equal(r.state, HSM_OPERATIONAL);
	assert_int_equal(r.partitions.n, 0); /* he is no client of it */
}

static void each_does_its_own_work_only(void **state)
{
	(void)state;
	all_three();
	assert_int_equal(partition(&root, "a"), HF_E_DENIED);
	assert_int_equal(reads_log(&root), HF_E_DENIED);
	assert_int_equal(manages(&root), HF_E_DENIED);

	assert_int_equal(enters(&root, "so", SO), HF_OK);
	assert_int_equal(partition(&root, "a"), HF_OK);
	assert_int_equal(reads_log(&root), HF_E_DENIED);
	assert_int_equal(enters(&root, "so", SO), HF_E_ALREADY_LOGGED_IN);
	assert_int_equal(enters(&root, "auditor", AUD), HF_E_OTHER_LOGGED_IN);
	assert_int_equal(leaves(&root), HF_OK);
	assert_int_equal(partition(&root, "b"), HF_E_DENIED);

	assert_int_equal(enters(&root, "auditor", AUD), HF_OK);
	assert_int_equal(reads_log(&root), HF_OK);
	assert_int_equal(partition(&root, "b"), HF_E_DENIED);
	assert_int_equal(manages(&root), HF_E_DENIED);
	assert_int_equal(leaves(&root), HF_OK);

	assert_int_equal(enters(&root, "administrator", ADM), HF_OK);
	assert_int_equal(manages(&root), HF_OK);
	assert_int_equal(partition(&root, "b"), HF_E_DENIED);
	assert_int_equal(reads_log(&root), HF_E_DENIED);
}

static void the_administrator_only_switches_partitions(void **state)
{
	struct partition_list_res l;
	struct partition_change_res r;

	(void)state;
	assert_int_equal(partition(&root, "a"), HF_OK);
	all_three();
	assert_int_equal(enters(&root, "administrator", ADM), HF_OK);
	assert_int_equal(do_partition_list(&root, &(struct partition_list_req){ 0 }, &l), HF_OK);
	assert_int_equal(l.partitions.n, 1);
	struct partition_change_req q = { .serial = l.partitions.v[0].serial, .what = 2 };
	assert_int_equal(do_partition_change(&root, &q, &r), HF_OK); /* disabled */
	q.what = 2 | 4;
	assert_int_equal(do_partition_change(&root, &q, &r), HF_E_DENIED); /* and its limits */
}

static void a_refusal_names_the_role(void **state)
{
	struct why_res r;

	(void)state;
	all_three();
	assert_int_equal(partition(&root, "a"), HF_E_DENIED);
	assert_int_equal(do_why(&root, &(struct why_req){ 0 }, &r), HF_OK);
	assert_true(slice_eq(r.why, SLICE_STR("needs the HSM's security officer (--as so)")));
}

static void others_may_try_by_their_group_only(void **state)
{
	(void)state;
	all_three();
	assert_int_equal(enters(&worker, "auditor", AUD), HF_E_DENIED);
	for (int i = 0; i < 5; i++)
		assert_int_equal(enters(&worker, "auditor", "wrong"), HF_E_DENIED);
	box.cfg.login_gid = WORKER; /* a peer's gid is its uid here */
	restart();
	assert_int_equal(enters(&worker, "auditor", AUD), HF_OK);
	assert_int_equal(reads_log(&worker), HF_OK);
	assert_int_equal(partition(&worker, "a"), HF_E_DENIED);
}

static enum hf_err policy(struct who *w, uint32_t number, uint64_t value)
{
	struct partition_list_req lq = { 0 };
	struct partition_list_res lr;
	struct policy_value change = { number, value };
	struct policy_set_req q = { .so_pin = SLICE_STR(SO_PIN), .changes = { &change, 1 } };

	assert_int_equal(do_partition_list(w, &lq, &lr), HF_OK);
	assert_int_equal(lr.partitions.n, 1);
	q.serial = lr.partitions.v[0].serial;
	return do_policy_set(w, &q, &(struct policy_set_res){ 0 });
}

#define AUDIT_USE 71
#define AUDIT_AUTH 140
#define AUDIT_FAILURES 142

static void less_is_recorded_only_with_the_auditor(void **state)
{
	(void)state;
	assert_int_equal(partition(&root, "a"), HF_OK);
	assert_int_equal(policy(&root, AUDIT_AUTH, 0), HF_OK); /* nobody is auditor yet */
	assert_int_equal(policy(&root, AUDIT_AUTH, 1), HF_OK);
	all_three();
	assert_int_equal(enters(&root, "so", SO), HF_OK);
	assert_int_equal(policy(&root, AUDIT_AUTH, 0), HF_E_DENIED);
	assert_int_equal(policy(&root, AUDIT_USE, USE_COUNTED), HF_E_DENIED);
	assert_int_equal(policy(&root, AUDIT_USE, USE_NONE), HF_E_DENIED);
	assert_int_equal(policy(&root, AUDIT_FAILURES, 1), HF_OK); /* more */
	assert_int_equal(leaves(&root), HF_OK);
	assert_int_equal(enters(&root, "auditor", AUD), HF_OK);
	assert_int_equal(policy(&root, AUDIT_USE, USE_FIRST), HF_OK);
	assert_int_equal(policy(&root, AUDIT_AUTH, 0), HF_OK);
	assert_int_equal(policy(&root, AUDIT_USE, USE_EVERY), HF_E_DENIED); /* more is the officer's */
	assert_int_equal(policy(&root, 43, 0), HF_E_DENIED);
	assert_int_equal(leaves(&root), HF_OK);
	assert_int_equal(enters(&root, "so", SO), HF_OK);
	assert_int_equal(policy(&root, AUDIT_USE, USE_COUNTED), HF_OK);
}

/* --- who sets whose PIN --------------------------------------------------------------------- */

static void the_auditor_is_independent_of_the_officer(void **state)
{
	(void)state;
	all_three();
	assert_int_equal(enters(&root, "so", SO), HF_OK);
	assert_int_equal(set(&root, "auditor", "Another-pin-1"), HF_E_DENIED);
	assert_int_equal(set(&root, "so", "Another-pin-1"), HF_E_DENIED);
	assert_int_equal(set(&root, "administrator", "Another-pin-1"), HF_OK);
	assert_int_equal(leaves(&root), HF_OK);
	assert_int_equal(enters(&root, "administrator", ADM), HF_E_PIN_INCORRECT);
	assert_int_equal(enters(&root, "administrator", "Another-pin-1"), HF_OK);
	assert_int_equal(set(&root, "administrator", ADM), HF_E_DENIED);
}

static void each_changes_his_own_pin(void **state)
{
	(void)state;
	all_three();
	assert_int_equal(new_pin(&root, "auditor", "wrong-old-1", "Next-auditor-1"), HF_E_PIN_INCORRECT);
	assert_int_equal(new_pin(&root, "auditor", AUD, "short"), HF_E_PIN_LENGTH);
	assert_int_equal(new_pin(&root, "auditor", AUD, AUD), HF_E_PIN_USED);
	assert_int_equal(new_pin(&root, "auditor", AUD, "Next-auditor-1"), HF_OK);
	assert_int_equal(enters(&root, "auditor", AUD), HF_E_PIN_INCORRECT);
	assert_int_equal(enters(&root, "auditor", "Next-auditor-1"), HF_OK);
	assert_int_equal(new_pin(&root, "user", "x", "Next-auditor-1"), HF_E_USER_TYPE);
	assert_int_equal(new_pin(&root, "nobody", "x", "Next-auditor-1"), HF_E_USER_TYPE);
}

static void a_first_pin_may_have_to_be_changed(void **state)
{
	struct hsm_role_set_req q = { SLICE_STR("administrator"), SLICE_STR(ADM), true };

	(void)state;
	assert_int_equal(do_hsm_role_set(&root, &q, &(struct hsm_role_set_res){ 0 }), HF_OK);
	assert_int_equal(enters(&root, "administrator", ADM), HF_E_PIN_EXPIRED);
	assert_int_equal(new_pin(&root, "administrator", ADM, "My-own-pin-1"), HF_OK);
	assert_int_equal(enters(&root, "administrator", "My-own-pin-1"), HF_OK);
}

static void a_new_pin_ends_the_logins_of_the_old(void **state)
{
	(void)state;
	box.cfg.login_gid = WORKER;
	restart();
	all_three();
	assert_int_equal(enters(&worker, "administrator", ADM), HF_OK);
	assert_int_equal(enters(&root, "so", SO), HF_OK);
	assert_int_equal(set(&root, "administrator", "Another-pin-1"), HF_OK);
	assert_int_equal(manages(&worker), HF_E_DENIED);
}

static void custodians_give_a_new_pin(void **state)
{
	struct quorum_create_req q = { 2, 2, SLICE_NONE };
	struct quorum_create_res r;
	struct quorum_share_res sr;

	(void)state;
	assert_int_equal(do_quorum_create(&root, &q, &r), HF_OK);
	assert_int_equal(do_quorum_commit(&root, &(struct quorum_commit_req){ set_of(&r.shares) },
		&(struct quorum_commit_res){ 0 }), HF_OK);
	all_three();
	for (int i = 0; i < 3; i++)
		assert_int_equal(enters(&root, "so", "wrong"), HF_E_PIN_INCORRECT);
	assert_int_equal(enters(&root, "so", SO), HF_E_PIN_LOCKED);
	assert_int_equal(enters(&root, "administrator", ADM), HF_OK);
	assert_int_equal(set(&root, "so", "Found-again-1"), HF_E_QUORUM);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(do_quorum_share(&root,
			&(struct quorum_share_req){ 0, r.shares.v[i].share }, &sr), HF_OK);
	assert_int_equal(set(&root, "so", "Found-again-1"), HF_OK);
	assert_int_equal(leaves(&root), HF_OK);
	assert_int_equal(enters(&root, "so", "Found-again-1"), HF_OK);
}

/* --- lock-out ----------------------------------------------------------------------------------- */

static void wrong_pins_lock_through_restart_and_roll_back(void **state)
{
	(void)state;
	all_three();
	keeper_memory_snapshot(box.keeper);
	for (int i = 0; i < 3; i++)
		assert_int_equal(enters(&root, "so", "wrong"), HF_E_PIN_INCORRECT);
	assert_int_equal(enters(&root, "so", SO), HF_E_PIN_LOCKED);
	assert_int_equal(new_pin(&root, "so", SO, "Another-pin-1"), HF_E_PIN_LOCKED);
	restart();
	assert_int_equal(enters(&root, "so", SO), HF_E_PIN_LOCKED);
	assert_int_equal(enters(&root, "auditor", AUD), HF_OK); /* the others are not */
	leave();
	box_stop(&box);
	keeper_memory_rollback(box.keeper);
	assert_int_equal(box_start(&box), HF_OK);
	come();
	assert_int_equal(enters(&root, "so", SO), HF_E_PIN_LOCKED);
	assert_int_equal(partition(&root, "a"), HF_E_DENIED);
}

static void a_pin_that_was_taken_away_opens_nothing(void **state)
{
	(void)state;
	keeper_memory_snapshot(box.keeper);
	all_three();
	leave();
	box_stop(&box);
	keeper_memory_rollback(box.keeper); /* to when there was none */
	assert_int_equal(box_start(&box), HF_OK);
	come();
	assert_int_equal(partition(&root, "a"), HF_E_DENIED);
	assert_int_equal(reads_log(&root), HF_E_DENIED);
	assert_int_equal(set(&root, "so", SO), HF_E_DENIED);
	assert_int_not_equal(enters(&root, "so", SO), HF_OK);
}

static void a_damaged_record_opens_nothing(void **state)
{
	(void)state;
	all_three();
	leave();
	box_stop(&box);
	keeper_memory_flip(box.keeper, "hsm/role/so", 40);
	assert_int_equal(box_start(&box), HF_OK);
	come();
	assert_int_equal(partition(&root, "a"), HF_E_DENIED);
	assert_int_not_equal(enters(&root, "so", SO), HF_OK);
}

static void tampered_the_officer_clears(void **state)
{
	struct tamper_report_req q = { SLICE_STR("the lid is open") };

	(void)state;
	box.cfg.tamper_action = TAMPER_LOCK;
	restart();
	all_three();
	assert_int_equal(enters(&root, "administrator", ADM), HF_OK);
	assert_int_equal(do_tamper_report(&root, &q, &(struct tamper_report_res){ 0 }), HF_OK);
	assert_int_equal(do_tamper_clear(&root, &(struct tamper_clear_req){ 0 },
		&(struct tamper_clear_res){ 0 }), HF_E_DENIED);
	assert_int_equal(leaves(&root), HF_OK);
	assert_int_equal(enters(&root, "so", SO), HF_OK);
	assert_int_equal(do_tamper_clear(&root, &(struct tamper_clear_req){ 0 },
		&(struct tamper_clear_res){ 0 }), HF_OK);
	assert_int_equal(partition(&root, "a"), HF_OK);
}

static void the_list_tells(void **state)
{
	struct hsm_roles_res r;

	(void)state;
	assert_int_equal(set(&root, "auditor", AUD), HF_OK);
	assert_int_equal(enters(&root, "auditor", "wrong"), HF_E_PIN_INCORRECT);
	assert_int_equal(do_hsm_roles(&worker, &(struct hsm_roles_req){ 0 }, &r), HF_OK);
	assert_int_equal(r.roles.n, 3);
	assert_false(r.roles.v[0].set);
	assert_true(slice_eq(r.roles.v[2].name, SLICE_STR("auditor")));
	assert_true(r.roles.v[2].set);
	assert_int_equal(r.roles.v[2].failures, 1);
	assert_int_equal(r.roles.v[2].role, CALL_BY_D);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_pins_uids_hold),
		T(health_takes_no_role),
		T(each_does_its_own_work_only),
		T(less_is_recorded_only_with_the_auditor),
		T(the_administrator_only_switches_partitions),
		T(a_refusal_names_the_role),
		T(others_may_try_by_their_group_only),
		T(the_auditor_is_independent_of_the_officer),
		T(each_changes_his_own_pin),
		T(a_first_pin_may_have_to_be_changed),
		T(a_new_pin_ends_the_logins_of_the_old),
		T(custodians_give_a_new_pin),
		T(wrong_pins_lock_through_restart_and_roll_back),
		T(a_pin_that_was_taken_away_opens_nothing),
		T(a_damaged_record_opens_nothing),
		T(tampered_the_officer_clears),
		T(the_list_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
