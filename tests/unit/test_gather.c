/* Who leads a commit waits for as many as came together lately, and no longer than one takes. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gather.h"

#define LONG_NS (1000000000ull * 3600)

struct led {
	struct mutex lock;
	struct gather g;
};

static void led_init(struct led *l)
{
	mutex_init(&l->lock);
	gather_init(&l->g);
}

static void led_done(struct led *l)
{
	gather_done(&l->g);
	mutex_done(&l->lock);
}

static void *two_more(void *arg)
{
	struct led *l = arg;

	for (int i = 0; i < 2; i++) {
		MUTEX_HOLD(&l->lock);
		gather_came(&l->g);
	}
	return NULL;
}

static void lead(struct led *l)
{
	MUTEX_HOLD(&l->lock);

	gather_came(&l->g);
	gather_wait(&l->g, &l->lock);
	assert_int_equal(l->g.goal, 0);
}

static void who_is_alone_does_not_wait(void **state)
{
	struct led l;

	(void)state;
	led_init(&l);
	for (int i = 0; i < 100; i++)
		gather_ended(&l.g, 1, LONG_NS);
	l.g.took_ns = LONG_NS;
	lead(&l);
	led_done(&l);
}

static void the_first_waits_for_those_who_came_with_it(void **state)
{
	pthread_t t;
	struct led l;

	(void)state;
	led_init(&l);
	l.g.mean = 3 * GATHER_PARTS;
	l.g.took_ns = LONG_NS;
	assert_int_equal(pthread_create(&t, NULL, two_more, &l), 0);
	lead(&l);
	assert_int_equal(l.g.queued, 3);
	assert_int_equal(pthread_join(t, NULL), 0);
	led_done(&l);
}

static void who_does_not_come_is_not_waited_for(void **state)
{
	struct led l;

	(void)state;
	led_init(&l);
	for (int i = 0; i < 100; i++)
		gather_ended(&l.g, 64, 1);
	assert_true(l.g.mean > 50 * GATHER_PARTS);
	lead(&l);
	assert_int_equal(l.g.queued, 1);
	for (int i = 0; i < 100; i++)
		gather_ended(&l.g, 1, 1);
	assert_true(l.g.mean < 3 * GATHER_PARTS / 2);
	led_done(&l);
}

static void a_commit_that_took_long_is_no_measure(void **state)
{
	struct led l;

	(void)state;
	led_init(&l);
	gather_ended(&l.g, 2, LONG_NS);
	assert_true(l.g.took_ns < LONG_NS / 1000);
	led_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_alone_does_not_wait),
		cmocka_unit_test(the_first_waits_for_those_who_came_with_it),
		cmocka_unit_test(who_does_not_come_is_not_waited_for),
		cmocka_unit_test(a_commit_that_took_long_is_no_measure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
