/* Work of low priority: done by another thread, its outcome comes back, a few at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "lowly.h"

struct work {
	pthread_t by;
	int nice;
	enum hf_err result;
};

static enum hf_err note(void *ctx)
{
	struct work *w = ctx;

	w->by = pthread_self();
	w->nice = getpriority(PRIO_PROCESS, 0);
	return w->result;
}

static void another_thread_does_it_with_less_weight(void **state)
{
	struct work w = { .result = HF_E_CURVE };
	int before = getpriority(PRIO_PROCESS, 0);

	(void)state;
	assert_int_equal(lowly(note, &w), HF_E_CURVE);
	assert_false(pthread_equal(w.by, pthread_self()));
	assert_true(w.nice >= 10);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
	w.result = HF_OK;
	assert_int_equal(lowly(note, &w), HF_OK);
}

static atomic_int at_once, most;

static enum hf_err count(void *ctx)
{
	const struct timespec t = { 0, 2000000 };
	int n = atomic_fetch_add(&at_once, 1) + 1, was = atomic_load(&most);

	(void)ctx;
	while (n > was && !atomic_compare_exchange_weak(&most, &was, n))
		continue;
	(void)nanosleep(&t, NULL);
	atomic_fetch_sub(&at_once, 1);
	return HF_OK;
}

static void *ask(void *result)
{
	*(enum hf_err *)result = lowly(count, NULL);
	return NULL;
}

static void two_at_once_and_all_of_them_in_the_end(void **state)
{
	enum hf_err result[12];
	pthread_t t[12];

	(void)state;
	for (int i = 0; i < 12; i++) {
		result[i] = HF_E_INTERNAL;
		assert_int_equal(pthread_create(&t[i], NULL, ask, &result[i]), 0);
	}
	for (int i = 0; i < 12; i++) {
		assert_int_equal(pthread_join(t[i], NULL), 0);
		assert_int_equal(result[i], HF_OK);
	}
	assert_true(most >= 1 && most <= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_thread_does_it_with_less_weight),
		cmocka_unit_test(two_at_once_and_all_of_them_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
