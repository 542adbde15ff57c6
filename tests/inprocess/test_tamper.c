/* Tamper events and what follows; the end of all keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"
#include "quorum.h"

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

static void start(enum tamper_action action)
{
	box_stop(&box);
	box.cfg.tamper_action = action;
	assert_int_equal(box_start(&box), HF_OK);
	come();
	ready(&anna, 0);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	assert_int_equal(makes(&anna, "x", true), HF_OK);
}

static int setup(void **state)
{
	(void)state;
	box_new(&box);
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

static enum hf_err report(struct who *w)
{
	struct tamper_report_req q = { SLICE_STR("the lid is open") };
	struct tamper_report_res r;

	return do_tamper_report(w, &q, &r);
}

static enum hf_err clear(struct who *w)
{
	return do_tamper_clear(w, &(struct tamper_clear_req){ 0 }, &(struct tamper_clear_res){ 0 });
}

static enum hf_err zeroize(struct who *w)
{
	return do_zeroize(w, &(struct zeroize_req){ 0 }, &(struct zeroize_res){ 0 });
}

static enum hf_err lists(void)
{
	struct slot_list_req q = { 0 };
	struct slot_list_res r;

	return do_slot_list(&anna, &q, &r);
}

static enum hsm_state state_told(void)
{
	struct status_req q = { 0 };
	struct status_res r;

	assert_int_equal(do_status(&root, &q, &r), HF_OK);
	return (enum hsm_state)r.state;
}

static void an_event_may_only_be_logged(void **state)
{
	(void)state;
	start(TAMPER_LOG);
	assert_int_equal(report(&anna), HF_E_DENIED);
	assert_int_equal(report(&root), HF_OK);
	assert_int_equal(finds(&anna), 1);
	assert_int_equal(clear(&root), HF_E_STATE);
}

static void an_event_locks_until_it_is_cleared(void **state)
{
	struct audit_read_req aq = { 0, 10 };
	struct audit_read_res ar;

	(void)state;
	start(TAMPER_LOCK);
	assert_int_equal(report(&root), HF_OK);
	assert_int_equal(state_told(), HSM_TAMPERED);
	assert_string_equal(fact(&root, "tampered"), "the lid is open");
	assert_int_equal(lists(), HF_E_TAMPERED);
	assert_int_equal(do_audit_read(&root, &aq, &ar), HF_OK);
	restart();
	assert_int_equal(state_told(), HSM_TAMPERED);
	assert_int_equal(clear(&anna), HF_E_DENIED);
	assert_int_equal(clear(&root), HF_OK);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	assert_int_equal(finds(&anna), 1);
	restart();
	assert_int_equal(state_told(), HSM_OPERATIONAL);
}

static void sessions_end_with_the_event(void **state)
{
	(void)state;
	start(TAMPER_LOCK);
	assert_int_equal(report(&root), HF_OK);
	assert_int_equal(clear(&root), HF_OK);
	assert_int_equal(state_of(&anna), UINT32_MAX);
}

static void custodians_clear_together(void **state)
{
	struct quorum_create_req q = { 2, 2 };
	struct quorum_create_res r;
	struct quorum_share_res sr;

	(void)state;
	start(TAMPER_LOCK);
	assert_int_equal(do_quorum_create(&root, &q, &r), HF_OK);
	assert_int_equal(do_quorum_commit(&root, &(struct quorum_commit_req){ 0 },
		&(struct quorum_commit_res){ 0 }), HF_OK);
	assert_int_equal(report(&root), HF_OK);
	assert_int_equal(clear(&root), HF_E_QUORUM);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(do_quorum_share(&root,
			&(struct quorum_share_req){ r.shares.v[i].share }, &sr), HF_OK);
	assert_int_equal(clear(&root), HF_OK);
	assert_int_equal(state_told(), HSM_OPERATIONAL);
}

static void nothing_is_left(void)
{
	uint8_t key[64];

	assert_int_equal(state_told(), HSM_ZEROIZED);
	assert_int_equal(lists(), HF_E_ZEROIZED);
	assert_int_equal(pread(box.key_fd, key, sizeof(key), 0), 0);
	restart();
	assert_int_equal(state_told(), HSM_ZEROIZED);
	assert_int_equal(lists(), HF_E_ZEROIZED);
	assert_int_equal(report(&root), HF_E_ZEROIZED);
}

static void an_event_may_zeroize(void **state)
{
	(void)state;
	start(TAMPER_ZEROIZE);
	assert_int_equal(report(&root), HF_OK);
	nothing_is_left();
}

static void the_administrator_zeroizes(void **state)
{
	(void)state;
	start(TAMPER_LOG);
	assert_int_equal(zeroize(&anna), HF_E_DENIED);
	assert_int_equal(zeroize(&root), HF_OK);
	assert_int_equal(zeroize(&root), HF_OK);
	assert_int_equal(state_of(&anna), UINT32_MAX);
	nothing_is_left();
}

static void a_locked_hsm_is_zeroized_too(void **state)
{
	struct passphrase_set_req q = { SLICE_STR("a passphrase") };
	struct passphrase_set_res r;
	struct unlock_req u = { SLICE_STR("a passphrase") };
	struct unlock_res ur;

	(void)state;
	start(TAMPER_LOG);
	assert_int_equal(do_passphrase_set(&root, &q, &r), HF_OK);
	restart();
	assert_int_equal(state_told(), HSM_LOCKED);
	assert_int_equal(zeroize(&root), HF_OK);
	assert_int_equal(do_unlock(&root, &u, &ur), HF_E_ZEROIZED);
	nothing_is_left();
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_event_may_only_be_logged),
		T(an_event_locks_until_it_is_cleared),
		T(sessions_end_with_the_event),
		T(custodians_clear_together),
		T(an_event_may_zeroize),
		T(the_administrator_zeroizes),
		T(a_locked_hsm_is_zeroized_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
