/* A new partition key in the place of the old one: everybody's PIN opens it, whatever step is the
 * last that was kept the next login goes on, and at the end the old key opens nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "box.h"
#include "partition.h"
#include "pkcs11_numbers.h"
#include "policy.h"
#include "tags.h"

#define THINGS 150 /* more than are sealed at once */
#define BERTA_PIN "Pin-of-berta-1"

static struct box box;
static struct who anna, root;
static struct slice serial;

static void everybody_comes(void)
{
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
	opens(&anna, 0, true);
}

static void everybody_leaves(void)
{
	who_leaves(&anna);
	who_leaves(&root);
}

static void find_serial(void)
{
	static char text[SERIAL_LEN + 1];
	struct partition *p = partition_at(box.hsm, 0);

	(void)snprintf(text, sizeof(text), "%s", p->serial);
	serial = slice_str(text);
	partition_unref(p);
}

static int setup(void **state)
{
	char label[16];

	(void)state;
	box_new(&box);
	who_comes(&anna, &box, OWNER, 1);
	ready(&anna, 0);
	who_leaves(&anna);
	everybody_comes();
	find_serial();
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	for (unsigned i = 0; i < THINGS; i++) {
		(void)snprintf(label, sizeof(label), "%u", i);
		assert_int_equal(makes(&anna, label, i % 8 != 0), HF_OK);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	everybody_leaves();
	box_free(&box);
	return 0;
}

static void restart(void)
{
	everybody_leaves();
	box_restart(&box);
	everybody_comes();
}

static enum hf_err rotate_by(const char *so_pin, bool force)
{
	struct rotate_partition_req q = { .serial = serial, .so_pin = slice_str(so_pin), .force = force };

	return do_rotate_partition(&anna, &q, &(struct rotate_partition_res){ 0 });
}

static enum hf_err rotate(void)
{
	return rotate_by(SO_PIN, false);
}

static bool seals_anew(void)
{
	struct partition *p = partition_at(box.hsm, 0);
	bool busy;

	(void)pthread_rwlock_rdlock(&p->lock);
	busy = p->rekeying;
	(void)pthread_rwlock_unlock(&p->lock);
	partition_unref(p);
	return busy;
}

static void wait_for_it(void)
{
	static const struct timespec pause = { 0, 2000000 };

	while (seals_anew())
		nanosleep(&pause, NULL);
}

static bool under_way(void)
{
	struct partition *p = partition_at(box.hsm, 0);
	bool is = p->rekey.under_way;

	partition_unref(p);
	return is;
}

/* The key of the partition, which somebody is logged in to. */
static void key_now(struct secret *ret)
{
	struct partition *p = partition_at(box.hsm, 0);

	assert_int_equal(secret_dup(secret_slice(&p->key), ret), HF_OK);
	partition_unref(p);
}

/* opens_records counts the private records that this key opens. */
static size_t opens_records(const struct secret *key)
{
	return box_opens(&box, "p/", secret_slice(key));
}

static void everything_is_there(void)
{
	assert_int_equal(finds(&anna), THINGS);
	assert_string_equal(fact(&root, "store"), "as it was left");
	assert_string_equal(fact(&root, "damaged records"), "0");
}

static void add_berta(const char *pin)
{
	struct user_set_req q = { .name = SLICE_STR("berta"), .role = CALL_BY_C, .pin = slice_str(pin) };

	assert_int_equal(log_out(&anna), HF_OK);
	logs_in(&anna, CKU_SO, SO_PIN, NULL);
	assert_int_equal(do_user_set(&anna, &q, &(struct user_set_res){ 0 }), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
}

static enum hf_err berta_logs_in(void)
{
	struct login_req q = { CKU_USER, SLICE_STR("berta"), SLICE_STR(BERTA_PIN) };

	return do_login(&anna, &q, &(struct login_res){ 0 });
}

/* older makes a role's record one of before there were pairs. */
static void older(const char *role, const char *pin)
{
	CLEANUP(secret_done) struct secret key = { 0 }, stretched = { 0 }, under = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(ROLE_WRAPPED);
	struct partition *p = partition_at(box.hsm, 0);
	struct role_record *now = role_named(p->roles, slice_str(role)), next = *now;
	char where[ROLE_NAME_LEN];

	key_now(&key);
	(void)snprintf(where, sizeof(where), "%s/%s", p->serial, role);
	assert_int_equal(crypto_stretch(slice_str(pin), SLICE_OF(now->pin.salt), now->pin.kib,
		now->pin.passes, &stretched), HF_OK);
	assert_int_equal(crypto_derive(secret_slice(&box.hsm->role_key), "partition key",
		secret_slice(&stretched), &under), HF_OK);
	assert_int_equal(crypto_seal(secret_slice(&under), slice_str(where), secret_slice(&key), &b), HF_OK);
	memcpy(next.wrapped, b.p, b.n);
	next.paired = false;
	{
		MUTEX_HOLD(&p->roles->pin);
		assert_int_equal(role_store(box.hsm, p, now, &next), HF_OK);
	}
	partition_unref(p);
}

/* --- tests --------------------------------------------------------------------------------------- */

static void the_old_key_opens_nothing_afterwards(void **state)
{
	CLEANUP(secret_done) struct secret old = { 0 }, now = { 0 };
	size_t all;

	(void)state;
	key_now(&old);
	all = opens_records(&old);
	assert_true(all > THINGS / 2);
	assert_int_equal(rotate(), HF_OK);
	assert_int_equal(makes(&anna, "meanwhile", true), HF_OK);
	wait_for_it();
	assert_false(under_way());
	key_now(&now);
	assert_false(secret_eq(secret_slice(&old), secret_slice(&now)));
	assert_int_equal(opens_records(&old), 0);
	assert_int_equal(opens_records(&now), all + 1);
	assert_int_equal(finds(&anna), THINGS + 1);
	restart();
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	assert_int_equal(finds(&anna), THINGS + 1);
	assert_string_equal(fact(&root, "damaged records"), "0");
}

static void every_pin_opens_the_new_key(void **state)
{
	(void)state;
	add_berta(BERTA_PIN);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rotate(), HF_OK);
		wait_for_it();
		if (i == 1)
			restart();
		assert_int_equal(berta_logs_in(), HF_OK);
		everything_is_there();
		assert_int_equal(log_out(&anna), HF_OK);
		assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
		assert_int_equal(log_out(&anna), HF_OK);
		assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
		everything_is_there();
		assert_int_equal(log_out(&anna), HF_OK);
	}
}

static void only_the_officer_replaces_it(void **state)
{
	CLEANUP(secret_done) struct secret old = { 0 }, now = { 0 };

	(void)state;
	key_now(&old);
	assert_int_equal(rotate_by(USER_PIN, false), HF_E_PIN_INCORRECT);
	assert_int_equal(rotate_by("", false), HF_E_PIN_INCORRECT);
	key_now(&now);
	assert_true(secret_eq(secret_slice(&old), secret_slice(&now)));
	assert_int_equal(rotate_by(USER_PIN, false), HF_E_PIN_INCORRECT);
	assert_int_equal(rotate_by(USER_PIN, false), HF_E_PIN_INCORRECT);
	assert_int_equal(rotate(), HF_E_PIN_LOCKED);
}

static void a_pin_given_by_the_officer_opens_the_new_key(void **state)
{
	(void)state;
	assert_int_equal(rotate(), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
	logs_in(&anna, CKU_SO, SO_PIN, NULL);
	assert_int_equal(do_pin_init(&anna, &(struct pin_init_req){ SLICE_STR("another-pin-1") },
		&(struct pin_init_res){ 0 }), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
	wait_for_it();
	restart();
	assert_int_equal(log_in(&anna, CKU_USER, "another-pin-1"), HF_OK);
	everything_is_there();
}

static void a_role_of_before_gets_its_pair_at_its_login(void **state)
{
	struct why_res why;

	(void)state;
	add_berta(BERTA_PIN);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	older("berta", BERTA_PIN);
	older("so", SO_PIN);
	assert_int_equal(rotate(), HF_E_ROLES_OLD);
	assert_int_equal(do_why(&anna, &(struct why_req){ 0 }, &why), HF_OK);
	assert_true(slice_eq(why.why, SLICE_STR("not yet: berta")));
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(berta_logs_in(), HF_OK);
	assert_int_equal(rotate(), HF_OK);
	wait_for_it();
	restart();
	assert_int_equal(berta_logs_in(), HF_OK);
	everything_is_there();
}

static void by_force_a_role_of_before_loses_its_pin(void **state)
{
	(void)state;
	add_berta(BERTA_PIN);
	assert_int_equal(berta_logs_in(), HF_OK);
	older("berta", BERTA_PIN);
	assert_int_equal(rotate_by(SO_PIN, true), HF_OK);
	assert_int_equal(state_of(&anna), CKS_RW_PUBLIC_SESSION);
	wait_for_it();
	assert_int_equal(berta_logs_in(), HF_E_PIN_NOT_SET);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	add_berta(BERTA_PIN);
	assert_int_equal(berta_logs_in(), HF_OK);
	everything_is_there();
}

/* From the n-th commit on nothing is kept any more, as if the power went. */
static void whatever_was_kept_last_the_next_login_goes_on(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 9; n++) {
		CLEANUP(secret_done) struct secret old = { 0 }, now = { 0 };

		key_now(&old);
		keeper_memory_fail_after(box.keeper, n);
		(void)rotate();
		wait_for_it();
		everybody_leaves();
		box_stop(&box);
		keeper_memory_fail_commits(box.keeper, 0);
		assert_int_equal(box_start(&box), HF_OK);
		everybody_comes();
		logs_in(&anna, CKU_USER, USER_PIN, NULL);
		everything_is_there();
		wait_for_it();
		assert_false(under_way());
		key_now(&now);
		if (!secret_eq(secret_slice(&old), secret_slice(&now)))
			assert_int_equal(opens_records(&old), 0);
		everything_is_there();
		assert_int_equal(log_out(&anna), HF_OK);
		logs_in(&anna, CKU_USER, USER_PIN, NULL);
		everything_is_there();
	}
}

static void a_login_outlives_it(void **state)
{
	CLEANUP(secret_done) struct secret kept = { 0 }, none = { 0 };
	struct slice ticket;

	(void)state;
	assert_int_equal(log_out(&anna), HF_OK);
	logs_in(&anna, CKU_USER, USER_PIN, &ticket);
	assert_int_equal(secret_dup(ticket, &kept), HF_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rotate(), HF_OK);
		wait_for_it();
		assert_int_equal(finds(&anna), THINGS);
	}
	for (unsigned i = 0; i < 2; i++) {
		restart();
		assert_int_equal(resume(&anna, 0, secret_slice(&kept)), HF_OK);
		everything_is_there();
		assert_int_equal(rotate(), HF_OK);
		wait_for_it();
	}
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(resume(&anna, 0, secret_slice(&kept)), HF_E_TICKET);
	logs_in(&anna, CKU_USER, USER_PIN, &ticket);
	assert_int_equal(secret_dup(ticket, &none), HF_OK);
	who_leaves(&anna); /* so its login is not there when the key is replaced */
	who_comes(&anna, &box, OWNER, 1);
	assert_int_equal(rotate(), HF_OK);
	wait_for_it();
	restart();
	assert_int_equal(resume(&anna, 0, secret_slice(&none)), HF_E_TICKET);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_OK);
	everything_is_there();
}

static void an_activation_comes_back_with_the_new_key(void **state)
{
	struct policy_value on[] = { { policy_rows[POLICY_ACTIVATION].number, 1 },
		{ policy_rows[POLICY_AUTO_ACTIVATION].number, 1 } };
	struct policy_set_req q = { .serial = serial, .so_pin = SLICE_STR(SO_PIN), .changes = { on, 2 } };
	struct challenge_set_req ch = { SLICE_STR("user"), SLICE_STR("for-applications") };

	(void)state;
	assert_int_equal(do_policy_set(&anna, &q, &(struct policy_set_res){ 0 }), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
	logs_in(&anna, CKU_SO, SO_PIN, NULL);
	assert_int_equal(do_challenge_set(&anna, &ch, &(struct challenge_set_res){ 0 }), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(do_activate(&anna, &(struct activate_req){ 0 }, &(struct activate_res){ 0 }), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rotate(), HF_OK);
		wait_for_it();
		restart();
		assert_int_equal(log_in(&anna, CKU_USER, "for-applications"), HF_OK);
		everything_is_there();
		assert_int_equal(log_out(&anna), HF_OK);
	}
}

static void an_older_store_is_told(void **state)
{
	(void)state;
	keeper_memory_snapshot(box.keeper);
	assert_int_equal(rotate(), HF_OK);
	wait_for_it();
	everybody_leaves();
	box_stop(&box);
	keeper_memory_rollback(box.keeper);
	assert_int_equal(box_start(&box), HF_OK);
	everybody_comes();
	assert_string_not_equal(fact(&root, "store"), "as it was left");
}

static void one_private_record_of_before_does_not_come_back(void **state)
{
	static uint8_t old[1 << 16];
	char prefix[64];
	const char *name;
	size_t n;

	(void)state;
	(void)snprintf(prefix, sizeof(prefix), "p/%.*s/prv/", (int)serial.n, (const char *)serial.p);
	name = keeper_memory_find(box.keeper, prefix, 0);
	n = keeper_memory_value(box.keeper, name, old, sizeof(old));
	assert_int_equal(rotate(), HF_OK);
	wait_for_it();
	assert_int_equal(log_out(&anna), HF_OK);
	keeper_memory_put(box.keeper, name, (struct slice){ old, n });
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(finds(&anna), THINGS - 1);
}

/* leads_to counts the records to which a label's tag under the key of now leads. */
static size_t leads_to(const char *label)
{
	CLEANUP(secret_done) struct secret now = { 0 }, key = { 0 };
	struct tag_wanted w = { .which = RECORD_TAG_LABEL, .n = 1 };
	struct partition *p = partition_at(box.hsm, 0);
	uint64_t found[TAGS_FOUND];
	size_t n = 0;

	key_now(&now);
	assert_int_equal(tags_key(secret_slice(&now), &key), HF_OK);
	assert_int_equal(tag_of(secret_slice(&key), w.which, slice_str(label), &w.v[0]), HF_OK);
	assert_int_equal(tags_find(p->tags, &w, found, &n), HF_OK);
	partition_unref(p);
	return n;
}

static void tags_lead_to_all(void)
{
	char label[16];

	for (unsigned i = 0; i < THINGS; i++) {
		(void)snprintf(label, sizeof(label), "%u", i);
		assert_int_equal(leads_to(label), i % 8 != 0); /* the others are public */
	}
}

static void tags_are_the_new_keys(void **state)
{
	(void)state;
	tags_lead_to_all();
	assert_int_equal(rotate(), HF_OK);
	wait_for_it();
	tags_lead_to_all();
	restart();
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	tags_lead_to_all();
}

static void a_partition_that_begins_anew_has_a_first_key_again(void **state)
{
	(void)state;
	assert_int_equal(rotate(), HF_OK);
	wait_for_it();
	assert_int_equal(closes(&anna), HF_OK);
	assert_int_equal(init(&anna, 0, SO_PIN), HF_OK);
	restart();
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(rotate(), HF_OK);
	wait_for_it();
	assert_false(under_way());
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(the_old_key_opens_nothing_afterwards),
		T(every_pin_opens_the_new_key),
		T(only_the_officer_replaces_it),
		T(a_pin_given_by_the_officer_opens_the_new_key),
		T(a_role_of_before_gets_its_pair_at_its_login),
		T(by_force_a_role_of_before_loses_its_pin),
		T(whatever_was_kept_last_the_next_login_goes_on),
		T(a_login_outlives_it),
		T(an_activation_comes_back_with_the_new_key),
		T(an_older_store_is_told),
		T(one_private_record_of_before_does_not_come_back),
		T(tags_are_the_new_keys),
		T(a_partition_that_begins_anew_has_a_first_key_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
