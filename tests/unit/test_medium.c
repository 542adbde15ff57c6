/* The store of a removable token, copied beside it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "medium.h"
#include "scratch.h"

/* struct pair is a medium and the place beside it; both are below one directory. */
struct pair {
	struct scratch medium, beside;
};

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	scratch_new(&p->medium);
	scratch_new(&p->beside);
	assert_int_equal(mkdirat(p->medium.fd, "audit", 0700), 0);
	scratch_write(&p->medium, "audit/00000001.log", SLICE_STR("a record"));
	scratch_write(&p->medium, "audit/.hidden", SLICE_STR("not a part of it"));
	scratch_write(&p->medium, "anchor", SLICE_STR("counts"));
	scratch_write(&p->medium, "store.db", SLICE_STR("sealed"));
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	scratch_free(&p->medium);
	scratch_free(&p->beside);
	free(p);
	return 0;
}

static void is(const struct scratch *s, const char *name, const char *content)
{
	size_t n;
	uint8_t *p = scratch_read(s, name, &n);

	assert_int_equal(n, strlen(content));
	assert_memory_equal(p, content, n);
	free(p);
}

static void all_of_it_is_copied(void **state)
{
	const struct pair *p = *state;
	struct stat st;

	assert_true(medium_copy(p->medium.path, p->beside.fd));
	is(&p->beside, "audit/00000001.log", "a record");
	is(&p->beside, "anchor", "counts");
	is(&p->beside, "store.db", "sealed");
	assert_int_equal(scratch_size(&p->beside, "audit/.hidden"), -1);
	assert_int_equal(scratch_size(&p->beside, "copy.part"), -1);
	assert_int_equal(fstatat(p->beside.fd, "store.db", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_large_file_is_copied_whole(void **state)
{
	const struct pair *p = *state;
	uint8_t *big = malloc(200001), *got;
	size_t n;

	for (size_t i = 0; i < 200001; i++)
		big[i] = (uint8_t)(i * 31 >> 3);
	scratch_write(&p->medium, "store.db", (struct slice){ big, 200001 });
	assert_true(medium_copy(p->medium.path, p->beside.fd));
	got = scratch_read(&p->beside, "store.db", &n);
	assert_int_equal(n, 200001);
	assert_memory_equal(got, big, n);
	free(got);
	free(big);
}

/* What was counted there since stays. */
static void a_store_that_is_there_is_left_alone(void **state)
{
	const struct pair *p = *state;

	assert_true(medium_copy(p->medium.path, p->beside.fd));
	scratch_write(&p->beside, "anchor", SLICE_STR("later counts"));
	scratch_write(&p->medium, "store.db", SLICE_STR("another"));
	assert_true(medium_copy(p->medium.path, p->beside.fd));
	is(&p->beside, "anchor", "later counts");
	is(&p->beside, "store.db", "sealed");
}

static void one_that_was_cut_short_is_done_again(void **state)
{
	const struct pair *p = *state;

	assert_int_equal(mkdirat(p->beside.fd, "audit", 0700), 0);
	scratch_write(&p->beside, "audit/00000001.log", SLICE_STR("a rec"));
	scratch_write(&p->beside, "copy.part", SLICE_STR("half of something that was longer"));
	assert_true(medium_copy(p->medium.path, p->beside.fd));
	is(&p->beside, "audit/00000001.log", "a record");
	is(&p->beside, "anchor", "counts");
}

/* Whatever is missing, there is no store: so it is never taken for whole. */
static void a_medium_that_lacks_something_is_refused(void **state)
{
	static const char *const missing[] = { "store.db", "anchor" };
	const struct pair *p = *state;

	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		assert_int_equal(unlinkat(p->medium.fd, missing[i], 0), 0);
		assert_false(medium_copy(p->medium.path, p->beside.fd));
		assert_int_equal(scratch_size(&p->beside, "store.db"), -1);
	}
	assert_false(medium_copy("/no/such/medium", p->beside.fd));
}

static void without_an_audit_log_it_is_refused(void **state)
{
	const struct pair *p = *state;

	assert_int_equal(renameat(p->medium.fd, "audit", p->medium.fd, "else"), 0);
	assert_false(medium_copy(p->medium.path, p->beside.fd));
	assert_int_equal(scratch_size(&p->beside, "store.db"), -1);
}

static void a_link_is_not_followed(void **state)
{
	const struct pair *p = *state;

	scratch_write(&p->medium, "elsewhere", SLICE_STR("not the token's"));
	assert_int_equal(unlinkat(p->medium.fd, "anchor", 0), 0);
	assert_int_equal(symlinkat("elsewhere", p->medium.fd, "anchor"), 0);
	assert_false(medium_copy(p->medium.path, p->beside.fd));
	assert_int_equal(scratch_size(&p->beside, "anchor"), -1);
}

static void a_full_disk_leaves_no_store(void **state)
{
	struct pair *p = *state;
	static uint8_t big[1 << 20];

	if (!scratch_disk(&p->beside, 256 << 10))
		skip();
	scratch_write(&p->medium, "store.db", SLICE_OF(big));
	assert_false(medium_copy(p->medium.path, p->beside.fd));
	assert_int_equal(scratch_size(&p->beside, "store.db"), -1);
}

static void a_read_only_disk_takes_nothing(void **state)
{
	struct pair *p = *state;

	if (!scratch_disk(&p->beside, 256 << 10) || !scratch_read_only(&p->beside))
		skip();
	assert_false(medium_copy(p->medium.path, p->beside.fd));
	assert_int_equal(scratch_size(&p->beside, "store.db"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_of_it_is_copied, setup, teardown),
		cmocka_unit_test_setup_teardown(a_large_file_is_copied_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(a_store_that_is_there_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_was_cut_short_is_done_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_medium_that_lacks_something_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(without_an_audit_log_it_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_link_is_not_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_disk_leaves_no_store, setup, teardown),
		cmocka_unit_test_setup_teardown(a_read_only_disk_takes_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
