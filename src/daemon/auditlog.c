#include "auditlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auditkeep.h"
#include "auditpack.h"
#include "clock.h"
#include "crc.h"
#include "log.h"
#include "secret.h"

#define LET_GO_BYTES (1 << 20)
#define INDEX_STEP 1024 /* every so many records one place is remembered */

/* struct mark: where a record begins in its segment. */
struct mark {
	uint64_t seq;
	off_t at;
};

struct segment {
	uint64_t first;
	struct mark *marks;
	size_t mark_count;
};

/* Only the last segment is ever written, so all others are on the disk. */
struct auditlog {
	struct mutex lock;   /* all of it, once there are two threads */
	int parent, dir;
	const char *name;    /* of dir in parent */
	size_t segment_bytes;
	uint64_t segment_us; /* 0: no limit */
	uint64_t began_us;   /* the last segment */
	struct segment *v;
	size_t n;
	int fd;             /* the last segment; -1: none yet */
	uint64_t turn;      /* counted up with each other fd; what was in the one before is durable */
	off_t size, synced; /* of it */
	off_t let_go;       /* of it: what is not in the page cache any more */
	bool doubt;         /* the kernel may have dropped what follows `synced` */
	uint64_t last;
	uint64_t complained; /* about this record, the last that could not be written; 0: none yet */
};

static int segment_open(struct auditlog *l, uint64_t first, int flags)
{
	char name[AUDITSEG_NAME];

	auditseg_name(first, false, name);
	return openat(l->dir, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static enum hf_err segment_add(struct auditlog *l, uint64_t first)
{
	struct segment *v = hf_realloc(l->v, l->n + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_MEMORY;
	l->v = v;
	l->v[l->n++] = (struct segment){ .first = first };
	return HF_OK;
}

static void segment_drop(struct auditlog *l)
{
	hf_free(l->v[--l->n].marks);
}

static void mark_add(struct segment *s, uint64_t seq, off_t at)
{
	struct mark *m;

	if (seq < (s->mark_count > 0 ? s->marks[s->mark_count - 1].seq : s->first) + INDEX_STEP)
		return;
	m = hf_realloc(s->marks, s->mark_count + 1, sizeof(*m));
	if (m == NULL)
		return; /* only slower */
	s->marks = m;
	s->marks[s->mark_count++] = (struct mark){ seq, at };
}

/* --- reading ------------------------------------------------------------ */

/* mark_before: the last remembered place at or before seq. */
static struct mark mark_before(const struct segment *s, uint64_t seq)
{
	size_t lo = 0, hi = s->mark_count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->marks[mid].seq <= seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 ? s->marks[lo - 1] : (struct mark){ s->first, 0 };
}

/* segment_of: the last segment that begins at or before seq, or the first. */
static size_t segment_of(const struct auditlog *l, uint64_t seq)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (l->v[mid].first <= seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 ? lo - 1 : 0;
}

struct visit {
	auditlog_visit fn;
	void *ctx;
	bool more;
};

static void read_from(struct segment *s, struct auditseg *r, uint64_t from, struct visit *v)
{
	struct auditseg_record rec;

	while (v->more && auditseg_next(r, &rec)) {
		mark_add(s, rec.seq, rec.at);
		if (rec.seq >= from)
			v->more = v->fn(v->ctx, rec.seq, rec.bytes);
	}
}

static enum hf_err read_segment(struct auditlog *l, size_t i, uint64_t from, struct visit *v)
{
	CLEANUP(auditseg_done) struct auditseg r = { .own = -1 };
	struct mark m = mark_before(&l->v[i], from);
	const struct auditseg_place place = { l->v[i].first, m.seq, m.at };

	if (i + 1 == l->n && l->fd >= 0) {
		TRY(auditseg_open(l->fd, m.at, l->size, m.seq, &r));
	} else if (auditseg_open_in(l->dir, &place, &r) != HF_OK) {
		if (errno == ENOENT) /* retention deleted it */
			return HF_OK;
		log_error("audit: the segment of record %" PRIu64 " cannot be read: %m", l->v[i].first);
		return HF_E_DAMAGED;
	}
	read_from(&l->v[i], &r, from, v);
	return HF_OK;
}

enum hf_err auditlog_read(struct auditlog *l, uint64_t from, auditlog_visit visit, void *ctx)
{
	struct visit v = { visit, ctx, true };

	for (size_t i = segment_of(l, from); i < l->n && v.more; i++)
		TRY(read_segment(l, i, from, &v));
	return HF_OK;
}

/* --- appending ---------------------------------------------------------- */

static enum hf_err make_segment(struct auditlog *l, uint64_t first, int *ret_fd)
{
	char name[AUDITSEG_NAME];
	int fd = segment_open(l, first, O_RDWR | O_CREAT | O_EXCL);

	if (fd >= 0 && fsync(l->dir) == 0) {
		*ret_fd = fd;
		return HF_OK;
	}
	log_error("audit: a new segment for record %" PRIu64 " cannot be made: %m", first);
	if (fd >= 0) {
		close(fd);
		auditseg_name(first, false, name);
		(void)unlinkat(l->dir, name, 0);
	}
	return HF_E_STORE;
}

static enum hf_err rotate(struct auditlog *l, uint64_t first)
{
	enum hf_err e;
	int fd;

	TRY(auditlog_sync(l));
	TRY(segment_add(l, first));
	e = make_segment(l, first, &fd);
	if (e != HF_OK) {
		segment_drop(l);
		return e;
	}
	if (l->fd >= 0)
		close(l->fd);
	l->fd = fd;
	l->turn++;
	l->size = l->synced = l->let_go = 0;
	l->began_us = clock_wall_us();
	auditkeep_wake();
	return HF_OK;
}

/* is_full: by size or by age. A clock that was set back makes it neither. */
static bool is_full(const struct auditlog *l)
{
	uint64_t now = clock_wall_us();

	if (l->fd < 0 || (size_t)l->size >= l->segment_bytes)
		return true;
	return l->segment_us != 0 && l->size > 0 && now > l->began_us && now - l->began_us >= l->segment_us;
}

enum hf_err auditlog_skip(struct auditlog *l, uint64_t next)
{
	if (l->n == 0 || next == l->last + 1)
		return HF_OK;
	if (next <= l->last)
		return HF_E_CONFLICT;
	TRY(rotate(l, next));
	l->last = next - 1;
	return HF_OK;
}

/* stands: the name in dir still leads to what is open. */
static bool stands(int fd, int dir, const char *name)
{
	struct stat here, there;

	return fstat(fd, &here) == 0 && fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

/* The descriptor keeps its number: others borrowed it. */
static enum hf_err mend_dir(struct auditlog *l)
{
	int fd;

	if (stands(l->dir, l->parent, l->name))
		return HF_OK;
	log_error("audit: the directory %s was deleted or replaced by somebody", l->name);
	(void)mkdirat(l->parent, l->name, 0700);
	fd = openat(l->parent, l->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && dup3(fd, l->dir, O_CLOEXEC) == l->dir) {
		close(fd);
		return HF_OK;
	}
	log_error("audit: it cannot be made anew: %m");
	if (fd >= 0)
		close(fd);
	return HF_E_STORE;
}

static bool copy_open(const struct auditlog *l, int to)
{
	uint8_t piece[4096];

	for (off_t at = 0; at < l->size;) {
		size_t want = l->size - at < (off_t)sizeof(piece) ? (size_t)(l->size - at) : sizeof(piece);
		ssize_t n = pread(l->fd, piece, want, at);

		if (n <= 0 || pwrite(to, piece, (size_t)n, at) != n)
			return false;
		at += n;
	}
	return fsync(to) == 0;
}

/* What took the name is kept beside it, under one that is no segment's. */
enum hf_err auditlog_mend(struct auditlog *l, bool *ret_mended)
{
	char name[AUDITSEG_NAME], aside[AUDITSEG_NAME + 16];
	int fd;

	*ret_mended = false;
	TRY(mend_dir(l));
	if (l->fd < 0)
		return HF_OK;
	auditseg_name(l->v[l->n - 1].first, false, name);
	if (stands(l->fd, l->dir, name))
		return HF_OK;
	log_error("audit: the open file %s was deleted or replaced by somebody; it is written anew", name);
	(void)snprintf(aside, sizeof(aside), "replaced-%s", name);
	(void)renameat(l->dir, name, l->dir, aside);
	TRY(make_segment(l, l->v[l->n - 1].first, &fd));
	if (!copy_open(l, fd)) {
		log_error("audit: it cannot be written anew: %m");
		close(fd);
		(void)unlinkat(l->dir, name, 0);
		return HF_E_STORE;
	}
	close(l->fd);
	l->fd = fd;
	l->turn++;
	l->synced = l->size;
	l->doubt = false;
	*ret_mended = true;
	return HF_OK;
}

static size_t encoded_size(const struct slice *v, size_t n)
{
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += AUDITSEG_HEAD + v[i].n + AUDITSEG_TAIL;
	return total;
}

static enum hf_err encode(struct buf *b, uint64_t first, const struct slice *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].n > AUDITLOG_RECORD_MAX)
			return HF_E_TOO_BIG;
		buf_u32(b, (uint32_t)v[i].n);
		buf_u64(b, first + i);
		buf_raw(b, v[i]);
		buf_u32(b, crc32_of(v[i]));
	}
	return buf_err(b);
}

/* write_end puts s at the end of the segment, or leaves the segment as it was. */
static enum hf_err write_end(struct auditlog *l, uint64_t first, struct slice s)
{
	ssize_t n = pwrite(l->fd, s.p, s.n, l->size);

	if (n == (ssize_t)s.n)
		return HF_OK;
	if (n >= 0)
		errno = ENOSPC;
	if (first != l->complained) /* it is tried again and again, and this log fills up, too */
		log_error("audit: record %" PRIu64 " cannot be written: %m", first);
	l->complained = first;
	if (ftruncate(l->fd, l->size) != 0)
		log_error("audit: and its beginning cannot be cut off: %m");
	return HF_E_STORE;
}

enum hf_err auditlog_append(struct auditlog *l, uint64_t first, const struct slice *records,
	size_t n)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(encoded_size(records, n));

	if (n == 0)
		return HF_OK;
	if (first == 0 || (l->n > 0 && first != l->last + 1))
		return HF_E_CONFLICT;
	TRY(encode(&b, first, records, n));
	if (is_full(l))
		TRY(rotate(l, first));
	TRY(write_end(l, first, buf_slice(&b)));
	auditpack_grew(b.n);
	for (size_t i = 0; i < n; i++) {
		mark_add(&l->v[l->n - 1], first + i, l->size);
		l->size += (off_t)encoded_size(&records[i], 1);
	}
	l->last = first + n - 1;
	return HF_OK;
}

/* write_again makes what may be in memory alone dirty once more: after a failed
 * fdatasync the kernel takes it for written, and the next one would say so too. */
static bool write_again(struct auditlog *l)
{
	uint8_t piece[4096];

	for (off_t at = l->synced; at < l->size;) {
		ssize_t n = pread(l->fd, piece, sizeof(piece), at);

		if (n <= 0 || pwrite(l->fd, piece, (size_t)n, at) != n)
			return false;
		at += n;
	}
	return true;
}

static enum hf_err not_durable(struct auditlog *l)
{
	log_error("audit: records up to %" PRIu64 " cannot be made durable: %m", l->last);
	l->doubt = true;
	return HF_E_STORE;
}

enum hf_err auditlog_sync(struct auditlog *l)
{
	if (l->fd < 0 || l->synced == l->size)
		return HF_OK;
	if ((l->doubt && !write_again(l)) || fdatasync(l->fd) != 0)
		return not_durable(l);
	l->doubt = false;
	l->synced = l->size;
	return HF_OK;
}

/* struct flushing is a wait for the disk beside which others append. */
struct flushing {
	int fd; /* our own; -1: there is nothing to wait for */
	off_t size;
	uint64_t turn;
};

/* What is in doubt, and a lack of descriptors, are for the way without company. */
static enum hf_err flush_begin(struct auditlog *l, struct flushing *ret)
{
	MUTEX_HOLD(&l->lock);

	*ret = (struct flushing){ -1, l->size, l->turn };
	if (l->fd < 0 || l->synced == l->size)
		return HF_OK;
	if (!l->doubt)
		ret->fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
	return ret->fd >= 0 ? HF_OK : auditlog_sync(l);
}

/* let_go: the next pages are these again. Ever new ones cost several times as much as writing to them does
 * where a hypervisor has yet to find each. */
static void let_go(struct auditlog *l, int fd, off_t size)
{
	if (size - l->let_go < LET_GO_BYTES)
		return;
	(void)posix_fadvise(fd, 0, size, POSIX_FADV_DONTNEED);
	l->let_go = size;
}

static enum hf_err flush_end(struct auditlog *l, const struct flushing *f, bool ok)
{
	MUTEX_HOLD(&l->lock);

	if (l->turn != f->turn)
		return HF_OK;
	if (!ok)
		return not_durable(l);
	if (l->synced < f->size)
		l->synced = f->size;
	let_go(l, f->fd, f->size);
	return HF_OK;
}

enum hf_err auditlog_flush(struct auditlog *l)
{
	struct flushing f;
	enum hf_err e;

	TRY(flush_begin(l, &f));
	if (f.fd < 0)
		return HF_OK;
	e = flush_end(l, &f, fdatasync(f.fd) == 0);
	close(f.fd);
	return e;
}

struct mutex *auditlog_lock(struct auditlog *l)
{
	return &l->lock;
}

uint64_t auditlog_last(const struct auditlog *l)
{
	return l->last;
}

/* --- opening ------------------------------------------------------------ */

static enum hf_err list_segments(struct auditlog *l, bool *ret_plain)
{
	struct auditseg_list found = { 0 };
	enum hf_err e = auditseg_list(l->dir, &found);

	if (e == HF_E_STORE)
		log_error("audit: the directory cannot be read: %m");
	for (size_t i = 0; e == HF_OK && i < found.n; i++)
		e = segment_add(l, found.v[i].first);
	*ret_plain = found.n > 0 && found.v[found.n - 1].plain;
	auditseg_list_done(&found);
	return e;
}

/* find_end reads the last segment through, up to its last whole record. */
static void find_end(struct auditlog *l, struct auditseg *r)
{
	struct segment *s = &l->v[l->n - 1];
	struct auditseg_record rec;

	l->last = s->first - 1;
	while (auditseg_next(r, &rec)) {
		mark_add(s, rec.seq, rec.at);
		if (!rec.whole)
			continue;
		l->last = rec.seq;
		l->size = rec.end;
	}
}

/* open_packed: the open segment is missing; a new one begins behind the closed ones. */
static enum hf_err open_packed(struct auditlog *l)
{
	CLEANUP(auditseg_done) struct auditseg r = { .own = -1 };
	const struct auditseg_place p = { l->v[l->n - 1].first, l->v[l->n - 1].first, 0 };

	log_error("audit: the segment behind the one of record %" PRIu64 " is missing", p.first);
	TRY(auditseg_open_in(l->dir, &p, &r));
	find_end(l, &r);
	l->size = l->synced = 0;
	return HF_OK;
}

/* began_us: when the file was made, as far as its file system knows. */
static uint64_t began_us(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) != 0 || (st.stx_mask & STATX_BTIME) == 0)
		return clock_wall_us();
	return (uint64_t)st.stx_btime.tv_sec * 1000000u;
}

/* open_last cuts off what is torn. What is there was perhaps never synced. */
static enum hf_err open_last(struct auditlog *l)
{
	CLEANUP(auditseg_done) struct auditseg r = { .own = -1 };
	struct stat st;

	l->fd = segment_open(l, l->v[l->n - 1].first, O_RDWR);
	if (l->fd < 0 || fstat(l->fd, &st) != 0) {
		log_error("audit: the last segment cannot be opened: %m");
		return HF_E_STORE;
	}
	l->began_us = began_us(l->fd);
	TRY(auditseg_open(l->fd, 0, st.st_size, l->v[l->n - 1].first, &r));
	find_end(l, &r);
	if (st.st_size == l->size)
		return HF_OK;
	log_warn("audit: %lld bytes of an incomplete record after number %" PRIu64 " cut off",
		(long long)(st.st_size - l->size), l->last);
	if (ftruncate(l->fd, l->size) != 0) {
		log_error("audit: cannot be cut off: %m");
		return HF_E_STORE;
	}
	return HF_OK;
}

enum hf_err auditlog_open(int dirfd, const char *name, size_t segment_bytes, struct auditlog **ret)
{
	struct auditlog *l = hf_alloc(1, sizeof(*l));
	bool plain = false;
	enum hf_err e;

	if (l == NULL)
		return HF_E_MEMORY;
	mutex_init(&l->lock);
	l->fd = l->dir = -1;
	l->name = name;
	l->parent = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	l->segment_bytes = segment_bytes;
	if (mkdirat(dirfd, name, 0700) != 0 && errno != EEXIST)
		log_error("audit: directory %s cannot be made: %m", name);
	if (l->parent >= 0)
		l->dir = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (l->dir < 0)
		log_error("audit: directory %s cannot be opened: %m", name);
	e = l->dir < 0 ? HF_E_STORE : list_segments(l, &plain);
	if (e == HF_OK && l->n > 0)
		e = plain ? open_last(l) : open_packed(l);
	if (e != HF_OK) {
		auditlog_close(l);
		return e;
	}
	*ret = l;
	return HF_OK;
}

void auditlog_age(struct auditlog *l, uint64_t seconds)
{
	l->segment_us = seconds * 1000000u;
}

int auditlog_dir(const struct auditlog *l)
{
	return l->dir;
}

void auditlog_close(struct auditlog *l)
{
	if (l == NULL)
		return;
	while (l->n > 0)
		segment_drop(l);
	hf_free(l->v);
	if (l->fd >= 0)
		close(l->fd);
	if (l->dir >= 0)
		close(l->dir);
	if (l->parent >= 0)
		close(l->parent);
	mutex_done(&l->lock);
	hf_free(l);
}
