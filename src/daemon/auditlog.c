#include "auditlog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc.h"
#include "log.h"
#include "secret.h"

#define NAME_SIZE 32
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
	int dir;
	size_t segment_bytes;
	struct segment *v;
	size_t n;
	int fd;             /* the last segment; -1: none yet */
	off_t size, synced; /* of it */
	bool doubt;         /* the kernel may have dropped what follows `synced` */
	uint64_t last;
};

static void segment_name(uint64_t first, char out[NAME_SIZE])
{
	(void)snprintf(out, NAME_SIZE, "%020" PRIu64 ".log", first);
}

static int segment_open(struct auditlog *l, uint64_t first, int flags)
{
	char name[NAME_SIZE];

	segment_name(first, name);
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

static enum hf_err read_open(struct segment *s, int fd, off_t end, uint64_t from, struct visit *v)
{
	CLEANUP(auditseg_done) struct auditseg r = { 0 };
	struct mark m = mark_before(s, from);
	struct auditseg_record rec;

	TRY(auditseg_open(fd, m.at, end, m.seq, &r));
	while (v->more && auditseg_next(&r, &rec)) {
		mark_add(s, rec.seq, rec.at);
		if (rec.seq >= from)
			v->more = v->fn(v->ctx, rec.seq, rec.bytes);
	}
	return HF_OK;
}

static enum hf_err read_segment(struct auditlog *l, size_t i, uint64_t from, struct visit *v)
{
	struct stat st;
	enum hf_err e;
	int fd;

	if (i + 1 == l->n)
		return read_open(&l->v[i], l->fd, l->size, from, v);
	fd = segment_open(l, l->v[i].first, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) != 0) {
		log_error("audit: the segment of record %" PRIu64 " cannot be read: %m", l->v[i].first);
		if (fd >= 0)
			close(fd);
		return HF_E_DAMAGED;
	}
	e = read_open(&l->v[i], fd, st.st_size, from, v);
	close(fd);
	return e;
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
	char name[NAME_SIZE];
	int fd = segment_open(l, first, O_RDWR | O_CREAT | O_EXCL);

	if (fd >= 0 && fsync(l->dir) == 0) {
		*ret_fd = fd;
		return HF_OK;
	}
	log_error("audit: a new segment for record %" PRIu64 " cannot be made: %m", first);
	if (fd >= 0) {
		close(fd);
		segment_name(first, name);
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
	l->size = l->synced = 0;
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
	log_error("audit: record %" PRIu64 " cannot be written: %m", first);
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
	if (l->fd < 0 || (size_t)l->size >= l->segment_bytes)
		TRY(rotate(l, first));
	TRY(write_end(l, first, buf_slice(&b)));
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

enum hf_err auditlog_sync(struct auditlog *l)
{
	if (l->fd < 0 || l->synced == l->size)
		return HF_OK;
	if ((l->doubt && !write_again(l)) || fdatasync(l->fd) != 0) {
		log_error("audit: records up to %" PRIu64 " cannot be made durable: %m", l->last);
		l->doubt = true;
		return HF_E_STORE;
	}
	l->doubt = false;
	l->synced = l->size;
	return HF_OK;
}

uint64_t auditlog_last(const struct auditlog *l)
{
	return l->last;
}

/* --- opening ------------------------------------------------------------ */

static int by_first(const void *a, const void *b)
{
	uint64_t x = ((const struct segment *)a)->first, y = ((const struct segment *)b)->first;

	return (x > y) - (x < y);
}

static bool parse_name(const char *name, uint64_t *ret)
{
	char back[NAME_SIZE];

	if (name[0] < '0' || name[0] > '9')
		return false;
	*ret = strtoull(name, NULL, 10);
	segment_name(*ret, back);
	return *ret > 0 && strcmp(name, back) == 0;
}

static enum hf_err list_segments(struct auditlog *l)
{
	int fd = openat(l->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	uint64_t first;
	enum hf_err err = HF_OK;

	if (d == NULL) {
		log_error("audit: the directory cannot be read: %m");
		if (fd >= 0)
			close(fd);
		return HF_E_STORE;
	}
	while (err == HF_OK && (e = readdir(d)) != NULL)
		if (parse_name(e->d_name, &first))
			err = segment_add(l, first);
	closedir(d);
	if (l->n > 0)
		qsort(l->v, l->n, sizeof(*l->v), by_first);
	return err;
}

/* find_end reads the last segment through, up to its last whole record. */
static enum hf_err find_end(struct auditlog *l, off_t file_size)
{
	CLEANUP(auditseg_done) struct auditseg r = { 0 };
	struct segment *s = &l->v[l->n - 1];
	struct auditseg_record rec;

	l->last = s->first - 1;
	TRY(auditseg_open(l->fd, 0, file_size, s->first, &r));
	while (auditseg_next(&r, &rec)) {
		mark_add(s, rec.seq, rec.at);
		if (!rec.whole)
			continue;
		l->last = rec.seq;
		l->size = rec.end;
	}
	return HF_OK;
}

/* open_last cuts off what is torn. What is there was perhaps never synced. */
static enum hf_err open_last(struct auditlog *l)
{
	struct stat st;

	l->fd = segment_open(l, l->v[l->n - 1].first, O_RDWR);
	if (l->fd < 0 || fstat(l->fd, &st) != 0) {
		log_error("audit: the last segment cannot be opened: %m");
		return HF_E_STORE;
	}
	TRY(find_end(l, st.st_size));
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
	enum hf_err e;

	if (l == NULL)
		return HF_E_MEMORY;
	l->fd = -1;
	l->segment_bytes = segment_bytes;
	if (mkdirat(dirfd, name, 0700) != 0 && errno != EEXIST)
		log_error("audit: directory %s cannot be made: %m", name);
	l->dir = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (l->dir < 0)
		log_error("audit: directory %s cannot be opened: %m", name);
	e = l->dir < 0 ? HF_E_STORE : list_segments(l);
	if (e == HF_OK && l->n > 0)
		e = open_last(l);
	if (e != HF_OK) {
		auditlog_close(l);
		return e;
	}
	*ret = l;
	return HF_OK;
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
	hf_free(l);
}
