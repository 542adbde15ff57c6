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

#define HEAD 12 /* length, number */
#define TAIL 4  /* crc */
#define NAME_MAX_LEN 32
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

struct auditlog {
	int dir;
	size_t segment_bytes;
	struct segment *v;
	size_t n;
	int fd;     /* the last segment, for appending; -1: none yet */
	off_t size; /* of it */
	uint64_t last;
};

static void segment_name(uint64_t first, char out[NAME_MAX_LEN])
{
	snprintf(out, NAME_MAX_LEN, "%020" PRIu64 ".log", first);
}

static int segment_open(struct auditlog *l, uint64_t first, int flags)
{
	char name[NAME_MAX_LEN];

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

static void mark_add(struct segment *s, uint64_t seq, off_t at)
{
	struct mark *m;

	if ((seq - s->first) % INDEX_STEP != 0)
		return;
	m = hf_realloc(s->marks, s->mark_count + 1, sizeof(*m));
	if (m == NULL)
		return; /* only slower */
	s->marks = m;
	s->marks[s->mark_count++] = (struct mark){ seq, at };
}

/* --- reading ------------------------------------------------------------ */

/* read_record reads the record at *at and moves on; false at the end or where
 * what is there is no whole record. */
static bool read_record(int fd, off_t *at, struct buf *b, uint64_t *ret_seq)
{
	uint8_t head[HEAD], *p;
	uint32_t n;

	if (pread(fd, head, HEAD, *at) != HEAD)
		return false;
	n = get_u32(head);
	buf_reset(b);
	p = n <= AUDITLOG_RECORD_MAX ? buf_add(b, n + TAIL) : NULL;
	if (p == NULL || pread(fd, p, n + TAIL, *at + HEAD) != (ssize_t)(n + TAIL) ||
	    crc32_of((struct slice){ p, n }) != get_u32(p + n))
		return false;
	buf_cut(b, n);
	*ret_seq = get_u64(head + 4);
	*at += HEAD + (off_t)n + TAIL;
	return true;
}

/* nearest: the last remembered place at or before seq. */
static off_t nearest(const struct segment *s, uint64_t seq)
{
	size_t lo = 0, hi = s->mark_count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->marks[mid].seq <= seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 ? s->marks[lo - 1].at : 0;
}

enum hf_err auditlog_read(struct auditlog *l, uint64_t from, auditlog_visit visit, void *ctx)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(AUDITLOG_RECORD_MAX + TAIL);
	size_t i = l->n;
	uint64_t seq;
	bool more = true;

	while (i > 0 && l->v[i - 1].first > from)
		i--;
	for (i = i > 0 ? i - 1 : 0; i < l->n && more; i++) {
		int fd = segment_open(l, l->v[i].first, O_RDONLY);
		off_t at = nearest(&l->v[i], from);

		if (fd < 0) {
			log_error("audit: segment %" PRIu64 " cannot be read: %m", l->v[i].first);
			return HF_E_DAMAGED;
		}
		while (more && read_record(fd, &at, &b, &seq))
			if (seq >= from)
				more = visit(ctx, seq, buf_slice(&b));
		close(fd);
	}
	return HF_OK;
}

/* --- appending ---------------------------------------------------------- */

static enum hf_err rotate(struct auditlog *l, uint64_t first)
{
	int fd = segment_open(l, first, O_RDWR | O_CREAT | O_EXCL);

	if (fd < 0) {
		log_error("audit: a new segment cannot be made: %m");
		return HF_E_STORE;
	}
	if (segment_add(l, first) != HF_OK) {
		close(fd);
		return HF_E_MEMORY;
	}
	if (l->fd >= 0) {
		fdatasync(l->fd);
		close(l->fd);
	}
	fsync(l->dir);
	l->fd = fd;
	l->size = 0;
	return HF_OK;
}

enum hf_err auditlog_append(struct auditlog *l, uint64_t seq, struct slice record)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(AUDITLOG_RECORD_MAX + HEAD + TAIL);

	if (l->last != 0 && seq != l->last + 1)
		return HF_E_CONFLICT;
	if (l->fd < 0 || (size_t)l->size >= l->segment_bytes)
		TRY(rotate(l, seq));
	buf_u32(&b, (uint32_t)record.n);
	buf_u64(&b, seq);
	buf_raw(&b, record);
	buf_u32(&b, crc32_of(record));
	TRY(buf_err(&b));
	if (pwrite(l->fd, b.p, b.n, l->size) != (ssize_t)b.n) {
		log_error("audit: record %" PRIu64 " cannot be written: %m", seq);
		if (ftruncate(l->fd, l->size) != 0)
			log_error("audit: and its beginning cannot be cut off: %m");
		return HF_E_STORE;
	}
	mark_add(&l->v[l->n - 1], seq, l->size);
	l->size += (off_t)b.n;
	l->last = seq;
	return HF_OK;
}

enum hf_err auditlog_sync(struct auditlog *l)
{
	if (l->fd >= 0 && fdatasync(l->fd) != 0) {
		log_error("audit: cannot be made durable: %m");
		return HF_E_STORE;
	}
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

static enum hf_err list_segments(struct auditlog *l)
{
	DIR *d = fdopendir(dup(l->dir));
	struct dirent *e;
	uint64_t first;
	enum hf_err err = HF_OK;
	int end;

	if (d == NULL)
		return HF_E_STORE;
	rewinddir(d);
	while (err == HF_OK && (e = readdir(d)) != NULL) {
		end = 0;
		if (sscanf(e->d_name, "%20" SCNu64 ".log%n", &first, &end) == 1 && end > 0 &&
		    e->d_name[end] == '\0')
			err = segment_add(l, first);
	}
	closedir(d);
	if (l->n > 0)
		qsort(l->v, l->n, sizeof(*l->v), by_first);
	return err;
}

/* open_last finds the end of the last segment and cuts off what is torn there. */
static enum hf_err open_last(struct auditlog *l)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(AUDITLOG_RECORD_MAX + TAIL);
	struct segment *s = &l->v[l->n - 1];
	struct stat st;
	off_t at = 0, before = 0;
	uint64_t seq;

	l->fd = segment_open(l, s->first, O_RDWR);
	if (l->fd < 0 || fstat(l->fd, &st) != 0) {
		log_error("audit: the last segment cannot be opened: %m");
		return HF_E_STORE;
	}
	l->last = s->first - 1;
	while (read_record(l->fd, &at, &b, &seq)) {
		mark_add(s, seq, before);
		before = at;
		l->last = seq;
	}
	l->size = at;
	if (st.st_size > at) {
		log_warn("audit: %lld bytes of an incomplete record after number %" PRIu64
			 " cut off", (long long)(st.st_size - at), l->last);
		if (ftruncate(l->fd, at) != 0)
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
	for (size_t i = 0; i < l->n; i++)
		hf_free(l->v[i].marks);
	hf_free(l->v);
	if (l->fd >= 0)
		close(l->fd);
	if (l->dir >= 0)
		close(l->dir);
	hf_free(l);
}
