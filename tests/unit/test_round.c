/* test_round.c: connections that are served in turn. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "round.h"

#define CONNS 3
#define NOW 1000000000u
#define NOWHERE 0 /* no processor's seat */
#define LONG_AFTER (NOW + 1000000000u)

static struct round round_of;
static struct conn conn[CONNS];
static struct channel *client[CONNS];

static int setup(void **state)
{
	struct channel *made;
	int fd;

	(void)state;
	round_init(&round_of);
	for (unsigned i = 0; i < CONNS; i++) {
		conn[i] = (struct conn){ 0 };
		assert_int_equal(channel_make(&made, &fd), HF_OK);
		conn[i].channel = made;
		assert_int_equal(channel_open(fd, &client[i]), HF_OK);
		close(fd);
		conn_watch(&conn[i]);
		round_put(&round_of, &conn[i], NOW);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONNS; i++) {
		channel_close(client[i]);
		channel_close(conn[i].channel);
	}
	mutex_done(&round_of.lock);
	return 0;
}

static void ask(unsigned i)
{
	const struct request q = { .head = { .opcode = 1 } };

	assert_false(channel_ask(client[i], &q)); /* nobody need ring */
}

static void nobody_is_taken_who_does_not_ask(void **state)
{
	(void)state;
	assert_null(round_take(&round_of, NOW, NOWHERE));
	assert_false(round_empty(&round_of));
}

static void who_asks_is_taken_before_who_does_not(void **state)
{
	(void)state;
	ask(1);
	assert_ptr_equal(round_take(&round_of, NOW, NOWHERE), &conn[1]);
	assert_null(round_take(&round_of, NOW, NOWHERE));
}

static void each_gets_one_answer_before_any_gets_two(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONNS; i++)
		ask(i);
	for (unsigned i = 0; i < 2 * CONNS; i++) {
		struct conn *c = round_take(&round_of, NOW, NOWHERE);

		assert_ptr_equal(c, &conn[i % CONNS]);
		round_put(&round_of, c, NOW); /* it asks again at once */
	}
}

/* sit has this thread run on the n-th processor that it may use; false: there are less. */
static bool sit(unsigned n, unsigned *ret_seat)
{
	static cpu_set_t all;
	cpu_set_t one;

	if (CPU_COUNT(&all) == 0)
		assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all) && n-- == 0) {
			CPU_ZERO(&one);
			CPU_SET(i, &one);
			*ret_seat = i + 1;
			return sched_setaffinity(0, sizeof(one), &one) == 0;
		}
	return false;
}

static void who_asks_here_goes_first_but_not_always(void **state)
{
	unsigned here, there;

	(void)state;
	if (!sit(0, &there))
		fail();
	ask(0);
	if (!sit(1, &here))
		skip();
	ask(1);
	ask(2);
	for (unsigned i = 0; i < CONNS; i++) {
		struct conn *c = round_take(&round_of, NOW, here);

		assert_ptr_equal(c, &conn[1 + i % 2]);
		if (i < CONNS - 1) /* or there are less now, which makes him wait no longer */
			round_put(&round_of, c, NOW);
	}
	assert_ptr_equal(round_take(&round_of, NOW, here), &conn[0]);
}

static void who_asks_elsewhere_is_taken_if_none_is_here(void **state)
{
	unsigned there;

	(void)state;
	if (!sit(0, &there))
		fail();
	ask(2);
	assert_ptr_equal(round_take(&round_of, NOW, there + 1), &conn[2]);
}

static void who_is_silent_for_long_is_taken_out(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONNS; i++) {
		assert_ptr_equal(round_take(&round_of, LONG_AFTER, NOWHERE), &conn[i]);
		assert_false(conn_asked(&conn[i]));
	}
	assert_true(round_empty(&round_of));
}

static void the_round_can_be_emptied(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONNS; i++)
		assert_ptr_equal(round_pop(&round_of), &conn[i]);
	assert_null(round_pop(&round_of));
	assert_true(round_empty(&round_of));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nobody_is_taken_who_does_not_ask, setup, teardown),
		cmocka_unit_test_setup_teardown(who_asks_is_taken_before_who_does_not, setup, teardown),
		cmocka_unit_test_setup_teardown(each_gets_one_answer_before_any_gets_two, setup, teardown),
		cmocka_unit_test_setup_teardown(who_asks_here_goes_first_but_not_always, setup, teardown),
		cmocka_unit_test_setup_teardown(who_asks_elsewhere_is_taken_if_none_is_here, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_silent_for_long_is_taken_out, setup, teardown),
		cmocka_unit_test_setup_teardown(the_round_can_be_emptied, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
