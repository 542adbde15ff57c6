/* Protected memory in a process that called secret_init (the vault). */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "secret.h"

/* flags_of copies the mapping's VmFlags line from smaps, and its name's line. */
static void flags_of(const void *p, char flags[256], char name[256])
{
	FILE *f = fopen("/proc/self/smaps", "re");
	uintptr_t from, to, at = (uintptr_t)p;
	bool here = false;
	char line[256];

	flags[0] = name[0] = '\0';
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			here = at >= from && at < to;
			if (here)
				memcpy(name, line, sizeof(line));
		} else if (here && strncmp(line, "VmFlags:", 8) == 0) {
			memcpy(flags, line, sizeof(line));
		}
	}
	(void)fclose(f);
}

static int in_child(int (*fn)(void *arg), void *arg)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit none = { 0, 0 };

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGSEGV, SIG_DFL); /* cmocka catches it */
		_exit(fn(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int init(void **state)
{
	(void)state;
	return secret_init(0) == HF_OK ? 0 : -1;
}

static bool kernel_has_memfd_secret(void)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);

	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static void pages_come_from_memfd_secret_where_the_kernel_has_it(void **state)
{
	char flags[256], name[256];
	void *p;

	(void)state;
	if (!kernel_has_memfd_secret())
		skip();
	p = secret_malloc(100);
	flags_of(p, flags, name);
	assert_non_null(strstr(name, "/secretmem"));
	assert_int_equal(secret_status().worst, SECRET_MEMFD);
	assert_true(secret_status().memfd > 0);
	secret_free(p);
}

static void pages_are_not_dumped_and_not_inherited(void **state)
{
	static const size_t sizes[] = { 100, 100000 };
	char flags[256], name[256];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		void *p = secret_malloc(sizes[i]);

		flags_of(p, flags, name);
		assert_non_null(strstr(flags, " dd"));
		assert_non_null(strstr(flags, " dc"));
		secret_free(p);
	}
}

static void working_space_of_64_mib_is_kept_from_dumps_and_returned(void **state)
{
	const size_t n = (size_t)64 << 20;
	struct secret_status before = secret_status(), during, after;
	char flags[256], name[256];
	uint8_t *p = secret_malloc(n);

	(void)state;
	assert_non_null(p);
	p[0] = p[n - 1] = 1;
	flags_of(p, flags, name);
	assert_non_null(strstr(flags, " dd"));
	assert_non_null(strstr(flags, " dc"));
	during = secret_status();
	secret_free(p);
	after = secret_status();
	assert_true(during.locked + during.plain >= before.locked + before.plain + n);
	assert_int_equal(after.locked + after.plain, before.locked + before.plain);
	assert_int_equal(after.worst, before.worst);
}

static int read_it(void *p)
{
	return *(volatile uint8_t *)p;
}

static int free_it_and_go_on(void *p)
{
	uint8_t *q;

	secret_free(p);
	q = secret_malloc(100);
	if (q == NULL)
		return 1;
	memset(q, 1, 100);
	secret_free(q);
	q = secret_malloc(5);
	return secret_size(q) >= 5 ? 0 : 2;
}

static void a_child_does_not_see_the_parents_pages(void **state)
{
	uint8_t *p = secret_malloc(100);
	int status;

	(void)state;
	p[0] = 7;
	status = in_child(read_it, p);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	secret_free(p);
}

static void a_child_can_allocate_and_may_release_what_it_lost(void **state)
{
	uint8_t *p = secret_malloc(100);

	(void)state;
	assert_int_equal(in_child(free_it_and_go_on, p), 0);
	secret_free(p);
}

/* The child loses the pages and the right to lock, and begins anew. */
static int allocate_without_locking(void *arg)
{
	struct rlimit none = { 0, 0 };
	void *small, *large;

	(void)arg;
	if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setresuid(1, 1, 1) != 0))
		return 77;
	small = secret_malloc(100);
	large = secret_malloc(1 << 20);
	return small != NULL && large != NULL && secret_status().worst == SECRET_PLAIN &&
			       secret_status().memfd + secret_status().locked == 0 ?
		       0 :
		       1;
}

static void a_lock_limit_lowers_the_grade_and_status_says_so(void **state)
{
	int status = in_child(allocate_without_locking, NULL);

	(void)state;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static int allocate_until_the_end(void *arg)
{
	enum { MIB = 1 << 20 };
	size_t n = 0;

	(void)arg;
	/* The region of a fresh process, as small as it gets. */
	if (secret_init((size_t)64 << 20) != HF_OK)
		return 1;
	while (secret_malloc(8 * MIB) != NULL)
		n++;
	return n >= 5 && n < 8 && secret_malloc(100) != NULL ? 0 : 2;
}

static void memory_ends_where_secret_init_said(void **state)
{
	(void)state;
	assert_int_equal(in_child(allocate_until_the_end, NULL), 0);
}

static void secret_init_may_be_called_again(void **state)
{
	void *p = secret_malloc(100);

	(void)state;
	assert_int_equal(secret_init(0), HF_OK);
	secret_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_come_from_memfd_secret_where_the_kernel_has_it),
		cmocka_unit_test(pages_are_not_dumped_and_not_inherited),
		cmocka_unit_test(working_space_of_64_mib_is_kept_from_dumps_and_returned),
		cmocka_unit_test(a_child_does_not_see_the_parents_pages),
		cmocka_unit_test(a_child_can_allocate_and_may_release_what_it_lost),
		cmocka_unit_test(a_lock_limit_lowers_the_grade_and_status_says_so),
		cmocka_unit_test(memory_ends_where_secret_init_said),
		cmocka_unit_test(secret_init_may_be_called_again),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
