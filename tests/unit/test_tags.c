/* What records are found by before they are read: as the store has them now, whatever comes in which
 * order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "crypto.h"
#include "fault.h"
#include "tags.h"

static struct tags *t;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(tags_new(&t), HF_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tags_free(t);
	return 0;
}

static const char *name_of(unsigned i)
{
	static char name[64];

	(void)snprintf(name, sizeof(name), "p/0123456789abcdef/prv/%08x0000000000000000%08x", i + 1, i);
	return name;
}

static void put(unsigned i, uint64_t version, uint32_t label, uint32_t id)
{
	tags_put(t, name_of(i), version, &(struct record_tags){ true, { label, id } });
}

static enum hf_err find(unsigned which, uint32_t tag, size_t *ret_n)
{
	uint64_t found[TAGS_FOUND];

	return tags_find(t, &(struct tag_wanted){ which, { tag }, 1 }, found, ret_n);
}

static size_t labelled(uint32_t tag)
{
	size_t n = 0;

	assert_int_equal(find(RECORD_TAG_LABEL, tag, &n), HF_OK);
	return n;
}

static size_t with_id(uint32_t tag)
{
	size_t n = 0;

	assert_int_equal(find(RECORD_TAG_ID, tag, &n), HF_OK);
	return n;
}

static void many_are_found_by_both(void **state)
{
	(void)state;
	assert_int_equal(labelled(1), 0);
	for (unsigned i = 0; i < 10000; i++)
		put(i, 1, 2 * (i / 2) + 1, 2 * i + 1);
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(labelled(2 * (i / 2) + 1), 2);
		assert_int_equal(with_id(2 * i + 1), 1);
	}
	assert_int_equal(with_id(99999), 0);
}

static void a_handle_is_the_names(void **state)
{
	uint64_t found[TAGS_FOUND];
	size_t n = 0;

	(void)state;
	put(6, 1, 3, 5);
	assert_int_equal(tags_find(t, &(struct tag_wanted){ RECORD_TAG_ID, { 5 }, 1 }, found, &n), HF_OK);
	assert_int_equal(n, 1);
	assert_int_equal(found[0], (uint64_t)7 << 16); /* the first 48 bits of the unique id */
}

static void a_change_is_found_as_it_is_now(void **state)
{
	(void)state;
	put(1, 1, 3, 5);
	put(1, 2, 7, 5);
	assert_int_equal(labelled(3), 0);
	assert_int_equal(labelled(7), 1);
	assert_int_equal(with_id(5), 1);
	tags_gone(t, name_of(1));
	assert_int_equal(labelled(7), 0);
	assert_int_equal(with_id(5), 0);
	tags_gone(t, name_of(1));
	put(1, 1, 3, 5); /* as a backup brings it back */
	assert_int_equal(labelled(3), 1);
}

static void what_comes_late_changes_nothing(void **state)
{
	(void)state;
	put(1, 2, 7, 5);
	put(1, 1, 3, 5);
	assert_int_equal(labelled(3), 0);
	assert_int_equal(labelled(7), 1);
	put(1, 2, 9, 5); /* the same version under another key */
	assert_int_equal(labelled(7), 0);
	assert_int_equal(labelled(9), 1);
}

static void many_changes_leave_what_is_there(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++)
		put(i, 1, 3, 5);
	for (unsigned n = 2; n < 2000; n++)
		put(7, n, 2 * n + 1, 5);
	assert_int_equal(labelled(2 * 1999 + 1), 1);
	assert_int_equal(labelled(2 * 1998 + 1), 0);
	assert_int_equal(labelled(3), 49);
	assert_int_equal(with_id(5), 50);
}

static void records_without_tags_keep_it_from_telling(void **state)
{
	size_t n;

	(void)state;
	put(1, 1, 3, 5);
	assert_false(tags_lack(t));
	tags_put(t, name_of(2), 1, &(struct record_tags){ 0 });
	assert_true(tags_lack(t));
	assert_int_equal(find(RECORD_TAG_LABEL, 3, &n), HF_E_LIMIT);
	put(2, 1, 3, 7);
	assert_false(tags_lack(t));
	assert_int_equal(labelled(3), 2);
	tags_put(t, name_of(3), 1, &(struct record_tags){ 0 });
	tags_settle(t);
	assert_int_equal(labelled(3), 2);
}

static void doubt_and_lack_of_memory_keep_it_from_telling(void **state)
{
	size_t n;

	(void)state;
	put(1, 1, 3, 5);
	tags_doubt(t);
	assert_int_equal(find(RECORD_TAG_LABEL, 3, &n), HF_E_LIMIT);
	tags_clear(t);
	assert_int_equal(labelled(3), 0);
	secret_fail_after(1);
	put(1, 1, 3, 5);
	secret_fail_after(-1);
	assert_int_equal(find(RECORD_TAG_LABEL, 3, &n), HF_E_LIMIT);
}

static void too_many_of_one_name_are_told(void **state)
{
	size_t n;

	(void)state;
	for (unsigned i = 0; i < TAGS_FOUND; i++)
		put(i, 1, 3, 0);
	assert_int_equal(labelled(3), TAGS_FOUND);
	put(TAGS_FOUND, 1, 3, 0);
	assert_int_equal(find(RECORD_TAG_LABEL, 3, &n), HF_E_LIMIT);
}

static void what_is_no_objects_name_is_left_out(void **state)
{
	(void)state;
	tags_put(t, "p/0123456789abcdef", 1, &(struct record_tags){ true, { 3, 5 } });
	tags_put(t, "hsm", 1, &(struct record_tags){ true, { 3, 5 } });
	tags_gone(t, "p/x/prv/12");
	assert_int_equal(labelled(3), 0);
}

static void a_tag_says_nothing_without_its_key(void **state)
{
	CLEANUP(secret_done) struct secret a = { 0 }, b = { 0 };
	uint32_t one, two, three, none;

	(void)state;
	assert_int_equal(crypto_init(), HF_OK);
	assert_int_equal(tags_key(SLICE_STR("the key of one partition"), &a), HF_OK);
	assert_int_equal(tags_key(SLICE_STR("the key of another"), &b), HF_OK);
	assert_int_equal(tag_of(secret_slice(&a), RECORD_TAG_LABEL, SLICE_STR("x"), &one), HF_OK);
	assert_int_equal(tag_of(secret_slice(&b), RECORD_TAG_LABEL, SLICE_STR("x"), &two), HF_OK);
	assert_int_equal(tag_of(secret_slice(&a), RECORD_TAG_ID, SLICE_STR("x"), &three), HF_OK);
	assert_int_equal(tag_of(secret_slice(&a), RECORD_TAG_ID, SLICE_NONE, &none), HF_OK);
	assert_int_not_equal(one, two);
	assert_int_not_equal(one, three);
	assert_int_equal(none, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(many_are_found_by_both), T(a_handle_is_the_names), T(a_change_is_found_as_it_is_now),
		T(what_comes_late_changes_nothing), T(many_changes_leave_what_is_there),
		T(records_without_tags_keep_it_from_telling),
		T(doubt_and_lack_of_memory_keep_it_from_telling), T(too_many_of_one_name_are_told),
		T(what_is_no_objects_name_is_left_out), T(a_tag_says_nothing_without_its_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
