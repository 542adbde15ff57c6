/* audit_resume.h: where the chain goes on at a start, and whether it ends as it should. */
#ifndef HF_AUDIT_RESUME_H
#define HF_AUDIT_RESUME_H

#include "audit_sign.h"
#include "audit_witness.h"
#include "hsm.h"

/* struct audit_last: the log's last record. */
struct audit_last {
	struct audit_mark mark; /* number 0: there is none */
	uint64_t time_us;       /* UTC; 0: not known */
	const char *why;        /* what is wrong; NULL: nothing */
	bool stopped;           /* it is the one of an orderly stop */
};
/* audit_resume finds the last record, and checks it with the one before, and with what
 * the witness (NULL: none) remembers. Either key of the pair may have signed it. */
enum hf_err audit_resume(struct keeper *k, const struct audit_pair *pair,
	const struct audit_witness *w, struct audit_last *ret) HF_MUST_CHECK;
/* audit_seq reads a record's number. HF_E_DAMAGED: it is none. */
enum hf_err audit_seq(struct slice encoded, uint64_t *ret) HF_MUST_CHECK;

/* audit_cut: *ret_why says why the log does not come up to what the store knows of it; NULL: it does.
 * The store is told of durable records only, so that a crash is none, and retention deletes the oldest. */
enum hf_err audit_cut(struct keeper *k, const struct audit_witness *w, const char **ret_why)
	HF_MUST_CHECK;

/* audit_later looks through what the log has behind the record that the store knows last, for a change
 * of the store later than sequence that it tells of. *ret is that, or 0. What tells of changes is what
 * the vault writes once they are durable: signed records, and those of wrong PINs (audit_counts). So a
 * crash, after which the log has more records than the store knows, is none. */
#define AUDIT_STORE "store "
bool audit_counts(enum hf_err result);
enum hf_err audit_later(struct keeper *k, const struct audit_witness *w, uint64_t sequence,
	uint64_t *ret) HF_MUST_CHECK;

#endif
