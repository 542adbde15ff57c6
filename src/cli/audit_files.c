#include "audit_files.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum hf_err audit_files_open(const char *dir, struct audit_files *ret)
{
	struct audit_files f = { .dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	enum hf_err e = f.dir >= 0 ? auditseg_list(f.dir, &f.list) : HF_E_STORE;

	if (e != HF_OK) {
		int why = errno;

		audit_files_done(&f);
		errno = why;
		return e;
	}
	*ret = f;
	return HF_OK;
}

bool audit_files_begin(const char *dir, bool may_be_empty, struct audit_files *ret)
{
	if (audit_files_open(dir, ret) != HF_OK) {
		(void)cli_usage("%s cannot be read: %s", dir, strerror(errno));
		return false;
	}
	if (may_be_empty || ret->list.n > 0)
		return true;
	audit_files_done(ret);
	(void)cli_usage("there is no audit log in %s", dir);
	return false;
}

static void close_segment(struct audit_files *f)
{
	if (f->open)
		auditseg_done(&f->seg);
	f->open = false;
}

void audit_files_done(struct audit_files *f)
{
	close_segment(f);
	auditseg_list_done(&f->list);
	if (f->dir >= 0)
		close(f->dir);
	f->dir = -1;
}

static enum hf_err open_segment(struct audit_files *f)
{
	struct auditseg_place p = { f->list.v[f->at].first, f->list.v[f->at].first, 0 };

	TRY(auditseg_open_in(f->dir, &p, &f->seg));
	f->seg.quiet = f->quiet;
	f->open = true;
	f->at++;
	return HF_OK;
}

bool audit_files_lost(const struct audit_files *f)
{
	struct stat st;

	return f->open && f->seg.packed == NULL &&
		(fstat(f->seg.fd, &st) != 0 || st.st_nlink == 0 || st.st_size < f->seg.at);
}

bool audit_files_at_end(const struct audit_files *f)
{
	return f->at == f->list.n;
}

void audit_files_seek(struct audit_files *f, uint64_t seq)
{
	while (f->at + 1 < f->list.n && f->list.v[f->at + 1].first <= seq)
		f->at++;
}

/* The list first: what it names was begun after the one before it was complete. Old
 * segments may have been deleted: the place in the list is found anew. */
enum hf_err audit_files_refresh(struct audit_files *f)
{
	uint64_t now = f->at > 0 ? f->list.v[f->at - 1].first : 0;
	struct stat st;

	TRY(auditseg_list(f->dir, &f->list));
	f->at = 0;
	while (f->at < f->list.n && f->list.v[f->at].first <= now)
		f->at++;
	if (!f->open || f->seg.packed != NULL)
		return HF_OK;
	if (fstat(f->seg.fd, &st) != 0)
		return HF_E_STORE;
	f->seg.end = st.st_size;
	f->seg.window_n = 0; /* a torn write may have been cut off and done again */
	return HF_OK;
}

enum hf_err audit_files_next(struct audit_files *f, struct auditseg_record *ret, bool *ret_more)
{
	for (;;) {
		if (f->open) {
			*ret_more = auditseg_next(&f->seg, ret);
			if (*ret_more)
				return HF_OK;
			if (f->seg.at < f->seg.end)
				return HF_E_DAMAGED;
			if (audit_files_at_end(f)) /* more may come */
				return HF_OK;
			close_segment(f);
		}
		*ret_more = f->at < f->list.n;
		if (!*ret_more)
			return HF_OK;
		TRY(open_segment(f));
	}
}

int audit_files_fail(const char *dir, enum hf_err e)
{
	if (e != HF_E_DAMAGED)
		return cli_fail(dir, e);
	(void)cli_usage("%s: a record of the log is damaged; 'holdfast audit verify' names the first one",
		dir);
	return EXIT_FAILED;
}
