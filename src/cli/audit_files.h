/* audit_files.h: the records of an audit log's directory, one after another, in
 * memory that does not grow with the log. */
#ifndef HF_AUDIT_FILES_H
#define HF_AUDIT_FILES_H

#include "auditseg.h"

/* struct audit_files: where the reading stands. */
struct audit_files {
	int dir;
	struct auditseg_list list;
	size_t at;           /* the next segment to open */
	bool open;
	bool quiet;          /* damage is not said in the log */
	struct auditseg seg; /* if open */
};

/* audit_files_open opens the directory. HF_E_STORE: it cannot be read, see errno. */
enum hf_err audit_files_open(const char *dir, struct audit_files *ret) HF_MUST_CHECK;
/* audit_files_begin opens it, or says why it cannot: without any segment of a log too, unless it
 * may be empty. */
bool audit_files_begin(const char *dir, bool may_be_empty, struct audit_files *ret) HF_MUST_CHECK;
void audit_files_done(struct audit_files *f);
/* audit_files_seek goes to the segment that holds record seq; nothing was read yet. */
void audit_files_seek(struct audit_files *f, uint64_t seq);
/* audit_files_refresh looks for what was written since: behind the last record,
 * audit_files_next goes on with it. */
enum hf_err audit_files_refresh(struct audit_files *f) HF_MUST_CHECK;
/* audit_files_fail says what is wrong with the log in dir; EXIT_FAILED. */
int audit_files_fail(const char *dir, enum hf_err e);
/* audit_files_lost: the file that is read was deleted, replaced or cut behind the reading. */
bool audit_files_lost(const struct audit_files *f);
bool audit_files_at_end(const struct audit_files *f); /* in the last segment */

/* audit_files_next gives the next record, its bytes until the next call; *ret_more
 * is false behind the last one. HF_E_DAMAGED: a segment ends in what is no record.
 * HF_E_STORE: one cannot be read, see errno. */
enum hf_err audit_files_next(struct audit_files *f, struct auditseg_record *ret, bool *ret_more)
	HF_MUST_CHECK;

#endif
