/* Memory shared by a client and the vault, both ends in one process. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel.h"

static struct channel *vault, *client;
static int shared = -1;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(channel_make(&vault, &shared), HF_OK);
	assert_int_equal(channel_open(shared, &client), HF_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	channel_close(vault);
	channel_close(client);
	close(shared);
	return 0;
}

static bool ask(uint64_t request, struct slice fields)
{
	const struct request q = { .head = { 0, 7, 0, request, 5 }, .fields = fields };

	return channel_ask(client, &q);
}

static enum channel_given give(uint64_t request, size_t n)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(2 * CHANNEL_ROOM);
	const struct wire_head h = { (uint32_t)n, 7, 0, request, 0 };

	wire_head_put(&h, buf_add(&b, WIRE_HEAD));
	memset(buf_add(&b, n), 'a', n);
	return channel_give(vault, buf_slice(&b));
}

/* take takes all of it. */
static bool take(struct buf *in)
{
	struct slice whole;

	return channel_take(vault, in, &whole) && (whole.n == 0 || channel_take_rest(vault, whole, in));
}

static void a_request_and_its_answer_pass(void **state)
{
	CLEANUP(buf_done) struct buf in = BUF_MAX(4096);
	struct answer got;

	(void)state;
	assert_false(take(&in));
	assert_true(ask(3, SLICE_STR("question"))); /* nobody watches */
	assert_true(channel_asked(vault));
	assert_true(take(&in));
	assert_int_equal(in.n, WIRE_HEAD + 8);
	assert_memory_equal(in.p + WIRE_HEAD, "question", 8);
	assert_int_equal(give(3, 6), CHANNEL_SEEN);
	assert_int_equal(channel_wait(client), CHANNEL_ANSWERED);
	assert_int_equal(channel_read(client, &got), HF_OK);
	assert_int_equal(got.head.request, 3);
	assert_int_equal(got.fields.n, 6);
	assert_memory_equal(got.fields.p, "aaaaaa", 6);
	assert_false(channel_asked(vault));
}

static void two_requests_go_together(void **state)
{
	CLEANUP(buf_done) struct buf in = BUF_MAX(4096);
	const struct request ahead = {
		.head = { 0, 6, WIRE_FLAG_QUIET, 0, 5 }, .fields = SLICE_STR("first"),
	};
	const struct request q = {
		.head = { 0, 7, 0, 1, 5 }, .fields = SLICE_STR("s"), .data = SLICE_STR("econ"),
		.tail = SLICE_STR("d"), .ahead = &ahead,
	};

	(void)state;
	(void)channel_ask(client, &q);
	assert_true(take(&in));
	assert_int_equal(in.n, 2 * WIRE_HEAD + 5 + 6);
	assert_memory_equal(in.p + WIRE_HEAD, "first", 5);
	assert_memory_equal(in.p + 2 * WIRE_HEAD + 5, "second", 6);
}

static void who_sleeps_is_rung(void **state)
{
	(void)state;
	(void)ask(1, SLICE_NONE);
	assert_int_equal(channel_wait(client), CHANNEL_NOT_YET);
	assert_true(channel_asked(vault));
	assert_int_equal(give(1, 0), CHANNEL_SLEEPS);
}

static void *answer_later(void *arg)
{
	(void)arg;
	while (!channel_asked(vault))
		channel_nap(vault, 1000000);
	(void)usleep(5000);
	assert_int_not_equal(give(1, 0), CHANNEL_FULL); /* it naps, or on a slow day it sleeps by now */
	return NULL;
}

static void in_a_crowd_both_nap(void **state)
{
	pthread_t t;

	(void)state;
	channel_watch(vault);
	channel_crowded(vault, CROWD_TURNS);
	assert_int_equal(pthread_create(&t, NULL, answer_later, NULL), 0);
	(void)usleep(2000);
	assert_false(ask(1, SLICE_NONE));
	while (channel_wait(client) == CHANNEL_NOT_YET) /* it naps for 10 ms, then would sleep */
		;
	assert_int_equal(pthread_join(t, NULL), 0);
}

#define ASKED_OFTEN 20000u

static atomic_bool vault_rung, client_rung;

static void wait_rung(atomic_bool *rung)
{
	while (!atomic_exchange(rung, false))
		(void)sched_yield();
}

/* A vault that naps, answers, and goes away as soon as it can; then only a ring brings it back. */
static void *come_and_go(void *arg)
{
	(void)arg;
	for (unsigned served = 0; served < ASKED_OFTEN;) {
		CLEANUP(buf_done) struct buf in = BUF_MAX(CHANNEL_ROOM);

		channel_nap(vault, 1000);
		if (take(&in)) {
			if (give(served++, 0) == CHANNEL_SLEEPS)
				atomic_store(&client_rung, true);
		} else if (!channel_unwatch(vault)) {
			wait_rung(&vault_rung);
			channel_watch(vault);
		}
	}
	return NULL;
}

/* However the two meet, the client knows whether to ring. */
static void a_vault_that_comes_and_goes_misses_nothing(void **state)
{
	pthread_t t;

	(void)state;
	channel_watch(vault);
	channel_crowded(vault, CROWD_TURNS);
	assert_int_equal(pthread_create(&t, NULL, come_and_go, NULL), 0);
	for (unsigned i = 0; i < ASKED_OFTEN; i++) {
		struct answer a;

		if (ask(i, SLICE_NONE))
			atomic_store(&vault_rung, true);
		if (channel_wait(client) == CHANNEL_NOT_YET)
			wait_rung(&client_rung);
		assert_int_equal(channel_read(client, &a), HF_OK);
	}
	assert_int_equal(pthread_join(t, NULL), 0);
}

static void what_is_too_long_goes_elsewhere(void **state)
{
	(void)state;
	(void)ask(1, SLICE_NONE);
	assert_int_equal(give(1, CHANNEL_ROOM + 1), CHANNEL_FULL);
	assert_int_equal(channel_wait(client), CHANNEL_ELSEWHERE);
}

static void no_request_is_missed_when_the_watch_ends(void **state)
{
	(void)state;
	channel_watch(vault);
	assert_false(ask(1, SLICE_NONE)); /* watched: no ring */
	assert_true(channel_unwatch(vault));
	assert_int_equal(give(1, 0), CHANNEL_SEEN);
	assert_false(channel_unwatch(vault));
	assert_true(ask(2, SLICE_NONE));
}

static void a_long_request_shows_its_beginning_first(void **state)
{
	CLEANUP(buf_done) struct buf in = BUF_MAX(CHANNEL_ROOM), data = BUF_MAX(CHANNEL_ROOM);
	struct slice whole;

	(void)state;
	memset(buf_add(&data, 20000), 'd', 20000);
	(void)ask(1, buf_slice(&data));
	assert_true(channel_take(vault, &in, &whole));
	assert_int_equal(whole.n, WIRE_HEAD + 20000);
	assert_true(in.n > WIRE_HEAD && in.n < whole.n);
	assert_true(channel_take_rest(vault, whole, &in));
	assert_int_equal(in.n, whole.n);
	assert_memory_equal(in.p + WIRE_HEAD, data.p, data.n);
}

static void long_frames_take_turns(void **state)
{
	CLEANUP(buf_done) struct buf in = BUF_MAX(CHANNEL_ROOM), data = BUF_MAX(CHANNEL_ROOM);
	const uint8_t *before = NULL;
	struct answer got;

	(void)state;
	memset(buf_add(&data, 500000), 'd', 500000);
	for (unsigned i = 0; i < 5; i++) { /* more than fit beside each other */
		buf_reset(&in);
		(void)ask(i, buf_slice(&data));
		assert_true(take(&in));
		assert_memory_equal(in.p + WIRE_HEAD, data.p, data.n);
		assert_int_equal(give(i, 500000 + i), CHANNEL_SEEN);
		assert_int_equal(channel_read(client, &got), HF_OK);
		assert_int_equal(got.fields.n, 500000 + i);
		assert_ptr_not_equal(got.fields.p, before);
		before = got.fields.p;
	}
}

static void an_answer_may_be_written_in_place(void **state)
{
	const struct wire_head h = { 3, 7, 0, 1, 0 };
	uint8_t *room = channel_room(vault, CHANNEL_ROOM);
	struct answer got;

	(void)state;
	(void)ask(1, SLICE_NONE);
	wire_head_put(&h, room);
	memcpy(room + WIRE_HEAD, "abc", 3);
	assert_int_equal(channel_give(vault, (struct slice){ room, WIRE_HEAD + 3 }), CHANNEL_SEEN);
	assert_int_equal(channel_read(client, &got), HF_OK);
	assert_int_equal(got.fields.n, 3);
	assert_memory_equal(got.fields.p, "abc", 3);
}

/* Of words, short requests, short answers, requests, answers, as channel.c lays them out. */
#define SHORT_REQUESTS 64u
#define SHORT_ANSWERS 2048u
#define REQUESTS 4096u
#define ANSWERS (REQUESTS + 2 * (CHANNEL_ROOM + 4096))

static uint32_t *first_page(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* --- what is ready before the answer is given ----------------------------------- */

#define READY_AT 7 /* of the words in front */
#define READY 8
#define AREA (2 * (CHANNEL_ROOM + 4096))

static void ask_early(struct early *o)
{
	const struct request q = { .head = { 0, 7, 0, 1, 5 }, .early = o };

	(void)channel_ask(client, &q);
}

static void what_is_ready_is_taken_out_before_the_answer(void **state)
{
	const struct wire_head h = { 6, 7, 0, 1, 0 };
	uint8_t *room = channel_room(vault, CHANNEL_ROOM), out[8] = "........";
	struct early o = { .p = out, .room = 6 };
	struct answer got;

	(void)state;
	ask_early(&o);
	memcpy(room + WIRE_HEAD, "abcd", 4);
	channel_ready(vault, room + WIRE_HEAD, 4);
	assert_int_equal(channel_wait(client), CHANNEL_NOT_YET);
	assert_int_equal(o.n, 4);
	memcpy(room + WIRE_HEAD + 4, "ef", 2);
	wire_head_put(&h, room);
	assert_int_equal(channel_give(vault, (struct slice){ room, WIRE_HEAD + 6 }), CHANNEL_SLEEPS);
	assert_int_equal(channel_read(client, &got), HF_OK);
	assert_ptr_equal(got.fields.p, o.from);
	assert_memory_equal(out, "abcd....", 8);
}

static void nothing_is_ready_of_the_answer_before(void **state)
{
	uint8_t *room = channel_room(vault, CHANNEL_ROOM), out[8] = "........";
	struct early o = { .p = out, .room = 8 };

	(void)state;
	memcpy(room, "old data", 8);
	channel_ready(vault, room, 8);
	ask_early(&o);
	(void)give(1, 0);
	assert_int_equal(channel_wait(client), CHANNEL_ANSWERED);
	assert_int_equal(o.n, 0);
	assert_memory_equal(out, "........", 8);
}

/* Whoever writes there: nothing is read beside the area, nor written beside the caller's room. */
static void a_vault_that_lies_of_what_is_ready_is_not_believed(void **state)
{
	static const struct {
		uint32_t at, n;
		const char *why;
	} lies[] = {
		{ ANSWERS, 9, "more than there is room for" },
		{ ANSWERS, UINT32_MAX, "more than there can be" },
		{ 0, 8, "words" },
		{ REQUESTS, 8, "a request's place" },
		{ SHORT_ANSWERS - 1, 1, "before an answer" },
		{ ANSWERS + AREA, 1, "behind the area" },
		{ ANSWERS + AREA - 3, 4, "beyond its end" },
		{ UINT32_MAX, 8, "far behind it" },
	};
	uint32_t *p = first_page();
	uint8_t out[16] = "................";
	struct early o = { .p = out, .room = 8 };

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		ask_early(&o);
		p[READY_AT] = lies[i].at;
		p[READY] = lies[i].n;
		(void)give(1, 0);
		assert_int_equal(channel_wait(client), CHANNEL_ANSWERED);
		if (o.n != 0 || memcmp(out, "................", 16) != 0)
			fail_msg("%s", lies[i].why);
	}
	(void)munmap(p, 4096);
}

static void what_is_ready_does_not_move_or_shrink(void **state)
{
	uint8_t *room = channel_room(vault, CHANNEL_ROOM), out[8] = "........";
	struct early o = { .p = out, .room = 8 };

	(void)state;
	ask_early(&o);
	memcpy(room, "abcdefgh", 8);
	channel_ready(vault, room, 4);
	assert_int_equal(channel_wait(client), CHANNEL_NOT_YET);
	channel_ready(vault, room + 1, 6);
	(void)channel_wait(client);
	channel_ready(vault, room, 2);
	(void)channel_wait(client);
	assert_int_equal(o.n, 4);
	assert_memory_equal(out, "abcd....", 8);
}

/* --- data on their way ----------------------------------------------------------- */

#define POURED 100000u

static uint8_t poured[POURED];

static struct request pours(void)
{
	for (size_t i = 0; i < POURED; i++)
		poured[i] = (uint8_t)(i * i >> 5);
	return (struct request){
		.head = { 0, 7, 0, 1, 5 }, .fields = SLICE_STR("head"), .data = SLICE_OF(poured),
		.tail = SLICE_STR("tail"), .pours = true,
	};
}

static void data_come_while_the_vault_looks(void **state)
{
	CLEANUP(buf_done) struct buf in = BUF_MAX(CHANNEL_ROOM);
	const struct request q = pours();
	const uint8_t *data;
	struct slice whole;

	(void)state;
	(void)channel_ask(client, &q);
	assert_true(channel_take(vault, &in, &whole));
	assert_int_equal(whole.n, WIRE_HEAD + 4 + POURED + 4);
	assert_memory_equal(whole.p + whole.n - 4, "tail", 4);
	data = whole.p + WIRE_HEAD + 4;
	assert_true(channel_there(vault, POURED - 16384 + 4));
	assert_memory_equal(data, poured, 16384);
	channel_pour(client, &q);
	assert_true(channel_there(vault, 0));
	assert_memory_equal(data, poured, POURED);
}

static void the_vault_does_not_wait_for_data_for_long(void **state)
{
	CLEANUP(buf_done) struct buf in = BUF_MAX(CHANNEL_ROOM);
	const struct request q = pours();
	struct slice whole;

	(void)state;
	(void)channel_ask(client, &q);
	assert_true(channel_take(vault, &in, &whole));
	assert_false(channel_there(vault, 0));
	assert_false(channel_there(vault, POURED - 16385 + 4));
	assert_true(channel_there(vault, POURED - 16384 + 4));
}

static void what_does_not_come_in_time_is_taken_later(void **state)
{
	CLEANUP(buf_done) struct buf in = BUF_MAX(CHANNEL_ROOM);
	const struct request q = pours();

	(void)state;
	(void)channel_ask(client, &q);
	assert_false(take(&in));
	assert_true(channel_asked(vault));
	channel_pour(client, &q);
	buf_reset(&in);
	assert_true(take(&in));
	assert_int_equal(in.n, WIRE_HEAD + 4 + POURED + 4);
	assert_memory_equal(in.p + WIRE_HEAD + 4, poured, POURED);
	assert_memory_equal(in.p + WIRE_HEAD + 4 + POURED, "tail", 4);
}

static void a_long_answer_is_ready_piece_by_piece(void **state)
{
	static uint8_t out[POURED];
	struct early o = { .p = out, .room = POURED };
	struct answer got;

	(void)state;
	ask_early(&o);
	(void)give(1, WIRE_BEFORE_OUT + POURED);
	assert_int_equal(channel_wait(client), CHANNEL_ANSWERED);
	assert_int_equal(o.n, POURED);
	assert_int_equal(channel_read(client, &got), HF_OK);
	assert_ptr_equal(got.fields.p + WIRE_BEFORE_OUT, o.from);
	assert_memory_equal(out, o.from, POURED);
}

static void in_a_crowd_all_data_come_at_once(void **state)
{
	const struct request q = pours();

	(void)state;
	channel_crowded(vault, CROWD_TURNS);
	(void)channel_ask(client, &q);
	assert_true(channel_there(vault, 0));
}

static void a_request_outside_is_refused(void **state)
{
	static const uint32_t places[] = { 0, SHORT_REQUESTS - 1, SHORT_ANSWERS - 8, SHORT_ANSWERS,
		REQUESTS - 1, ANSWERS - 8, ANSWERS, 2 * ANSWERS, UINT32_MAX };
	CLEANUP(buf_done) struct buf in = BUF_MAX(CHANNEL_ROOM);
	uint32_t *p = first_page();

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		(void)ask(1, SLICE_STR("x"));
		p[2] = places[i];
		assert_false(take(&in));
		assert_int_equal(give(1, 0), CHANNEL_SEEN);
	}
	(void)munmap(p, 4096);
}

static void an_answer_outside_is_refused(void **state)
{
	static const uint32_t places[] = { 0, SHORT_REQUESTS, SHORT_ANSWERS - 1, REQUESTS - 64 - 8, REQUESTS,
		ANSWERS - 1, 2 * ANSWERS, UINT32_MAX };
	uint32_t *p = first_page();
	struct answer got;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		(void)ask(1, SLICE_STR("x"));
		assert_int_equal(give(1, 0), CHANNEL_SEEN);
		p[3] = places[i];
		assert_int_equal(channel_read(client, &got), HF_E_CONNECTION);
	}
	(void)munmap(p, 4096);
}

static void a_short_call_stays_within_one_page(void **state)
{
	CLEANUP(buf_done) struct buf in = BUF_MAX(4096);
	uint32_t *p = first_page();

	(void)state;
	(void)ask(1, SLICE_STR("question"));
	assert_non_null(memmem(p, 4096, "question", 8));
	assert_true(take(&in));
	assert_int_equal(give(1, 512), CHANNEL_SEEN);
	assert_non_null(memmem(p, 4096, "aaaa", 4));
	(void)munmap(p, 4096);
}

static void frames_of_all_lengths_pass(void **state)
{
	CLEANUP(buf_done) struct buf in = BUF_MAX(CHANNEL_ROOM), data = BUF_MAX(CHANNEL_ROOM);
	struct answer got;

	(void)state;
	for (size_t n = 1; n < 17000; n += n < 1930 ? 211 : n < 1990 ? 1 : 501) {
		buf_reset(&data);
		buf_reset(&in);
		memset(buf_add(&data, n), (int)('b' + n % 16), n);
		(void)ask(n, buf_slice(&data));
		assert_true(take(&in));
		assert_int_equal(in.n, WIRE_HEAD + n);
		assert_memory_equal(in.p + WIRE_HEAD, data.p, n);
		assert_int_equal(give(n, n), CHANNEL_SEEN);
		assert_int_equal(channel_read(client, &got), HF_OK);
		assert_int_equal(got.fields.n, n);
		assert_int_equal(got.fields.p[n - 1], 'a');
	}
}

/* --- memory of long frames ---------------------------------------------------- */

static size_t kept(void)
{
	struct stat st;

	assert_int_equal(fstat(shared, &st), 0);
	return (size_t)st.st_blocks * 512;
}

/* trim_in looks twice, the second time so many nanoseconds later. */
static bool trim_in(uint64_t ns)
{
	static uint64_t now = 1;

	(void)channel_trim(vault, now);
	now += ns;
	return channel_trim(vault, now);
}

/* exchange is a call of n bytes each way whose answer was not taken out yet. */
static void exchange(size_t n, uint8_t fill)
{
	CLEANUP(buf_done) struct buf in = BUF_MAX(CHANNEL_ROOM), data = BUF_MAX(CHANNEL_ROOM);
	struct answer got;

	memset(buf_add(&data, n), fill, n);
	assert_true(channel_claim(client));
	(void)ask(n, buf_slice(&data));
	assert_true(take(&in));
	assert_memory_equal(in.p + WIRE_HEAD, data.p, n);
	assert_int_equal(give(n, n), CHANNEL_SEEN);
	assert_int_equal(channel_read(client, &got), HF_OK);
	assert_int_equal(got.fields.p[n - 1], 'a');
}

static void memory_of_long_frames_goes_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		exchange(1000000, 'b');
		channel_done(client);
		assert_true(kept() > 2000000);
		assert_false(trim_in(CHANNEL_RESTS_NS - 1)); /* soon the next one may come */
		exchange(20, 'c');
		channel_done(client);
		assert_true(trim_in(CHANNEL_RESTS_NS));
		assert_true(kept() <= 4096);
		assert_false(trim_in(CHANNEL_RESTS_NS));
	}
}

static void memory_in_use_is_left(void **state)
{
	(void)state;
	exchange(1000000, 'b');
	assert_false(trim_in(CHANNEL_RESTS_NS)); /* the answer is still to be read */
	channel_done(client);
	assert_true(channel_claim(client));
	assert_false(trim_in(CHANNEL_RESTS_NS)); /* a request is being written */
	assert_true(kept() > 2000000);
	channel_done(client);
	(void)trim_in(CHANNEL_RESTS_NS);
	assert_true(kept() <= 4096);
}

static atomic_bool trimmed_enough;

static void *trim_all_the_time(void *arg)
{
	uint64_t now = 1;

	(void)arg;
	for (unsigned n = 0; n < 50; now += CHANNEL_RESTS_NS)
		n += channel_trim(vault, now);
	atomic_store(&trimmed_enough, true);
	return NULL;
}

static void no_long_frame_loses_its_memory(void **state)
{
	pthread_t t;

	(void)state;
	atomic_store(&trimmed_enough, false);
	assert_int_equal(pthread_create(&t, NULL, trim_all_the_time, NULL), 0);
	for (uint8_t fill = 1; !atomic_load(&trimmed_enough); fill++) {
		while (!channel_claim(client))
			(void)sched_yield();
		exchange(100000, fill | 1);
		channel_done(client);
		(void)sched_yield();
	}
	assert_int_equal(pthread_join(t, NULL), 0);
}

static void a_pin_does_not_stay_there(void **state)
{
	CLEANUP(buf_done) struct buf in = BUF_MAX(4096);
	const uint8_t *p;

	(void)state;
	(void)ask(1, SLICE_STR("my secret PIN"));
	assert_true(take(&in));
	p = mmap(NULL, CHANNEL_ROOM, PROT_READ, MAP_SHARED, shared, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_null(memmem(p, CHANNEL_ROOM, "secret PIN", 10));
	(void)munmap((void *)(uintptr_t)p, CHANNEL_ROOM);
}

static void the_client_cannot_shrink_it(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(shared, 0), -1);
	assert_int_equal(ftruncate(shared, 1 << 30), -1);
}

static void other_files_are_refused(void **state)
{
	int fd = memfd_create("other", MFD_CLOEXEC);
	struct channel *c;

	(void)state;
	assert_int_equal(channel_open(fd, &c), HF_E_CONNECTION);
	close(fd);
	assert_int_equal(channel_open(-1, &c), HF_E_CONNECTION);
}

static void another_versions_layout_is_told_apart(void **state)
{
	struct channel *c, *theirs;
	int fd;
	void *p;

	(void)state;
	assert_int_equal(channel_make(&theirs, &fd), HF_OK);
	assert_int_equal(channel_open(fd, &c), HF_OK);
	channel_close(c);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	memset(p, 0, 4096);
	assert_int_equal(channel_open(fd, &c), HF_E_MALFORMED);
	(void)munmap(p, 4096);
	channel_close(theirs);
	close(fd);
}

/* --- a client that writes while the vault reads ------------------------------- */

static atomic_bool over;

static void *scribble(void *arg)
{
	uint8_t *p = arg;
	uint32_t x = 1;

	while (!atomic_load(&over)) {
		x = x * 1664525u + 1013904223u;
		p[x >> 12 & 8191] = (uint8_t)(x >> 3); /* the words in front, the request's head */
	}
	return NULL;
}

static void a_scribbling_client_harms_nobody(void **state)
{
	uint8_t *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
	CLEANUP(buf_done) struct buf in = BUF_MAX(WIRE_MAX_BYTES);
	unsigned taken = 0;
	pthread_t t;

	(void)state;
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(pthread_create(&t, NULL, scribble, p), 0);
	for (unsigned i = 0; i < 20000 || (taken == 0 && i < 10000000); i++) {
		buf_reset(&in);
		(void)ask(i, SLICE_STR("0123456789"));
		if (take(&in)) {
			taken++;
			assert_in_range(in.n, 0, WIRE_HEAD + CHANNEL_ROOM);
		}
		(void)give(i, i % 100);
		(void)channel_unwatch(vault);
	}
	atomic_store(&over, true);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_true(taken > 0);
	(void)munmap(p, 16384);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void the_vault_knows_where_the_client_runs(void **state)
{
	cpu_set_t one, all;
	int here = sched_getcpu();

	(void)state;
	assert_int_equal(channel_seat(vault), 0);
	CPU_ZERO(&one);
	CPU_SET((size_t)here, &one);
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	(void)ask(1, SLICE_NONE);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(channel_seat(vault), (unsigned)here + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_and_its_answer_pass),
		TEST(two_requests_go_together),
		TEST(who_sleeps_is_rung),
		TEST(the_vault_knows_where_the_client_runs),
		TEST(in_a_crowd_both_nap),
		TEST(a_vault_that_comes_and_goes_misses_nothing),
		TEST(what_is_too_long_goes_elsewhere),
		TEST(no_request_is_missed_when_the_watch_ends),
		TEST(a_long_request_shows_its_beginning_first),
		TEST(long_frames_take_turns),
		TEST(an_answer_may_be_written_in_place),
		TEST(what_is_ready_is_taken_out_before_the_answer),
		TEST(nothing_is_ready_of_the_answer_before),
		TEST(a_vault_that_lies_of_what_is_ready_is_not_believed),
		TEST(what_is_ready_does_not_move_or_shrink),
		TEST(data_come_while_the_vault_looks),
		TEST(the_vault_does_not_wait_for_data_for_long),
		TEST(what_does_not_come_in_time_is_taken_later),
		TEST(a_long_answer_is_ready_piece_by_piece),
		TEST(in_a_crowd_all_data_come_at_once),
		TEST(a_request_outside_is_refused),
		TEST(an_answer_outside_is_refused),
		TEST(a_short_call_stays_within_one_page),
		TEST(frames_of_all_lengths_pass),
		TEST(memory_of_long_frames_goes_back),
		TEST(memory_in_use_is_left),
		TEST(no_long_frame_loses_its_memory),
		TEST(a_pin_does_not_stay_there),
		TEST(the_client_cannot_shrink_it),
		TEST(other_files_are_refused),
		TEST(another_versions_layout_is_told_apart),
		TEST(a_scribbling_client_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
