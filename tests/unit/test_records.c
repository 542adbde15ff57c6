/* Sealed records over a keeper in memory, with a thief at the store. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto.h"
#include "keeper_ask.h"
#include "keeper_memory.h"
#include "lock.h"
#include "log.h"
#include "records.h"

static const uint8_t store_key[CRYPTO_KEY] = { 1 };

static struct keeper_memory *memory;
static struct keeper *keeper;
static struct records *records;
static struct records_judged judged;
static const struct records_keys keys = { .now = SLICE_OF(store_key) };

static void open_again(void)
{
	records_close(records);
	records = NULL;
	assert_int_equal(records_open(keeper, &keys, &judged, &records), HF_OK);
}

static int setup(void **state)
{
	(void)state;
	memory = keeper_memory_new();
	keeper = keeper_memory_keeper(memory);
	open_again();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	records_close(records);
	records = NULL;
	keeper_memory_free(memory);
	return 0;
}

static enum hf_err put(const char *name, uint64_t expect, const char *value)
{
	struct record_change c = { name, expect, expect + 1, SEAL_STORE, SLICE_NONE, slice_str(value) };

	return records_write(records, &c, 1);
}

static enum hf_err drop(const char *name, uint64_t expect)
{
	struct record_change c = { .name = name, .expect = expect };

	return records_write(records, &c, 1);
}

/* struct seen is what a scan told: "name=value " and "!name " for damaged ones. */
struct seen {
	char text[4096];
	size_t n;
};

static enum hf_err see(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct seen *s = ctx;
	size_t n = strlen(s->text);

	(void)version;
	s->n++;
	(void)snprintf(s->text + n, sizeof(s->text) - n, "%s=%.*s ", name, (int)plain.n,
		(const char *)plain.p);
	return HF_OK;
}

static void see_damaged(void *ctx, const char *name)
{
	struct seen *s = ctx;
	size_t n = strlen(s->text);

	(void)snprintf(s->text + n, sizeof(s->text) - n, "!%s ", name);
}

static struct seen scan(const char *prefix)
{
	struct seen s = { .n = 0 };
	struct record_visit v = { &s, see, see_damaged };

	assert_int_equal(records_scan(records, prefix, SEAL_STORE, SLICE_NONE, &v), HF_OK);
	return s;
}

static void three(void)
{
	assert_int_equal(put("r/a", 0, "1"), HF_OK);
	assert_int_equal(put("r/b", 0, "2"), HF_OK);
	assert_int_equal(put("r/c", 0, "3"), HF_OK);
}

static void assert_as_left(void)
{
	assert_string_equal(records_trouble(records), "");
	assert_false(judged.rollback);
	assert_false(judged.digest);
}

/* --- the ordinary -------------------------------------------------------------------- */

static void what_was_written_is_there_after_a_restart(void **state)
{
	(void)state;
	three();
	assert_int_equal(put("r/b", 1, "two"), HF_OK);
	assert_int_equal(drop("r/c", 1), HF_OK);
	open_again();
	assert_as_left();
	assert_string_equal(scan("r/").text, "r/a=1 r/b=two ");
}

static void a_batch_with_a_conflict_changes_nothing(void **state)
{
	struct record_change v[] = {
		{ "r/d", 0, 1, SEAL_STORE, SLICE_NONE, SLICE_STR("4") },
		{ "r/a", 7, 8, SEAL_STORE, SLICE_NONE, SLICE_STR("5") },
	};

	(void)state;
	three();
	assert_int_equal(records_write(records, v, 2), HF_E_CONFLICT);
	assert_string_equal(scan("r/").text, "r/a=1 r/b=2 r/c=3 ");
	open_again();
	assert_as_left();
}

static void a_partitions_record_opens_with_its_key_only(void **state)
{
	uint8_t key[CRYPTO_KEY] = { 2 }, other[CRYPTO_KEY] = { 3 };
	struct record_change c = { "p/x", 0, 1, SEAL_PARTITION, SLICE_OF(key), SLICE_STR("s") };
	struct seen right = { .n = 0 }, wrong = { .n = 0 };
	struct record_visit r = { &right, see, see_damaged }, w = { &wrong, see, see_damaged };

	(void)state;
	assert_int_equal(records_write(records, &c, 1), HF_OK);
	assert_int_equal(records_scan(records, "p/", SEAL_PARTITION, SLICE_OF(key), &r), HF_OK);
	assert_int_equal(records_scan(records, "p/", SEAL_PARTITION, SLICE_OF(other), &w), HF_OK);
	assert_string_equal(right.text, "p/x=s ");
	assert_string_equal(wrong.text, "!p/x ");
}

static void wiping_a_prefix_takes_all_of_it_and_nothing_else(void **state)
{
	char name[32];

	(void)state;
	for (int i = 0; i < 2500; i++) {
		(void)snprintf(name, sizeof(name), "w/%04d", i);
		assert_int_equal(put(name, 0, "x"), HF_OK);
	}
	assert_int_equal(put("x/keep", 0, "x"), HF_OK);
	assert_int_equal(records_wipe(records, "w/"), HF_OK);
	assert_int_equal(keeper_memory_count(memory, "w/"), 0);
	assert_int_equal(keeper_memory_count(memory, "x/"), 1);
	open_again();
	assert_as_left();
}

#define WRITERS 8
#define EACH 60

static void *write_many(void *ctx)
{
	int who = *(const int *)ctx;
	char name[32];

	for (int i = 0; i < EACH; i++) {
		(void)snprintf(name, sizeof(name), "t/%d/%d", who, i);
		if (put(name, 0, "x") != HF_OK || put(name, 1, "y") != HF_OK)
			return ctx;
		/* What fails by its own fault does not take its neighbours along. */
		if (put(name, 1, "z") != HF_E_CONFLICT)
			return ctx;
	}
	return NULL;
}

/* struct early_one is what is behind one commit: how often, and with what the store had then. */
struct early_one {
	atomic_int done;
	const char *name;
};

static void behind_all(void *const *ctx, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct early_one *e = ctx[i];
		CLEANUP(arena_done) struct arena a = { 0 };
		struct record rec;
		bool found = false;

		if (keeper_get(keeper, e->name, &a, &found, &rec) == HF_OK && found)
			atomic_fetch_add(&e->done, 1);
	}
}

static void *write_early(void *ctx)
{
	int who = *(const int *)ctx;
	char name[32];

	for (int i = 0; i < EACH; i++) {
		struct early_one one = { .name = name };
		struct record_change c = { name, 0, 1, SEAL_STORE, SLICE_NONE, SLICE_STR("x") };
		struct records_behind b = { behind_all, &one };
		bool alone = who % 4 == 3; /* and has nothing to do behind its own */

		(void)snprintf(name, sizeof(name), "t/%d/%d", who, i);
		if (records_write_early(records, &c, 1, alone ? NULL : &b) != HF_OK ||
		    atomic_load(&one.done) > !alone)
			return ctx;
		if (records_write_early(records, &c, 1, &b) != HF_E_CONFLICT ||
		    atomic_load(&one.done) > !alone)
			return ctx;
	}
	return NULL;
}

static void writers(void *(*each)(void *ctx))
{
	pthread_t t[WRITERS];
	int who[WRITERS];
	void *failed;

	for (int i = 0; i < WRITERS; i++) {
		who[i] = i;
		assert_int_equal(pthread_create(&t[i], NULL, each, &who[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(pthread_join(t[i], &failed), 0);
		assert_null(failed);
	}
	open_again();
	assert_as_left();
	assert_int_equal(scan("t/").n, WRITERS * EACH);
}

static void many_writers_at_once_lose_nothing(void **state)
{
	(void)state;
	writers(write_many);
}

static void what_is_behind_a_commit_is_done_once_at_most(void **state)
{
	(void)state;
	writers(write_early);
}

static void what_is_behind_ones_own_commit_is_done(void **state)
{
	struct early_one one = { .name = "r/d" };
	struct records_behind b = { behind_all, &one };
	struct record_change c = { "r/d", 0, 1, SEAL_STORE, SLICE_NONE, SLICE_STR("4") };

	(void)state;
	assert_int_equal(records_write_early(records, &c, 1, &b), HF_OK);
	assert_int_equal(atomic_load(&one.done), 1);
	assert_int_equal(records_write_early(records, &c, 1, &b), HF_E_CONFLICT);
	assert_int_equal(atomic_load(&one.done), 1);
}

/* --- writes that are put aside ----------------------------------------------------------- */

#define LATE 40 /* at once, of each thread */
#define GO_ON 2 /* threads for what is ready */

struct late {
	struct records_later l;
	struct record_change c;
	struct records_behind b;
	struct early_one one;
	char name[32];
	_Atomic unsigned halves;
	struct late *next;
};

static struct {
	struct mutex lock;
	struct late *first;
	sem_t some;
	_Atomic unsigned over, failed;
	struct late v[WRITERS][LATE];
} late;

static void late_over(const struct late *x)
{
	if (x->l.result != HF_OK || atomic_load(&x->one.done) > 1)
		atomic_fetch_add(&late.failed, 1);
	atomic_fetch_add(&late.over, 1);
}

/* With the second half of it, somebody may go on. */
static void late_half(void *ctx)
{
	struct late *x = ctx;

	if (atomic_fetch_add(&x->halves, 1) != 1)
		return;
	{
		MUTEX_HOLD(&late.lock);
		x->next = late.first;
		late.first = x;
	}
	sem_post(&late.some);
}

static void late_go_on(struct late *x)
{
	atomic_store(&x->halves, 0);
	if (records_write_later(&x->l))
		late_over(x);
	else
		late_half(x);
}

static void *late_goes_on(void *arg)
{
	(void)arg;
	for (;;) {
		struct late *x;

		while (sem_wait(&late.some) != 0)
			continue;
		{
			MUTEX_HOLD(&late.lock);
			x = late.first;
			if (x != NULL)
				late.first = x->next;
		}
		if (x == NULL)
			return NULL;
		late_go_on(x);
	}
}

/* write_late begins all before one of them has to be over, with one that its thread waits for between. */
static void *write_late(void *ctx)
{
	int who = *(const int *)ctx;
	char name[32];

	for (int i = 0; i < LATE; i++) {
		struct late *x = &late.v[who][i];

		(void)snprintf(x->name, sizeof(x->name), "t/%d/%d", who, i);
		x->c = (struct record_change){ x->name, 0, 1, SEAL_STORE, SLICE_NONE, SLICE_STR("x") };
		x->one.name = x->name;
		x->b = (struct records_behind){ behind_all, &x->one };
		x->l = (struct records_later){ .r = records, .v = &x->c, .n = 1,
			.behind = i % 3 == 0 ? NULL : &x->b, .ready = late_half, .ctx = x };
		late_go_on(x);
	}
	(void)snprintf(name, sizeof(name), "u/%d", who);
	return put(name, 0, "y") == HF_OK ? NULL : ctx;
}

static void writes_put_aside_take_no_thread_each(void **state)
{
	pthread_t t[WRITERS + GO_ON];
	int who[WRITERS];
	void *failed;

	(void)state;
	mutex_init(&late.lock);
	assert_int_equal(sem_init(&late.some, 0, 0), 0);
	for (int i = 0; i < GO_ON; i++)
		assert_int_equal(pthread_create(&t[WRITERS + i], NULL, late_goes_on, NULL), 0);
	for (int i = 0; i < WRITERS; i++) {
		who[i] = i;
		assert_int_equal(pthread_create(&t[i], NULL, write_late, &who[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(pthread_join(t[i], &failed), 0);
		assert_null(failed);
	}
	while (atomic_load(&late.over) < WRITERS * LATE)
		sched_yield();
	for (int i = 0; i < GO_ON; i++)
		sem_post(&late.some);
	for (int i = 0; i < GO_ON; i++)
		assert_int_equal(pthread_join(t[WRITERS + i], NULL), 0);
	assert_int_equal(late.failed, 0);
	open_again();
	assert_as_left();
	assert_int_equal(scan("t/").n, WRITERS * LATE);
	assert_int_equal(scan("u/").n, WRITERS);
}

static void not_gone_on_with(void *ctx)
{
	(void)ctx;
}

static void *put_one(void *name)
{
	return put(name, 0, "1") == HF_OK ? NULL : name;
}

static pthread_t putting(char *name)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, put_one, name), 0);
	return t;
}

/* All who go on with what is put aside may themselves wait for the one who sleeps behind it in the queue. */
static void who_sleeps_for_a_commit_needs_nobody_that_is_put_aside(void **state)
{
	struct record_change c = { "q/aside", 0, 1, SEAL_STORE, SLICE_NONE, SLICE_STR("1") };
	struct records_later l = { .r = records, .v = &c, .n = 1, .ready = not_gone_on_with };
	static char first[] = "q/a", second[] = "q/b";
	pthread_t t[2];
	void *failed;

	(void)state;
	keeper_memory_hold_commits(memory, true);
	t[0] = putting(first);
	while (keeper_memory_held(memory) == 0)
		sched_yield();
	assert_false(records_write_later(&l));
	t[1] = putting(second);
	usleep(50000); /* until it sleeps, as a rule; else this shows nothing */
	keeper_memory_hold_commits(memory, false);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(t[i], &failed), 0);
		assert_null(failed);
	}
	assert_true(records_write_later(&l));
	assert_int_equal(l.result, HF_OK);
	assert_int_equal(scan("q/").n, 3);
}

static void a_write_put_aside_that_fails_says_so(void **state)
{
	static struct late x;

	(void)state;
	assert_int_equal(put("r/a", 0, "1"), HF_OK);
	x.c = (struct record_change){ "r/a", 0, 1, SEAL_STORE, SLICE_NONE, SLICE_STR("2") };
	x.l = (struct records_later){ .r = records, .v = &x.c, .n = 1, .ready = late_half, .ctx = &x };
	assert_true(records_write_later(&x.l)); /* nobody else leads */
	assert_int_equal(x.l.result, HF_E_CONFLICT);
	records_protect(records);
	assert_true(records_write_later(&x.l));
	assert_int_equal(x.l.result, HF_E_WRITE_PROTECTED);
}

/* --- damage --------------------------------------------------------------------------- */

static void a_flipped_bit_is_found_and_the_others_serve(void **state)
{
	(void)state;
	three();
	keeper_memory_flip(memory, "r/b", 40);
	open_again();
	assert_string_equal(scan("r/").text, "r/a=1 !r/b r/c=3 ");
}

static void a_truncated_record_is_found(void **state)
{
	(void)state;
	three();
	keeper_memory_truncate(memory, "r/b", 10);
	open_again();
	assert_string_equal(scan("r/").text, "r/a=1 !r/b r/c=3 ");
}

static void swapped_records_are_found(void **state)
{
	(void)state;
	three();
	keeper_memory_swap(memory, "r/a", "r/c");
	open_again();
	assert_string_equal(scan("r/").text, "!r/a r/b=2 !r/c ");
}

static void an_older_version_of_a_record_is_named_and_not_used(void **state)
{
	(void)state;
	three();
	keeper_memory_snapshot(memory);
	assert_int_equal(put("r/b", 1, "two"), HF_OK);
	assert_int_equal(put("r/b", 2, "deux"), HF_OK);
	keeper_memory_rollback_one(memory, "r/b");
	open_again();
	assert_true(judged.digest);
	assert_non_null(strstr(records_trouble(records), "r/b is an older version"));
	assert_string_equal(scan("r/").text, "r/a=1 !r/b r/c=3 ");
}

static void a_deleted_record_put_back_is_named_and_not_used(void **state)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct change c = { SLICE_STR("r/b"), 0, 1, SLICE_NONE };
	struct record rec;
	bool found;

	(void)state;
	three();
	assert_int_equal(keeper_get(keeper, "r/b", &a, &found, &rec), HF_OK);
	assert_int_equal(drop("r/b", 1), HF_OK);
	c.value = rec.value;
	assert_int_equal(keeper_commit(keeper, (struct change_list){ &c, 1 }, SLICE_NONE), HF_OK);
	open_again();
	assert_true(judged.digest);
	assert_non_null(strstr(records_trouble(records), "r/b had been deleted"));
	assert_string_equal(scan("r/").text, "r/a=1 !r/b r/c=3 ");
}

static void a_record_that_was_taken_away_is_noticed(void **state)
{
	(void)state;
	three();
	keeper_memory_remove(memory, "r/b");
	open_again();
	assert_true(judged.digest);
	assert_non_null(strstr(records_trouble(records), "records are missing"));
}

/* --- roll-back -------------------------------------------------------------------------- */

static void an_older_store_is_noticed_and_resets_no_counter(void **state)
{
	(void)state;
	three();
	assert_int_equal(records_fail_set(records, "s", 2, 1), HF_OK);
	keeper_memory_snapshot(memory);
	assert_int_equal(records_fail_set(records, "s", 2, 2), HF_OK);
	assert_int_equal(records_fail_set(records, "s", 2, 3), HF_OK);
	keeper_memory_rollback(memory);
	open_again();
	assert_true(judged.rollback);
	assert_non_null(strstr(records_trouble(records), "an older store was put back"));
	assert_int_equal(records_fail_get(records, "s", 2), 3);
	assert_string_equal(scan("r/").text, "r/a=1 r/b=2 r/c=3 ");
}

static void an_older_anchor_is_noticed_and_resets_no_counter(void **state)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct slice old;

	(void)state;
	assert_int_equal(records_fail_set(records, "s", 2, 1), HF_OK);
	assert_int_equal(keeper_anchor(keeper, &a, &old), HF_OK);
	assert_int_equal(records_fail_set(records, "s", 2, 2), HF_OK);
	assert_int_equal(keeper_commit(keeper, (struct change_list){ 0 }, old), HF_OK);
	open_again(); /* one change behind: a crash may do that, so no alarm */
	assert_false(judged.rollback);
	assert_int_equal(records_fail_get(records, "s", 2), 2);
	assert_int_equal(records_fail_set(records, "s", 2, 3), HF_OK);
	assert_int_equal(keeper_commit(keeper, (struct change_list){ 0 }, old), HF_OK);
	open_again();
	assert_true(judged.rollback);
	assert_int_equal(records_fail_get(records, "s", 2), 3);
}

static void a_damaged_anchor_is_noticed(void **state)
{
	(void)state;
	three();
	assert_int_equal(keeper_commit(keeper, (struct change_list){ 0 }, SLICE_STR("x")), HF_OK);
	open_again();
	assert_true(judged.rollback);
	assert_true(records_anchor_lost(records));
}

static void a_lost_state_is_noticed_and_resets_no_counter(void **state)
{
	(void)state;
	three();
	assert_int_equal(records_fail_set(records, "s", 2, 2), HF_OK);
	keeper_memory_remove(memory, "hsm/state");
	open_again();
	assert_true(judged.rollback);
	assert_int_equal(records_fail_get(records, "s", 2), 2);
	assert_int_equal(put("r/d", 0, "4"), HF_OK);
	open_again();
	assert_as_left();
}

/* --- a keeper in trouble ------------------------------------------------------------------ */

static void a_full_disk_fails_the_write_and_nothing_else(void **state)
{
	(void)state;
	three();
	keeper_memory_fail_commits(memory, 1);
	assert_int_equal(put("r/d", 0, "4"), HF_E_STORE);
	assert_int_equal(records_fail_get(records, "s", 2), 0);
	keeper_memory_fail_commits(memory, 1);
	assert_int_equal(records_fail_set(records, "s", 2, 1), HF_E_STORE);
	assert_int_equal(records_fail_get(records, "s", 2), 0);
	assert_int_equal(put("r/d", 0, "4"), HF_OK);
	open_again();
	assert_as_left();
	assert_string_equal(scan("r/").text, "r/a=1 r/b=2 r/c=3 r/d=4 ");
}

/* struct liar keeps a commit and says that the connection broke. */
struct liar {
	struct keeper base;
	unsigned lies;
	bool keeps; /* or only says so */
};

static enum hf_err lie(struct keeper *k, enum keeper_op op, struct slice fields, struct arena *a,
	struct rd *rest)
{
	struct liar *l = (struct liar *)(void *)k;
	bool lies = op == KEEPER_STORE_COMMIT && l->lies > 0;

	if (lies)
		l->lies--;
	if (!lies || l->keeps)
		if (keeper->call(keeper, op, fields, a, rest) != HF_OK)
			return HF_E_STORE;
	return lies ? HF_E_CONNECTION : HF_OK;
}

static void with_liar(bool keeps)
{
	struct liar l = { { lie }, 0, keeps };

	three();
	records_close(records);
	records = NULL;
	assert_int_equal(records_open(&l.base, &keys, &judged, &records), HF_OK);
	l.lies = 1;
	assert_int_equal(put("r/d", 0, "4"), HF_OK);
	assert_int_equal(put("r/d", 1, "four"), HF_OK);
	open_again();
	assert_as_left();
	assert_string_equal(scan("r/").text, "r/a=1 r/b=2 r/c=3 r/d=four ");
}

/* lose_anchor: as if each commit were cut short between the store and the anchor. */
static enum hf_err lose_anchor(struct keeper *k, enum keeper_op op, struct slice fields, struct arena *a,
	struct rd *rest)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);
	struct store_commit_req q;
	struct rd r = rd_of(fields);

	(void)k;
	if (op != KEEPER_STORE_COMMIT || !store_commit_req_dec(&r, a, &q) || q.changes.n == 0)
		return keeper->call(keeper, op, fields, a, rest);
	q.anchor = SLICE_NONE;
	store_commit_req_enc(&b, &q);
	return keeper->call(keeper, op, buf_slice(&b), a, rest);
}

static void crashes_before_the_anchor_do_not_add_up(void **state)
{
	struct keeper loser = { .call = lose_anchor };

	(void)state;
	three();
	for (uint64_t i = 1; i <= 3; i++) {
		records_close(records);
		records = NULL;
		assert_int_equal(records_open(&loser, &keys, &judged, &records), HF_OK);
		assert_false(judged.rollback);
		assert_int_equal(put("r/a", i, "again"), HF_OK);
	}
	open_again();
	assert_as_left();
	assert_string_equal(scan("r/").text, "r/a=again r/b=2 r/c=3 ");
}

static void an_early_write_is_settled(void **state)
{
	struct record_change c = { "r/d", 0, 1, SEAL_STORE, SLICE_NONE, SLICE_STR("4") };

	(void)state;
	three();
	assert_int_equal(records_write_early(records, &c, 1, NULL), HF_OK);
	assert_int_equal(records_settle(records), HF_OK);
	open_again();
	assert_as_left();
	assert_string_equal(scan("r/").text, "r/a=1 r/b=2 r/c=3 r/d=4 ");
}

static void a_commit_that_was_kept_though_the_answer_was_lost_counts(void **state)
{
	(void)state;
	with_liar(true);
}

static void a_commit_that_was_lost_with_its_answer_is_sent_again(void **state)
{
	(void)state;
	with_liar(false);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_written_is_there_after_a_restart),
		T(a_batch_with_a_conflict_changes_nothing),
		T(a_partitions_record_opens_with_its_key_only),
		T(wiping_a_prefix_takes_all_of_it_and_nothing_else),
		T(many_writers_at_once_lose_nothing),
		T(what_is_behind_a_commit_is_done_once_at_most),
		T(what_is_behind_ones_own_commit_is_done),
		T(writes_put_aside_take_no_thread_each),
		T(who_sleeps_for_a_commit_needs_nobody_that_is_put_aside),
		T(a_write_put_aside_that_fails_says_so),
		T(a_flipped_bit_is_found_and_the_others_serve),
		T(a_truncated_record_is_found),
		T(swapped_records_are_found),
		T(an_older_version_of_a_record_is_named_and_not_used),
		T(a_deleted_record_put_back_is_named_and_not_used),
		T(a_record_that_was_taken_away_is_noticed),
		T(an_older_store_is_noticed_and_resets_no_counter),
		T(an_older_anchor_is_noticed_and_resets_no_counter),
		T(a_damaged_anchor_is_noticed),
		T(a_lost_state_is_noticed_and_resets_no_counter),
		T(a_full_disk_fails_the_write_and_nothing_else),
		T(crashes_before_the_anchor_do_not_add_up),
		T(an_early_write_is_settled),
		T(a_commit_that_was_kept_though_the_answer_was_lost_counts),
		T(a_commit_that_was_lost_with_its_answer_is_sent_again),
	};

	log_open("vault", LOG_L_ERROR);
	if (crypto_init() != HF_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
