#include "audit_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret.h"

#define NAME_SIZE 32

static void name_of(uint64_t first, char out[NAME_SIZE])
{
	(void)snprintf(out, NAME_SIZE, "%020" PRIu64 ".log", first);
}

static bool parse_name(const char *name, uint64_t *ret)
{
	char back[NAME_SIZE];

	if (name[0] < '0' || name[0] > '9')
		return false;
	*ret = strtoull(name, NULL, 10);
	name_of(*ret, back);
	return strcmp(name, back) == 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static enum hf_err add(struct audit_files *f, uint64_t first)
{
	uint64_t *v = hf_realloc(f->first, f->n + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_MEMORY;
	f->first = v;
	f->first[f->n++] = first;
	return HF_OK;
}

static enum hf_err list(struct audit_files *f, DIR *d)
{
	struct dirent *entry;
	uint64_t first;

	while ((entry = readdir(d)) != NULL)
		if (parse_name(entry->d_name, &first))
			TRY(add(f, first));
	if (f->n > 0)
		qsort(f->first, f->n, sizeof(*f->first), by_number);
	return HF_OK;
}

enum hf_err audit_files_open(const char *dir, struct audit_files *ret)
{
	struct audit_files f = { .dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .fd = -1 };
	DIR *d = opendir(dir);
	enum hf_err e = f.dir >= 0 && d != NULL ? list(&f, d) : HF_E_STORE;

	if (d != NULL)
		closedir(d);
	if (e != HF_OK) {
		audit_files_done(&f);
		return e;
	}
	*ret = f;
	return HF_OK;
}

static void close_segment(struct audit_files *f)
{
	auditseg_done(&f->seg);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

void audit_files_done(struct audit_files *f)
{
	close_segment(f);
	hf_free(f->first);
	f->first = NULL;
	if (f->dir >= 0)
		close(f->dir);
	f->dir = -1;
}

static enum hf_err open_segment(struct audit_files *f)
{
	char name[NAME_SIZE];
	struct stat st;

	name_of(f->first[f->at], name);
	f->fd = openat(f->dir, name, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st) != 0)
		return HF_E_STORE;
	return auditseg_open(f->fd, 0, st.st_size, f->first[f->at++], &f->seg);
}

bool audit_files_at_end(const struct audit_files *f)
{
	return f->at == f->n;
}

void audit_files_seek(struct audit_files *f, uint64_t seq)
{
	while (f->at + 1 < f->n && f->first[f->at + 1] <= seq)
		f->at++;
}

/* The list first: what it names was begun after the one before it was complete. */
enum hf_err audit_files_refresh(struct audit_files *f)
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct stat st;
	enum hf_err e;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return HF_E_STORE;
	}
	f->n = 0;
	e = list(f, d);
	closedir(d);
	if (e == HF_OK && f->fd >= 0) {
		if (fstat(f->fd, &st) != 0)
			return HF_E_STORE;
		f->seg.end = st.st_size;
		f->seg.window_n = 0; /* a torn write may have been cut off and done again */
	}
	return e;
}

enum hf_err audit_files_next(struct audit_files *f, struct auditseg_record *ret, bool *ret_more)
{
	for (;;) {
		if (f->fd >= 0) {
			*ret_more = auditseg_next(&f->seg, ret);
			if (*ret_more)
				return HF_OK;
			if (f->seg.at < f->seg.end)
				return HF_E_DAMAGED;
			if (audit_files_at_end(f)) /* more may come */
				return HF_OK;
			close_segment(f);
		}
		*ret_more = f->at < f->n;
		if (!*ret_more)
			return HF_OK;
		TRY(open_segment(f));
	}
}
