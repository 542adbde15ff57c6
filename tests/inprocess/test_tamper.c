/* Tamper events and what follows; the end of all keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"
#include "clock.h"
#include "crypto.h"
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

static void an_event_has_a_reason(void **state)
{
	(void)state;
	start(TAMPER_LOCK);
	assert_int_equal(do_tamper_report(&root, &(struct tamper_report_req){ SLICE_NONE },
		&(struct tamper_report_res){ 0 }), HF_E_ARGUMENTS);
	assert_int_equal(finds(&anna), 1);
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
	struct slice ticket;
	uint8_t copy[512];

	(void)state;
	start(TAMPER_LOCK);
	assert_int_equal(log_out(&anna), HF_OK);
	logs_in(&anna, CKU_USER, USER_PIN, &ticket);
	assert_true(ticket.n <= sizeof(copy));
	memcpy(copy, ticket.p, ticket.n);
	assert_int_equal(report(&root), HF_OK);
	assert_int_equal(clear(&root), HF_OK);
	assert_int_equal(state_of(&anna), UINT32_MAX);
	assert_int_equal(resume(&anna, 0, (struct slice){ copy, ticket.n }), HF_E_TICKET);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
}

static void custodians_clear_together(void **state)
{
	struct quorum_create_req q = { 2, 2, SLICE_NONE };
	struct quorum_create_res r;
	struct quorum_share_res sr;

	(void)state;
	start(TAMPER_LOCK);
	assert_int_equal(do_quorum_create(&root, &q, &r), HF_OK);
	assert_int_equal(do_quorum_commit(&root, &(struct quorum_commit_req){ set_of(&r.shares) },
		&(struct quorum_commit_res){ 0 }), HF_OK);
	assert_int_equal(report(&root), HF_OK);
	assert_int_equal(clear(&root), HF_E_QUORUM);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(do_quorum_share(&root,
			&(struct quorum_share_req){ 0, r.shares.v[i].share }, &sr), HF_OK);
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

/* --- a disk that takes nothing, or not all of it ---------------------------------------- */

static void ends_in_memory(void)
{
	assert_int_equal(state_told(), HSM_ZEROIZED);
	assert_int_equal(lists(), HF_E_ZEROIZED);
}

static void memory_ends_whatever_the_disk_says(void **state)
{
	(void)state;
	start(TAMPER_LOG);
	keeper_memory_fail_after(box.keeper, 0);
	assert_int_equal(zeroize(&root), HF_E_ZEROIZE_PENDING);
	ends_in_memory();
	assert_int_equal(zeroize(&root), HF_E_ZEROIZE_PENDING);
	keeper_memory_fail_commits(box.keeper, 0);
	assert_int_equal(zeroize(&root), HF_OK);
	nothing_is_left();
}

/* The mark is on the disk, and the process ends; a start finishes, as soon as it can. */
static void a_start_finishes_what_was_cut_short(void **state)
{
	(void)state;
	start(TAMPER_LOG);
	keeper_memory_fail_after(box.keeper, 1);
	assert_int_equal(zeroize(&root), HF_E_ZEROIZE_PENDING);
	restart();
	ends_in_memory();
	assert_int_equal(zeroize(&root), HF_E_ZEROIZE_PENDING);
	keeper_memory_fail_commits(box.keeper, 0);
	nothing_is_left();
	assert_int_equal(zeroize(&root), HF_OK);
}

/* As it is after a kill between the mark and the wiping of the file, and with another file put back. */
static void a_file_put_back_opens_nothing(void **state)
{
	uint8_t key[CRYPTO_KEY];

	(void)state;
	start(TAMPER_LOG);
	assert_int_equal(pread(box.key_fd, key, sizeof(key), 0), sizeof(key));
	keeper_memory_full(box.keeper, true);
	assert_int_equal(zeroize(&root), HF_E_ZEROIZE_PENDING);
	assert_int_equal(pwrite(box.key_fd, key, sizeof(key), 0), sizeof(key));
	restart();
	ends_in_memory();
	keeper_memory_full(box.keeper, false);
	nothing_is_left();
}

static void the_hsm_tries_again_by_itself(void **state)
{
	(void)state;
	start(TAMPER_ZEROIZE);
	keeper_memory_full(box.keeper, true);
	assert_int_equal(report(&root), HF_E_ZEROIZE_PENDING);
	ends_in_memory();
	keeper_memory_full(box.keeper, false);
	hsm_tick(box.hsm);
	assert_string_equal(fact(&root, "unlock"), "never again: the root key was destroyed");
	nothing_is_left();
}

static void a_passphrase_opens_nothing_after_a_full_disk(void **state)
{
	struct passphrase_set_req q = { SLICE_STR("a passphrase") };
	struct passphrase_set_res r;
	struct unlock_req u = { SLICE_STR("a passphrase") };
	struct unlock_res ur;

	(void)state;
	start(TAMPER_LOG);
	assert_int_equal(do_passphrase_set(&root, &q, &r), HF_OK);
	keeper_memory_full(box.keeper, true);
	assert_int_equal(zeroize(&root), HF_E_ZEROIZE_PENDING);
	restart();
	assert_int_equal(do_unlock(&root, &u, &ur), HF_E_ZEROIZED);
	keeper_memory_full(box.keeper, false);
	nothing_is_left();
}

static void an_event_locks_on_a_full_disk(void **state)
{
	(void)state;
	start(TAMPER_LOCK);
	keeper_memory_full(box.keeper, true);
	assert_int_equal(report(&root), HF_OK); /* the anchor has it */
	assert_int_equal(state_told(), HSM_TAMPERED);
	assert_int_equal(lists(), HF_E_TAMPERED);
	keeper_memory_full(box.keeper, false);
	restart();
	assert_int_equal(state_told(), HSM_TAMPERED);
	assert_int_equal(clear(&root), HF_OK);
	restart();
	assert_int_equal(state_told(), HSM_OPERATIONAL);
}

static void an_event_locks_where_nothing_can_be_written(void **state)
{
	(void)state;
	start(TAMPER_LOCK);
	keeper_memory_fail_after(box.keeper, 0);
	assert_int_equal(report(&root), HF_E_TAMPER_PENDING);
	assert_int_equal(state_told(), HSM_TAMPERED);
	assert_int_equal(lists(), HF_E_TAMPERED);
	assert_int_equal(clear(&root), HF_E_STORE);
	assert_int_equal(state_told(), HSM_TAMPERED);
	keeper_memory_fail_commits(box.keeper, 0);
	hsm_tick(box.hsm);
	restart();
	assert_int_equal(state_told(), HSM_TAMPERED);
	assert_string_equal(fact(&root, "tampered"), "the lid is open");
}

/* --- what is left in memory ----------------------------------------------------------- */

#define MASK 0x5a
#define KEY_BYTES 32

/* Looked for byte by byte, so that the search leaves no copy of its own. */
static size_t hits(const uint8_t *p, const uint8_t *end, const uint8_t masked[KEY_BYTES])
{
	size_t n = 0;

	for (; end - p >= KEY_BYTES; p++) {
		size_t i = 0;

		p = memchr(p, masked[0] ^ MASK, (size_t)(end - p) - KEY_BYTES + 1);
		if (p == NULL)
			break;
		while (i < KEY_BYTES && p[i] == (masked[i] ^ MASK))
			i++;
		n += i == KEY_BYTES;
	}
	return n;
}

/* copies counts them in all memory that this process can read. */
static size_t copies(const uint8_t masked[KEY_BYTES])
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to;
	char line[512], may[8];
	size_t n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%lx-%lx %7s", &from, &to, may) == 3 && may[0] == 'r' && may[1] == 'w' &&
		    strstr(line, "[v") == NULL)
			n += hits((const uint8_t *)from, (const uint8_t *)to, masked);
	assert_int_equal(fclose(maps), 0);
	return n;
}

static void make_key(const uint8_t masked[KEY_BYTES], bool private_)
{
	static const uint8_t yes = 1, cls[8] = { 0, 0, 0, 0, 0, 0, 0, CKO_SECRET_KEY },
		type[8] = { 0, 0, 0, 0, 0, 0, 0, CKK_GENERIC_SECRET };
	uint8_t value[KEY_BYTES], hidden = private_;
	const struct attr v[] = {
		{ CKA_CLASS, SLICE_OF(cls) }, { CKA_KEY_TYPE, SLICE_OF(type) },
		{ CKA_TOKEN, { &yes, 1 } }, { CKA_SIGN, { &yes, 1 } },
		{ CKA_PRIVATE, { &hidden, 1 } }, { CKA_VALUE, SLICE_OF(value) },
	};
	struct object_create_req q = { { v, sizeof(v) / sizeof(v[0]) } };
	struct object_create_res r;

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = masked[i] ^ MASK;
	assert_int_equal(do_object_create(&anna, &q, &r), HF_OK);
	explicit_bzero(value, sizeof(value));
}

static void no_copy_of_a_key_is_left_in_memory(void **state)
{
	uint8_t keys[3][KEY_BYTES];
	uint64_t began;

	(void)state;
	start(TAMPER_LOG);
	assert_int_equal(crypto_random(keys[0], sizeof(keys)), HF_OK);
	make_key(keys[0], true);
	make_key(keys[1], false);
	assert_int_equal(pread(box.key_fd, keys[2], KEY_BYTES, 0), KEY_BYTES); /* the unlock file */
	for (size_t i = 0; i < KEY_BYTES; i++)
		keys[2][i] ^= MASK;
	assert_true(copies(keys[0]) > 0);
	assert_true(copies(keys[1]) > 0);
	began = clock_mono_ns();
	assert_int_equal(zeroize(&root), HF_OK);
	assert_true(clock_mono_ns() - began < 1000000000u);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(copies(keys[i]), 0);
	nothing_is_left();
}

/* Before there are custodians nobody is asked. */
static void require(const char *name)
{
	struct consent_set_req q = { slice_str(name), true };
	struct consent_set_res r;

	assert_int_equal(do_consent_set(&root, &q, &r), HF_OK);
}

static void custodians_agree_to_the_end(void **state)
{
	struct quorum_create_req q = { 2, 3, SLICE_NONE };
	struct quorum_create_res r;
	struct quorum_share_res sr;

	(void)state;
	start(TAMPER_LOG);
	require("zeroize");
	assert_int_equal(do_quorum_create(&root, &q, &r), HF_OK);
	assert_int_equal(do_quorum_commit(&root, &(struct quorum_commit_req){ set_of(&r.shares) },
		&(struct quorum_commit_res){ 0 }), HF_OK);
	assert_int_equal(zeroize(&root), HF_E_QUORUM);
	assert_int_equal(state_told(), HSM_OPERATIONAL);
	for (size_t i = 1; i < 3; i++)
		assert_int_equal(do_quorum_share(&root,
			&(struct quorum_share_req){ 0, r.shares.v[i].share }, &sr), HF_OK);
	assert_int_equal(zeroize(&root), HF_OK);
	assert_int_equal(state_told(), HSM_ZEROIZED);
}

static void custodians_agree_to_policies(void **state)
{
	struct partition_list_res l;
	struct policy_value change = { 20, 5 };
	struct policy_set_res pr;
	struct quorum_create_req q = { 2, 2, SLICE_NONE };
	struct quorum_create_res r;
	struct quorum_share_res sr;

	(void)state;
	start(TAMPER_LOG);
	assert_int_equal(do_partition_list(&root, &(struct partition_list_req){ 0 }, &l), HF_OK);
	struct policy_set_req pq = { l.partitions.v[0].serial, SLICE_STR(SO_PIN), { &change, 1 }, false };

	require("policies");
	assert_int_equal(do_policy_set(&root, &pq, &pr), HF_OK); /* no custodians yet */
	assert_int_equal(do_quorum_create(&root, &q, &r), HF_OK);
	assert_int_equal(do_quorum_commit(&root, &(struct quorum_commit_req){ set_of(&r.shares) },
		&(struct quorum_commit_res){ 0 }), HF_OK);
	change.value = 6;
	assert_int_equal(do_policy_set(&root, &pq, &pr), HF_E_QUORUM);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(do_quorum_share(&root,
			&(struct quorum_share_req){ 0, r.shares.v[i].share }, &sr), HF_OK);
	assert_int_equal(do_policy_set(&root, &pq, &pr), HF_OK);
	change.value = 7;
	assert_int_equal(do_policy_set(&root, &pq, &pr), HF_E_QUORUM); /* one consent, one change */
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
		T(an_event_has_a_reason),
		T(an_event_may_only_be_logged),
		T(an_event_locks_until_it_is_cleared),
		T(sessions_end_with_the_event),
		T(custodians_clear_together),
		T(an_event_may_zeroize),
		T(the_administrator_zeroizes),
		T(a_locked_hsm_is_zeroized_too),
		T(memory_ends_whatever_the_disk_says),
		T(a_start_finishes_what_was_cut_short),
		T(a_file_put_back_opens_nothing),
		T(the_hsm_tries_again_by_itself),
		T(a_passphrase_opens_nothing_after_a_full_disk),
		T(an_event_locks_on_a_full_disk),
		T(an_event_locks_where_nothing_can_be_written),
		T(no_copy_of_a_key_is_left_in_memory),
		T(custodians_agree_to_the_end),
		T(custodians_agree_to_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
