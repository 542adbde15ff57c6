/* The SQLite store on a disk: what lasts, what is refused, what a full disk does. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "store.h"

static struct scratch scratch;
static struct store *store;

/* SQLite's calls come here; fail_syncs of them fail. */
static unsigned syncs, fail_syncs;

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

static enum hf_err open_store(void)
{
	return store_sqlite(scratch.fd, "store.db", &store);
}

static void close_store(void)
{
	if (store != NULL)
		store->ops->close(store);
	store = NULL;
}

static int setup(void **state)
{
	(void)state;
	scratch_new(&scratch);
	store = NULL;
	return open_store() == HF_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	fail_syncs = 0;
	close_store();
	scratch_free(&scratch);
	return 0;
}

static enum hf_err put(const char *name, uint64_t expect, uint64_t version, struct slice value)
{
	struct store_change c = { slice_str(name), expect, version, value };
	struct store_batch b = { &c, 1 };
	enum hf_err e = HF_E_INTERNAL;

	store->ops->commit(store, &b, 1, &e);
	return e;
}

static bool take_version(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	(void)name;
	(void)value;
	*(uint64_t *)ctx = version;
	return true;
}

static uint64_t version_of(const char *name)
{
	uint64_t v = 0;

	assert_int_equal(store_get(store, slice_str(name), take_version, &v), HF_OK);
	return v;
}

static bool count_one(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	(void)name;
	(void)version;
	(void)value;
	++*(size_t *)ctx;
	return true;
}

static size_t count(void)
{
	size_t n = 0;

	assert_int_equal(store->ops->scan(store, SLICE_NONE, SLICE_NONE, count_one, &n), HF_OK);
	return n;
}

static void records_are_there_after_opening_anew(void **state)
{
	(void)state;
	assert_int_equal(put("a", 0, 1, SLICE_STR("x")), HF_OK);
	assert_int_equal(put("b", 0, 7, SLICE_STR("y")), HF_OK);
	assert_int_equal(put("a", 1, 0, SLICE_NONE), HF_OK);
	close_store();
	assert_int_equal(open_store(), HF_OK);
	assert_int_equal(count(), 1);
	assert_int_equal(version_of("b"), 7);
}

static void its_files_are_nobody_elses(void **state)
{
	static const char *const names[] = { "store.db", "store.db-wal" };
	struct stat st;

	(void)state;
	assert_int_equal(put("a", 0, 1, SLICE_STR("x")), HF_OK);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(fstatat(scratch.fd, names[i], &st, 0), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	assert_int_equal(scratch_size(&scratch, "store.db-shm"), -1);
}

static void a_group_is_on_the_disk_with_one_sync(void **state)
{
	struct store_change c[50];
	struct store_batch b[50];
	char names[50][8];
	enum hf_err e[50];

	(void)state;
	for (size_t i = 0; i < 50; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "n%zu", i);
		c[i] = (struct store_change){ slice_str(names[i]), 0, 1, SLICE_STR("v") };
		b[i] = (struct store_batch){ &c[i], 1 };
	}
	assert_int_equal(put("first", 0, 1, SLICE_NONE), HF_OK); /* the journal's head */
	syncs = 0;
	store->ops->commit(store, b, 50, e);
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(e[i], HF_OK);
	assert_int_equal(syncs, 1);
	assert_int_equal(put("x", 0, 1, SLICE_STR("v")), HF_OK);
	assert_int_equal(syncs, 2);
}

static void a_failed_sync_keeps_nothing_of_the_group(void **state)
{
	struct store_change c[] = { { SLICE_STR("a"), 0, 1, SLICE_STR("v") },
		{ SLICE_STR("b"), 1, 2, SLICE_STR("v") }, { SLICE_STR("c"), 0, 1, SLICE_STR("v") } };
	struct store_batch b[] = { { &c[0], 1 }, { &c[1], 1 }, { &c[2], 1 } };
	enum hf_err e[3];

	(void)state;
	assert_int_equal(put("first", 0, 1, SLICE_NONE), HF_OK);
	fail_syncs = 1;
	store->ops->commit(store, b, 3, e);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(e[i], HF_E_STORE);
	assert_int_equal(count(), 1);
	store->ops->commit(store, b, 3, e);
	assert_int_equal(e[0], HF_OK);
	assert_int_equal(e[1], HF_E_CONFLICT);
	assert_int_equal(e[2], HF_OK);
	close_store();
	assert_int_equal(open_store(), HF_OK);
	assert_int_equal(count(), 3);
}

/* --- formats ------------------------------------------------------------------------------- */

static void run_sql(const char *sql)
{
	char path[200];
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/store.db", scratch.path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void a_newer_format_is_refused_and_not_touched(void **state)
{
	size_t n, m;
	uint8_t *before, *after;

	(void)state;
	close_store();
	run_sql("PRAGMA journal_mode = DELETE; PRAGMA user_version = 3");
	before = scratch_read(&scratch, "store.db", &n);
	assert_int_equal(open_store(), HF_E_STORE);
	after = scratch_read(&scratch, "store.db", &m);
	assert_int_equal(n, m);
	assert_memory_equal(before, after, n);
	free(before);
	free(after);
	run_sql("PRAGMA user_version = 2");
	assert_int_equal(open_store(), HF_OK);
}

static void a_migration_that_fails_leaves_the_format_before(void **state)
{
	(void)state;
	close_store();
	run_sql("PRAGMA user_version = 0"); /* the step will find its table there */
	assert_int_equal(open_store(), HF_E_STORE);
	run_sql("DROP TABLE records");
	assert_int_equal(open_store(), HF_OK);
	assert_int_equal(count(), 0);
}

static void what_is_no_database_is_refused(void **state)
{
	static uint8_t noise[8192];

	(void)state;
	close_store();
	memset(noise, 'x', sizeof(noise));
	scratch_write(&scratch, "store.db", SLICE_OF(noise));
	assert_int_equal(open_store(), HF_E_STORE);
}

static void a_second_keeper_is_refused(void **state)
{
	struct store *other = NULL;

	(void)state;
	assert_int_equal(put("a", 0, 1, SLICE_NONE), HF_OK);
	assert_int_equal(store_sqlite(scratch.fd, "store.db", &other), HF_E_STORE);
	assert_int_equal(put("a", 1, 2, SLICE_NONE), HF_OK);
}

/* --- damage -------------------------------------------------------------------------------- */

/* Whatever is in the file: an answer, right or wrong, or an error, and no crash. */
static void a_damaged_file_gives_an_error_or_records(void **state)
{
	uint8_t *good, *bad, value[3000];
	size_t n;

	(void)state;
	memset(value, 'v', sizeof(value));
	for (int i = 0; i < 40; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(put(name, 0, 1, (struct slice){ value, (size_t)(i * 70) }), HF_OK);
	}
	close_store(); /* the journal goes into the file */
	good = scratch_read(&scratch, "store.db", &n);
	bad = malloc(n);
	assert_non_null(bad);
	srandom(7);
	for (int round = 0; round < 60; round++) {
		size_t found = 0, keep = round % 3 == 0 ? (size_t)random() % n : n;

		memcpy(bad, good, n);
		for (int k = 0; k < 20 && round % 3 != 0; k++)
			bad[(size_t)random() % n] ^= (uint8_t)(1 << random() % 8);
		scratch_write(&scratch, "store.db", (struct slice){ bad, keep });
		if (open_store() == HF_OK)
			(void)!store->ops->scan(store, SLICE_NONE, SLICE_NONE, count_one, &found);
		assert_true(found <= 60);
		close_store();
	}
	free(good);
	free(bad);
}

/* --- disks ---------------------------------------------------------------------------------- */

static void a_directory_that_is_read_only_is_refused(void **state)
{
	(void)state;
	close_store();
	if (!scratch_read_only(&scratch)) {
		print_message("no mount namespace here\n");
		skip();
	}
	assert_int_equal(open_store(), HF_E_STORE);
	assert_null(store);
}

static bool is_whole(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	(void)ctx;
	(void)name;
	assert_int_equal(version, 1);
	assert_int_equal(value.n, 5000);
	return true;
}

/* fill writes until the disk is full and returns how many were acknowledged. */
static size_t fill(size_t from)
{
	static uint8_t value[5000];
	enum hf_err e = HF_OK;

	for (size_t i = from;; i++) {
		char name[24];

		(void)snprintf(name, sizeof(name), "n%zu", i);
		e = put(name, 0, 1, SLICE_OF(value));
		if (e != HF_OK) {
			assert_int_equal(e, HF_E_STORE);
			return i;
		}
	}
}

static void a_full_disk_loses_nothing_and_takes_more_later(void **state)
{
	static uint8_t ballast[1u << 20];
	size_t n, m;

	(void)state;
	close_store();
	if (!scratch_disk(&scratch, 4u << 20)) {
		print_message("no mount namespace here\n");
		skip();
	}
	scratch_write(&scratch, "ballast", SLICE_OF(ballast));
	assert_int_equal(open_store(), HF_OK);
	n = fill(0);
	assert_true(n > 50);
	assert_int_equal(count(), n);
	assert_int_equal(fill(n), n); /* still full */
	assert_int_equal(unlinkat(scratch.fd, "ballast", 0), 0);
	m = fill(n);
	assert_true(m > n + 20);
	close_store();
	assert_int_equal(open_store(), HF_OK);
	assert_int_equal(count(), m);
	assert_int_equal(store->ops->scan(store, SLICE_NONE, SLICE_NONE, is_whole, NULL), HF_OK);
}

/* --- kill -9 -------------------------------------------------------------------------------- */

#define PAIR 3 /* records of a batch; all stand at the same version */

/* child commits versions from `version` on and says each that was acknowledged. */
static void child(int out, uint64_t version)
{
	if (open_store() != HF_OK)
		_exit(1);
	for (;; version++) {
		struct store_change c[PAIR];
		struct store_batch b = { c, PAIR };
		char names[PAIR][4];
		enum hf_err e = HF_E_INTERNAL;

		for (size_t i = 0; i < PAIR; i++) {
			(void)snprintf(names[i], sizeof(names[i]), "r%zu", i);
			c[i] = (struct store_change){ slice_str(names[i]), version - 1, version,
				SLICE_STR("value") };
		}
		store->ops->commit(store, &b, 1, &e);
		if (e != HF_OK || write(out, &version, sizeof(version)) != sizeof(version))
			_exit(1);
	}
}

static uint64_t last_acknowledged(int in, uint64_t before)
{
	uint64_t v;

	while (read(in, &v, sizeof(v)) == sizeof(v))
		before = v;
	return before;
}

static void what_was_acknowledged_survives_kill(void **state)
{
	uint64_t told = 0, there = 0;

	(void)state;
	close_store();
	for (unsigned round = 0; round < 25 || (there <= 25 && round < 500); round++) {
		struct timespec t = { 0, (long)(round * 7919 % 40) * 1000000 };
		int p[2], status;
		pid_t pid;

		assert_int_equal(pipe(p), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			child(p[1], there + 1);
		close(p[1]);
		(void)nanosleep(&t, NULL);
		(void)kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status)); /* it did not stop by itself */
		told = last_acknowledged(p[0], there);
		close(p[0]);
		assert_int_equal(open_store(), HF_OK);
		there = version_of("r0");
		assert_true(there == told || there == told + 1);
		for (char name[] = "r1"; name[1] < '0' + PAIR; name[1]++)
			assert_int_equal(version_of(name), there);
		close_store();
	}
	assert_true(there > 25);
}

/* files_hold looks through the database and its journal as they are on disk. */
static bool files_hold(const char *text)
{
	static const char *const names[] = { "store.db", "store.db-wal" };
	bool found = false;

	for (size_t i = 0; i < 2; i++) {
		int fd = openat(scratch.fd, names[i], O_RDONLY | O_CLOEXEC);
		off_t size = lseek(fd, 0, SEEK_END);
		char *p = size > 0 ? malloc((size_t)size) : NULL;

		assert_true(fd >= 0 && (size == 0 || (p != NULL && pread(fd, p, (size_t)size, 0) == size)));
		found |= p != NULL && memmem(p, (size_t)size, text, strlen(text)) != NULL;
		free(p);
		close(fd);
	}
	return found;
}

static void a_purged_store_has_no_older_values(void **state)
{
	(void)state;
	assert_int_equal(put("a", 0, 1, SLICE_STR("the first value")), HF_OK);
	assert_int_equal(put("b", 0, 1, SLICE_STR("a deleted value")), HF_OK);
	assert_int_equal(store->ops->purge(store), HF_OK);
	assert_int_equal(put("a", 1, 2, SLICE_STR("another value")), HF_OK);
	assert_int_equal(put("b", 1, 0, SLICE_NONE), HF_OK);
	assert_true(files_hold("the first value") && files_hold("a deleted value"));
	assert_int_equal(store->ops->purge(store), HF_OK);
	assert_false(files_hold("the first value") || files_hold("a deleted value"));
	assert_true(files_hold("another value"));
	assert_int_equal(put("c", 0, 1, SLICE_STR("c")), HF_OK);
	close_store();
	assert_int_equal(open_store(), HF_OK);
	assert_int_equal(version_of("a"), 2);
	assert_int_equal(version_of("b"), 0);
	assert_int_equal(count(), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_purged_store_has_no_older_values),
		TEST(records_are_there_after_opening_anew),
		TEST(its_files_are_nobody_elses),
		TEST(a_group_is_on_the_disk_with_one_sync),
		TEST(a_failed_sync_keeps_nothing_of_the_group),
		TEST(a_newer_format_is_refused_and_not_touched),
		TEST(a_migration_that_fails_leaves_the_format_before),
		TEST(what_is_no_database_is_refused),
		TEST(a_second_keeper_is_refused),
		TEST(a_damaged_file_gives_an_error_or_records),
		TEST(what_was_acknowledged_survives_kill),
		TEST(a_full_disk_loses_nothing_and_takes_more_later),
		TEST(a_directory_that_is_read_only_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
