/* The allocator and what stands on it, in a process that did not call
 * secret_init (a client); test_base_secret_init.c has the vault's side. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "secret.h"

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* died_by runs fn in a child and returns the signal that ended it (0: none). */
static int died_by(void (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit none = { 0, 0 };

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)close(STDERR_FILENO);
		(void)signal(SIGSEGV, SIG_DFL); /* cmocka catches it */
		(void)signal(SIGABRT, SIG_DFL);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* --- blocks ---------------------------------------------------------------- */

static void blocks_of_every_size_are_aligned_zero_and_large_enough(void **state)
{
	(void)state;
	for (size_t n = 0; n < 300000; n += n / 9 + 1) {
		uint8_t *p = secret_malloc(n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_true(secret_size(p) >= n);
		assert_true(all_zero(p, n));
		memset(p, 0xa5, secret_size(p));
		secret_free(p);
	}
}

static void blocks_do_not_overlap(void **state)
{
	enum { N = 3000 };
	uint8_t **p = hf_alloc(N, sizeof(*p));

	(void)state;
	for (size_t i = 0; i < N; i++) {
		p[i] = secret_malloc(i + 1);
		memset(p[i], (int)(i % 251), i + 1);
	}
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(p[i][0], i % 251);
		assert_int_equal(p[i][i], i % 251);
		secret_free(p[i]);
	}
	hf_free(p);
}

static void a_freed_block_is_wiped(void **state)
{
	static const size_t sizes[] = { 1, 64, 1000, 16384, 65536, 100000 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		/* The next allocation of the size gets the same block. */
		uint8_t *p = secret_malloc(sizes[i]), *q;

		memset(p, 0xa5, sizes[i]);
		secret_free(p);
		q = secret_malloc(sizes[i]);
		assert_ptr_equal(p, q);
		assert_true(all_zero(q, secret_size(q)));
		secret_free(q);
	}
}

static void a_block_keeps_its_bytes_when_it_is_resized(void **state)
{
	uint8_t *p = NULL;
	size_t had = 0;

	(void)state;
	for (size_t n = 1; n < 400000; n = n * 3 / 2 + 1) {
		p = secret_realloc(p, n);
		assert_non_null(p);
		for (size_t i = 0; i < had; i++)
			assert_int_equal(p[i], i % 251);
		for (size_t i = had; i < n; i++)
			p[i] = (uint8_t)(i % 251);
		had = n;
	}
	p = secret_realloc(p, 10);
	assert_true(secret_size(p) < 1000);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(p[i], i % 251);
	secret_free(p);
}

static void an_impossible_size_is_refused(void **state)
{
	void *p = secret_malloc(10);

	(void)state;
	assert_null(secret_malloc(SIZE_MAX));
	assert_null(secret_malloc((size_t)1 << 50));
	assert_null(secret_calloc(SIZE_MAX / 2, 3));
	assert_null(secret_realloc(p, SIZE_MAX));
	secret_free(p);
}

static void nothing_is_freed_by_freeing_nothing(void **state)
{
	(void)state;
	secret_free(NULL);
	assert_int_equal(secret_size(NULL), 0);
}

static void a_large_block_goes_back_to_the_kernel(void **state)
{
	const size_t n = (size_t)64 << 20;
	struct secret_status before = secret_status(), during, after;
	uint8_t *p = secret_malloc(n);

	(void)state;
	assert_non_null(p);
	p[0] = p[n - 1] = 1;
	during = secret_status();
	secret_free(p);
	after = secret_status();
	assert_true(during.locked + during.plain >= before.locked + before.plain + n);
	assert_int_equal(after.locked + after.plain, before.locked + before.plain);
}

static void memory_of_many_small_blocks_goes_back_to_the_kernel(void **state)
{
	enum { N = 100000 };
	void **p = hf_alloc(N, sizeof(*p));
	struct secret_status before = secret_status(), after;

	(void)state;
	for (size_t i = 0; i < N; i++)
		p[i] = secret_malloc(200);
	assert_true(secret_status().locked + secret_status().plain > N * 200u);
	for (size_t i = 0; i < N; i++)
		secret_free(p[i]);
	after = secret_status();
	assert_true(after.locked + after.plain <= before.locked + before.plain + (4u << 20));
	hf_free(p);
}

/* --- misuse ---------------------------------------------------------------- */

static void free_twice(void)
{
	void *p = secret_malloc(100);

	secret_free(p);
	secret_free(p);
}

static void free_inside(void)
{
	uint8_t *p = secret_malloc(100);

	secret_free(p + 16);
}

static void free_heap(void)
{
	secret_free(hf_alloc(1, 100));
}

static void free_large_twice(void)
{
	void *p = secret_malloc(100000);

	secret_free(p);
	secret_free(p);
}

static void overrun_a_large_block(void)
{
	volatile uint8_t *p = secret_malloc(100000);

	p[secret_size((const void *)(uintptr_t)p)] = 1;
}

static void underrun_a_large_block(void)
{
	volatile uint8_t *p = secret_malloc(100000);

	*(volatile uint8_t *)((uintptr_t)p - 1) = 1;
}

static void a_block_freed_twice_stops_the_process(void **state)
{
	(void)state;
	assert_int_equal(died_by(free_twice), SIGABRT);
	assert_int_equal(died_by(free_large_twice), SIGABRT);
}

static void a_pointer_that_is_no_block_stops_the_process(void **state)
{
	(void)state;
	assert_int_equal(died_by(free_inside), SIGABRT);
	assert_int_equal(died_by(free_heap), SIGABRT);
}

static void guards_stand_around_a_large_block(void **state)
{
	(void)state;
	assert_int_equal(died_by(overrun_a_large_block), SIGSEGV);
	assert_int_equal(died_by(underrun_a_large_block), SIGSEGV);
}

/* --- faults ------------------------------------------------------------------ */

static void the_chosen_allocation_fails_and_only_that(void **state)
{
	void *p[4];

	(void)state;
	secret_fail_after(3);
	p[0] = secret_malloc(1);
	p[1] = hf_alloc(1, 1);
	assert_false(secret_fail_fired());
	p[2] = secret_malloc(1);
	assert_true(secret_fail_fired());
	p[3] = secret_malloc(1);
	assert_non_null(p[0]);
	assert_non_null(p[1]);
	assert_null(p[2]);
	assert_non_null(p[3]);
	secret_free(p[0]);
	hf_free(p[1]);
	secret_free(p[3]);
}

static void a_resize_that_fails_leaves_the_block(void **state)
{
	uint8_t *p = secret_malloc(10);

	(void)state;
	p[0] = 7;
	secret_fail_after(1);
	assert_null(secret_realloc(p, 100000));
	secret_fail_after(-1);
	assert_int_equal(p[0], 7);
	secret_free(p);
}

/* --- threads and fork --------------------------------------------------------- */

static void *churn(void *arg)
{
	uint8_t *p[64] = { 0 };
	unsigned seed = *(const unsigned *)arg;

	for (unsigned i = 0; i < 30000; i++) {
		unsigned k = (unsigned)rand_r(&seed) % 64, n = (unsigned)rand_r(&seed) % 5000 + 1;

		if (p[k] != NULL && p[k][0] != k + 1)
			return arg;
		secret_free(p[k]);
		p[k] = secret_malloc(n);
		if (p[k] == NULL || !all_zero(p[k], n))
			return arg;
		memset(p[k], (int)k + 1, n);
	}
	for (unsigned k = 0; k < 64; k++)
		secret_free(p[k]);
	return NULL;
}

static void threads_allocate_side_by_side(void **state)
{
	pthread_t t[4];
	unsigned seed[4] = { 1, 2, 3, 4 };
	void *bad;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, churn, &seed[i]), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(t[i], &bad), 0);
		assert_null(bad);
	}
}

static void *free_it(void *p)
{
	secret_free(p);
	return NULL;
}

static void a_block_may_be_freed_by_another_thread(void **state)
{
	pthread_t t;

	(void)state;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(pthread_create(&t, NULL, free_it, secret_malloc(1000)), 0);
		assert_int_equal(pthread_join(t, NULL), 0);
	}
}

static void a_child_of_a_client_has_a_copy_and_can_allocate(void **state)
{
	uint8_t *p = secret_malloc(100);
	int status = 0;
	pid_t pid;

	(void)state;
	p[50] = 7;
	pid = fork();
	if (pid == 0) {
		uint8_t *q = secret_malloc(100);
		bool good = p[50] == 7 && q != NULL && q != p;

		p[50] = 8; /* its own copy */
		secret_free(p);
		secret_free(q);
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(p[50], 7);
	secret_free(p);
}

/* --- struct secret -------------------------------------------------------------- */

static void a_secret_is_handed_over_once(void **state)
{
	struct secret a, b;

	(void)state;
	assert_int_equal(secret_dup(SLICE_STR("key"), &a), HF_OK);
	b = secret_take(&a);
	assert_null(a.p);
	assert_int_equal(a.n, 0);
	assert_true(slice_eq(secret_slice(&b), SLICE_STR("key")));
	secret_done(&a);
	secret_done(&b);
	secret_done(&b);
	secret_done(NULL);
}

static void a_cut_secret_is_wiped_behind_the_cut(void **state)
{
	struct secret s;

	(void)state;
	assert_int_equal(secret_dup(SLICE_STR("abcdef"), &s), HF_OK);
	secret_cut(&s, 8);
	assert_int_equal(s.n, 6);
	secret_cut(&s, 2);
	assert_int_equal(s.n, 2);
	assert_memory_equal(s.p, "ab\0\0\0\0", 6);
	secret_done(&s);
}

static void an_empty_secret_is_possible(void **state)
{
	struct secret s;

	(void)state;
	assert_int_equal(secret_dup(SLICE_NONE, &s), HF_OK);
	assert_int_equal(s.n, 0);
	secret_done(&s);
}

static void a_secret_without_memory_is_not_written(void **state)
{
	struct secret s = { 0 };

	(void)state;
	secret_fail_after(1);
	assert_int_equal(secret_alloc(&s, 10), HF_E_SECRET_MEMORY);
	assert_null(s.p);
}

static void secrets_are_compared_whole(void **state)
{
	uint8_t a[300] = { 0 }, b[300] = { 0 };

	(void)state;
	assert_true(secret_eq(SLICE_OF(a), SLICE_OF(b)));
	assert_false(secret_eq(SLICE_OF(a), (struct slice){ b, 299 }));
	for (size_t i = 0; i < sizeof(b); i++) {
		b[i] = 0x80;
		assert_false(secret_eq(SLICE_OF(a), SLICE_OF(b)));
		b[i] = 0;
	}
	assert_true(secret_eq(SLICE_NONE, SLICE_NONE));
}

/* --- heap and arena -------------------------------------------------------------- */

static void heap_memory_is_zero_and_an_overflow_is_refused(void **state)
{
	uint8_t *p = hf_alloc(100, 3);
	char *s = hf_strdup("abc");

	(void)state;
	assert_true(all_zero(p, 300));
	assert_null(hf_realloc(p, SIZE_MAX / 2, 3));
	assert_string_equal(s, "abc");
	hf_free(p);
	hf_free(s);
	hf_free(NULL);
}

static void an_arena_hands_out_zeroed_aligned_memory_after_each_reset(void **state)
{
	struct arena a = { 0 };

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t n = 0; n < 3000; n += 7) {
			uint8_t *p = arena_alloc(&a, n, 1);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % 16, 0);
			assert_true(all_zero(p, n));
			memset(p, 0xa5, n);
		}
		arena_reset(&a);
		assert_int_equal(a.used, 0);
	}
	arena_done(&a);
	assert_null(a.head);
}

static void an_arena_keeps_to_its_maximum(void **state)
{
	struct arena a = { .max = 1000 };

	(void)state;
	assert_non_null(arena_alloc(&a, 500, 1));
	assert_null(arena_alloc(&a, 501, 1));
	assert_null(arena_alloc(&a, SIZE_MAX, 1));
	assert_null(arena_alloc(&a, SIZE_MAX / 2, 4));
	assert_non_null(arena_alloc(&a, 480, 1));
	assert_null(arena_alloc(&a, 100, 1));
	arena_done(&a);
}

static void an_arena_copies_what_is_larger_than_its_blocks(void **state)
{
	struct arena a = { 0 };
	uint8_t *big = hf_alloc(1, 200000);
	struct slice s;

	(void)state;
	memset(big, 3, 200000);
	assert_int_equal(arena_dup(&a, (struct slice){ big, 200000 }, &s), HF_OK);
	assert_true(slice_eq(s, (struct slice){ big, 200000 }));
	assert_int_equal(arena_dup(&a, SLICE_NONE, &s), HF_OK);
	assert_int_equal(s.n, 0);
	secret_fail_after(1);
	assert_int_equal(arena_dup(&a, (struct slice){ big, 200000 }, &s), HF_E_SECRET_MEMORY);
	arena_done(&a);
	hf_free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_of_every_size_are_aligned_zero_and_large_enough),
		cmocka_unit_test(blocks_do_not_overlap),
		cmocka_unit_test(a_freed_block_is_wiped),
		cmocka_unit_test(a_block_keeps_its_bytes_when_it_is_resized),
		cmocka_unit_test(an_impossible_size_is_refused),
		cmocka_unit_test(nothing_is_freed_by_freeing_nothing),
		cmocka_unit_test(a_large_block_goes_back_to_the_kernel),
		cmocka_unit_test(memory_of_many_small_blocks_goes_back_to_the_kernel),
		cmocka_unit_test(a_block_freed_twice_stops_the_process),
		cmocka_unit_test(a_pointer_that_is_no_block_stops_the_process),
		cmocka_unit_test(guards_stand_around_a_large_block),
		cmocka_unit_test(the_chosen_allocation_fails_and_only_that),
		cmocka_unit_test(a_resize_that_fails_leaves_the_block),
		cmocka_unit_test(threads_allocate_side_by_side),
		cmocka_unit_test(a_block_may_be_freed_by_another_thread),
		cmocka_unit_test(a_child_of_a_client_has_a_copy_and_can_allocate),
		cmocka_unit_test(a_secret_is_handed_over_once),
		cmocka_unit_test(a_cut_secret_is_wiped_behind_the_cut),
		cmocka_unit_test(an_empty_secret_is_possible),
		cmocka_unit_test(a_secret_without_memory_is_not_written),
		cmocka_unit_test(secrets_are_compared_whole),
		cmocka_unit_test(heap_memory_is_zero_and_an_overflow_is_refused),
		cmocka_unit_test(an_arena_hands_out_zeroed_aligned_memory_after_each_reset),
		cmocka_unit_test(an_arena_keeps_to_its_maximum),
		cmocka_unit_test(an_arena_copies_what_is_larger_than_its_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
