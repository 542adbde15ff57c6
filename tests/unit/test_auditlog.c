/* The audit log's files: order, damage, torn ends, full disks. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "auditkeep.h"
#include "auditlog.h"
#include "auditpack.h"
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

/* The log's clock. */
static uint64_t clock_ahead_us;

__attribute__((visibility("default"))) int clock_gettime(clockid_t which, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, which, t);

	if (which == CLOCK_REALTIME)
		t->tv_sec += (time_t)(clock_ahead_us / 1000000);
	return r;
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
	scratch_write(&scratch, "audit/00000000000000000009.log.old", SLICE_STR("x"));
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

/* --- closed segments ------------------------------------------------------------- */

/* segments makes n of them, with 10 records each, the last one open. */
static void segments(size_t n)
{
	again_with(4096);
	for (uint64_t seq = 1; seq <= 10 * n; seq++) {
		if (seq > 1 && seq % 10 == 1)
			again_with(1); /* the next append begins a new one */
		assert_int_equal(append(seq, "a record that compresses well, well, well, well"), HF_OK);
		if (seq % 10 == 1)
			again_with(4096);
	}
}

static bool there(const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "audit/%s", name);
	return faccessat(scratch.fd, path, F_OK, 0) == 0;
}

static bool count_one(void *ctx, uint64_t seq, struct slice record)
{
	uint64_t *last = ctx;

	(void)record;
	assert_int_equal(seq, *last + 1);
	*last = seq;
	return true;
}

static bool count_any(void *ctx, uint64_t seq, struct slice record)
{
	(void)seq;
	(void)record;
	++*(size_t *)ctx;
	return true;
}

static void pass(struct auditkeep_rules r)
{
	auditkeep_pass(auditlog_dir(audit), &r);
}

#define RULES { .archive = -1, .home = -1 }

static void closed_segments_are_compressed_and_read_as_before(void **state)
{
	uint64_t last = 0;

	(void)state;
	segments(3);
	pass((struct auditkeep_rules)RULES);
	assert_true(there("00000000000000000001.log.gz") && !there("00000000000000000001.log"));
	assert_true(there("00000000000000000011.log.gz"));
	assert_true(there("00000000000000000021.log") && !there("00000000000000000021.log.gz"));
	assert_int_equal(auditlog_read(audit, 1, count_one, &last), HF_OK);
	assert_int_equal(last, 30);
	again();
	last = 14;
	assert_int_equal(auditlog_read(audit, 15, count_one, &last), HF_OK);
	assert_int_equal(last, 30);
	assert_int_equal(append(31, "and goes on"), HF_OK);
}

static void a_compressed_segment_of_many_pieces_is_read_to_its_end(void **state)
{
	uint64_t last = 0;
	char bytes[60001];

	(void)state;
	memset(bytes, 'x', sizeof(bytes) - 1);
	bytes[sizeof(bytes) - 1] = '\0';
	again_with(2400000);
	for (uint64_t seq = 1; seq <= 41; seq++)
		assert_int_equal(append(seq, bytes), HF_OK);
	pass((struct auditkeep_rules)RULES);
	assert_true(there("00000000000000000041.log") && there("00000000000000000001.log.gz"));
	assert_int_equal(auditlog_read(audit, 1, count_one, &last), HF_OK);
	assert_int_equal(last, 41);
	last = 38;
	assert_int_equal(auditlog_read(audit, 39, count_one, &last), HF_OK);
	assert_int_equal(last, 41);
}

static void what_was_let_go_of_in_memory_is_read_from_the_disk(void **state)
{
	uint64_t last = 0;
	char bytes[60001];

	(void)state;
	memset(bytes, 'x', sizeof(bytes) - 1);
	bytes[sizeof(bytes) - 1] = '\0';
	again_with(1 << 26);
	for (uint64_t seq = 1; seq <= 41; seq++) {
		assert_int_equal(append(seq, bytes), HF_OK);
		assert_int_equal(auditlog_flush(audit), HF_OK);
	}
	assert_int_equal(auditlog_read(audit, 1, count_one, &last), HF_OK);
	assert_int_equal(last, 41);
}

static atomic_bool many_wait;

/* grow has the log grow fast for longer than a look at it takes, then lets many segments wait. */
static void *grow(void *arg)
{
	static const struct timespec ms = { 0, 1000000 };

	for (unsigned i = 0; i < 1200; i++) {
		auditpack_grew(1 << 24);
		nanosleep(&ms, NULL);
	}
	atomic_store(&many_wait, true);
	auditpack_more(100);
	return arg;
}

/* The first look at the log's growth takes it for fast; this test has to come before the next one. */
static void nothing_is_compressed_while_the_log_grows_fast_unless_many_segments_wait(void **state)
{
	struct statvfs s;
	pthread_t t;

	(void)state;
	if (fstatvfs(scratch.fd, &s) != 0 || s.f_bavail * s.f_frsize < 2ull << 30)
		skip(); /* a full disk has no time */
	segments(2);
	auditpack_gently(true);
	assert_int_equal(pthread_create(&t, NULL, grow, NULL), 0);
	pass((struct auditkeep_rules)RULES);
	assert_true(atomic_load(&many_wait));
	assert_true(there("00000000000000000001.log.gz"));
	pthread_join(t, NULL);
	auditpack_gently(false);
}

static void what_waits_is_compressed_when_the_log_grows_slowly(void **state)
{
	(void)state;
	segments(3);
	auditpack_gently(true);
	pass((struct auditkeep_rules)RULES);
	assert_true(there("00000000000000000001.log.gz") && there("00000000000000000011.log.gz"));
	auditpack_gently(false);
}

static void a_crash_between_both_files_leaves_one_segment(void **state)
{
	uint64_t last = 0;
	int from, to;
	char bytes[4096];
	ssize_t n;

	(void)state;
	segments(2);
	from = openat(scratch.fd, FIRST, O_RDONLY);
	n = read(from, bytes, sizeof(bytes));
	pass((struct auditkeep_rules)RULES);
	to = openat(scratch.fd, FIRST, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(to, bytes, (size_t)n), n);
	close(from);
	close(to);
	again();
	assert_int_equal(auditlog_read(audit, 1, count_one, &last), HF_OK);
	assert_int_equal(last, 20);
	pass((struct auditkeep_rules)RULES);
	assert_false(there("00000000000000000001.log"));
}

static void a_damaged_compressed_segment_is_read_up_to_the_damage(void **state)
{
	size_t seen = 0;
	struct stat st;
	int fd;

	(void)state;
	segments(2);
	pass((struct auditkeep_rules)RULES);
	fd = openat(scratch.fd, FIRST ".gz", O_RDWR);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
	close(fd);
	again();
	assert_int_equal(auditlog_read(audit, 11, count_one, &(uint64_t){ 10 }), HF_OK);
	assert_int_equal(auditlog_read(audit, 1, count_any, &seen), HF_OK);
	assert_true(seen >= 10 && seen < 20); /* those of the second, not all of the first */
}

static void a_log_whose_open_segment_is_lost_goes_on_behind_the_closed_ones(void **state)
{
	(void)state;
	segments(3);
	pass((struct auditkeep_rules)RULES);
	assert_int_equal(unlinkat(scratch.fd, "audit/00000000000000000021.log", 0), 0);
	again();
	assert_int_equal(auditlog_last(audit), 20);
	assert_int_equal(append(21, "and goes on"), HF_OK);
	assert_int_equal(auditlog_read(audit, 1, count_one, &(uint64_t){ 0 }), HF_OK);
}

static void the_oldest_go_first_and_the_open_one_never(void **state)
{
	(void)state;
	segments(5);
	pass((struct auditkeep_rules){ .archive = -1, .home = -1, .segments = 2 });
	assert_false(there("00000000000000000001.log.gz") || there("00000000000000000011.log.gz"));
	assert_true(there("00000000000000000021.log.gz") && there("00000000000000000031.log.gz"));
	pass((struct auditkeep_rules){ .archive = -1, .home = -1, .bytes = 1 });
	assert_false(there("00000000000000000031.log.gz"));
	assert_true(there("00000000000000000041.log"));
	assert_int_equal(auditlog_read(audit, 1, count_one, &(uint64_t){ 40 }), HF_OK);
	again();
	assert_int_equal(auditlog_last(audit), 50);
	assert_int_equal(append(51, "and goes on"), HF_OK);
}

static void nothing_is_deleted_that_is_neither_archived_nor_forwarded(void **state)
{
	struct scratch other;
	struct auditkeep_rules r = { .archive = -1, .home = scratch.fd, .cursor = "cursor", .segments = 1 };
	int fd;

	(void)state;
	segments(4);
	pass(r);
	assert_true(there("00000000000000000001.log.gz"));
	fd = openat(scratch.fd, "cursor", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "11\n", 3), 3);
	close(fd);
	pass(r);
	assert_false(there("00000000000000000001.log.gz"));
	assert_true(there("00000000000000000011.log.gz"));
	scratch_new(&other);
	r = (struct auditkeep_rules){ .archive = other.fd, .home = -1, .segments = 1 };
	pass(r);
	assert_false(there("00000000000000000011.log.gz"));
	assert_int_equal(faccessat(other.fd, "00000000000000000011.log.gz", F_OK, 0), 0);
	assert_int_equal(faccessat(other.fd, "00000000000000000021.log.gz", F_OK, 0), 0);
	scratch_free(&other);
}

static void a_segment_ends_by_age(void **state)
{
	(void)state;
	auditlog_age(audit, 3600);
	assert_int_equal(append(1, "first"), HF_OK);
	assert_int_equal(append(2, "second"), HF_OK);
	assert_false(there("00000000000000000002.log"));
	clock_ahead_us = 3601 * 1000000ull;
	assert_int_equal(append(3, "an hour later"), HF_OK);
	assert_true(there("00000000000000000003.log"));
	clock_ahead_us = 0; /* set back */
	assert_int_equal(append(4, "before that"), HF_OK);
	assert_false(there("00000000000000000004.log"));
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
		TEST(closed_segments_are_compressed_and_read_as_before),
		TEST(a_compressed_segment_of_many_pieces_is_read_to_its_end),
		TEST(what_was_let_go_of_in_memory_is_read_from_the_disk),
		TEST(nothing_is_compressed_while_the_log_grows_fast_unless_many_segments_wait),
		TEST(what_waits_is_compressed_when_the_log_grows_slowly),
		TEST(a_crash_between_both_files_leaves_one_segment),
		TEST(a_damaged_compressed_segment_is_read_up_to_the_damage),
		TEST(a_log_whose_open_segment_is_lost_goes_on_behind_the_closed_ones),
		TEST(the_oldest_go_first_and_the_open_one_never),
		TEST(nothing_is_deleted_that_is_neither_archived_nor_forwarded),
		TEST(a_segment_ends_by_age),
		TEST(a_full_disk_at_a_new_segment_is_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
