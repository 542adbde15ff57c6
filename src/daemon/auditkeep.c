#include "auditkeep.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auditpack.h"
#include "auditseg.h"
#include "clock.h"
#include "lock.h"
#include "log.h"
#include "secret.h"

#define PASS_NS (3600 * 1000000000ull)
#define NICE 10
#define US_PER_DAY (86400 * 1000000ull)
#define PACKING "packing.new" /* sorts behind all segments, and is none */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* --- one segment ------------------------------------------------------------------------ */

/* put_file makes `name` in directory `to` of what `from` holds; a crash leaves it whole
 * or not there. */
static bool put_file(int from, int to, const char *name, bool (*fill)(int from, int to))
{
	static const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
	CLEANUP(close_fd) int fd = openat(to, PACKING, flags, 0600);

	if (fd >= 0 && fill(from, fd) && fsync(fd) == 0 && renameat(to, PACKING, to, name) == 0 &&
	    fsync(to) == 0)
		return true;
	log_error("audit: the closed segment %s cannot be written: %m; it is tried again", name);
	(void)unlinkat(to, PACKING, 0);
	return false;
}

struct closed {
	uint64_t first;
	bool packed;  /* only so */
	bool kept;    /* packed, and archived where that is wanted */
	uint64_t bytes, time_us;
};

static void pack(int dir, struct closed *s)
{
	char plain[AUDITSEG_NAME], packed[AUDITSEG_NAME];
	CLEANUP(close_fd) int fd = -1;

	auditseg_name(s->first, false, plain);
	auditseg_name(s->first, true, packed);
	if (s->packed)
		return;
	fd = openat(dir, plain, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || !put_file(fd, dir, packed, auditpack))
		return;
	if (unlinkat(dir, plain, 0) != 0)
		return;
	s->packed = true;
	auditpack_more(-1);
}

static void archive(int dir, int to, struct closed *s)
{
	char name[AUDITSEG_NAME];
	struct stat st;
	CLEANUP(close_fd) int fd = -1;

	s->kept = s->packed && to < 0;
	if (to < 0 || !s->packed)
		return;
	auditseg_name(s->first, true, name);
	if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		s->kept = true;
		return;
	}
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	s->kept = fd >= 0 && put_file(fd, to, name, auditpack_copy);
}

static void measure(int dir, struct closed *s)
{
	char name[AUDITSEG_NAME];
	struct stat st;

	auditseg_name(s->first, s->packed, name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	s->bytes = (uint64_t)st.st_size;
	s->time_us = (uint64_t)st.st_mtim.tv_sec * 1000000u;
}

static atomic_bool failing;

bool auditkeep_failing(void)
{
	return atomic_load(&failing);
}

/* --- retention --------------------------------------------------------------------------- */

/* forwarded: the first record that was not forwarded; all are, where nobody forwards. */
static uint64_t forwarded(const struct auditkeep_rules *r)
{
	char line[32] = "";
	CLEANUP(close_fd) int fd = -1;

	if (r->home < 0 || r->cursor == NULL)
		return UINT64_MAX;
	fd = openat(r->home, r->cursor, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && read(fd, line, sizeof(line) - 1) > 0 ? strtoull(line, NULL, 10) : 0;
}

static bool over(const struct auditkeep_rules *r, const struct closed *s, size_t left, uint64_t bytes)
{
	uint64_t now = clock_wall_us();

	if ((r->segments != 0 && left > r->segments) || (r->bytes != 0 && bytes > r->bytes))
		return true;
	return r->days != 0 && s->time_us != 0 && now > s->time_us &&
		now - s->time_us > r->days * US_PER_DAY;
}

/* forget deletes the oldest first, and stops at the first that has to stay. v[n] is the
 * open segment. */
static void forget(int dir, const struct auditkeep_rules *r, const struct closed *v, size_t n)
{
	uint64_t bytes = 0, upto = forwarded(r);

	for (size_t i = 0; i < n; i++)
		bytes += v[i].bytes;
	for (size_t i = 0; i < n; i++) {
		char name[AUDITSEG_NAME];

		if (!v[i].kept || v[i + 1].first > upto || !over(r, &v[i], n - i, bytes))
			return;
		auditseg_name(v[i].first, true, name);
		if (unlinkat(dir, name, 0) != 0) {
			log_error("audit: the old segment %s cannot be deleted: %m", name);
			return;
		}
		log_notice("audit: the old segment %s was deleted, as the settings say", name);
		bytes -= v[i].bytes;
	}
}

/* --- a pass --------------------------------------------------------------------------------- */

void auditkeep_pass(int dir, const struct auditkeep_rules *r)
{
	struct auditseg_list l = { 0 };
	struct closed *v = NULL;
	long plain = 0;
	bool all = true;

	if (auditseg_list(dir, &l) == HF_OK && l.n > 1)
		v = hf_alloc(l.n, sizeof(*v));
	for (size_t i = 0; v != NULL && i < l.n; i++)
		v[i] = (struct closed){ .first = l.v[i].first, .packed = !l.v[i].plain };
	for (size_t i = 0; v != NULL && i + 1 < l.n; i++)
		plain += !v[i].packed;
	auditpack_waiting(plain);
	for (size_t i = 0; v != NULL && i + 1 < l.n; i++) {
		pack(dir, &v[i]);
		archive(dir, r->archive, &v[i]);
		measure(dir, &v[i]);
		all &= v[i].kept;
	}
	atomic_store(&failing, !all);
	if (v != NULL)
		forget(dir, r, v, l.n - 1);
	hf_free(v);
	auditseg_list_done(&l);
}

static struct {
	struct mutex lock;
	struct cond wake;
	bool started, due;
	int dir;
	struct auditkeep_rules rules;
} keep = { .lock = MUTEX_INIT };

/* A busy HSM has better things to do; but it must keep up. */
static void *run(void *arg)
{
	(void)arg;
	(void)setpriority(PRIO_PROCESS, 0, NICE); /* of this thread alone, on Linux */
	for (;;) {
		auditkeep_pass(keep.dir, &keep.rules);
		MUTEX_HOLD(&keep.lock);
		while (!keep.due && cond_wait_until(&keep.wake, &keep.lock, clock_mono_ns() + PASS_NS))
			;
		keep.due = false;
	}
	return NULL;
}

enum hf_err auditkeep_start(int dir, const struct auditkeep_rules *rules)
{
	pthread_t t;

	keep.dir = dir;
	keep.rules = *rules;
	cond_init(&keep.wake);
	auditpack_gently(true);
	if (pthread_create(&t, NULL, run, NULL) != 0)
		return HF_E_MEMORY;
	(void)pthread_detach(t);
	MUTEX_HOLD(&keep.lock);
	keep.started = true;
	return HF_OK;
}

void auditkeep_wake(void)
{
	MUTEX_HOLD(&keep.lock);

	auditpack_more(1);
	keep.due = true;
	if (keep.started)
		cond_signal(&keep.wake);
}
