/* What a thief or an accident does to the store, seen through the gate; and the
 * ways to unlock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"
#include "fault.h"

static struct box box;
static struct who anna;

static int setup(void **state)
{
	(void)state;
	box_new(&box);
	who_comes(&anna, &box, OWNER, 1);
	ready(&anna, 0);
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	who_leaves(&anna);
	box_free(&box);
	return 0;
}

static void stop(void)
{
	who_leaves(&anna);
	box_stop(&box);
}

static void start(void)
{
	assert_int_equal(box_start(&box), HF_OK);
	who_comes(&anna, &box, OWNER, 1);
}

static void start_and_log_in(void)
{
	start();
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
}

static const char *record(const char *kind, size_t n)
{
	static char prefix[64];
	const char *part = keeper_memory_find(box.keeper, "p/", 0);

	(void)snprintf(prefix, sizeof(prefix), "%.18s/%s", part, kind);
	return keeper_memory_find(box.keeper, prefix, n);
}

/* damaged gives the names that partition_list tells. */
static const char *damaged(void)
{
	static char text[512];
	struct partition_list_req q = { 0 };
	struct partition_list_res r;

	assert_int_equal(do_partition_list(&anna, &q, &r), HF_OK);
	(void)snprintf(text, sizeof(text), "%.*s", (int)r.partitions.v[0].damaged.n,
		(const char *)r.partitions.v[0].damaged.p);
	return text;
}

/* --- damage -------------------------------------------------------------------------------- */

static void a_damaged_object_is_named_and_the_others_serve(void **state)
{
	char name[256];

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(makes(&anna, "pub", false), HF_OK);
		assert_int_equal(makes(&anna, "priv", true), HF_OK);
	}
	stop();
	(void)snprintf(name, sizeof(name), "%s", record("prv", 1));
	keeper_memory_flip(box.keeper, name, 50);
	start_and_log_in();
	assert_int_equal(finds(&anna), 5);
	assert_string_equal(damaged(), name);
	assert_string_equal(fact(&anna, "damaged records"), "1");
	assert_string_equal(record("prv", 1), name); /* kept */
}

static void a_truncated_public_object_is_named_before_anybody_logs_in(void **state)
{
	char name[256];

	(void)state;
	assert_int_equal(makes(&anna, "a", false), HF_OK);
	assert_int_equal(makes(&anna, "b", false), HF_OK);
	stop();
	(void)snprintf(name, sizeof(name), "%s", record("pub", 0));
	keeper_memory_truncate(box.keeper, name, 20);
	start();
	assert_string_equal(damaged(), name);
	opens(&anna, 0, true);
	assert_int_equal(finds(&anna), 1);
}

static void swapped_objects_are_both_named(void **state)
{
	char a[256], b[256];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(makes(&anna, "priv", true), HF_OK);
	stop();
	(void)snprintf(a, sizeof(a), "%s", record("prv", 0));
	(void)snprintf(b, sizeof(b), "%s", record("prv", 2));
	keeper_memory_swap(box.keeper, a, b);
	start_and_log_in();
	assert_int_equal(finds(&anna), 1);
	assert_non_null(strstr(damaged(), a));
	assert_non_null(strstr(damaged(), b));
}

static void an_older_pin_record_put_back_does_not_bring_the_old_pin_back(void **state)
{
	struct pin_set_req q = { SLICE_STR(USER_PIN), SLICE_STR("another-pin") };
	struct pin_set_res r;
	char name[256];

	(void)state;
	keeper_memory_snapshot(box.keeper);
	assert_int_equal(do_pin_set(&anna, &q, &r), HF_OK);
	stop();
	(void)snprintf(name, sizeof(name), "%s", record("role/user", 0));
	keeper_memory_rollback_one(box.keeper, name);
	start();
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_DAMAGED);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
	assert_string_equal(damaged(), name);
	assert_non_null(strstr(fact(&anna, "store"), "older version"));
}

static void a_damaged_partition_takes_no_other_along(void **state)
{
	char name[256];

	(void)state;
	assert_int_equal(init(&anna, 1, SO_PIN), HF_OK);
	stop();
	(void)snprintf(name, sizeof(name), "%.18s", keeper_memory_find(box.keeper, "p/", 0));
	keeper_memory_flip(box.keeper, name, 45);
	start();
	assert_string_equal(fact(&anna, "partitions"), "1");
	assert_string_equal(fact(&anna, "damaged records"), "1");
	assert_true(keeper_memory_count(box.keeper, name) >= 3); /* what is below it is kept */
}

static void a_damaged_partition_can_be_deleted(void **state)
{
	struct partition_delete_req q = { 0 };
	struct partition_delete_res r;
	struct who root;
	char name[256];

	(void)state;
	stop();
	(void)snprintf(name, sizeof(name), "%.18s", keeper_memory_find(box.keeper, "p/", 0));
	keeper_memory_flip(box.keeper, name, 45);
	start();
	q.serial = slice_str(name + 2);
	who_comes(&root, &box, ADMIN, 9);
	assert_int_equal(do_partition_delete(&anna, &q, &r), HF_E_DENIED);
	assert_int_equal(do_partition_delete(&root, &q, &r), HF_OK);
	assert_int_equal(do_partition_delete(&root, &q, &r), HF_E_NO_PARTITION);
	assert_string_equal(fact(&root, "damaged records"), "0");
	assert_int_equal(keeper_memory_count(box.keeper, "p/"), 0);
	who_leaves(&root);
}

static void an_older_store_put_back_serves_and_says_so(void **state)
{
	(void)state;
	assert_int_equal(makes(&anna, "kept", true), HF_OK);
	keeper_memory_snapshot(box.keeper);
	assert_int_equal(makes(&anna, "lost", true), HF_OK);
	assert_int_equal(makes(&anna, "lost too", true), HF_OK);
	stop();
	keeper_memory_rollback(box.keeper);
	start_and_log_in();
	assert_int_equal(finds(&anna), 1);
	assert_non_null(strstr(fact(&anna, "store"), "an older store was put back"));
	assert_int_equal(makes(&anna, "new", true), HF_OK);
	stop();
	start();
	assert_string_equal(fact(&anna, "store"), "as it was left");
}

static void a_store_without_its_root_is_not_taken_for_new(void **state)
{
	struct hsm *was;

	(void)state;
	stop();
	keeper_memory_snapshot(box.keeper);
	keeper_memory_remove(box.keeper, "hsm/root");
	was = box.hsm;
	assert_int_equal(box_start(&box), HF_E_DAMAGED);
	assert_ptr_equal(box.hsm, was);
	keeper_memory_rollback(box.keeper);
	start();
}

static void the_wrong_unlock_key_opens_nothing(void **state)
{
	uint8_t key[32], wrong[32] = { 1 };

	(void)state;
	stop();
	assert_int_equal(pread(box.key_fd, key, 32, 0), 32);
	assert_int_equal(pwrite(box.key_fd, wrong, 32, 0), 32);
	assert_int_equal(box_start(&box), HF_E_DAMAGED);
	assert_int_equal(ftruncate(box.key_fd, 31), 0);
	assert_int_equal(box_start(&box), HF_E_DAMAGED);
	assert_int_equal(pwrite(box.key_fd, key, 32, 0), 32);
	start();
}

/* --- disk full ------------------------------------------------------------------------------- */

static void every_commit_may_fail_and_the_module_stays_whole(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		keeper_memory_fail_commits(box.keeper, 1);
		assert_int_equal(makes(&anna, "no", true), HF_E_STORE);
		assert_int_equal(makes(&anna, "yes", true), HF_OK);
	}
	assert_int_equal(finds(&anna), 5);
	stop();
	start_and_log_in();
	assert_int_equal(finds(&anna), 5);
	assert_string_equal(fact(&anna, "store"), "as it was left");
}

/* sweep lets every allocation of what `act` does fail once; it must end in an
 * error then, or succeed without. */
static void sweep(enum hf_err (*act)(void), void (*undo)(void))
{
	for (long n = 1; n < 5000; n++) {
		enum hf_err e;
		bool fired;

		secret_fail_after(n);
		e = act();
		fired = secret_fail_fired();
		secret_fail_after(-1);
		if (e == HF_OK)
			undo();
		else
			assert_int_equal(fired ? HF_OK : e, HF_OK);
		if (!fired)
			return;
	}
	fail_msg("%s", "no end of allocations");
}

static enum hf_err act_login(void)
{
	return log_in(&anna, CKU_USER, USER_PIN);
}

/* A login may have succeeded and its answer failed. */
static void undo_login(void)
{
	(void)log_out(&anna);
}

static enum hf_err act_login_after_all(void)
{
	undo_login();
	return act_login();
}

static enum hf_err act_session(void)
{
	struct session_open_req q = { 0, true };
	struct session_open_res r;

	return do_session_open(&anna, &q, &r);
}

static enum hf_err act_init(void)
{
	return init(&anna, 1, SO_PIN);
}

static void undo_nothing(void)
{
}

static void out_of_memory_anywhere_is_an_error_and_no_guess(void **state)
{
	(void)state;
	assert_int_equal(log_out(&anna), HF_OK);
	sweep(act_login_after_all, undo_login);
	sweep(act_session, undo_nothing);
	sweep(act_init, undo_nothing);
	assert_int_equal(act_login(), HF_OK);
	assert_int_equal(makes(&anna, "still here", true), HF_OK);
	stop();
	start_and_log_in();
	assert_int_equal(finds(&anna), 1);
	assert_string_equal(fact(&anna, "store"), "as it was left");
}

/* --- passphrase ------------------------------------------------------------------------------- */

static enum hf_err passphrase(struct who *w, const char *s)
{
	struct passphrase_set_req q = { slice_str(s) };
	struct passphrase_set_res r;

	return do_passphrase_set(w, &q, &r);
}

static enum hf_err unlock(struct who *w, const char *s)
{
	struct unlock_req q = { slice_str(s) };
	struct unlock_res r;

	return do_unlock(w, &q, &r);
}

static void a_passphrase_locks_the_hsm_until_it_is_given(void **state)
{
	struct session_open_req q = { 0, true };
	struct session_open_res r;
	struct who root;

	(void)state;
	assert_int_equal(makes(&anna, "x", true), HF_OK);
	assert_int_equal(passphrase(&anna, "correct horse"), HF_E_DENIED);
	who_comes(&root, &box, ADMIN, 9);
	assert_int_equal(passphrase(&root, "correct horse"), HF_OK);
	assert_int_equal(lseek(box.key_fd, 0, SEEK_END), 0); /* the old key is gone */
	who_leaves(&root);
	stop();
	start();
	assert_int_equal(do_session_open(&anna, &q, &r), HF_E_LOCKED);
	assert_int_equal(unlock(&anna, "correct horse"), HF_E_DENIED);
	who_comes(&root, &box, ADMIN, 9);
	assert_int_equal(unlock(&root, "wrong"), HF_E_PIN_INCORRECT);
	assert_int_equal(unlock(&root, "correct horse"), HF_OK);
	assert_int_equal(unlock(&root, "correct horse"), HF_E_STATE);
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(finds(&anna), 1);
	assert_int_equal(passphrase(&root, ""), HF_OK);
	who_leaves(&root);
	stop();
	start_and_log_in();
	assert_int_equal(finds(&anna), 1);
}

static void a_new_hsm_without_a_file_takes_its_first_passphrase(void **state)
{
	struct who root;
	int fd = box.key_fd;

	(void)state;
	stop();
	keeper_memory_free(box.keeper);
	box.keeper = keeper_memory_new();
	box.key_fd = -1;
	assert_int_equal(box_start(&box), HF_OK);
	who_comes(&root, &box, ADMIN, 9);
	assert_int_equal(unlock(&root, ""), HF_E_PIN_LENGTH);
	assert_int_equal(unlock(&root, "first"), HF_OK);
	assert_int_equal(passphrase(&root, ""), HF_E_ARGUMENTS);
	who_leaves(&root);
	box_restart(&box);
	who_comes(&root, &box, ADMIN, 9);
	assert_int_equal(unlock(&root, "second"), HF_E_PIN_INCORRECT);
	assert_int_equal(unlock(&root, "first"), HF_OK);
	who_leaves(&root);
	who_comes(&anna, &box, OWNER, 1);
	box.key_fd = fd;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_damaged_object_is_named_and_the_others_serve),
		T(a_truncated_public_object_is_named_before_anybody_logs_in),
		T(swapped_objects_are_both_named),
		T(an_older_pin_record_put_back_does_not_bring_the_old_pin_back),
		T(a_damaged_partition_takes_no_other_along),
		T(a_damaged_partition_can_be_deleted),
		T(an_older_store_put_back_serves_and_says_so),
		T(a_store_without_its_root_is_not_taken_for_new),
		T(the_wrong_unlock_key_opens_nothing),
		T(every_commit_may_fail_and_the_module_stays_whole),
		T(out_of_memory_anywhere_is_an_error_and_no_guess),
		T(a_passphrase_locks_the_hsm_until_it_is_given),
		T(a_new_hsm_without_a_file_takes_its_first_passphrase),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
