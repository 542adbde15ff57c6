/* Where a removable token's instance keeps what changes. */
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

#include "runtime.h"
#include "scratch.h"

static int setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	scratch_new(s);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	scratch_free(*state);
	free(*state);
	return 0;
}

static void a_home_without_an_id_is_no_token(void **state)
{
	const struct scratch *s = *state;
	char at[PATH_MAX], long_home[PATH_MAX];

	memset(long_home, 'a', sizeof(long_home) - 1);
	long_home[sizeof(long_home) - 1] = '\0';
	assert_false(runtime_of(s->path, at));
	assert_false(runtime_of("/no/such/directory", at));
	assert_false(runtime_of(long_home, at));
}

static void an_id_names_a_directory_of_its_own(void **state)
{
	const struct scratch *s = *state;
	char at[PATH_MAX], by_user[PATH_MAX];

	scratch_write(s, RUNTIME_ID, SLICE_STR("0123456789abcdef\n"));
	assert_true(runtime_of(s->path, at));
	assert_string_equal(at, "/run/user/7/holdfast-0123456789abcdef");
	(void)snprintf(by_user, sizeof(by_user), "/tmp/holdfast-%u-0123456789abcdef", (unsigned)geteuid());
	assert_int_equal(setenv("XDG_RUNTIME_DIR", "not/from/the/root", 1), 0);
	assert_true(runtime_of(s->path, at));
	assert_string_equal(at, by_user);
	assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
	assert_true(runtime_of(s->path, at));
	assert_string_equal(at, by_user);
}

static void an_id_that_is_none_names_nothing(void **state)
{
	static const char *const bad[] = { "", "0123456789abcde", "0123456789ABCDEF", "../../../../../etc",
		"0123456789abcde/", "0123456789abcde\n" };
	const struct scratch *s = *state;
	char at[PATH_MAX];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		scratch_write(s, RUNTIME_ID, slice_str(bad[i]));
		assert_false(runtime_of(s->path, at));
	}
	assert_int_equal(unlinkat(s->fd, RUNTIME_ID, 0), 0);
	scratch_write(s, "elsewhere", SLICE_STR("0123456789abcdef"));
	assert_int_equal(symlinkat("elsewhere", s->fd, RUNTIME_ID), 0);
	assert_false(runtime_of(s->path, at));
}

static void it_is_made_for_its_owner_alone(void **state)
{
	const struct scratch *s = *state;
	char at[PATH_MAX];
	struct stat st;

	(void)snprintf(at, sizeof(at), "%s/made", s->path);
	assert_true(runtime_make(at));
	assert_int_equal(stat(at, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(runtime_make(at));
}

static void what_was_there_first_is_not_trusted(void **state)
{
	const struct scratch *s = *state;
	char at[PATH_MAX];

	(void)snprintf(at, sizeof(at), "%s/open", s->path);
	assert_int_equal(mkdir(at, 0700), 0);
	assert_int_equal(chmod(at, 0750), 0);
	assert_false(runtime_make(at));
	(void)snprintf(at, sizeof(at), "%s/link", s->path);
	assert_int_equal(symlinkat(".", s->fd, "link"), 0);
	assert_false(runtime_make(at));
	(void)snprintf(at, sizeof(at), "%s/file", s->path);
	scratch_write(s, "file", SLICE_STR("x"));
	assert_false(runtime_make(at));
	(void)snprintf(at, sizeof(at), "%s/no/such", s->path);
	assert_false(runtime_make(at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_home_without_an_id_is_no_token, setup, teardown),
		cmocka_unit_test_setup_teardown(an_id_names_a_directory_of_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(an_id_that_is_none_names_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(it_is_made_for_its_owner_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_there_first_is_not_trusted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
