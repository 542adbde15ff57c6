/* err, clock, map, log, utf8, lock: what is small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "err.h"
#include "fault.h"
#include "lock.h"
#include "log.h"
#include "map.h"
#include "secret.h"
#include "utf8.h"

/* --- err ------------------------------------------------------------------- */

static void an_error_has_its_name_text_number_and_blame(void **state)
{
	(void)state;
	assert_string_equal(err_name(HF_E_PIN_INCORRECT), "PIN_INCORRECT");
	assert_string_equal(err_text(HF_E_PIN_INCORRECT), "the PIN is wrong");
	assert_int_equal(err_ckr(HF_E_PIN_INCORRECT), 0xa0);
	assert_int_equal(err_blame(HF_E_PIN_INCORRECT), HF_BLAME_POLICY);
	assert_int_equal(err_ckr(HF_OK), 0);
	assert_int_equal(err_blame(HF_OK), HF_BLAME_NONE);
}

static void every_error_has_a_text_and_is_no_success(void **state)
{
	(void)state;
	for (unsigned e = 1; e < HF_ERR_COUNT; e++) {
		assert_true(strlen(err_text((enum hf_err)e)) > 5);
		assert_int_not_equal(err_ckr((enum hf_err)e), 0);
		assert_int_not_equal(err_blame((enum hf_err)e), HF_BLAME_NONE);
	}
}

static void a_number_from_the_wire_that_is_no_error_is_an_internal_one(void **state)
{
	(void)state;
	assert_int_equal(err_from_wire(0), HF_OK);
	assert_int_equal(err_from_wire(HF_E_LOCKED), HF_E_LOCKED);
	assert_int_equal(err_from_wire(HF_ERR_COUNT), HF_E_INTERNAL);
	assert_int_equal(err_from_wire(0xffff), HF_E_INTERNAL);
	assert_string_equal(err_name((enum hf_err)HF_ERR_COUNT), "INTERNAL");
}

/* --- clock ----------------------------------------------------------------- */

static void a_time_prints_as_iso_8601(void **state)
{
	static const struct {
		uint64_t us;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000000Z" },
		{ 951782400000001, "2000-02-29T00:00:00.000001Z" },
		{ 1709251199999999, "2024-02-29T23:59:59.999999Z" },
		{ 1709251200000000, "2024-03-01T00:00:00.000000Z" },
		{ 4107542399000000, "2100-02-28T23:59:59.000000Z" },
		{ 4107542400000000, "2100-03-01T00:00:00.000000Z" }, /* no leap year */
		{ 1767225599123456, "2025-12-31T23:59:59.123456Z" },
		{ UINT64_MAX, "9999-12-31T23:59:59.999999Z" },
	};
	char text[28];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		clock_iso(cases[i].us, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void clocks_go_forward(void **state)
{
	uint64_t mono = clock_mono_ns();

	(void)state;
	assert_true(clock_mono_ns() >= mono);
	assert_true(clock_wall_us() > 1700000000000000u);
}

/* --- map --------------------------------------------------------------------- */

#define NODES 5000

static void a_map_finds_what_was_put_and_not_what_was_deleted(void **state)
{
	struct map_node *node = hf_alloc(NODES, sizeof(*node));
	struct map m = { 0 };

	(void)state;
	assert_null(map_get(&m, 1));
	assert_null(map_del(&m, 1));
	for (uint64_t i = 0; i < NODES; i++)
		assert_int_equal(map_put(&m, i << 20, &node[i]), HF_OK);
	for (uint64_t i = 0; i < NODES; i += 2)
		assert_ptr_equal(map_del(&m, i << 20), &node[i]);
	assert_int_equal(m.n, NODES / 2);
	for (uint64_t i = 0; i < NODES; i++)
		assert_ptr_equal(map_get(&m, i << 20), i % 2 ? &node[i] : NULL);
	map_done(&m);
	hf_free(node);
}

static void room_made_before_changes_nothing_else(void **state)
{
	struct map_node *node = hf_alloc(NODES, sizeof(*node));
	struct map m = { 0 };
	size_t slots;

	(void)state;
	map_prefetch(&m, 1, false);
	map_prefetch(&m, 1, true);
	for (uint64_t i = 0; i < NODES / 2; i++)
		assert_int_equal(map_put(&m, i, &node[i]), HF_OK);
	assert_int_equal(map_reserve(&m, NODES), HF_OK);
	slots = m.slots;
	assert_true(slots >= NODES);
	for (uint64_t i = NODES / 2; i < NODES; i++) {
		map_prefetch(&m, i, true);
		assert_int_equal(map_put(&m, i, &node[i]), HF_OK);
	}
	assert_int_equal(map_reserve(&m, 1), HF_OK);
	assert_int_equal(m.slots, slots);
	for (uint64_t i = 0; i < NODES; i++)
		assert_ptr_equal(map_get(&m, i), &node[i]);
	map_done(&m);
	hf_free(node);
}

static void a_key_is_in_a_map_once(void **state)
{
	struct map_node a, b;
	struct map m = { 0 };

	(void)state;
	assert_int_equal(map_put(&m, 7, &a), HF_OK);
	assert_int_equal(map_put(&m, 7, &b), HF_E_CONFLICT);
	assert_ptr_equal(map_get(&m, 7), &a);
	map_done(&m);
}

static void a_walk_meets_every_node_once_and_survives_deleting(void **state)
{
	struct map_node node[100], *at, *next;
	struct map m = { 0 };
	unsigned met = 0;

	(void)state;
	assert_null(map_next(&m, NULL));
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(map_put(&m, i, &node[i]), HF_OK);
	for (at = map_next(&m, NULL); at != NULL; at = next) {
		next = map_next(&m, at);
		assert_ptr_equal(map_del(&m, at->key), at);
		met++;
	}
	assert_int_equal(met, 100);
	assert_int_equal(m.n, 0);
	map_done(&m);
}

static unsigned freed;

static void count_free(struct map_node *n)
{
	freed++;
	hf_free(n);
}

static void a_map_is_freed_with_its_nodes(void **state)
{
	struct map m = { 0 };

	(void)state;
	map_free(&m, count_free);
	assert_int_equal(freed, 0);
	for (uint64_t i = 0; i < 100; i++) {
		struct map_node *n = hf_alloc(1, sizeof(*n));

		assert_non_null(n);
		assert_int_equal(map_put(&m, i, n), HF_OK);
	}
	map_free(&m, count_free);
	assert_int_equal(freed, 100);
	assert_null(map_next(&m, NULL));
	assert_int_equal(m.n, 0);
}

static void a_map_without_memory_stays_as_it_was(void **state)
{
	struct map_node node;
	struct map m = { 0 };

	(void)state;
	secret_fail_after(1);
	assert_int_equal(map_put(&m, 1, &node), HF_E_MEMORY);
	assert_true(secret_fail_fired());
	assert_int_equal(map_put(&m, 1, &node), HF_OK);
	map_done(&m);
}

/* --- log --------------------------------------------------------------------- */

struct capture {
	int saved, read_end;
};

static struct capture capture_begin(void)
{
	struct capture c;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	c.saved = dup(STDERR_FILENO);
	c.read_end = fds[0];
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	(void)close(fds[1]);
	return c;
}

static void capture_end(struct capture *c, char *out, size_t size)
{
	ssize_t n;

	(void)dup2(c->saved, STDERR_FILENO);
	(void)close(c->saved);
	n = read(c->read_end, out, size - 1);
	assert_true(n >= 0);
	out[n] = '\0';
	(void)close(c->read_end);
}

static void a_log_line_has_name_level_and_text(void **state)
{
	struct capture c = capture_begin();
	char out[200];

	(void)state;
	(void)setenv("JOURNAL_STREAM", "1:2", 1);
	log_open("vault", LOG_L_INFO);
	errno = ENOENT;
	log_warn("no file %d", 3);
	capture_end(&c, out, sizeof(out));
	assert_int_equal(errno, ENOENT);
	assert_string_equal(out, "vault: warn: no file 3\n");
}

static void a_log_line_carries_the_time_where_the_journal_does_not(void **state)
{
	struct capture c = capture_begin();
	char out[200];

	(void)state;
	(void)unsetenv("JOURNAL_STREAM");
	log_open("gate", LOG_L_INFO);
	log_error("x");
	capture_end(&c, out, sizeof(out));
	assert_int_equal(strlen(out), 27 + strlen(" gate: error: x\n"));
	assert_string_equal(out + 27, " gate: error: x\n");
}

static void what_is_below_the_level_is_not_logged(void **state)
{
	struct capture c = capture_begin();
	char out[200];

	(void)state;
	log_open("vault", LOG_L_WARN);
	log_notice("hidden");
	log_error("shown");
	capture_end(&c, out, sizeof(out));
	assert_null(strstr(out, "hidden"));
	assert_non_null(strstr(out, "shown"));
}

static void a_log_line_stays_one_line(void **state)
{
	struct capture c = capture_begin();
	char out[3000], text[2000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "a\nb\033[c", 6);
	log_open("vault", LOG_L_WARN);
	log_error("%s", text);
	capture_end(&c, out, sizeof(out));
	assert_true(strlen(out) <= 1024);
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	assert_non_null(strstr(out, "a b [c"));
}

static void strange_bytes_are_made_safe_for_a_log_line(void **state)
{
	char out[8];

	(void)state;
	assert_string_equal(log_safe(SLICE_STR("a\nb\xff"), out, sizeof(out)), "a?b?");
	assert_string_equal(log_safe(SLICE_STR("0123456789"), out, sizeof(out)), "0123456");
}

static void log_levels_have_names(void **state)
{
	enum log_level l = LOG_L_ERROR;

	(void)state;
	assert_true(log_level_of("debug", &l));
	assert_int_equal(l, LOG_L_DEBUG);
	assert_false(log_level_of("loud", &l));
	assert_int_equal(l, LOG_L_DEBUG);
}

/* --- utf8 -------------------------------------------------------------------- */

static void text_is_well_formed_utf8_without_nul(void **state)
{
	static const struct {
		const char *s;
		size_t n;
		bool valid;
		const char *why;
	} cases[] = {
		{ "", 0, true, "empty" },
		{ "abc", 3, true, "ASCII" },
		{ "a\0c", 3, false, "NUL" },
		{ "\xc3\xa9", 2, true, "two bytes" },
		{ "\xe2\x82\xac", 3, true, "three bytes" },
		{ "\xf0\x9f\x94\x91", 4, true, "four bytes" },
		{ "\xf4\x8f\xbf\xbf", 4, true, "the last code point" },
		{ "\xf4\x90\x80\x80", 4, false, "past the last code point" },
		{ "\xf5\x80\x80\x80", 4, false, "a lead byte that is none" },
		{ "\xc0\x80", 2, false, "NUL in two bytes" },
		{ "\xc1\xbf", 2, false, "overlong, two bytes" },
		{ "\xe0\x9f\xbf", 3, false, "overlong, three bytes" },
		{ "\xf0\x8f\xbf\xbf", 4, false, "overlong, four bytes" },
		{ "\xed\xa0\x80", 3, false, "a surrogate" },
		{ "\xed\x9f\xbf", 3, true, "just before the surrogates" },
		{ "\xe2\x82", 2, false, "cut short" },
		{ "\xe2\x82" "a", 3, false, "ASCII inside" },
		{ "\xe2\x28\xa1", 3, false, "a wrong second byte" },
		{ "\x80", 1, false, "a continuation alone" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice s = { (const uint8_t *)cases[i].s, cases[i].n };

		if (utf8_valid(s) != cases[i].valid)
			fail_msg("%s", cases[i].why);
	}
}

static void text_that_steers_a_terminal_is_not_printable(void **state)
{
	static const char *const bad[] = { "a\nb", "\x1b[2J", "\x7f", "\xc2\x9b" "2J", "a\xe2\x80\xae" "b",
		"\xe2\x80\x8f", "\xe2\x81\xa6", "\xe2\x80\xa8", "\xd8\x9c", "\xc3" };
	static const char *const good[] = { "", "box 1", "Gr\xc3\xbc\xc3\x9f" "e", "\xe2\x82\xac",
		"\xf0\x9f\x94\x91", "\xc2\xa0", "\xe2\x80\x90" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(utf8_printable(slice_str(bad[i])));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(utf8_printable(slice_str(good[i])));
}

/* --- lock -------------------------------------------------------------------- */

static void a_wait_ends_when_its_time_has_come(void **state)
{
	struct mutex l = MUTEX_INIT;
	struct cond c;
	uint64_t until = clock_mono_ns() + 2000000;

	(void)state;
	cond_init(&c);
	mutex_lock(&l);
	while (cond_wait_until(&c, &l, until))
		;
	mutex_unlock(&l);
	assert_true(clock_mono_ns() >= until);
	cond_done(&c);
	mutex_done(&l);
}

static void a_held_mutex_is_released_at_the_end_of_the_scope(void **state)
{
	struct mutex l = MUTEX_INIT;

	(void)state;
	{
		MUTEX_HOLD(&l);
		assert_int_equal(pthread_mutex_trylock(&l.m), EBUSY);
	}
	assert_int_equal(pthread_mutex_trylock(&l.m), 0);
	mutex_unlock(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_has_its_name_text_number_and_blame),
		cmocka_unit_test(every_error_has_a_text_and_is_no_success),
		cmocka_unit_test(a_number_from_the_wire_that_is_no_error_is_an_internal_one),
		cmocka_unit_test(a_time_prints_as_iso_8601),
		cmocka_unit_test(clocks_go_forward),
		cmocka_unit_test(a_map_finds_what_was_put_and_not_what_was_deleted),
		cmocka_unit_test(room_made_before_changes_nothing_else),
		cmocka_unit_test(a_key_is_in_a_map_once),
		cmocka_unit_test(a_walk_meets_every_node_once_and_survives_deleting),
		cmocka_unit_test(a_map_is_freed_with_its_nodes),
		cmocka_unit_test(a_map_without_memory_stays_as_it_was),
		cmocka_unit_test(a_log_line_has_name_level_and_text),
		cmocka_unit_test(a_log_line_carries_the_time_where_the_journal_does_not),
		cmocka_unit_test(what_is_below_the_level_is_not_logged),
		cmocka_unit_test(a_log_line_stays_one_line),
		cmocka_unit_test(strange_bytes_are_made_safe_for_a_log_line),
		cmocka_unit_test(log_levels_have_names),
		cmocka_unit_test(text_is_well_formed_utf8_without_nul),
		cmocka_unit_test(text_that_steers_a_terminal_is_not_printable),
		cmocka_unit_test(a_wait_ends_when_its_time_has_come),
		cmocka_unit_test(a_held_mutex_is_released_at_the_end_of_the_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
