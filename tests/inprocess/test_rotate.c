/* A new root key in the place of the old one: whatever step is the last that was kept, the
 * next start goes on, everything opens, and at the end the old key opens nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"
#include "module.h"
#include "unlock_record.h"

#define THINGS 150 /* more than are sealed at once */

static struct box box;
static struct who anna, root;
static uint8_t record[ROOT_RECORD_MAX];

static void everybody_comes(void)
{
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
}

static void everybody_leaves(void)
{
	who_leaves(&anna);
	who_leaves(&root);
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
	for (unsigned i = 0; i < THINGS; i++) {
		(void)snprintf(label, sizeof(label), "%u", i);
		assert_int_equal(makes(&anna, label, i % 2 == 0), HF_OK);
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

static enum hf_err rotate(void)
{
	return do_rotate_root(&root, &(struct rotate_root_req){ 0 }, &(struct rotate_root_res){ 0 });
}

static bool done_or_resting(void)
{
	const char *s = fact(&root, "rotation");

	return strstr(s, "done") != NULL || strstr(s, "rests") != NULL;
}

static void wait_for_it(void)
{
	static const struct timespec pause = { 0, 2000000 };

	while (!done_or_resting())
		nanosleep(&pause, NULL);
}

static struct root_record *stored(void)
{
	static struct root_record r;

	assert_true(root_record_dec((struct slice){ record,
		keeper_memory_value(box.keeper, ROOT_NAME, record, sizeof(record)) }, &r));
	return &r;
}

/* The root key by the file, as unlock_wrap.c opens it. */
static void open_by_file(struct secret *ret)
{
	CLEANUP(secret_done) struct secret private_ = { 0 }, key = { 0 };
	const struct unlock_method_record *m = &stored()->v[0];
	uint8_t file[CRYPTO_KEY];

	assert_int_equal(pread(box.key_fd, file, sizeof(file), 0), sizeof(file));
	assert_int_equal(crypto_derive(SLICE_OF(file), "holdfast unlock file", SLICE_NONE, &key), HF_OK);
	assert_int_equal(crypto_open(secret_slice(&key), SLICE_STR(ROOT_NAME), SLICE_OF(m->private_key),
		&private_), HF_OK);
	assert_int_equal(crypto_kem_unwrap(secret_slice(&private_), SLICE_STR(ROOT_NAME),
		SLICE_OF(m->wrapped), ret), HF_OK);
}

/* opens_records counts the records that this root key's store key opens. */
static size_t opens_records(const struct secret *key)
{
	CLEANUP(secret_done) struct secret store = { 0 };

	assert_int_equal(crypto_derive(secret_slice(key), "holdfast store", SLICE_NONE, &store), HF_OK);
	return box_opens(&box, "", secret_slice(&store));
}

static void everything_is_there(void)
{
	assert_int_equal(finds(&anna), THINGS);
	assert_string_equal(fact(&root, "store"), "as it was left");
	assert_string_equal(fact(&root, "damaged records"), "0");
}

static void the_old_key_opens_nothing_afterwards(void **state)
{
	CLEANUP(secret_done) struct secret old = { 0 }, new_ = { 0 };
	size_t all;

	(void)state;
	open_by_file(&old);
	all = opens_records(&old);
	assert_true(all > THINGS / 2);
	assert_int_equal(rotate(), HF_OK);
	wait_for_it();
	assert_string_equal(fact(&root, "rotation"), "the root key: done");
	open_by_file(&new_);
	assert_false(secret_eq(secret_slice(&old), secret_slice(&new_)));
	assert_int_equal(opens_records(&old), 0);
	assert_true(opens_records(&new_) >= all);
	assert_int_equal(stored()->phase, 0);
	everything_is_there();
	restart();
	everything_is_there();
	assert_int_equal(makes(&anna, "after", true), HF_OK);
}

static void logins_outlive_it(void **state)
{
	CLEANUP(secret_done) struct secret kept = { 0 };
	struct slice ticket;

	(void)state;
	assert_int_equal(log_out(&anna), HF_OK);
	logs_in(&anna, CKU_USER, USER_PIN, &ticket);
	assert_int_equal(secret_dup(ticket, &kept), HF_OK);
	assert_int_equal(rotate(), HF_OK);
	wait_for_it();
	assert_int_equal(finds(&anna), THINGS);
	everybody_leaves();
	box_restart(&box);
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
	opens(&anna, 0, true);
	assert_int_equal(resume(&anna, 0, secret_slice(&kept)), HF_OK);
	assert_int_equal(finds(&anna), THINGS);
}

static void officer_comes_and_goes(void)
{
	assert_int_equal(log_out(&anna), HF_OK);
	logs_in(&anna, CKU_SO, SO_PIN, NULL);
	assert_int_equal(log_out(&anna), HF_OK);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
}

/* The one before is needed until each role has logged in. */
static void the_key_beside_pins_is_replaced_too(void **state)
{
	CLEANUP(secret_done) struct secret old = { 0 };

	(void)state;
	assert_int_equal(secret_dup(secret_slice(&box.hsm->role_key), &old), HF_OK);
	assert_int_equal(rotate(), HF_OK);
	wait_for_it();
	assert_false(secret_eq(secret_slice(&old), secret_slice(&box.hsm->role_key)));
	restart();
	restart();
	assert_true(secret_eq(secret_slice(&old), secret_slice(&box.hsm->role_former)));
	officer_comes_and_goes();
	restart();
	assert_int_equal(box.hsm->role_former.n, 0);
	assert_false(secret_eq(secret_slice(&old), secret_slice(&box.hsm->role_key)));
	everything_is_there();
	officer_comes_and_goes();
}

static void a_pin_opens_after_ever_so_many(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(rotate(), HF_OK);
		wait_for_it();
	}
	officer_comes_and_goes();
	everything_is_there();
	restart();
	assert_int_equal(box.hsm->role_former.n, 0);
	officer_comes_and_goes();
	everything_is_there();
}

static void a_second_one_follows_the_first(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rotate(), HF_OK);
		wait_for_it();
		restart();
		everything_is_there();
	}
}

/* From the n-th commit on nothing is kept any more, as if the power went. */
static void whatever_was_kept_last_the_next_start_goes_on(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 12; n++) {
		CLEANUP(secret_done) struct secret old = { 0 };

		open_by_file(&old);
		keeper_memory_fail_after(box.keeper, n);
		if (rotate() == HF_OK)
			wait_for_it();
		everybody_leaves();
		box_stop(&box);
		keeper_memory_fail_commits(box.keeper, 0);
		assert_int_equal(box_start(&box), HF_OK);
		everybody_comes();
		if (*fact(&root, "rotation") != '\0')
			wait_for_it();
		everything_is_there();
		assert_int_equal(stored()->phase, 0);
		if (opens_records(&old) == 0) {
			CLEANUP(secret_done) struct secret now = { 0 };

			open_by_file(&now);
			assert_false(secret_eq(secret_slice(&old), secret_slice(&now)));
		}
	}
}

static void the_old_record_put_back_opens_nothing(void **state)
{
	static uint8_t old[ROOT_RECORD_MAX];
	size_t n;

	(void)state;
	n = keeper_memory_value(box.keeper, ROOT_NAME, old, sizeof(old));
	assert_int_equal(rotate(), HF_OK);
	wait_for_it();
	everybody_leaves();
	box_stop(&box);
	keeper_memory_put(box.keeper, ROOT_NAME, (struct slice){ old, n });
	assert_int_not_equal(box_start(&box), HF_OK);
	box_new(&box);
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(the_old_key_opens_nothing_afterwards),
		T(logins_outlive_it),
		T(the_key_beside_pins_is_replaced_too),
		T(a_pin_opens_after_ever_so_many),
		T(a_second_one_follows_the_first),
		T(whatever_was_kept_last_the_next_start_goes_on),
		T(the_old_record_put_back_opens_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
