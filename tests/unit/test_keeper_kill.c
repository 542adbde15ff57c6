/* kill -9 of the keeper at random moments, and disks that fill up under it: what
 * was acknowledged is there. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper.h"
#include "scratch.h"
#include "wire.h"

#define SEGMENT 4096u /* so that segments change often */

static struct scratch scratch;
static pid_t pid;
static int vault = -1;

static int setup(void **state)
{
	(void)state;
	scratch_new(&scratch);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_free(&scratch);
	return 0;
}

static void start(void)
{
	int p[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct keeper_ctx k;

		close(p[0]);
		_exit(keeper_open(scratch.fd, SEGMENT, &k) == HF_OK &&
				keeper_loop(&k, p[1]) == HF_E_CONNECTION ? 0 : 1);
	}
	close(p[1]);
	vault = p[0];
}

static void wait_for_end(bool killed)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(killed ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(vault);
}

/* --- what is asked: round n puts record "a" and anchor n, and audit record n -------------------- */

static bool ask(unsigned op, uint64_t request, struct buf *fields)
{
	struct wire_head h = { .opcode = (uint16_t)op, .request = request };

	return wire_send(vault, &h, buf_slice(fields)) == HF_OK;
}

static bool ask_commit(uint64_t n)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(65536);
	static uint8_t value[3000];
	uint8_t anchor[8];
	struct change c = { SLICE_STR("a"), n - 1, n, SLICE_OF(value) };
	struct store_commit_req q = { { &c, 1 }, SLICE_OF(anchor), false };

	put_u64(anchor, n);
	store_commit_req_enc(&b, &q);
	return ask(KEEPER_STORE_COMMIT, 2 * n, &b);
}

static bool ask_append(uint64_t n)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(65536);
	static uint8_t record[300];
	struct entry e = { SLICE_OF(record) };
	struct audit_append_req q = { n, { &e, 1 }, true, false };

	audit_append_req_enc(&b, &q);
	return ask(KEEPER_AUDIT_APPEND, 2 * n + 1, &b);
}

/* struct told: the greatest that was acknowledged. */
struct told {
	uint64_t commit, append;
	enum hf_err err; /* the last one that was none */
};

static bool hear(struct told *t)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);
	struct wire_head h;

	if (wire_recv(vault, WIRE_MAX_BYTES, &h, &b) != HF_OK)
		return false;
	if (h.flags != HF_OK)
		t->err = (enum hf_err)h.flags;
	else if (h.request % 2 == 0)
		t->commit = h.request / 2;
	else
		t->append = h.request / 2;
	return true;
}

/* --- what is there ------------------------------------------------------------------------------- */

static bool take_version(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	(void)name;
	assert_int_equal(value.n, 3000);
	*(uint64_t *)ctx = version;
	return true;
}

static bool in_order(void *ctx, uint64_t seq, struct slice record)
{
	assert_int_equal(seq, ++*(uint64_t *)ctx);
	assert_int_equal(record.n, 300);
	return true;
}

struct there {
	uint64_t version, anchor, last;
};

static struct there look(void)
{
	struct there t = { 0 };
	struct keeper_ctx k;
	uint64_t counted = 0;

	assert_int_equal(keeper_open(scratch.fd, SEGMENT, &k), HF_OK);
	assert_int_equal(store_get(k.store, SLICE_STR("a"), take_version, &t.version), HF_OK);
	if (anchor_get(k.anchor).n == 8)
		t.anchor = get_u64(anchor_get(k.anchor).p);
	t.last = auditlog_last(k.audit);
	assert_int_equal(auditlog_read(k.audit, 1, in_order, &counted), HF_OK);
	assert_int_equal(counted, t.last);
	keeper_close(&k);
	return t;
}

static void what_was_acknowledged_survives_kill(void **state)
{
	struct there t = { 0 };

	(void)state;
	for (unsigned round = 0; round < 25 || ((t.version <= 25 || t.last <= 25) && round < 500); round++) {
		struct timespec wait = { 0, (long)(round * 7919 % 40) * 1000000 };
		struct told told = { t.version, t.last, HF_OK };
		uint64_t commit = t.version, append = t.last;
		/* the last commit may be there without its anchor, if nobody was told of it */
		uint64_t commit_before = commit, anchored = t.anchor;
		pid_t killer;

		start();
		killer = fork();
		assert_true(killer >= 0);
		if (killer == 0) {
			(void)nanosleep(&wait, NULL);
			(void)kill(pid, SIGKILL);
			_exit(0);
		}
		while (ask_commit(++commit) && ask_append(++append) && hear(&told) && hear(&told))
			;
		wait_for_end(true);
		assert_int_equal(waitpid(killer, NULL, 0), killer);
		assert_int_equal(told.err, HF_OK);
		t = look();
		assert_in_range(t.version, told.commit, told.commit + 1);
		if (told.commit > commit_before)
			anchored = told.commit;
		assert_in_range(t.anchor, anchored, t.version);
		assert_in_range(t.last, told.append, told.append + 1);
	}
	assert_true(t.version > 25 && t.last > 25);
}

static void a_full_disk_is_told_and_passes(void **state)
{
	static uint8_t ballast[1u << 20];
	struct told told = { 0 };
	uint64_t commit = 1, append = 1;
	struct there t;

	(void)state;
	if (!scratch_disk(&scratch, 8u << 20)) {
		print_message("no mount namespace here\n");
		skip();
	}
	scratch_write(&scratch, "ballast", SLICE_OF(ballast));
	start();
	for (bool full = false; !full;) { /* the audit log fills it */
		full = told.err != HF_OK;
		assert_true(ask_append(append) && hear(&told));
		append = told.append + 1;
		assert_true(ask_commit(commit) && hear(&told));
		commit = told.commit + 1;
	}
	assert_int_equal(told.err, HF_E_STORE);
	assert_int_equal(unlinkat(scratch.fd, "ballast", 0), 0);
	told.err = HF_OK;
	for (int i = 0; i < 20; i++)
		assert_true(ask_append(append++) && ask_commit(commit++) && hear(&told) && hear(&told));
	assert_int_equal(told.err, HF_OK);
	close(vault);
	vault = -1;
	wait_for_end(false);
	t = look();
	assert_int_equal(t.version, told.commit);
	assert_int_equal(t.last, told.append);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_acknowledged_survives_kill),
		TEST(a_full_disk_is_told_and_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
