/* Clocks that jump, as the monitor's watch sees them: time is made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "log.h"
#include "watch.h"

static time_t wall, boot;
static unsigned events;
static char last[WATCH_WHY];

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	*ret = (struct timespec){ .tv_sec = clock == CLOCK_REALTIME ? wall : boot };
	return 0;
}

static void take(void *ctx, const char *why)
{
	(void)ctx;
	events++;
	(void)snprintf(last, sizeof(last), "%s", why);
}

static void pass(struct watch *w, time_t by_wall, time_t by_boot)
{
	wall += by_wall;
	boot += by_boot;
	watch_tick(w, NULL, 0);
}

static int setup(void **state)
{
	static const struct watcher to = { NULL, take };
	struct config c;

	config_default(&c);
	wall = 1700000000;
	boot = 1000;
	events = 0;
	*state = watch_new(&c, &to);
	return *state != NULL ? 0 : 1;
}

static int teardown(void **state)
{
	watch_close(*state);
	return 0;
}

static void time_that_passes_is_no_event(void **state)
{
	pass(*state, 1, 1);
	pass(*state, 100000, 100000); /* suspended */
	pass(*state, 2, 1);
	pass(*state, 599, 0);
	assert_int_equal(events, 0);
}

static void a_clock_set_ahead_is_one(void **state)
{
	pass(*state, 3601, 1);
	assert_int_equal(events, 1);
	assert_string_equal(last, "the clock was set 3600 s ahead");
	pass(*state, 1, 1);
	assert_int_equal(events, 1); /* told once */
}

static void a_clock_set_back_is_one(void **state)
{
	pass(*state, -600, 0);
	assert_int_equal(events, 1);
	assert_string_equal(last, "the clock was set 600 s back");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(time_that_passes_is_no_event),
		T(a_clock_set_ahead_is_one),
		T(a_clock_set_back_is_one),
	};

	log_open("test", LOG_L_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
