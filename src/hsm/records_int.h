/* records_int.h: inside of records.c, records_open.c and commit.c. */
#ifndef HF_RECORDS_INT_H
#define HF_RECORDS_INT_H

#include "anchor_state.h"
#include "gather.h"
#include "keeper_ask.h"
#include "lock.h"
#include "records.h"
#include "store.h"

#define STATE_NAME "hsm/state"

struct writer;

struct records {
	struct keeper *k;
	/* Written by who leads, under key_lock too. */
	pthread_rwlock_t key_lock;
	struct secret seal_key, digest_key;
	struct secret old_seal_key, old_digest_key; /* or empty */
	uint64_t turn_of_keys;    /* counted up with each change of them */
	/* Set while opening, then only read. */
	char **stale;             /* names of records that are older than they should be */
	size_t stale_count;
	char trouble[1024];       /* what was wrong, for the log; or empty */
	bool anchor_lost;
	bool read_only;
	atomic_bool forgotten;    /* its keys are wiped: nothing is written any more */
	/* The writers' queue. */
	struct mutex lock;
	struct cond rest;         /* nobody leads */
	struct writer *first, **last;
	struct gather gather;     /* who leads, for company */
	bool busy;                /* one of them leads: what follows is its */
	struct anchor_state now;  /* as far as the keeper has it; read under lock */
	uint64_t state_version;   /* of hsm/state */
	struct anchor_state next; /* of a commit whose outcome is not known, if unsure */
	bool unsure;
	bool anchor_behind;       /* the store has `now`, the anchor not yet */
};

/* seal_key_for makes the key under which records of a partition are sealed. */
enum hf_err seal_key_for(struct slice partition_key, struct secret *ret) HF_MUST_CHECK;
/* struct place: where a record is, and how it is found there; tags NULL: not at all. */
struct place {
	struct slice name;
	uint64_t version;
	const struct record_tags *tags;
};
enum hf_err record_seal(struct slice key, const struct place *at, struct slice plain, struct buf *out)
	HF_MUST_CHECK;
/* record_tags reads those of a value of the store. */
struct record_tags record_tags(struct slice value);
enum hf_err record_open(struct slice key, struct slice name, uint64_t version,
	struct slice sealed, struct secret *ret) HF_MUST_CHECK;
enum hf_err anchor_seal(const struct records *r, const struct anchor_state *s, struct buf *out)
	HF_MUST_CHECK;

/* digest_term is what one (name, version) adds to the digest. */
enum hf_err digest_term(const struct records *r, struct slice name, uint64_t version,
	uint8_t out[DIGEST_LEN]) HF_MUST_CHECK;

/* records_judge reads state, anchor and all names, and fills the rest. */
enum hf_err records_judge(struct records *r, bool *ret_rollback, bool *ret_digest) HF_MUST_CHECK;
/* record_open_either opens a record by one of two keys that seal; *ret_old tells whether by the old. */
enum hf_err record_open_either(const struct records_keys *k, const struct record *rec,
	struct secret *ret, bool *ret_old) HF_MUST_CHECK;
/* store_open opens a record by the store key, or by the old one; *ret_old tells which. */
enum hf_err store_open(struct records *r, const struct record *rec, struct secret *ret,
	bool *ret_old) HF_MUST_CHECK;
bool records_is_stale(const struct records *r, struct slice name);

#endif
