/* audit_int.h: the audit chain's own; private to audit.c and audit_follow.c. */
#ifndef HF_AUDIT_INT_H
#define HF_AUDIT_INT_H

#include <pthread.h>

#include "audit.h"
#include "keeper_ask.h"
#include "lock.h"

#define APPEND_RECORDS 4096u /* audit_append's limit */
#define BATCH_RECORDS 16384u /* more come while the keeper waits for the disk: in 0.1 s of very short calls */

struct batch {
	struct buf bytes;
	struct entry v[BATCH_RECORDS]; /* lengths at first, views when it is sent */
	size_t n;
	uint64_t first;
	bool sync, jump; /* numbers are left out before `first` */
	bool last;       /* nothing comes behind it */
	struct cond kept; /* or failed: only who has a record in it wakes */
};

struct batch *audit_batch_new(void); /* NULL: no memory */
void audit_batch_free(struct batch *b); /* NULL-safe */
void audit_batch_empty(struct batch *b);
bool audit_batch_has_room(const struct batch *b, size_t most); /* for any record, of `most` */
/* audit_batch_lay_out makes views of the lengths; nothing is added after it. */
void audit_batch_lay_out(struct batch *b);
/* audit_batch_send sends it by parts that audit_append takes; again: the keeper may have some of it.
 * *ret_mended becomes true where it says so of a part. */
enum hf_err audit_batch_send(const struct batch *b, struct keeper *k, bool again, bool *ret_mended)
	HF_MUST_CHECK;

struct audit {
	struct keeper *k;
	const char *serial;       /* the HSM's */
	struct audit_keys keys;   /* lock, since they may change */
	const struct audit_pair *pair; /* while it opens */
	struct audit_witness *witness; /* the thread's; NULL: none */
	struct audit_tally *tally; /* lock; NULL: none */
	_Atomic bool failing;     /* the keeper said that it cannot keep records */
	pthread_t thread;
	struct mutex lock;        /* what follows */
	struct cond work, told, room; /* told: the witness */
	struct batch *fill, *send;
	uint64_t seq, durable, failed; /* last numbered, last kept, last that failed once */
	uint64_t signed_seq, signed_ns;
	uint8_t prev[CRYPTO_HASH];
	struct audit_mark due;    /* the last signed record, for the witness; 0: it has it */
	uint64_t told_ns;
	uint64_t dropped, untold, dropped_ns; /* records; not yet on record; last said when */
	uint64_t gaps;            /* see audit_gaps */
	bool mended;              /* a file was written anew; not yet on record */
	bool stop;
};

/* Both with the lock held. audit_append_event puts a record of no call into the batch,
 * audit_wait_kept waits until the last one is durable. */
enum hf_err audit_append_event(struct audit *a, const char *event, const char *detail, enum hf_err result,
	bool signed_) HF_MUST_CHECK;
enum hf_err audit_wait_kept(struct audit *a) HF_MUST_CHECK;

#endif
