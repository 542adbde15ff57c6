/* test_aside.c: connections whose calls are put aside, and who goes on with them. The module is made up: a
 * call is over when it has been gone on with as often as it has to be. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aside.h"

#define CONNS 100
#define TIMES 20
#define PUTTERS 4

static struct aside aside;
static struct conn conn[CONNS];
static _Atomic unsigned went_on[CONNS], over;

/* again: the call is put aside once more, until it has been so TIMES times. */
static bool again(void *ctx, struct conn *c, struct lane *l)
{
	unsigned n = atomic_fetch_add(&went_on[c - conn], 1) + 1;

	(void)ctx;
	(void)l;
	if (n < TIMES) {
		c->later.ready(c->later.ctx); /* before it is put down */
		return false;
	}
	atomic_fetch_add(&over, 1);
	return true;
}

static bool once(void *ctx, struct conn *c, struct lane *l)
{
	(void)ctx;
	(void)l;
	atomic_fetch_add(&went_on[c - conn], 1);
	atomic_fetch_add(&over, 1);
	return true;
}

static _Atomic unsigned waiting;

/* waits: the first ones wait, as for a disk, until another one has been gone on with. */
static bool waits(void *ctx, struct conn *c, struct lane *l)
{
	if (atomic_fetch_add(&waiting, 1) < ASIDE_THREADS - 1) {
		waiting_begin();
		while (atomic_load(&over) == 0)
			sched_yield();
		waiting_end();
	}
	return once(ctx, c, l);
}

static void start(bool (*go_on)(void *ctx, struct conn *c, struct lane *l))
{
	assert_int_equal(aside_start(&aside, &(struct aside_server){ go_on, NULL }), HF_OK);
	atomic_store(&over, 0);
	atomic_store(&waiting, 0);
	for (unsigned i = 0; i < CONNS; i++) {
		conn[i] = (struct conn){ 0 };
		atomic_store(&went_on[i], 0);
		aside_welcome(&aside, &conn[i]);
	}
}

static void ready(unsigned i)
{
	conn[i].later.ready(conn[i].later.ctx);
}

static void all_are_down_and_ready(void)
{
	for (unsigned i = 0; i < CONNS; i++) {
		aside_put(&aside, &conn[i]);
		ready(i);
	}
}

static void each_has_gone_on(unsigned times)
{
	aside_stop(&aside);
	assert_int_equal(over, CONNS);
	for (unsigned i = 0; i < CONNS; i++)
		assert_int_equal(went_on[i], times);
}

static void a_call_goes_on_when_it_is_down_and_ready(void **state)
{
	(void)state;
	start(once);
	for (unsigned i = 0; i < CONNS; i++) {
		aside_put(&aside, &conn[i]);
		assert_int_equal(went_on[i], 0);
	}
	for (unsigned i = 0; i < CONNS; i++)
		ready(i);
	each_has_gone_on(1);
}

static void it_may_be_ready_before_it_is_down(void **state)
{
	(void)state;
	start(once);
	for (unsigned i = 0; i < CONNS; i++)
		ready(i);
	for (unsigned i = 0; i < CONNS; i++) {
		assert_int_equal(went_on[i], 0);
		aside_put(&aside, &conn[i]);
	}
	each_has_gone_on(1);
}

static void it_may_be_put_aside_again_and_again(void **state)
{
	(void)state;
	start(again);
	all_are_down_and_ready();
	each_has_gone_on(TIMES);
}

static void while_some_wait_for_the_disk_another_goes_on(void **state)
{
	(void)state;
	start(waits);
	all_are_down_and_ready();
	each_has_gone_on(1);
}

static void *put_some(void *arg)
{
	unsigned from = *(const unsigned *)arg;

	for (unsigned i = from; i < CONNS; i += PUTTERS)
		aside_put(&aside, &conn[i]);
	return NULL;
}

static void of_many_threads_none_is_forgotten(void **state)
{
	pthread_t t[PUTTERS];
	unsigned from[PUTTERS];

	(void)state;
	start(again);
	for (unsigned i = 0; i < PUTTERS; i++) {
		from[i] = i;
		assert_int_equal(pthread_create(&t[i], NULL, put_some, &from[i]), 0);
	}
	for (unsigned i = 0; i < CONNS; i++)
		ready(i);
	for (unsigned i = 0; i < PUTTERS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	each_has_gone_on(TIMES);
}

static void *stop(void *arg)
{
	(void)arg;
	aside_stop(&aside);
	return NULL;
}

static void the_end_waits_for_what_is_aside(void **state)
{
	pthread_t t;

	(void)state;
	start(once);
	for (unsigned i = 0; i < CONNS; i++)
		aside_put(&aside, &conn[i]);
	assert_int_equal(pthread_create(&t, NULL, stop, NULL), 0);
	for (unsigned i = 0; i < CONNS; i++)
		ready(i);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(over, CONNS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_goes_on_when_it_is_down_and_ready),
		cmocka_unit_test(it_may_be_ready_before_it_is_down),
		cmocka_unit_test(it_may_be_put_aside_again_and_again),
		cmocka_unit_test(while_some_wait_for_the_disk_another_goes_on),
		cmocka_unit_test(of_many_threads_none_is_forgotten),
		cmocka_unit_test(the_end_waits_for_what_is_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
