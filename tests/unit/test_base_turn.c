#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "turn.h"

static void a_turn_is_given_and_the_time_known_after_it(void **state)
{
	struct turn t = { 0 };
	uint64_t before = clock_mono_ns();

	(void)state;
	assert_true(turn_give(&t));
	assert_true(t.now >= before);
}

static void while_turns_are_dear_none_is_given(void **state)
{
	struct turn t = { .dear_until = clock_mono_ns() + 1000000000000u };

	(void)state;
	assert_false(turn_give(&t));
	assert_true(t.now > 0);
	t.dear_until = clock_mono_ns();
	assert_true(turn_give(&t));
}

static unsigned turns_of_one_wait(struct turn *t)
{
	unsigned n = 0;

	turn_begin(t);
	for (; n < 1000 && turn_give_in_crowd(t); n++)
		t->dear_until = 0; /* whatever else runs here */
	return n;
}

static void in_a_crowd_few_turns_must_do(void **state)
{
	struct turn t = { 0 };
	unsigned n = turns_of_one_wait(&t), slept = 0;

	(void)state;
	assert_in_range(n, 1, 999);
	while (slept < 10000 && turns_of_one_wait(&t) == 0)
		slept++;
	assert_in_range(slept, 1, 9999);
	assert_true(turn_give(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_is_given_and_the_time_known_after_it),
		cmocka_unit_test(while_turns_are_dear_none_is_given),
		cmocka_unit_test(in_a_crowd_few_turns_must_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
