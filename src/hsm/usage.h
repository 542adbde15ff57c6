/* usage.h: how often each key was used, for whom it matters: the audit levels "first"
 * and "counted", and 'holdfast key usage'.
 *
 * A token key has one struct usage, whatever snapshots of it there are; session keys
 * have none. What is known of a key is kept as the record "p/SERIAL/usage/UID", sealed by
 * the store key, from time to time and at the stop: after a crash the last minutes'
 * uses are missing. */
#ifndef HF_USAGE_H
#define HF_USAGE_H

#include "module.h"

struct object;

#define USAGE_KINDS 12
#define USAGE_FORMAT 1 /* of a record */

/* struct usage: counted without a lock. */
struct usage {
	struct map_node by_handle;    /* the table's */
	atomic_uint refs;
	uint8_t uid[UID_LEN];
	char label[65];               /* the key's, when it was used last; the table's */
	_Atomic bool gone;            /* the key was destroyed */
	_Atomic uint64_t uses[USAGE_KINDS], failures;
	_Atomic uint64_t last_us;     /* UTC; 0: never */
	_Atomic uint32_t seen;        /* bits: kinds whose first use since the start is on record */
	/* usages_pass alone: */
	uint64_t told[USAGE_KINDS];   /* in audit records so far */
	uint64_t kept;                /* all counters' sum when it was written last */
	uint64_t version;             /* of its record; 0: none */
};

/* struct usages: a partition's. */
struct usages;
enum hf_err usages_new(struct usages **ret) HF_MUST_CHECK;
void usages_free(struct usages *t);  /* NULL-safe */
void usages_clear(struct usages *t); /* forgets all; their records are wiped already */
enum hf_err usage_load(struct usages *t, const char *name, uint64_t version, struct slice plain)
	HF_MUST_CHECK;

/* usage_note makes this the call's use of the key (ckf: CKF_SIGN, ...), to be counted
 * when the call has ended. */
enum hf_err usage_note(struct calls_ctx *c, struct object *key, uint32_t ckf) HF_MUST_CHECK;
void usage_count(struct calls_ctx *c, enum hf_err e);
void usage_unref(struct usage *u); /* NULL-safe */
/* usage_first: true once for each kind. */
bool usage_first(struct usage *u, unsigned kind);
/* usage_gone: the key was destroyed; what is known of it goes with the next pass. */
void usage_gone(struct usages *t, uint64_t handle);

/* usages_all gives references to what the table holds, in a. usages_drop takes one out. */
enum hf_err usages_all(struct usages *t, struct arena *a, struct usage ***ret, size_t *ret_n)
	HF_MUST_CHECK;
void usages_drop(struct usages *t, struct usage *u);

/* usages_pass records sums of uses where the level is "counted", and keeps what changed. */
void usages_pass(struct hsm *h);

/* usage_of finds what is known of a key: a reference, or NULL. */
struct usage *usage_of(struct usages *t, uint64_t handle);
/* usage_label copies the key's label, as label_text writes it. */
void usage_label(struct usages *t, const struct usage *u, char out[65]);
const char *usage_kind_name(unsigned kind);
const char *usage_name(uint32_t ckf);

#endif
