/* Slots and partitions: who sees them, and how they begin and end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "box.h"

static struct box box;
static struct who anna, root;

static int setup(void **state)
{
	(void)state;
	box_new(&box);
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
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
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
}

/* slots tells what w sees: "0t 1- " (t: a token, -: free). */
static const char *slots(struct who *w)
{
	static char text[256];
	struct slot_list_req q = { 0 };
	struct slot_list_res r;

	assert_int_equal(do_slot_list(w, &q, &r), HF_OK);
	text[0] = '\0';
	for (size_t i = 0; i < r.slots.n; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%llu%c ",
			(unsigned long long)r.slots.v[i].id, r.slots.v[i].initialized ? 't' : '-');
	return text;
}

static struct partition_list_res list(struct who *w)
{
	struct partition_list_req q = { 0 };
	struct partition_list_res r;

	assert_int_equal(do_partition_list(w, &q, &r), HF_OK);
	return r;
}

static enum hf_err create_for(struct who *w, const char *label, const struct identity *who, size_t n)
{
	struct partition_create_req q = {
		slice_str(label), SLICE_STR(SO_PIN), SLICE_STR(USER_PIN), { who, n },
	};
	struct partition_create_res r;

	return do_partition_create(w, &q, &r);
}

static enum hf_err delete_slot(struct who *w, uint64_t slot)
{
	struct partition_delete_req q = { 0 };
	struct partition_delete_res r;
	struct partition_list_res l = list(&root);

	for (size_t i = 0; i < l.partitions.n; i++)
		if (l.partitions.v[i].slot == slot)
			q.serial = l.partitions.v[i].serial;
	return do_partition_delete(w, &q, &r);
}

static void there_is_always_one_free_slot(void **state)
{
	(void)state;
	assert_string_equal(slots(&anna), "0- ");
	assert_int_equal(init(&anna, 0, SO_PIN), HF_OK);
	assert_string_equal(slots(&anna), "0t 1- ");
	assert_int_equal(init(&anna, 1, SO_PIN), HF_OK);
	assert_string_equal(slots(&anna), "0t 1t 2- ");
}

static void slots_keep_their_numbers_and_gaps_are_filled(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(init(&anna, i, SO_PIN), HF_OK);
	assert_int_equal(delete_slot(&root, 1), HF_OK);
	assert_string_equal(slots(&anna), "0t 1- 2t ");
	restart();
	assert_string_equal(slots(&anna), "0t 1- 2t ");
	assert_int_equal(init(&anna, 1, SO_PIN), HF_OK);
	assert_string_equal(slots(&anna), "0t 1t 2t 3- ");
}

static void a_slot_that_is_not_there_is_no_slot(void **state)
{
	struct session_open_req q = { 0, true };
	struct session_open_res r;

	(void)state;
	assert_int_equal(init(&anna, 5, SO_PIN), HF_E_SLOT);
	assert_int_equal(do_session_open(&anna, &q, &r), HF_E_NO_TOKEN);
	q.slot = 3;
	assert_int_equal(do_session_open(&anna, &q, &r), HF_E_SLOT);
}

static void others_do_not_see_a_partition(void **state)
{
	struct session_open_req q = { 0, true };
	struct session_open_res r;
	struct who ben;

	(void)state;
	assert_int_equal(init(&anna, 0, SO_PIN), HF_OK);
	who_comes(&ben, &box, 2000, 2);
	assert_string_equal(slots(&ben), "1- ");
	assert_int_equal(list(&ben).partitions.n, 0);
	assert_int_equal(do_session_open(&ben, &q, &r), HF_E_SLOT);
	assert_int_equal(init(&ben, 0, SO_PIN), HF_E_SLOT);
	assert_string_equal(slots(&root), "0t 1- ");
	who_leaves(&ben);
}

static void a_group_sees_its_partition(void **state)
{
	const struct identity group = { IDENTITY_GID, 77 };
	struct who ben;

	(void)state;
	assert_int_equal(create_for(&root, "team", &group, 1), HF_OK);
	who_comes(&ben, &box, 77, 2); /* his gid is his uid here */
	assert_string_equal(slots(&ben), "0t 1- ");
	assert_string_equal(slots(&anna), "1- ");
	who_leaves(&ben);
}

static void only_the_administrator_creates_and_deletes(void **state)
{
	(void)state;
	assert_int_equal(create_for(&anna, "mine", NULL, 0), HF_E_DENIED);
	assert_int_equal(init(&anna, 0, SO_PIN), HF_OK);
	assert_int_equal(delete_slot(&anna, 0), HF_E_DENIED);
	assert_int_equal(delete_slot(&root, 0), HF_OK);
	assert_string_equal(slots(&root), "0- ");
}

static void where_clients_may_not_create_they_see_no_free_slot(void **state)
{
	(void)state;
	box.cfg.clients_may_create = false;
	restart();
	assert_string_equal(slots(&anna), "");
	assert_string_equal(slots(&root), "0- ");
	assert_int_equal(init(&anna, 0, SO_PIN), HF_E_DENIED);
	assert_int_equal(init(&root, 0, SO_PIN), HF_OK);
}

static void a_created_partition_is_ready_to_use(void **state)
{
	const struct identity me = { IDENTITY_UID, OWNER };

	(void)state;
	assert_int_equal(create_for(&root, "mine", &me, 1), HF_OK);
	assert_int_equal(create_for(&root, "mine", &me, 1), HF_E_PARTITION_EXISTS);
	assert_int_equal(create_for(&root, "", &me, 1), HF_E_LABEL);
	assert_int_equal(create_for(&root, "a\nb", &me, 1), HF_E_LABEL);
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(makes(&anna, "x", true), HF_OK);
	assert_int_equal(list(&anna).partitions.v[0].objects, 1);
	assert_true(list(&anna).partitions.v[0].user_pin_set);
}

static void initializing_again_destroys_objects_and_user_pin_and_keeps_the_serial(void **state)
{
	char serial[17] = "";

	(void)state;
	ready(&anna, 0);
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(makes(&anna, "pub", false), HF_OK);
	assert_int_equal(makes(&anna, "priv", true), HF_OK);
	memcpy(serial, list(&anna).partitions.v[0].serial.p, 16);
	assert_int_equal(init(&anna, 0, SO_PIN), HF_E_SESSION_EXISTS);
	assert_int_equal(closes(&anna), HF_OK);
	assert_int_equal(init(&anna, 0, "not the pin"), HF_E_PIN_INCORRECT);
	assert_int_equal(list(&anna).partitions.v[0].objects, 2); /* also what nobody sees now */
	assert_int_equal(init(&anna, 0, SO_PIN), HF_OK);
	assert_int_equal(list(&anna).partitions.v[0].objects, 0);
	assert_memory_equal(list(&anna).partitions.v[0].serial.p, serial, 16);
	assert_int_equal(keeper_memory_count(box.keeper, "p/"), 3);
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_PIN_NOT_SET);
	restart();
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, USER_PIN), HF_E_PIN_NOT_SET);
	assert_int_equal(log_in(&anna, CKU_SO, SO_PIN), HF_OK);
}

static void deleting_ends_its_sessions_and_leaves_nothing(void **state)
{
	(void)state;
	ready(&anna, 0);
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(makes(&anna, "priv", true), HF_OK);
	assert_int_equal(delete_slot(&root, 0), HF_OK);
	assert_int_equal(state_of(&anna), UINT32_MAX);
	assert_int_equal(keeper_memory_count(box.keeper, "p/"), 0);
	assert_string_equal(slots(&anna), "0- ");
	assert_int_equal(delete_slot(&root, 0), HF_E_NO_PARTITION);
	root.flags = WIRE_FLAG_REPEAT;
	{
		struct partition_delete_req q = { SLICE_STR("0123456789abcdef") };
		struct partition_delete_res r;

		assert_int_equal(do_partition_delete(&root, &q, &r), HF_OK);
	}
}

static void a_full_disk_creates_nothing(void **state)
{
	(void)state;
	keeper_memory_fail_commits(box.keeper, 1);
	assert_int_equal(init(&anna, 0, SO_PIN), HF_E_STORE);
	assert_string_equal(slots(&anna), "0- ");
	assert_int_equal(init(&anna, 0, SO_PIN), HF_OK);
	keeper_memory_fail_commits(box.keeper, 1);
	assert_int_equal(delete_slot(&root, 0), HF_E_STORE);
	assert_string_equal(slots(&anna), "0t 1- ");
	assert_int_equal(delete_slot(&root, 0), HF_OK);
}

static void labels_lose_their_padding(void **state)
{
	struct token_init_req q = { 0, SLICE_STR(SO_PIN), SLICE_STR("padded                          ") };
	struct token_info_req iq = { 0 };
	struct token_init_res r;
	struct token_info_res ir;

	(void)state;
	assert_int_equal(do_token_init(&anna, &q, &r), HF_OK);
	assert_int_equal(do_token_info(&anna, &iq, &ir), HF_OK);
	assert_true(slice_eq(ir.label, SLICE_STR("padded")));
}

static void hundreds_of_partitions_are_found_again(void **state)
{
	char label[32];

	(void)state;
	for (int i = 0; i < 300; i++) {
		(void)snprintf(label, sizeof(label), "part %d", i);
		assert_int_equal(create_for(&root, label, NULL, 0), HF_OK);
	}
	restart();
	assert_int_equal(list(&root).partitions.n, 300);
	assert_true(slice_eq(list(&root).partitions.v[299].label, SLICE_STR("part 299")));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(there_is_always_one_free_slot),
		T(slots_keep_their_numbers_and_gaps_are_filled),
		T(a_slot_that_is_not_there_is_no_slot),
		T(others_do_not_see_a_partition),
		T(a_group_sees_its_partition),
		T(only_the_administrator_creates_and_deletes),
		T(where_clients_may_not_create_they_see_no_free_slot),
		T(a_created_partition_is_ready_to_use),
		T(initializing_again_destroys_objects_and_user_pin_and_keeps_the_serial),
		T(deleting_ends_its_sessions_and_leaves_nothing),
		T(a_full_disk_creates_nothing),
		T(labels_lose_their_padding),
		T(hundreds_of_partitions_are_found_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
