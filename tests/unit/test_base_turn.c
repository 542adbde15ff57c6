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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_is_given_and_the_time_known_after_it),
		cmocka_unit_test(while_turns_are_dear_none_is_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
