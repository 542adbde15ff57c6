/* test_config.c: what a settings file may say, and what is said of one that errs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

static bool set(struct config *c, const char *key, const char *value)
{
	char why[CONFIG_WHY];

	return config_set(c, key, value, why);
}

static void values_of_each_kind(void **state)
{
	struct config c;

	(void)state;
	config_default(&c);
	assert_int_equal(c.pin_failures, 10);
	assert_true(set(&c, "pin-failures", "3") && c.pin_failures == 3);
	assert_true(set(&c, "idle-timeout", "never") && c.idle_seconds == 0);
	assert_true(set(&c, "idle-timeout", "60") && c.idle_seconds == 60);
	assert_true(set(&c, "unlock", "passphrase") && c.unlock == UNLOCK_BY_PASSPHRASE);
	assert_true(set(&c, "tpm-pcrs", "0,23") && c.tpm_pcrs == 0x800001);
	assert_true(set(&c, "tpm-pcrs", "none") && c.tpm_pcrs == 0);
	assert_true(set(&c, "clients-may-create-partitions", "no") && c.clients_may_create == 0);
	assert_true(set(&c, "socket-dir", "/run/x") && strcmp(c.socket_dir, "/run/x") == 0);
	assert_true(set(&c, "socket-dir", "none") && c.socket_dir[0] == '\0');
}

static void wrong_values_change_nothing_and_say_what_is_allowed(void **state)
{
	static const struct {
		const char *key, *value, *why;
	} cases[] = {
		{ "pin-failures", "0", "must be a number from 1 to 100" },
		{ "pin-failures", "101", "must be a number from 1 to 100" },
		{ "pin-failures", "-1", "must be a number from 1 to 100" },
		{ "pin-failures", "5x", "must be a number from 1 to 100" },
		{ "pin-failures", "", "must be a number from 1 to 100" },
		{ "pin-failures", "99999999999999999999999", "must be a number from 1 to 100" },
		{ "idle-timeout", "0", "must be a number from 1 to 31536000, or never" },
		{ "unlock", "key", "must be file, passphrase or tpm" },
		{ "tpm-pcrs", "0,24", "must be numbers from 0 to 23 with commas between, or none" },
		{ "tpm-pcrs", "0,", "must be numbers from 0 to 23 with commas between, or none" },
		{ "clients-may-create-partitions", "1", "must be no or yes" },
		{ "log-level", "loud", "must be error, warn, notice, info or debug" },
		{ "socket-dir", "here",
			"must be a path that begins with / and has less than 1024 bytes, or none" },
		{ "pin-failure", "1", "there is no such setting; holdfastd --print-config shows all" },
	};
	struct config c, was;

	(void)state;
	config_default(&c);
	was = c;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char why[CONFIG_WHY];

		assert_false(config_set(&c, cases[i].key, cases[i].value, why));
		assert_string_equal(why, cases[i].why);
		assert_memory_equal(&c, &was, sizeof(c));
	}
}

static void what_is_written_reads_back(void **state)
{
	struct config c, back;
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	config_default(&c);
	assert_true(set(&c, "workers", "7") && set(&c, "idle-timeout", "never"));
	assert_true(set(&c, "passphrase-file", "/etc/p p"));
	assert_true(config_write(&c, f, false));
	rewind(f);
	config_default(&back);
	assert_true(config_read(&back, f, "test"));
	assert_memory_equal(&c, &back, sizeof(c));
	fclose(f);
}

static bool reads(const char *text)
{
	struct config c;
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	bool ok;

	assert_non_null(f);
	config_default(&c);
	ok = config_read(&c, f, "test");
	fclose(f);
	return ok;
}

static void lines(void **state)
{
	char longest[3000];

	(void)state;
	assert_true(reads("\n  # nothing\n\tworkers=3 # three\n\nworkers =  4"));
	assert_false(reads("workers\n"));
	assert_false(reads("= 3\n"));
	assert_false(reads("workers = 3 4\n"));
	memset(longest, ' ', sizeof(longest));
	memcpy(longest + sizeof(longest) - 12, "workers = 3", 12);
	assert_false(reads(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_each_kind),
		cmocka_unit_test(wrong_values_change_nothing_and_say_what_is_allowed),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
