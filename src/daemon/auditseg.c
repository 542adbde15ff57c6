#include "auditseg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "crc.h"
#include "log.h"
#include "secret.h"

#define HEAD AUDITSEG_HEAD
#define TAIL AUDITSEG_TAIL
#define UNKNOWN ((off_t)1 << 62)
#define WINDOW ((size_t)262144) /* more than the largest record with head and tail */

/* --- names ------------------------------------------------------------------------ */

void auditseg_name(uint64_t first, bool packed, char out[AUDITSEG_NAME])
{
	(void)snprintf(out, AUDITSEG_NAME, "%020" PRIu64 ".log%s", first, packed ? ".gz" : "");
}

static bool parse_name(const char *name, struct auditseg_entry *ret)
{
	char back[AUDITSEG_NAME];

	if (name[0] < '0' || name[0] > '9')
		return false;
	ret->first = strtoull(name, NULL, 10);
	auditseg_name(ret->first, false, back);
	ret->plain = strcmp(name, back) == 0;
	auditseg_name(ret->first, true, back);
	return ret->first > 0 && (ret->plain || strcmp(name, back) == 0);
}

static int by_first(const void *a, const void *b)
{
	uint64_t x = ((const struct auditseg_entry *)a)->first,
		y = ((const struct auditseg_entry *)b)->first;

	return (x > y) - (x < y);
}

static enum hf_err add(struct auditseg_list *l, struct auditseg_entry e)
{
	struct auditseg_entry *v = hf_realloc(l->v, l->n + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_MEMORY;
	l->v = v;
	l->v[l->n++] = e;
	return HF_OK;
}

/* join makes one of the two files that a crash may leave of a segment. */
static void join(struct auditseg_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (n > 0 && l->v[n - 1].first == l->v[i].first)
			l->v[n - 1].plain = true;
		else
			l->v[n++] = l->v[i];
	l->n = n;
}

enum hf_err auditseg_list(int dir, struct auditseg_list *ret)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct auditseg_entry one;
	struct dirent *e;
	enum hf_err err = HF_OK;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return HF_E_STORE;
	}
	ret->n = 0;
	while (err == HF_OK && (e = readdir(d)) != NULL)
		if (parse_name(e->d_name, &one))
			err = add(ret, one);
	closedir(d);
	if (ret->n > 0)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_first);
	join(ret);
	return err;
}

void auditseg_list_done(struct auditseg_list *l)
{
	hf_free(l->v);
	*l = (struct auditseg_list){ 0 };
}

/* --- opening ---------------------------------------------------------------------- */

enum hf_err auditseg_open(int fd, off_t at, off_t end, uint64_t expect, struct auditseg *ret)
{
	uint8_t *window = hf_alloc(1, WINDOW);

	if (window == NULL)
		return HF_E_MEMORY;
	*ret = (struct auditseg){ .fd = fd, .own = -1, .at = at, .end = end, .expect = expect,
		.window = window };
	return HF_OK;
}

void auditseg_done(struct auditseg *s)
{
	hf_free(s->window);
	s->window = NULL;
	if (s->packed != NULL)
		(void)gzclose(s->packed);
	else if (s->own >= 0)
		close(s->own);
	s->packed = NULL;
	s->own = -1;
}

/* open_either: a segment may be compressed, and its first file deleted, at any moment. */
static int open_either(int dir, uint64_t first, bool *ret_packed)
{
	char name[AUDITSEG_NAME];
	int fd;

	auditseg_name(first, false, name);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	*ret_packed = fd < 0 && errno == ENOENT;
	if (!*ret_packed)
		return fd;
	auditseg_name(first, true, name);
	return openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* size_of: a compressed file's is known when its end was read: it has many parts, each of which says
 * only how long it was itself. */
static bool size_of(int fd, bool packed, off_t *ret)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	*ret = packed ? UNKNOWN : st.st_size;
	return true;
}

enum hf_err auditseg_open_in(int dir, const struct auditseg_place *p, struct auditseg *ret)
{
	struct auditseg s;
	bool packed;
	off_t end;
	int fd = open_either(dir, p->first, &packed);

	if (fd < 0)
		return HF_E_STORE;
	if (!size_of(fd, packed, &end) || auditseg_open(fd, p->at, end, p->expect, &s) != HF_OK) {
		close(fd);
		return HF_E_STORE;
	}
	s.own = fd;
	if (packed) {
		s.packed = gzdopen(fd, "rb");
		s.fd = -1;
		if (s.packed == NULL) {
			auditseg_done(&s);
			return HF_E_MEMORY;
		}
	}
	*ret = s;
	return HF_OK;
}

/* note_end: so far the compressed file goes, and a byte more where it is cut off or damaged there. */
static void note_end(struct auditseg *s, off_t at)
{
	int error = Z_OK;

	(void)gzerror(s->packed, &error);
	s->end = error == Z_OK || error == Z_STREAM_END ? at : at + 1;
}

static ssize_t read_at(struct auditseg *s, off_t at, uint8_t *p, size_t n)
{
	int got;

	if (s->packed == NULL)
		return pread(s->fd, p, n, at);
	got = gzseek(s->packed, at, SEEK_SET) < 0 ? -1 : gzread(s->packed, p, (unsigned)n);
	if (got < (int)n)
		note_end(s, at + (got > 0 ? got : 0));
	return got;
}

/* move has the window begin at `at`. What it has of that stays: to go back in a compressed file is to
 * begin anew. */
static void move(struct auditseg *s, off_t at)
{
	size_t skip = at >= s->window_at && (uint64_t)(at - s->window_at) < s->window_n ?
		(size_t)(at - s->window_at) : s->window_n;
	size_t kept = s->window_n - skip;
	ssize_t got;

	if (kept > 0)
		memmove(s->window, s->window + skip, kept);
	got = read_at(s, at + (off_t)kept, s->window + kept, WINDOW - kept);
	s->window_at = at;
	s->window_n = kept + (got > 0 ? (size_t)got : 0);
}

/* see returns n bytes of the file at `at`; NULL: so many are not there. */
static const uint8_t *see(struct auditseg *s, off_t at, size_t n)
{
	if (at > s->end || (uint64_t)(s->end - at) < n)
		return NULL;
	if (at >= s->window_at && (uint64_t)(at - s->window_at) + n <= s->window_n)
		return s->window + (at - s->window_at);
	move(s, at);
	return s->window_n >= n ? s->window : NULL;
}

/* framed_at: bytes that could be a record numbered low to high stand at `at`. */
static bool framed_at(struct auditseg *s, off_t at, uint64_t low, uint64_t high,
	struct auditseg_record *ret)
{
	const uint8_t *p = see(s, at, HEAD);
	uint64_t seq = p != NULL ? get_u64(p + 4) : 0;
	size_t n = p != NULL ? get_u32(p) : 0;

	if (p == NULL || seq < low || seq > high || n > AUDITSEG_RECORD_MAX)
		return false;
	p = see(s, at, HEAD + n + TAIL);
	if (p == NULL)
		return false;
	*ret = (struct auditseg_record){ .seq = seq, .bytes = { p + HEAD, n }, .at = at,
		.end = at + (off_t)(HEAD + n + TAIL) };
	ret->whole = crc32_of(ret->bytes) == get_u32(p + HEAD + n);
	return true;
}

/* find_whole looks for the next whole record: right here where records are missing, else
 * behind the damage; where there is none, *ret_end is the end of the file. */
static bool find_whole(struct auditseg *s, struct auditseg_record *ret, off_t *ret_end)
{
	uint64_t most = (uint64_t)(s->end - s->at) / (HEAD + TAIL);

	for (off_t at = s->at; s->end - at >= HEAD + TAIL; at++)
		if (framed_at(s, at, s->expect + 1, s->expect + most, ret) && ret->whole) {
			*ret_end = at;
			return true;
		}
	*ret_end = s->end;
	return false;
}

/* past_damage: what stands at s->at is no whole record with the right number. */
static bool past_damage(struct auditseg *s, struct auditseg_record *ret)
{
	struct auditseg_record next = { 0 };
	off_t end;
	bool found = find_whole(s, &next, &end);

	if (framed_at(s, s->at, s->expect, s->expect, ret) && ret->end == end &&
	    (!found || next.seq == s->expect + 1))
		return true;
	if (!found)
		return false;
	if (!s->quiet)
		log_error("audit: records %" PRIu64 " to %" PRIu64 " are %s", s->expect, next.seq - 1,
			end == s->at ? "missing" : "damaged and cannot be read");
	return framed_at(s, next.at, next.seq, next.seq, ret);
}

bool auditseg_next(struct auditseg *s, struct auditseg_record *ret)
{
	if (s->at >= s->end)
		return false;
	if (!(framed_at(s, s->at, s->expect, s->expect, ret) && ret->whole) && !past_damage(s, ret))
		return false;
	s->at = ret->end;
	s->expect = ret->seq + 1;
	return true;
}
