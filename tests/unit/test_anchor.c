/* The anchor: the newest value written whole, whatever became of the last write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "anchor.h"
#include "crc.h"
#include "fault.h"
#include "scratch.h"

#define SLOT (ANCHOR_MAX + 4096) /* as in anchor.c */
#define HEAD 20

static struct scratch scratch;
static struct anchor *anchor;

static void again(void)
{
	anchor_close(anchor);
	assert_int_equal(anchor_open(scratch.fd, "anchor", &anchor), HF_OK);
}

static int setup(void **state)
{
	(void)state;
	scratch_new(&scratch);
	anchor = NULL;
	again();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	anchor_close(anchor);
	scratch_free(&scratch);
	return 0;
}

static void put(const char *value)
{
	assert_int_equal(anchor_put(anchor, slice_str(value)), HF_OK);
}

static void is(const char *value)
{
	assert_true(slice_eq(anchor_get(anchor), slice_str(value)));
}

/* damage changes one byte of the file, behind the anchor's back. */
static void damage(size_t at)
{
	size_t n;
	uint8_t *p = scratch_read(&scratch, "anchor", &n);

	assert_true(at < n);
	p[at] ^= 0x40;
	scratch_write(&scratch, "anchor", (struct slice){ p, n });
	free(p);
	again();
}

static void crc_is_the_standards(void **state)
{
	(void)state;
	assert_int_equal(crc32_of(SLICE_STR("123456789")), 0xcbf43926);
	assert_int_equal(crc32_of(SLICE_NONE), 0);
}

static void a_new_anchor_is_empty_and_nobody_elses(void **state)
{
	struct stat st;

	(void)state;
	is("");
	assert_int_equal(fstatat(scratch.fd, "anchor", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void the_last_value_is_there_after_opening_anew(void **state)
{
	static const char *const values[] = { "one", "two", "a longer third one", "4" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		put(values[i]);
		is(values[i]);
		again();
		is(values[i]);
	}
}

static void a_torn_write_leaves_the_value_before(void **state)
{
	/* "two" is in slot 0: magic, length, turn, crc, value */
	static const size_t places[] = { 0, 5, 7, 16, HEAD, HEAD + 2 };

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		scratch_write(&scratch, "anchor", SLICE_NONE);
		again();
		put("one");
		put("two");
		damage(places[i]);
		is("one");
	}
}

static void what_follows_a_torn_write_spares_the_good_slot(void **state)
{
	(void)state;
	put("one");
	put("two");
	damage(HEAD); /* "two" is torn */
	put("three"); /* must go over "two", not over "one" */
	damage(HEAD); /* torn as well */
	is("one");
}

static void both_slots_torn_is_empty_and_can_be_written(void **state)
{
	(void)state;
	put("one");
	put("two");
	damage(HEAD);
	damage(SLOT + HEAD);
	is("");
	put("new");
	again();
	is("new");
}

static void the_greatest_value_fits_and_no_greater(void **state)
{
	uint8_t *big = calloc(ANCHOR_MAX + 1, 1);

	(void)state;
	assert_non_null(big);
	put("small");
	assert_int_equal(anchor_put(anchor, (struct slice){ big, ANCHOR_MAX + 1 }), HF_E_TOO_BIG);
	is("small");
	for (int i = 0; i < 2; i++)
		assert_int_equal(anchor_put(anchor, (struct slice){ big, ANCHOR_MAX }), HF_OK);
	again();
	assert_int_equal(anchor_get(anchor).n, ANCHOR_MAX);
	free(big);
}

static void a_full_disk_keeps_the_value_before(void **state)
{
	static uint8_t filler[1u << 20];
	uint8_t *big = calloc(ANCHOR_MAX, 1);

	(void)state;
	assert_non_null(big);
	anchor_close(anchor);
	anchor = NULL;
	if (!scratch_disk(&scratch, 2u << 20)) {
		print_message("no mount namespace here\n");
		free(big);
		again();
		skip();
	}
	again();
	put("one");
	put("two");
	scratch_write(&scratch, "filler", SLICE_OF(filler));
	assert_int_equal(anchor_put(anchor, (struct slice){ big, ANCHOR_MAX }), HF_E_STORE);
	is("two");
	again();
	is("two");
	put("three");
	again();
	is("three");
	free(big);
}

static void no_memory_changes_nothing(void **state)
{
	bool failed = true;

	(void)state;
	put("one");
	for (long n = 1; failed; n++) {
		enum hf_err e;

		secret_fail_after(n);
		e = anchor_put(anchor, SLICE_STR("two"));
		failed = secret_fail_fired();
		secret_fail_after(-1);
		is(e == HF_OK ? "two" : "one");
	}
	is("two");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_the_standards),
		cmocka_unit_test_setup_teardown(a_new_anchor_is_empty_and_nobody_elses, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_value_is_there_after_opening_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(a_torn_write_leaves_the_value_before, setup, teardown),
		cmocka_unit_test_setup_teardown(what_follows_a_torn_write_spares_the_good_slot, setup,
			teardown),
		cmocka_unit_test_setup_teardown(both_slots_torn_is_empty_and_can_be_written, setup, teardown),
		cmocka_unit_test_setup_teardown(the_greatest_value_fits_and_no_greater, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_disk_keeps_the_value_before, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_changes_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
