/* audit.h: the audit chain: records made, numbered, chained and signed here. */
#ifndef HF_AUDIT_H
#define HF_AUDIT_H

#include "audit_codec.h"
#include "audit_sign.h"
#include "audit_witness.h"
#include "module.h"

enum audit_kind { AUDIT_EVENT, AUDIT_ADMIN, AUDIT_AUTH, AUDIT_KEYS, AUDIT_USE };

/* struct audit_tally lies in memory that outlives the process, all zero at first: what was given to the
 * chain, for the next process to compare with what was kept. Written with the audit's lock held. */
struct audit_tally {
	char serial[24];         /* the HSM's, whose numbers these are */
	_Atomic uint64_t seq;    /* of the last record that was made */
	_Atomic uint64_t untold; /* records dropped that no record tells of yet */
};

/* struct audit_setup: what audit_open borrows for as long as the audit lives, but for
 * the seeds, 32 bytes each; ml_seed empty: no ML-DSA. witness NULL: none. */
struct audit_setup {
	struct keeper *keeper;
	const char *serial; /* the HSM's; NULL: it has none */
	struct slice seed, ml_seed;
	struct audit_witness *witness;
	const struct audit_pair *pair; /* while one key follows another; NULL */
	struct audit_tally *tally; /* NULL: none */
	bool must; /* no start without a durable record of it */
};

/* One key follows another: audit_announce lets the one that signs say who comes (ml: its ML-DSA key,
 * or empty). From there on a signature by either counts, until audit_take_over: the new one signs that
 * it is there and which was before. Both are durable when they return, and may be
 * repeated. */
enum hf_err audit_announce(struct audit *a, const uint8_t next[32], struct slice ml) HF_MUST_CHECK;
enum hf_err audit_take_over(struct audit *a, struct slice seed, struct slice ml_seed,
	const uint8_t before[32]) HF_MUST_CHECK;

/* audit_open continues the chain where the keeper's last record left it, after
 * checking that record, and the one that the witness remembers. What is wrong is
 * said in a record "audit-gap", which goes on behind the number that the witness remembers. What was
 * made and not kept is said in a record "audit-lost": how many by the tally, or, where nobody knows, that
 * the log ends without a stop. */
enum hf_err audit_open(const struct audit_setup *set, struct audit **ret) HF_MUST_CHECK;
void audit_close(struct audit *a); /* flushes, then writes the stop record */

/* enum audit_want: what a record is worth. AUDIT_QUEUED: the call goes on at once.
 * AUDIT_DURABLE: it waits for the disk, and goes on where that fails. AUDIT_OR_NOTHING:
 * without a durable record the call's answer is HF_E_AUDIT. */
enum audit_want { AUDIT_NONE, AUDIT_QUEUED, AUDIT_DURABLE, AUDIT_OR_NOTHING };

struct audit_end {
	enum hf_err result;
	uint64_t duration_ns;
	enum audit_want want;
	bool kept; /* audit_call: it waited, and the record is durable */
};
/* audit_call records a call that ended. HF_E_AUDIT only with AUDIT_OR_NOTHING; else a
 * record that finds no room is dropped and counted. */
enum hf_err audit_call(struct audit *a, const struct calls_ctx *c, struct audit_end *end)
	HF_MUST_CHECK;

/* audit_calls records several calls at once, and waits once for all that want it; their threads sleep. */
struct audit_each {
	const struct calls_ctx *c;
	struct audit_end *end;
	enum hf_err err; /* what audit_call would return */
};
void audit_calls(struct audit *a, struct audit_each *v, size_t n);

/* audit_uses records how often a key was used (the level "counted"). */
struct audit_uses {
	struct slice serial, label, object, object_label, detail;
};
enum hf_err audit_uses(struct audit *a, const struct audit_uses *u) HF_MUST_CHECK;

/* audit_event records something that is no call (start, stop, self-test, damage);
 * HF_E_AUDIT: it is not durable. */
enum hf_err audit_event(struct audit *a, const char *event, const char *detail, enum hf_err result)
	HF_MUST_CHECK;
/* audit_flush waits until what was recorded before is kept, or cannot be; it returns the number of
 * the last record that is kept. */
uint64_t audit_flush(struct audit *a);
uint64_t audit_sequence(struct audit *a); /* of the last record */
uint64_t audit_backlog(struct audit *a);  /* records that are not kept yet */
uint64_t audit_dropped(struct audit *a);  /* since the start, and lost before it */
uint64_t audit_gaps(struct audit *a);     /* the log was found cut, replaced or deleted; ever */
bool audit_failing(const struct audit *a); /* records cannot be kept now */
const struct audit_keys *audit_keys(const struct audit *a);

#endif
