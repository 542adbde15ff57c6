/* What has an audit record, and what happens where none can be kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit.h"
#include "audit_check.h"
#include "box.h"
#include "policy.h"
#include "watch.h"

#define FAIL_ALL 1000000u

static struct box box;
static struct who anna, root;

static void come(void)
{
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
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
	keeper_memory_fail_audit(box.keeper, 0);
	who_leaves(&anna);
	who_leaves(&root);
	box_free(&box);
	return 0;
}

static void restart(void)
{
	who_leaves(&anna);
	who_leaves(&root);
	box_restart(&box);
	come();
}

static void set(enum policy k, uint64_t v)
{
	struct partition_list_req lq = { 0 };
	struct partition_list_res lr;
	struct policy_value change = { policy_rows[k].number, v };
	struct policy_set_req q = { .so_pin = SLICE_STR(SO_PIN), .changes = { &change, 1 } };
	struct policy_set_res r;

	assert_int_equal(do_partition_list(&root, &lq, &lr), HF_OK);
	q.serial = lr.partitions.v[0].serial;
	assert_int_equal(do_policy_set(&root, &q, &r), HF_OK);
}

static uint64_t a_key(bool token)
{
	uint8_t n[8], yes = 1, is_token = token;
	struct attr t[] = { { CKA_VALUE_LEN, { n, 8 } }, { CKA_SIGN, { &yes, 1 } },
		{ CKA_TOKEN, { &is_token, 1 } } };
	struct key_generate_req q = { .mech = { CKM_GENERIC_SECRET_KEY_GEN, SLICE_NONE }, .attrs = { t, 3 } };
	struct key_generate_res r;

	put_u64(n, 32);
	assert_int_equal(do_key_generate(&anna, &q, &r), HF_OK);
	return r.key;
}

static enum hf_err begin(uint64_t key)
{
	struct sign_init_req q = { .mech = { CKM_SHA256_HMAC, SLICE_NONE }, .key = key };
	struct sign_init_res r;

	return do_sign_init(&anna, &q, &r);
}

static enum hf_err sign(uint64_t key)
{
	struct sign_req q = { .data = SLICE_STR("data"), .max = 64 };
	struct sign_res r;

	TRY(begin(key));
	return do_sign(&anna, &q, &r);
}

/* records counts those of an event in the whole log; *ret is the last one, if not NULL. */
static size_t records(const char *event, struct audit_record *ret)
{
	struct audit_read_req q = { 1, 4096 };
	struct audit_read_res r;
	struct audit_record rec;
	size_t n = 0;

	do {
		if (do_audit_read(&root, &q, &r) != HF_OK)
			return 0; /* they cannot be kept yet */
		for (size_t i = 0; i < r.records.n; i++) {
			struct rd in = rd_of(r.records.v[i].record);

			assert_true(audit_record_dec(&in, &root.arena, &rec));
			if (!slice_eq(rec.event, slice_str(event)))
				continue;
			n++;
			if (ret != NULL)
				*ret = rec;
		}
		q.from += r.records.n;
	} while (r.records.n > 0);
	return n;
}

static void enter(void)
{
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
}

/* --- levels ----------------------------------------------------------------------- */

static void each_level_of_key_use_records_what_it_says(void **state)
{
	static const struct {
		enum policy_use_level level;
		size_t records;
		const char *why;
	} cases[] = {
		{ USE_NONE, 0, "nothing" },
		{ USE_EVERY, 3, "each of three" },
		{ USE_COUNTED, 0, "the sum comes later" },
		{ USE_FIRST, 1, "the first of three" },
	};

	(void)state;
	enter();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t before;
		uint64_t key = a_key(true);

		set(POLICY_AUDIT_USE, cases[i].level);
		before = records("sign_init", NULL);
		for (int k = 0; k < 3; k++)
			assert_int_equal(sign(key), HF_OK);
		if (records("sign_init", NULL) - before != cases[i].records)
			fail_msg("%s", cases[i].why);
	}
}

static void counted_uses_are_summed_up_for_each_key(void **state)
{
	struct audit_record rec;
	uint64_t one, two;

	(void)state;
	enter();
	set(POLICY_AUDIT_USE, USE_COUNTED);
	one = a_key(true);
	two = a_key(true);
	for (int k = 0; k < 5; k++)
		assert_int_equal(sign(one), HF_OK);
	assert_int_equal(sign(two), HF_OK);
	box.cfg.audit_count_seconds = 0;
	restart(); /* the stop sums up */
	assert_int_equal(records("key_uses", &rec), 2);
	assert_int_equal(rec.kind, 4);
	assert_int_equal(rec.object.n, 16);
	assert_true(slice_eq(rec.partition_label, SLICE_STR("test")));
	assert_true(slice_eq(rec.detail, SLICE_STR("sign 5")) || slice_eq(rec.detail, SLICE_STR("sign 1")));
}

static void a_session_key_has_a_record_for_each_use(void **state)
{
	uint64_t key;
	size_t before;

	(void)state;
	enter();
	set(POLICY_AUDIT_USE, USE_COUNTED);
	key = a_key(false);
	before = records("sign_init", NULL);
	assert_int_equal(sign(key), HF_OK);
	assert_int_equal(records("sign_init", NULL), before + 1);
}

static void classes_can_be_switched_off_and_administration_cannot(void **state)
{
	size_t logins, keys, sets;

	(void)state;
	set(POLICY_AUDIT_AUTH, 0);
	set(POLICY_AUDIT_KEYS, 0);
	logins = records("login", NULL);
	keys = records("key_generate", NULL);
	sets = records("policy_set", NULL);
	enter();
	(void)a_key(true);
	assert_int_equal(records("login", NULL), logins);
	assert_int_equal(records("key_generate", NULL), keys);
	set(POLICY_AUDIT_AUTH, 1);
	assert_int_equal(records("policy_set", NULL), sets + 1);
}

static void a_refusal_is_on_record_at_every_level(void **state)
{
	size_t logins;

	(void)state;
	set(POLICY_AUDIT_AUTH, 0);
	logins = records("login", NULL);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, "a-wrong-pin"), HF_E_PIN_INCORRECT);
	assert_int_equal(records("login", NULL), logins + 1);
}

static void failures_have_a_record_where_policy_wants_it(void **state)
{
	struct sign_req q = { .max = 64 };
	struct sign_res r;

	(void)state;
	enter();
	assert_int_equal(do_sign(&anna, &q, &r), HF_E_OP_NONE);
	assert_int_equal(records("sign", NULL), 0);
	set(POLICY_AUDIT_FAILURES, 1);
	assert_int_equal(do_sign(&anna, &q, &r), HF_E_OP_NONE);
	assert_int_equal(records("sign", NULL), 1);
}

static void all_means_all(void **state)
{
	uint64_t key;

	(void)state;
	enter();
	set(POLICY_AUDIT_ALL, 1);
	key = a_key(true);
	assert_int_equal(sign(key), HF_OK);
	assert_int_equal(records("sign", NULL), 1);
}

static void what_the_hsm_wants_holds_whatever_a_partition_says(void **state)
{
	uint64_t key;

	(void)state;
	enter();
	set(POLICY_AUDIT_USE, USE_NONE);
	box.cfg.audit_use = USE_EVERY;
	key = a_key(true);
	restart();
	enter();
	assert_int_equal(sign(key), HF_OK);
	assert_int_equal(records("sign_init", NULL), 1);
	box.cfg.audit_use = USE_NONE;
}

static void only_officer_and_administrator_together_change_levels(void **state)
{
	struct partition_list_req lq = { 0 };
	struct partition_list_res lr;
	struct policy_value change = { policy_rows[POLICY_AUDIT_USE].number, USE_NONE };
	struct policy_set_req q = { .so_pin = SLICE_STR(SO_PIN), .changes = { &change, 1 } };
	struct policy_set_res r;

	(void)state;
	assert_int_equal(do_partition_list(&anna, &lq, &lr), HF_OK);
	q.serial = lr.partitions.v[0].serial;
	assert_int_equal(do_policy_set(&anna, &q, &r), HF_E_DENIED);
}

/* --- no record ------------------------------------------------------------------------ */

/* fails has the keeper say that records cannot be kept, and the HSM notice. */
static void fails(void)
{
	keeper_memory_fail_audit(box.keeper, FAIL_ALL);
	assert_int_not_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	while (!audit_failing(box.hsm->audit))
		(void)usleep(1000);
}

static void open_by_default_all_but_administration_goes_on(void **state)
{
	struct partition_change_req q = { .what = 1, .label = SLICE_STR("other") };
	struct partition_change_res r;
	struct partition_list_req lq = { 0 };
	struct partition_list_res lr;
	uint64_t key;

	(void)state;
	enter();
	key = a_key(true);
	fails();
	for (int i = 0; i < 20; i++)
		assert_int_equal(sign(key), HF_OK);
	(void)a_key(true);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	assert_int_equal(do_partition_list(&root, &lq, &lr), HF_OK);
	q.serial = lr.partitions.v[0].serial;
	assert_int_equal(do_partition_change(&root, &q, &r), HF_E_AUDIT);
	assert_int_equal(do_partition_list(&root, &lq, &lr), HF_OK);
	assert_true(slice_eq(lr.partitions.v[0].label, SLICE_STR("test"))); /* refused before it worked */
}

static void without_its_record_a_login_loses_its_answer(void **state)
{
	(void)state;
	set(POLICY_AUDIT_CLOSED, CLOSED_CHANGES);
	opens(&anna, 0, true);
	keeper_memory_fail_audit(box.keeper, 1);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_AUDIT);
}

static void changes_are_refused_where_policy_says_so(void **state)
{
	uint64_t key;

	(void)state;
	enter();
	set(POLICY_AUDIT_CLOSED, CLOSED_CHANGES);
	key = a_key(true);
	fails();
	assert_int_equal(sign(key), HF_OK);
	assert_int_equal(log_out(&anna), HF_E_AUDIT);
}

static void uses_are_refused_where_policy_says_so(void **state)
{
	uint64_t key;

	(void)state;
	enter();
	set(POLICY_AUDIT_CLOSED, CLOSED_ALL);
	key = a_key(true);
	assert_int_equal(sign(key), HF_OK);
	fails();
	assert_int_equal(begin(key), HF_E_AUDIT);
	keeper_memory_fail_audit(box.keeper, 0);
	for (int i = 0; begin(key) != HF_OK; i++) {
		assert_true(i < 3000);
		(void)usleep(10000);
	}
}

static void a_use_whose_answer_was_withheld_leaves_nothing_behind(void **state)
{
	uint64_t key;

	(void)state;
	enter();
	set(POLICY_AUDIT_CLOSED, CLOSED_ALL);
	key = a_key(true);
	keeper_memory_fail_audit(box.keeper, 1);
	assert_int_equal(begin(key), HF_E_AUDIT);
	assert_int_equal(sign(key), HF_OK);
}

static void what_is_dropped_is_counted_on_record(void **state)
{
	struct audit_record rec;
	uint64_t key;
	size_t uses, dropped;
	int n = 0;

	(void)state;
	enter();
	key = a_key(true);
	fails();
	for (; n < 12000; n++) /* more than the queue takes */
		assert_int_equal(sign(key), HF_OK);
	keeper_memory_fail_audit(box.keeper, 0);
	while (records("audit-dropped", &rec) == 0)
		assert_int_equal(sign(key), HF_OK);
	assert_int_equal(rec.result, HF_E_AUDIT);
	dropped = (size_t)atoll((const char *)rec.detail.p);
	uses = records("sign_init", NULL);
	assert_true(dropped > 0 && uses < (size_t)n);
}

static void the_log_verifies_after_it_dropped_records(void **state)
{
	struct audit_read_req q = { 1, 4096 };
	struct audit_read_res r;
	struct audit_check check = { 0 };
	struct audit_record rec;
	const char *why;

	(void)state;
	what_is_dropped_is_counted_on_record(state);
	do {
		assert_int_equal(do_audit_read(&root, &q, &r), HF_OK);
		memcpy(check.public_key, r.public_key.p, 32);
		for (size_t i = 0; i < r.records.n; i++)
			assert_true(audit_check_next(&check, r.records.v[i].record, &root.arena, &rec, &why));
		q.from = check.seq + 1;
	} while (r.records.n > 1);
}

/* --- the clock ------------------------------------------------------------------------ */

static void a_jump_of_the_clock_is_on_record(void **state)
{
	struct audit_record rec;

	(void)state;
	watch_clock(box.hsm, 1000000000);
	watch_clock(box.hsm, 1000000000 + 1000000);
	assert_int_equal(records("clock-jump", NULL), 0);
	watch_clock(box.hsm, 1000000000 - 3600000000);
	assert_int_equal(records("clock-jump", &rec), 1);
	assert_true(slice_eq(rec.detail, SLICE_STR("the clock went back by 3601 s")));
	assert_int_equal(rec.result, HF_E_CLOCK);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_level_of_key_use_records_what_it_says),
		T(counted_uses_are_summed_up_for_each_key),
		T(a_session_key_has_a_record_for_each_use),
		T(classes_can_be_switched_off_and_administration_cannot),
		T(a_refusal_is_on_record_at_every_level),
		T(failures_have_a_record_where_policy_wants_it),
		T(all_means_all),
		T(what_the_hsm_wants_holds_whatever_a_partition_says),
		T(only_officer_and_administrator_together_change_levels),
		T(open_by_default_all_but_administration_goes_on),
		T(without_its_record_a_login_loses_its_answer),
		T(changes_are_refused_where_policy_says_so),
		T(uses_are_refused_where_policy_says_so),
		T(a_use_whose_answer_was_withheld_leaves_nothing_behind),
		T(what_is_dropped_is_counted_on_record),
		T(the_log_verifies_after_it_dropped_records),
		T(a_jump_of_the_clock_is_on_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
