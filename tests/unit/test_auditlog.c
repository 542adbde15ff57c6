/* The audit log's files: order, damage, torn ends, full disks. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "auditlog.h"
#include "fault.h"
#include "scratch.h"

#define FIRST "audit/00000000000000000001.log"
#define AROUND (AUDITSEG_HEAD + AUDITSEG_TAIL)

static struct scratch scratch;
static struct auditlog *audit;

/* The log's calls come here: fail_syncs of them fail; writes are counted. */
static unsigned syncs, fail_syncs, writes;

__attribute__((visibility("default"))) int fdatasync(int fd)
{
	syncs++;
	if (fail_syncs > 0) {
		fail_syncs--;
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	writes++;
	return syscall(SYS_pwrite64, fd, p, n, at);
}

static void again_with(size_t segment_bytes)
{
	auditlog_close(audit);
	audit = NULL;
	assert_int_equal(auditlog_open(scratch.fd, "audit", segment_bytes, &audit), HF_OK);
}

static void again(void)
{
	again_with(1u << 20);
}

static int setup(void **state)
{
	(void)state;
	scratch_new(&scratch);
	audit = NULL;
	again();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fail_syncs = 0;
	auditlog_close(audit);
	scratch_free(&scratch);
	return 0;
}

static enum hf_err append(uint64_t seq, const char *text)
{
	struct slice s = slice_str(text);

	return auditlog_append(audit, seq, &s, 1);
}

/* number makes records "record 1", "record 2", ... from..to. */
static void number(uint64_t from, uint64_t to)
{
	char text[32];

	for (; from <= to; from++) {
		(void)snprintf(text, sizeof(text), "record %llu", (unsigned long long)from);
		assert_int_equal(append(from, text), HF_OK);
	}
}

/* struct seen writes down "1,2,3," and marks those that are not "record N". */
struct seen {
	char s[400];
	size_t max, n;
};

static bool see(void *ctx, uint64_t seq, struct slice record)
{
	struct seen *t = ctx;
	size_t used = strlen(t->s);
	char right[32];

	(void)snprintf(right, sizeof(right), "record %llu", (unsigned long long)seq);
	(void)snprintf(t->s + used, sizeof(t->s) - used, "%llu%s,", (unsigned long long)seq,
		slice_eq(record, slice_str(right)) ? "" : "?");
	return ++t->n != t->max;
}

static const char *seen(uint64_t from, size_t max)
{
	static struct seen t;

	t = (struct seen){ .max = max };
	assert_int_equal(auditlog_read(audit, from, see, &t), HF_OK);
	return t.s;
}

static void flip(const char *name, size_t at)
{
	size_t n;
	uint8_t *p = scratch_read(&scratch, name, &n);

	assert_true(at < n);
	p[at] ^= 0x10;
	scratch_write(&scratch, name, (struct slice){ p, n });
	free(p);
}

/* --- order ---------------------------------------------------------------------------------- */

static void records_come_back_in_order(void **state)
{
	(void)state;
	assert_int_equal(auditlog_last(audit), 0);
	assert_string_equal(seen(1, 0), "");
	number(1, 5);
	assert_int_equal(auditlog_last(audit), 5);
	assert_string_equal(seen(1, 0), "1,2,3,4,5,");
	assert_string_equal(seen(3, 2), "3,4,");
	assert_string_equal(seen(6, 0), "");
	again();
	assert_int_equal(auditlog_last(audit), 5);
	assert_string_equal(seen(0, 0), "1,2,3,4,5,");
	number(6, 6);
	assert_string_equal(seen(5, 0), "5,6,");
}

static void a_gap_and_a_repetition_are_refused(void **state)
{
	(void)state;
	assert_int_equal(append(0, "x"), HF_E_CONFLICT);
	number(1, 3);
	assert_int_equal(append(3, "x"), HF_E_CONFLICT);
	assert_int_equal(append(5, "x"), HF_E_CONFLICT);
	again();
	assert_int_equal(append(3, "x"), HF_E_CONFLICT);
	number(4, 4);
	assert_string_equal(seen(1, 0), "1,2,3,4,");
}

static void several_are_appended_in_one_write_or_not_at_all(void **state)
{
	static uint8_t big[AUDITLOG_RECORD_MAX + 1];
	const struct slice good[] = { SLICE_STR("record 1"), SLICE_STR("record 2"), SLICE_STR("record 3") };
	const struct slice bad[] = { SLICE_STR("record 4"), SLICE_OF(big) };

	(void)state;
	writes = 0;
	assert_int_equal(auditlog_append(audit, 1, good, 3), HF_OK);
	assert_int_equal(writes, 1);
	assert_int_equal(auditlog_append(audit, 4, bad, 2), HF_E_TOO_BIG);
	assert_int_equal(auditlog_append(audit, 9, NULL, 0), HF_OK);
	assert_string_equal(seen(1, 0), "1,2,3,");
}

static void the_greatest_and_the_empty_record_fit(void **state)
{
	static uint8_t big[AUDITLOG_RECORD_MAX];
	const struct slice v[] = { SLICE_OF(big), SLICE_NONE, SLICE_STR("record 3") };

	(void)state;
	assert_int_equal(auditlog_append(audit, 1, v, 3), HF_OK);
	again();
	assert_string_equal(seen(1, 0), "1?,2?,3,");
}

static void segments_are_named_after_their_first_record(void **state)
{
	(void)state;
	again_with(60); /* three records of 24 bytes */
	number(1, 10);
	assert_int_equal(scratch_size(&scratch, FIRST), 72);
	assert_int_equal(scratch_size(&scratch, "audit/00000000000000000004.log"), 72);
	assert_int_equal(scratch_size(&scratch, "audit/00000000000000000010.log"), AROUND + 9);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(seen(1, 0), "1,2,3,4,5,6,7,8,9,10,");
		assert_string_equal(seen(4, 1), "4,");
		assert_string_equal(seen(6, 2), "6,7,");
		assert_string_equal(seen(10, 0), "10,");
		again_with(60);
	}
	number(11, 11);
	assert_string_equal(seen(9, 0), "9,10,11,");
}

static void its_files_are_nobody_elses_and_others_are_left_alone(void **state)
{
	struct stat st;

	(void)state;
	scratch_write(&scratch, "audit/1.log", SLICE_STR("x"));
	scratch_write(&scratch, "audit/00000000000000000009.log.gz", SLICE_STR("x"));
	scratch_write(&scratch, "audit/README", SLICE_STR("x"));
	again();
	number(1, 1);
	assert_int_equal(fstatat(scratch.fd, "audit", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(fstatat(scratch.fd, FIRST, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(scratch_size(&scratch, "audit/1.log"), 1);
}

static void many_records_are_found_by_number(void **state)
{
	static const uint64_t at[] = { 1, 2, 1023, 1024, 1025, 1026, 2050, 4999, 5000 };
	char text[24];

	(void)state;
	again_with(60000); /* about 2000 records */
	number(1, 5000);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
			(void)snprintf(text, sizeof(text), "%llu,", (unsigned long long)at[i]);
			assert_string_equal(seen(at[i], 1), text);
		}
		if (round == 1) /* without what was remembered while appending */
			again_with(60000);
	}
}

/* --- damage --------------------------------------------------------------------------------- */

/* Records are AROUND + 8 bytes: 24. */
static void a_torn_end_is_cut_off_wherever_it_tore(void **state)
{
	size_t n;
	uint8_t *p;

	(void)state;
	number(1, 3);
	p = scratch_read(&scratch, FIRST, &n);
	assert_int_equal(n, 72);
	for (size_t keep = 49; keep < 72; keep++) {
		scratch_write(&scratch, FIRST, (struct slice){ p, keep });
		again();
		assert_int_equal(auditlog_last(audit), 2);
		assert_int_equal(scratch_size(&scratch, FIRST), 48);
		number(3, 3);
		assert_string_equal(seen(1, 0), "1,2,3,");
	}
	free(p);
}

static void an_end_of_zeros_or_noise_is_cut_off(void **state)
{
	uint8_t tail[300] = { 0 };

	(void)state;
	for (int round = 0; round < 3; round++) {
		uint8_t file[48 + sizeof(tail)], *p;
		size_t n;

		if (round == 0)
			number(1, 2);
		p = scratch_read(&scratch, FIRST, &n);
		assert_int_equal(n, 48);
		memcpy(file, p, n);
		memcpy(file + n, tail, sizeof(tail));
		free(p);
		scratch_write(&scratch, FIRST, SLICE_OF(file));
		again();
		assert_int_equal(auditlog_last(audit), 2);
		assert_string_equal(seen(1, 0), "1,2,");
		memset(tail, 0x40 * round + 1, sizeof(tail));
	}
}

static void a_damaged_record_is_given_as_it_is_and_the_others_serve(void **state)
{
	static const size_t places[] = { 24 + 12, 24 + 19, 24 + 20, 24 + 23 }; /* record, crc */

	(void)state;
	number(1, 4);
	for (size_t i = 0; i < 4; i++) {
		flip(FIRST, places[i]);
		for (int round = 0; round < 2; round++) {
			assert_string_equal(seen(1, 0), i < 2 ? "1,2?,3,4," : "1,2,3,4,");
			assert_int_equal(scratch_size(&scratch, FIRST), 96);
			again();
			assert_int_equal(auditlog_last(audit), 4);
		}
		flip(FIRST, places[i]);
	}
}

static void a_record_with_a_broken_head_is_jumped_over(void **state)
{
	static const size_t places[] = { 24, 26, 27, 28, 35 }; /* length, number */

	(void)state;
	number(1, 4);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		flip(FIRST, places[i]);
		again();
		assert_int_equal(auditlog_last(audit), 4);
		assert_string_equal(seen(1, 0), "1,3,4,");
		assert_string_equal(seen(2, 1), "3,");
		flip(FIRST, places[i]);
	}
	number(5, 5);
	assert_string_equal(seen(1, 0), "1,2,3,4,5,");
}

static void damage_at_the_end_of_an_older_segment_stays_there(void **state)
{
	(void)state;
	again_with(60);
	number(1, 5);
	flip(FIRST, 48 + 15);
	again_with(60);
	assert_string_equal(seen(1, 0), "1,2,3?,4,5,");
	flip(FIRST, 48 + 4);
	assert_string_equal(seen(1, 0), "1,2,4,5,");
	assert_int_equal(scratch_size(&scratch, FIRST), 72);
}

static void a_missing_segment_leaves_the_others(void **state)
{
	(void)state;
	again_with(60);
	number(1, 9);
	assert_int_equal(unlinkat(scratch.fd, "audit/00000000000000000004.log", 0), 0);
	again_with(60);
	assert_string_equal(seen(1, 0), "1,2,3,7,8,9,");
	assert_string_equal(seen(5, 1), "7,");
}

static void any_bytes_are_read_without_harm(void **state)
{
	uint8_t *good, *bad;
	size_t n;

	(void)state;
	number(1, 40);
	good = scratch_read(&scratch, FIRST, &n);
	bad = malloc(n);
	assert_non_null(bad);
	srandom(11);
	for (int round = 0; round < 50; round++) {
		struct seen t = { 0 };
		size_t keep = round % 2 ? n : (size_t)random() % n;
		uint64_t last;

		memcpy(bad, good, n);
		for (long k = random() % 8; k > 0; k--)
			bad[(size_t)random() % n] = (uint8_t)random();
		scratch_write(&scratch, FIRST, (struct slice){ bad, keep });
		again();
		last = auditlog_last(audit);
		assert_true(last <= 40);
		assert_int_equal(auditlog_read(audit, 1, see, &t), HF_OK);
		assert_true(t.n <= last);
		assert_int_equal(append(last + 1, "next"), HF_OK);
	}
	free(good);
	free(bad);
}

/* --- disks ---------------------------------------------------------------------------------- */

static void what_a_full_disk_took_in_part_is_taken_back(void **state)
{
	struct rlimit old, few;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	number(1, 2);
	few = (struct rlimit){ 60, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(append(3, "record 3"), HF_E_STORE);
		assert_int_equal(scratch_size(&scratch, FIRST), 48);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_string_equal(seen(1, 0), "1,2,");
	number(3, 4);
	again();
	assert_string_equal(seen(1, 0), "1,2,3,4,");
}

static void a_full_disk_at_a_new_segment_is_no_end(void **state)
{
	static uint8_t ballast[1000000], big[60000];
	const struct slice v[] = { SLICE_OF(big), SLICE_OF(big) };

	(void)state;
	auditlog_close(audit);
	audit = NULL;
	if (!scratch_disk(&scratch, 1u << 20)) {
		print_message("no mount namespace here\n");
		again();
		skip();
	}
	again_with(60);
	number(1, 3);
	scratch_write(&scratch, "ballast", SLICE_OF(ballast));
	for (int i = 0; i < 2; i++) { /* the second time the segment is there already */
		assert_int_equal(auditlog_append(audit, 4, v, 2), HF_E_STORE);
		assert_string_equal(seen(1, 0), "1,2,3,");
	}
	again_with(60); /* an empty last segment */
	assert_int_equal(auditlog_last(audit), 3);
	assert_int_equal(append(5, "x"), HF_E_CONFLICT);
	assert_int_equal(unlinkat(scratch.fd, "ballast", 0), 0);
	number(4, 4);
	assert_int_equal(auditlog_append(audit, 5, v, 2), HF_OK);
	assert_string_equal(seen(1, 0), "1,2,3,4,5?,6?,");
}

static void sync_asks_the_disk_once_for_all(void **state)
{
	(void)state;
	number(1, 20);
	syncs = 0;
	assert_int_equal(auditlog_sync(audit), HF_OK);
	assert_int_equal(auditlog_sync(audit), HF_OK);
	assert_int_equal(syncs, 1);
	number(21, 21);
	again(); /* who knows whether that was synced */
	assert_int_equal(auditlog_sync(audit), HF_OK);
	assert_int_equal(syncs, 2);
}

static void after_a_failed_sync_the_records_are_written_again(void **state)
{
	(void)state;
	number(1, 2);
	assert_int_equal(auditlog_sync(audit), HF_OK);
	number(3, 4);
	fail_syncs = 2;
	assert_int_equal(auditlog_sync(audit), HF_E_STORE);
	writes = 0;
	assert_int_equal(auditlog_sync(audit), HF_E_STORE);
	assert_int_equal(writes, 1);
	assert_int_equal(auditlog_sync(audit), HF_OK);
	assert_int_equal(writes, 2);
	assert_int_equal(auditlog_sync(audit), HF_OK);
	assert_int_equal(writes, 2);
	again();
	assert_string_equal(seen(1, 0), "1,2,3,4,");
}

static void a_segment_is_left_only_when_it_is_on_the_disk(void **state)
{
	(void)state;
	again_with(60);
	number(1, 3);
	fail_syncs = 1;
	assert_int_equal(append(4, "record 4"), HF_E_STORE);
	assert_int_equal(scratch_size(&scratch, "audit/00000000000000000004.log"), -1);
	number(4, 4);
	assert_string_equal(seen(1, 0), "1,2,3,4,");
}

static void no_memory_keeps_the_log_usable(void **state)
{
	bool failed = true;

	(void)state;
	again_with(60);
	number(1, 3);
	for (long n = 1; failed; n++) { /* with a new segment to be made */
		enum hf_err e;

		secret_fail_after(n);
		e = append(4, "record 4");
		failed = secret_fail_fired();
		secret_fail_after(-1);
		assert_int_equal(auditlog_last(audit), e == HF_OK ? 4 : 3);
		if (e == HF_OK)
			break;
	}
	assert_string_equal(seen(1, 0), "1,2,3,4,");
	failed = true;
	for (long n = 1; failed; n++) {
		struct auditlog *l = NULL;
		enum hf_err e;

		secret_fail_after(n);
		e = auditlog_open(scratch.fd, "audit", 60, &l);
		failed = secret_fail_fired();
		secret_fail_after(-1);
		assert_true(e == HF_OK ? auditlog_last(l) == 4 : l == NULL);
		auditlog_close(l);
	}
}

static void a_directory_that_cannot_be_made_is_refused(void **state)
{
	struct auditlog *l = NULL;

	(void)state;
	scratch_write(&scratch, "file", SLICE_STR("x"));
	assert_int_equal(auditlog_open(scratch.fd, "file", 60, &l), HF_E_STORE);
	assert_int_equal(auditlog_open(scratch.fd, "no/such", 60, &l), HF_E_STORE);
	assert_null(l);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_come_back_in_order),
		TEST(a_gap_and_a_repetition_are_refused),
		TEST(several_are_appended_in_one_write_or_not_at_all),
		TEST(the_greatest_and_the_empty_record_fit),
		TEST(segments_are_named_after_their_first_record),
		TEST(its_files_are_nobody_elses_and_others_are_left_alone),
		TEST(many_records_are_found_by_number),
		TEST(a_torn_end_is_cut_off_wherever_it_tore),
		TEST(an_end_of_zeros_or_noise_is_cut_off),
		TEST(a_damaged_record_is_given_as_it_is_and_the_others_serve),
		TEST(a_record_with_a_broken_head_is_jumped_over),
		TEST(damage_at_the_end_of_an_older_segment_stays_there),
		TEST(a_missing_segment_leaves_the_others),
		TEST(any_bytes_are_read_without_harm),
		TEST(what_a_full_disk_took_in_part_is_taken_back),
		TEST(sync_asks_the_disk_once_for_all),
		TEST(after_a_failed_sync_the_records_are_written_again),
		TEST(a_segment_is_left_only_when_it_is_on_the_disk),
		TEST(no_memory_keeps_the_log_usable),
		TEST(a_directory_that_cannot_be_made_is_refused),
		TEST(a_full_disk_at_a_new_segment_is_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
