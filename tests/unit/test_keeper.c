/* The keeper's loop, asked over a socket pair as the vault asks it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "keeper.h"
#include "scratch.h"
#include "wire.h"

/* All that the keeper makes durable comes through here. */
static atomic_uint syncs, fail_syncs, held_sync; /* held: the sync of that number waits until it is 0 again */

static void pause_a_little(void)
{
	static const struct timespec t = { 0, 1000000 };

	(void)nanosleep(&t, NULL);
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
	unsigned n = atomic_fetch_add(&syncs, 1) + 1;

	while (atomic_load(&held_sync) == n)
		pause_a_little();
	if (atomic_load(&fail_syncs) > 0) {
		atomic_fetch_sub(&fail_syncs, 1);
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static struct scratch scratch;
static struct keeper_ctx keeper;
static int vault = -1, other = -1; /* the two ends */
static pthread_t thread;
static bool running;
static enum hf_err ended;

static struct arena arena; /* of the answers */
static struct buf fields = BUF_MAX(WIRE_MAX_BYTES);

static void *loop(void *arg)
{
	(void)arg;
	ended = keeper_loop(&keeper, other);
	return NULL;
}

static void connect_both(void)
{
	int p[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	vault = p[0];
	other = p[1];
}

/* run starts the loop: what was sent before it has come together. */
static void run(void)
{
	assert_int_equal(pthread_create(&thread, NULL, loop, NULL), 0);
	running = true;
}

static enum hf_err hang_up(void)
{
	if (vault >= 0)
		close(vault);
	vault = -1;
	if (!running)
		run();
	assert_int_equal(pthread_join(thread, NULL), 0);
	running = false;
	close(other);
	return ended;
}

static int setup(void **state)
{
	(void)state;
	scratch_new(&scratch);
	assert_int_equal(keeper_open(scratch.fd, 1u << 20, &keeper), HF_OK);
	connect_both();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	atomic_store(&fail_syncs, 0);
	atomic_store(&held_sync, 0);
	(void)hang_up();
	keeper_close(&keeper);
	scratch_free(&scratch);
	arena_done(&arena);
	buf_done(&fields);
	return 0;
}

static void again(void)
{
	assert_int_equal(hang_up(), HF_E_CONNECTION);
	keeper_close(&keeper);
	assert_int_equal(keeper_open(scratch.fd, 1u << 20, &keeper), HF_OK);
	connect_both();
	run();
}

/* --- the vault's side ------------------------------------------------------------------------ */

static void send_raw(unsigned op, uint64_t request, struct slice s)
{
	struct wire_head h = { .opcode = (uint16_t)op, .request = request, .session = 5 };

	assert_int_equal(wire_send(vault, &h, s), HF_OK);
}

static void send_commit_as(uint64_t request, const struct store_commit_req *q)
{
	buf_reset(&fields);
	store_commit_req_enc(&fields, q);
	send_raw(KEEPER_STORE_COMMIT, request, buf_slice(&fields));
}

static void send_commit(uint64_t request, const struct change *v, size_t n, const char *anchor)
{
	send_commit_as(request, &(struct store_commit_req){ { v, n }, slice_str(anchor), false });
}

static void send_early(uint64_t request, const char *name, const char *anchor)
{
	const struct change c = { slice_str(name), 0, 1, SLICE_STR("value") };

	send_commit_as(request, &(struct store_commit_req){ { &c, *name != '\0' }, slice_str(anchor), true });
}

static void send_put(uint64_t request, const char *name, uint64_t expect, uint64_t version,
	const char *anchor)
{
	struct change c = { slice_str(name), expect, version, SLICE_STR("value") };

	send_commit(request, &c, 1, anchor);
}

static void send_append(uint64_t request, uint64_t first, const char *text, bool sync)
{
	struct entry e = { slice_str(text) };
	struct audit_append_req q = { first, { &e, 1 }, sync, false };

	buf_reset(&fields);
	audit_append_req_enc(&fields, &q);
	send_raw(KEEPER_AUDIT_APPEND, request, buf_slice(&fields));
}

/* answer receives one answer into `fields` and returns its error. */
static enum hf_err answer(uint64_t *ret_request)
{
	struct wire_head h;

	assert_int_equal(wire_recv(vault, WIRE_MAX_BYTES, &h, &fields), HF_OK);
	assert_int_equal(h.session, 0);
	*ret_request = h.request;
	return (enum hf_err)h.flags;
}

static enum hf_err answer_to(uint64_t request)
{
	uint64_t got;
	enum hf_err e = answer(&got);

	assert_int_equal(got, request);
	return e;
}

/* rest reads the answer; what is decoded from it is good until the next one. */
static struct rd rest(void)
{
	return rd_of(buf_slice(&fields));
}

static uint64_t version_of(const char *name)
{
	struct store_get_req q = { slice_str(name) };
	struct store_get_res r;
	struct rd in;

	buf_reset(&fields);
	store_get_req_enc(&fields, &q);
	send_raw(KEEPER_STORE_GET, 77, buf_slice(&fields));
	assert_int_equal(answer_to(77), HF_OK);
	in = rest();
	assert_true(store_get_res_dec(&in, &arena, &r) && rd_done(&in));
	assert_true(r.found.n == 0 || slice_eq(r.found.v[0].name, q.name));
	return r.found.n > 0 ? r.found.v[0].version : 0;
}

static struct store_scan_res scan(const char *prefix, struct slice after, uint32_t max)
{
	struct store_scan_req q = { slice_str(prefix), after, max };
	struct store_scan_res r;
	struct rd in;

	buf_reset(&fields);
	store_scan_req_enc(&fields, &q);
	send_raw(KEEPER_STORE_SCAN, 78, buf_slice(&fields));
	assert_int_equal(answer_to(78), HF_OK);
	in = rest();
	assert_true(store_scan_res_dec(&in, &arena, &r) && rd_done(&in));
	return r;
}

static void anchor_is(const char *want)
{
	struct anchor_get_res r;
	struct rd in;

	send_raw(KEEPER_ANCHOR_GET, 79, SLICE_NONE);
	assert_int_equal(answer_to(79), HF_OK);
	in = rest();
	assert_true(anchor_get_res_dec(&in, &arena, &r) && rd_done(&in));
	assert_true(slice_eq(r.anchor, slice_str(want)));
}

static size_t fetch(uint64_t from, uint32_t max, struct slice *ret_first)
{
	struct audit_fetch_req q = { from, max };
	struct audit_fetch_res r;
	struct rd in;

	buf_reset(&fields);
	audit_fetch_req_enc(&fields, &q);
	send_raw(KEEPER_AUDIT_FETCH, 80, buf_slice(&fields));
	assert_int_equal(answer_to(80), HF_OK);
	in = rest();
	assert_true(audit_fetch_res_dec(&in, &arena, &r) && rd_done(&in));
	*ret_first = r.records.n > 0 ? r.records.v[0].record : SLICE_NONE;
	return r.records.n;
}

static struct slice tail(void)
{
	struct audit_tail_res r;
	struct rd in;

	send_raw(KEEPER_AUDIT_TAIL, 81, SLICE_NONE);
	assert_int_equal(answer_to(81), HF_OK);
	in = rest();
	assert_true(audit_tail_res_dec(&in, &arena, &r) && rd_done(&in));
	return r.last.n > 0 ? r.last.v[0].record : SLICE_NONE;
}

/* --- records --------------------------------------------------------------------------------- */

static void a_change_is_there_and_survives_the_keeper(void **state)
{
	(void)state;
	run();
	anchor_is("");
	assert_int_equal(version_of("a"), 0);
	send_put(1, "a", 0, 3, "anchor 1");
	assert_int_equal(answer_to(1), HF_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(version_of("a"), 3);
		anchor_is("anchor 1");
		again();
	}
}

static void the_data_directory_holds_what_is_documented(void **state)
{
	static const char *const names[] = { "store.db", "anchor", "audit" };
	struct stat st;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(fstatat(scratch.fd, names[i], &st, 0), 0);
		assert_int_equal(st.st_mode & 0077, 0);
	}
}

static void a_group_costs_one_sync_and_a_conflict_is_the_askers_own(void **state)
{
	char name[8], anchor[16];

	(void)state;
	for (uint64_t i = 1; i <= 50; i++) { /* 20 and 50 ask for what is not there */
		(void)snprintf(name, sizeof(name), "n%u", (unsigned)i);
		(void)snprintf(anchor, sizeof(anchor), "anchor %u", (unsigned)i);
		send_put(i, name, i % 30 == 20, 1, anchor);
	}
	atomic_store(&syncs, 0);
	run();
	for (unsigned i = 1; i <= 50; i++) {
		uint64_t request;
		enum hf_err e = answer(&request);

		assert_int_equal(e, request % 30 == 20 ? HF_E_CONFLICT : HF_OK);
	}
	assert_int_equal(atomic_load(&syncs), 2); /* the group, the anchor */
	anchor_is("anchor 49");
	assert_int_equal(scan("n", SLICE_NONE, 1u << 20).records.n, 48);
}

static void a_disk_that_fails_changes_nothing(void **state)
{
	(void)state;
	send_put(1, "first", 0, 1, "one");
	run();
	assert_int_equal(answer_to(1), HF_OK);
	atomic_store(&fail_syncs, 1);
	send_put(2, "a", 0, 1, "two");
	assert_int_equal(answer_to(2), HF_E_STORE);
	assert_int_equal(version_of("a"), 0);
	anchor_is("one");
	send_put(3, "a", 0, 1, "two");
	assert_int_equal(answer_to(3), HF_OK);
	anchor_is("two");
}

static void an_anchor_alone_may_be_sent(void **state)
{
	(void)state;
	run();
	send_commit(1, NULL, 0, "alone");
	assert_int_equal(answer_to(1), HF_OK);
	anchor_is("alone");
	send_put(2, "a", 0, 1, ""); /* and a change without one leaves it */
	assert_int_equal(answer_to(2), HF_OK);
	anchor_is("alone");
}

/* 1: the store's disk, 2: the anchor's, which is held, 3: the audit log's. */
static void an_early_answer_comes_before_the_anchor_and_a_record_behind_it(void **state)
{
	struct pollfd p = { .events = POLLIN };

	(void)state;
	run();
	assert_int_equal(version_of("a"), 0);
	atomic_store(&syncs, 0);
	atomic_store(&held_sync, 2);
	send_early(1, "a", "early");
	assert_int_equal(answer_to(1), HF_OK);
	send_append(2, 1, "record", true);
	while (atomic_load(&syncs) < 3)
		pause_a_little();
	p.fd = vault;
	assert_int_equal(poll(&p, 1, 20), 0);
	atomic_store(&held_sync, 0);
	assert_int_equal(answer_to(2), HF_OK);
	anchor_is("early");
	again();
	anchor_is("early");
	assert_int_equal(version_of("a"), 1);
}

static void the_next_change_waits_for_an_early_anchor(void **state)
{
	(void)state;
	run();
	send_early(1, "a", "one");
	send_early(2, "b", "two");
	send_put(3, "c", 0, 1, "three");
	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(answer_to(i), HF_OK);
	anchor_is("three");
	send_early(4, "c", "no change"); /* it is there */
	assert_int_equal(answer_to(4), HF_E_CONFLICT);
	anchor_is("three");
}

static void an_early_anchor_that_fails_is_mended_before_the_next_change(void **state)
{
	(void)state;
	run();
	send_early(1, "", "one"); /* changes nothing: the anchor's is the only disk */
	assert_int_equal(answer_to(1), HF_OK);
	anchor_is("one");
	atomic_store(&fail_syncs, 2);
	send_early(2, "", "two");
	assert_int_equal(answer_to(2), HF_OK);
	send_put(3, "a", 0, 1, "three");
	assert_int_equal(answer_to(3), HF_E_STORE);
	assert_int_equal(version_of("a"), 0);
	send_put(4, "a", 0, 1, "");
	assert_int_equal(answer_to(4), HF_OK);
	anchor_is("two");
}

static void a_scan_comes_in_pages(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 20, 25, 1000, UINT32_MAX };
	char name[16];

	(void)state;
	run();
	for (uint64_t i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "n/%03u", (unsigned)i);
		send_put(i, name, 0, i + 1, "");
		assert_int_equal(answer_to(i), HF_OK);
	}
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct slice after = SLICE_NONE;
		struct store_scan_res r = { .more = true };
		uint64_t n = 0;

		while (r.more) {
			r = scan("n/", after, sizes[s]);
			assert_true(r.records.n > 0);
			for (size_t i = 0; i < r.records.n; i++)
				assert_int_equal(r.records.v[i].version, ++n);
			assert_int_equal(arena_dup(&arena, r.records.v[r.records.n - 1].name, &after), HF_OK);
		}
		assert_int_equal(n, 100);
	}
}

/* Requests and answers that exceed the room that is kept, and then small ones again. */
static void great_records_pass(void **state)
{
	static const size_t sizes[] = { 100, 200000, 5000000, 100, 12000000 };
	uint8_t *p = calloc(1, 12000000);

	(void)state;
	assert_non_null(p);
	run();
	for (uint64_t i = 0; i < 5; i++) {
		struct change c = { SLICE_STR("great"), i, i + 1, { p, sizes[i] } };
		struct store_scan_res r;

		send_commit(i, &c, 1, "");
		assert_int_equal(answer_to(i), HF_OK);
		r = scan("", SLICE_NONE, 10);
		assert_int_equal(r.records.n, 1);
		assert_int_equal(r.records.v[0].value.n, sizes[i]);
		arena_reset(&arena);
	}
	free(p);
}

/* --- audit ----------------------------------------------------------------------------------- */

static void audit_records_are_kept_in_order(void **state)
{
	struct slice first;

	(void)state;
	run();
	assert_int_equal(tail().n, 0);
	assert_int_equal(fetch(1, 10, &first), 0);
	for (uint64_t i = 1; i <= 5; i++) {
		char text[2] = { (char)('a' + i - 1), 0 };

		send_append(i, i, text, i == 5);
		assert_int_equal(answer_to(i), HF_OK);
	}
	for (int i = 0; i < 2; i++) {
		assert_true(slice_eq(tail(), SLICE_STR("e")));
		assert_int_equal(fetch(2, 3, &first), 3);
		assert_true(slice_eq(first, SLICE_STR("b")));
		assert_int_equal(fetch(2, 0, &first), 0);
		assert_int_equal(fetch(5, UINT32_MAX, &first), 1);
		again();
	}
	send_append(9, 7, "gap", true);
	assert_int_equal(answer_to(9), HF_E_CONFLICT);
	send_append(10, 6, "f", true);
	assert_int_equal(answer_to(10), HF_OK);
}

static void appends_that_came_together_share_a_sync(void **state)
{
	uint64_t got, seen = 0;

	(void)state;
	for (uint64_t i = 1; i <= 20; i++)
		send_append(i, i, "text", i % 2 == 0);
	atomic_store(&syncs, 0);
	run();
	for (uint64_t i = 1; i <= 20; i++) { /* who waits for the disk comes later */
		assert_int_equal(answer(&got), HF_OK);
		assert_in_range(got, 1, 20);
		seen |= UINT64_C(1) << got;
	}
	assert_int_equal(seen, (UINT64_C(1) << 21) - 2);
	assert_int_equal(atomic_load(&syncs), 1);
	send_append(21, 21, "text", false);
	assert_int_equal(answer_to(21), HF_OK);
	assert_int_equal(atomic_load(&syncs), 1);
}

/* After a few the keeper waits for the disk itself. */
static void appends_one_after_the_other_are_durable_each(void **state)
{
	(void)state;
	run();
	atomic_store(&syncs, 0);
	for (uint64_t i = 1; i <= 20; i++) {
		send_append(i, i, "text", true);
		assert_int_equal(answer_to(i), HF_OK);
		assert_int_equal(atomic_load(&syncs), i);
	}
	atomic_store(&fail_syncs, 1);
	send_append(21, 21, "text", true);
	assert_int_equal(answer_to(21), HF_E_STORE);
}

/* The vault then looks at the tail, and asks for what is missing and for a sync. */
static void a_failed_sync_is_told_and_can_be_tried_again(void **state)
{
	struct audit_append_req q = { .first = 2, .sync = true };

	(void)state;
	run();
	atomic_store(&fail_syncs, 1);
	send_append(1, 1, "one", true);
	assert_int_equal(answer_to(1), HF_E_STORE);
	assert_true(slice_eq(tail(), SLICE_STR("one")));
	buf_reset(&fields);
	audit_append_req_enc(&fields, &q);
	atomic_store(&syncs, 0);
	send_raw(KEEPER_AUDIT_APPEND, 2, buf_slice(&fields));
	assert_int_equal(answer_to(2), HF_OK);
	assert_int_equal(atomic_load(&syncs), 1);
}

static void an_answer_with_audit_records_is_bounded(void **state)
{
	static uint8_t big[65536];
	struct entry e[100];
	struct audit_append_req q = { 1, { e, 100 }, false, false };
	struct slice first;
	size_t n;

	(void)state;
	run();
	for (size_t i = 0; i < 100; i++)
		e[i].record = SLICE_OF(big);
	buf_reset(&fields);
	audit_append_req_enc(&fields, &q);
	send_raw(KEEPER_AUDIT_APPEND, 1, buf_slice(&fields));
	assert_int_equal(answer_to(1), HF_OK);
	n = fetch(1, 100, &first);
	assert_true(n > 10 && n <= 64); /* 4 MiB */
	assert_int_equal(fetch(1 + n, 100, &first), 100 - n);
}

/* --- what should not come ---------------------------------------------------------------------- */

static void what_does_not_decode_is_refused_and_the_next_is_served(void **state)
{
	static const struct {
		unsigned op;
		enum hf_err e;
		const char *why;
	} cases[] = {
		{ 0, HF_E_UNSUPPORTED, "no such call" },
		{ 0x08, HF_E_UNSUPPORTED, "no such call" },
		{ 0xffff, HF_E_UNSUPPORTED, "no such call" },
		{ KEEPER_STORE_GET, HF_E_MALFORMED, "noise" },
		{ KEEPER_STORE_SCAN, HF_E_MALFORMED, "noise" },
		{ KEEPER_STORE_COMMIT, HF_E_MALFORMED, "noise" },
		{ KEEPER_ANCHOR_GET, HF_E_MALFORMED, "something is left" },
		{ KEEPER_AUDIT_APPEND, HF_E_MALFORMED, "noise" },
		{ KEEPER_AUDIT_FETCH, HF_E_MALFORMED, "noise" },
	};

	(void)state;
	run();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		send_raw(cases[i].op, i, SLICE_STR("\xff\xff\xff\xff\xff"));
		assert_int_equal(answer_to(i), cases[i].e);
		send_put(i, "a", i, i + 1, "");
		assert_int_equal(answer_to(i), HF_OK);
	}
}

static void the_loop_ends_when_the_vault_goes(void **state)
{
	(void)state;
	run();
	assert_int_equal(version_of("a"), 0);
	assert_int_equal(hang_up(), HF_E_CONNECTION);
	connect_both();
}

static void what_came_before_the_vault_went_is_done(void **state)
{
	(void)state;
	send_put(1, "a", 0, 1, "last");
	(void)!write(vault, "half a head", 11);
	assert_int_equal(hang_up(), HF_E_CONNECTION);
	connect_both();
	run();
	assert_int_equal(version_of("a"), 1);
	anchor_is("last");
}

static void a_frame_beyond_the_limit_ends_the_loop(void **state)
{
	uint8_t head[WIRE_HEAD];
	struct wire_head h = { .length = WIRE_MAX_BYTES + 1, .opcode = KEEPER_STORE_GET };

	(void)state;
	wire_head_put(&h, head);
	assert_int_equal(write(vault, head, sizeof(head)), sizeof(head));
	run();
	assert_int_equal(pthread_join(thread, NULL), 0);
	running = false;
	assert_int_equal(ended, HF_E_CONNECTION);
}

/* --- hardship ------------------------------------------------------------------------------------ */

struct made {
	unsigned op;
	struct buf request, answer;
};

/* serve has a handler work as the loop does. */
static enum hf_err serve(struct made *m)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	enum hf_err e;

	buf_reset(&m->answer);
	keeper.arena = &a;
	e = keeper_run(m->op, &keeper, rd_of(buf_slice(&m->request)), &a, &m->answer);
	keeper.arena = NULL;
	return e;
}

/* Lack of memory is an error, never an answer that lacks something. */
static void try_without_memory(unsigned op, struct buf request)
{
	struct made m = { op, request, BUF_MAX(WIRE_MAX_BYTES) };
	size_t n;
	uint8_t *right;
	bool failed = true;

	assert_int_equal(serve(&m), HF_OK);
	n = m.answer.n;
	right = malloc(n + 1);
	assert_non_null(right);
	memcpy(right, m.answer.p, n);
	for (long k = 1; failed; k++) {
		enum hf_err e;

		buf_done(&m.answer);
		secret_fail_after(k);
		e = serve(&m);
		failed = secret_fail_fired();
		secret_fail_after(-1);
		if (e == HF_OK) {
			assert_int_equal(m.answer.n, n);
			assert_memory_equal(m.answer.p, right, n);
		}
	}
	free(right);
	buf_done(&m.request);
	buf_done(&m.answer);
}

static void no_memory_gives_no_answer_that_lacks_something(void **state)
{
	struct buf b[4];
	const struct store_get_req get = { SLICE_STR("n/7") };
	const struct store_scan_req page = { SLICE_STR("n/"), SLICE_NONE, 1u << 20 };
	const struct audit_fetch_req fetch_ = { 1, 100 };

	(void)state;
	run();
	for (uint64_t i = 1; i <= 9; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "n/%u", (unsigned)i);
		send_put(i, name, 0, 1, "anchor");
		assert_int_equal(answer_to(i), HF_OK);
		send_append(i, i, "text", false);
		assert_int_equal(answer_to(i), HF_OK);
	}
	for (size_t i = 0; i < 4; i++)
		b[i] = BUF_MAX(4096);
	store_get_req_enc(&b[0], &get);
	store_scan_req_enc(&b[1], &page);
	audit_fetch_req_enc(&b[2], &fetch_);
	try_without_memory(KEEPER_STORE_GET, b[0]);
	try_without_memory(KEEPER_STORE_SCAN, b[1]);
	try_without_memory(KEEPER_AUDIT_FETCH, b[2]);
	try_without_memory(KEEPER_AUDIT_TAIL, b[3]);
}

static void a_directory_that_is_read_only_is_refused(void **state)
{
	struct scratch s;
	struct keeper_ctx k;

	(void)state;
	scratch_new(&s);
	if (!scratch_read_only(&s)) {
		scratch_free(&s);
		print_message("no mount namespace here\n");
		skip();
	}
	assert_int_equal(keeper_open(s.fd, 1u << 20, &k), HF_E_STORE);
	scratch_free(&s);
}

/* What opened before is closed again: the next one may open it. */
static void an_opening_that_fails_half_way_leaves_nothing_open(void **state)
{
	struct scratch s;
	struct keeper_ctx k;

	(void)state;
	scratch_new(&s);
	scratch_write(&s, "audit", SLICE_STR("in the way"));
	assert_int_equal(keeper_open(s.fd, 1u << 20, &k), HF_E_STORE);
	assert_int_equal(unlinkat(s.fd, "audit", 0), 0);
	assert_int_equal(keeper_open(s.fd, 1u << 20, &k), HF_OK);
	keeper_close(&k);
	scratch_free(&s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_change_is_there_and_survives_the_keeper),
		TEST(the_data_directory_holds_what_is_documented),
		TEST(a_group_costs_one_sync_and_a_conflict_is_the_askers_own),
		TEST(a_disk_that_fails_changes_nothing),
		TEST(an_anchor_alone_may_be_sent),
		TEST(an_early_answer_comes_before_the_anchor_and_a_record_behind_it),
		TEST(the_next_change_waits_for_an_early_anchor),
		TEST(an_early_anchor_that_fails_is_mended_before_the_next_change),
		TEST(a_scan_comes_in_pages),
		TEST(great_records_pass),
		TEST(audit_records_are_kept_in_order),
		TEST(appends_that_came_together_share_a_sync),
		TEST(appends_one_after_the_other_are_durable_each),
		TEST(a_failed_sync_is_told_and_can_be_tried_again),
		TEST(an_answer_with_audit_records_is_bounded),
		TEST(what_does_not_decode_is_refused_and_the_next_is_served),
		TEST(the_loop_ends_when_the_vault_goes),
		TEST(what_came_before_the_vault_went_is_done),
		TEST(a_frame_beyond_the_limit_ends_the_loop),
		TEST(no_memory_gives_no_answer_that_lacks_something),
		TEST(an_opening_that_fails_half_way_leaves_nothing_open),
		TEST(a_directory_that_is_read_only_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
