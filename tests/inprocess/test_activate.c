/* Activation: logins that stay with the partition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "box.h"
#include "policies.h"

#define CHALLENGE "for-applications"
#define ACTIVATED (1u << 0)
#define AUTO (1u << 1)

static struct box box;
static struct who anna, app, root;

static void come(void)
{
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&app, &box, OWNER, 2);
	who_comes(&root, &box, ADMIN, 9);
}

static void leave(void)
{
	who_leaves(&anna);
	who_leaves(&app);
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

static enum hf_err policies(uint64_t activation, uint64_t again)
{
	struct partition_list_res l;
	struct policy_value v[2] = { { policy_rows[POLICY_ACTIVATION].number, activation },
		{ policy_rows[POLICY_AUTO_ACTIVATION].number, again } };

	assert_int_equal(do_partition_list(&root, &(struct partition_list_req){ 0 }, &l), HF_OK);
	struct policy_set_req q = { l.partitions.v[0].serial, SLICE_STR(SO_PIN), { v, 2 }, false };

	return do_policy_set(&root, &q, &(struct policy_set_res){ 0 });
}

static enum hf_err challenge(const char *text)
{
	struct challenge_set_req q = { SLICE_STR("user"), slice_str(text) };
	enum hf_err e;

	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	e = do_challenge_set(&anna, &q, &(struct challenge_set_res){ 0 });
	assert_int_equal(closes(&anna), HF_OK);
	return e;
}

static enum hf_err activates(void)
{
	enum hf_err e;

	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	e = do_activate(&anna, &(struct activate_req){ 0 }, &(struct activate_res){ 0 });
	assert_int_equal(closes(&anna), HF_OK);
	return e;
}

static void activated(unsigned how)
{
	assert_int_equal(policies(1, (how & AUTO) != 0), HF_OK);
	assert_int_equal(challenge(CHALLENGE), HF_OK);
	assert_int_equal(activates(), HF_OK);
}

static enum hf_err comes_with(const char *pin)
{
	opens(&app, 0, true);
	return log_in(&app, CKU_USER, pin);
}

static void refused(void)
{
	assert_int_equal(comes_with(CHALLENGE), HF_E_PIN_INCORRECT);
	assert_int_equal(closes(&app), HF_OK);
}

static void applications_come_with_the_challenge(void **state)
{
	(void)state;
	activated(ACTIVATED);
	assert_int_equal(comes_with(CHALLENGE), HF_OK);
	assert_int_equal(makes(&app, "x", true), HF_OK);
	assert_int_equal(closes(&app), HF_OK);
	assert_int_equal(comes_with(USER_PIN), HF_OK); /* the PIN will do, too */
	assert_int_equal(finds(&app), 1);
}

static void it_takes_the_policy_and_a_challenge(void **state)
{
	(void)state;
	assert_int_equal(activates(), HF_E_POLICY);
	assert_int_equal(policies(1, 0), HF_OK);
	assert_int_equal(activates(), HF_E_PIN_NOT_SET);
	assert_int_equal(challenge("abc"), HF_E_PIN_LENGTH);
	assert_int_equal(challenge(CHALLENGE), HF_OK);
	refused(); /* not activated yet */
	assert_int_equal(activates(), HF_OK);
	assert_int_equal(activates(), HF_OK);
}

static void wrong_challenges_lock_the_pin(void **state)
{
	(void)state;
	activated(ACTIVATED);
	opens(&app, 0, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(log_in(&app, CKU_USER, "wrong-one"), HF_E_PIN_INCORRECT);
	assert_int_equal(log_in(&app, CKU_USER, CHALLENGE), HF_E_PIN_LOCKED);
	restart();
	assert_int_equal(comes_with(USER_PIN), HF_E_PIN_LOCKED);
}

static void a_challenge_changes_no_pin(void **state)
{
	struct pin_set_req q = { SLICE_STR(CHALLENGE), SLICE_STR("another-pin") };

	(void)state;
	activated(ACTIVATED);
	assert_int_equal(comes_with(CHALLENGE), HF_OK);
	assert_int_equal(do_pin_set(&app, &q, &(struct pin_set_res){ 0 }), HF_E_PIN_INCORRECT);
}

static void it_ends_with_the_vault(void **state)
{
	(void)state;
	activated(ACTIVATED);
	restart();
	refused();
}

static void or_comes_back_if_the_policy_says_so(void **state)
{
	(void)state;
	activated(ACTIVATED | AUTO);
	assert_int_equal(comes_with(CHALLENGE), HF_OK);
	assert_int_equal(makes(&app, "x", true), HF_OK);
	restart();
	assert_int_equal(comes_with(CHALLENGE), HF_OK);
	assert_int_equal(finds(&app), 1);
	assert_int_equal(closes(&app), HF_OK);
	assert_int_equal(policies(1, 0), HF_OK);
	refused();
	restart();
	refused();
}

static void a_new_pin_ends_it(void **state)
{
	struct pin_set_req q = { SLICE_STR(USER_PIN), SLICE_STR("another-pin") };

	(void)state;
	activated(ACTIVATED | AUTO);
	opens(&app, 0, true);
	assert_int_equal(do_pin_set(&app, &q, &(struct pin_set_res){ 0 }), HF_OK);
	assert_int_equal(closes(&app), HF_OK);
	refused();
	restart();
	refused();
}

static void user_and_officer_end_it(void **state)
{
	struct deactivate_req q = { SLICE_STR("user") };

	(void)state;
	activated(ACTIVATED | AUTO);
	assert_int_equal(comes_with(CHALLENGE), HF_OK);
	assert_int_equal(do_deactivate(&app, &q, &(struct deactivate_res){ 0 }), HF_OK);
	assert_int_equal(closes(&app), HF_OK);
	refused();
	assert_int_equal(activates(), HF_OK);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(do_deactivate(&anna, &q, &(struct deactivate_res){ 0 }), HF_OK);
	assert_int_equal(closes(&anna), HF_OK);
	refused();
	restart();
	refused();
}

static void a_tamper_event_ends_it(void **state)
{
	struct tamper_report_req q = { SLICE_STR("the lid is open") };

	(void)state;
	leave();
	box_stop(&box);
	box.cfg.tamper_action = TAMPER_LOCK;
	assert_int_equal(box_start(&box), HF_OK);
	come();
	activated(ACTIVATED | AUTO);
	assert_int_equal(do_tamper_report(&root, &q, &(struct tamper_report_res){ 0 }), HF_OK);
	assert_int_equal(do_tamper_clear(&root, &(struct tamper_clear_req){ 0 },
		&(struct tamper_clear_res){ 0 }), HF_OK);
	refused();
	restart();
	refused();
}

static void a_token_begun_anew_has_none(void **state)
{
	(void)state;
	activated(ACTIVATED | AUTO);
	assert_int_equal(init(&anna, 0, "wrong-so-pin"), HF_E_PIN_INCORRECT);
	assert_int_equal(comes_with(CHALLENGE), HF_OK); /* it takes the officer */
	assert_int_equal(closes(&app), HF_OK);
	assert_int_equal(init(&anna, 0, SO_PIN), HF_OK);
	assert_int_equal(comes_with(CHALLENGE), HF_E_PIN_NOT_SET);
}

static void recovery_by_tickets_is_policy(void **state)
{
	struct partition_list_res l;
	struct policy_value v = { policy_rows[POLICY_RECOVERY].number, 0 };
	struct login_req lq = { CKU_USER, SLICE_NONE, SLICE_STR(USER_PIN) };
	struct login_res lr;
	struct slice ticket;

	(void)state;
	opens(&app, 0, true);
	logs_in(&app, CKU_USER, USER_PIN, &ticket);
	assert_true(ticket.n > 0);
	assert_int_equal(do_partition_list(&root, &(struct partition_list_req){ 0 }, &l), HF_OK);
	struct policy_set_req q = { l.partitions.v[0].serial, SLICE_STR(SO_PIN), { &v, 1 }, false };
	assert_int_equal(do_policy_set(&root, &q, &(struct policy_set_res){ 0 }), HF_OK);
	assert_int_equal(resume(&app, 0, ticket), HF_E_POLICY);
	assert_int_equal(log_out(&app), HF_OK);
	assert_int_equal(do_login(&app, &lq, &lr), HF_OK);
	assert_int_equal(lr.ticket.n, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(applications_come_with_the_challenge),
		T(it_takes_the_policy_and_a_challenge),
		T(wrong_challenges_lock_the_pin),
		T(a_challenge_changes_no_pin),
		T(it_ends_with_the_vault),
		T(or_comes_back_if_the_policy_says_so),
		T(a_new_pin_ends_it),
		T(user_and_officer_end_it),
		T(a_tamper_event_ends_it),
		T(a_token_begun_anew_has_none),
		T(recovery_by_tickets_is_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
