/* records.h: the vault's memory of itself: sealed, versioned records.
 *
 * A record is AES-256-GCM (crypto_seal) with "name" and version as additional
 * data, so one that was moved, swapped or rolled back does not open. The record
 * "hsm/state" holds a sequence number and a keyed digest over all (name,
 * version) pairs, and goes with every batch; the anchor (a file of its own)
 * holds the number that the store must have reached, and the lock-out counters,
 * so that putting an older store back resets nothing. */
#ifndef HF_RECORDS_H
#define HF_RECORDS_H

#include "bytes.h"
#include "err.h"
#include "hsm.h"
#include "secret.h"

struct records;

/* enum seal: under which key a record is sealed. */
enum seal {
	SEAL_NONE,      /* clear (only "hsm/root", whose content is wrapped already) */
	SEAL_STORE,     /* the store key: readable whenever the HSM is unlocked */
	SEAL_PARTITION, /* a key derived from the partition key, given with the change */
	SEAL_SEALED,    /* plain is sealed already, in this place: from a backup */
};

/* struct record_tags: by what a partition's record is found unread (tags.h): in the clear beside what is
 * sealed, and authenticated with it. are false: it has none. */
enum { RECORD_TAG_LABEL, RECORD_TAG_ID, RECORD_TAGS };
struct record_tags {
	bool are;
	uint32_t v[RECORD_TAGS]; /* 0: not by that */
};

struct record_change {
	const char *name;
	uint64_t expect;          /* version it stands at; 0: absent */
	uint64_t version;         /* 0: delete it; else expect + 1 */
	enum seal seal;
	struct slice key;         /* for SEAL_PARTITION: the partition key */
	struct slice plain;
	struct record_tags tags;  /* for SEAL_PARTITION */
};

/* records_open reads hsm/state and the anchor once the store key is known. On
 * roll-back (the store is older than its anchor) or a wrong digest it succeeds
 * and says so in *ret_judged. */
struct records_keys {
	struct slice now, old; /* store keys, or a partition's; old is empty unless a rotation is under way */
};
struct records_judged {
	bool rollback, digest;
};
enum hf_err records_open(struct keeper *k, const struct records_keys *keys,
	struct records_judged *ret_judged, struct records **ret) HF_MUST_CHECK;
void records_close(struct records *r); /* NULL-safe */
/* records_rekey puts another store key in force, in one commit with these changes: the
 * state, the digest over all names and what is written from now on are under it. Other
 * writers wait. HF_E_CONNECTION: whether it was kept is not known. */
struct record_change;
enum hf_err records_rekey(struct records *r, struct slice store_key, const struct record_change *v,
	size_t n) HF_MUST_CHECK;
/* records_reseal goes on with sealing anew what the old key seals, some records at a time,
 * at their versions; begin with more = true and the rest zero. With keys: what is under prefix,
 * from one partition key to another, and what has no tags though the key is the same: make makes them,
 * kept is told what the store has then. */
#define RECORD_NAME 201 /* bytes, with the NUL */
struct records_tagging {
	void *ctx;
	enum hf_err (*make)(void *ctx, struct slice plain, struct record_tags *ret);
	void (*kept)(void *ctx, const char *name, uint64_t version, const struct record_tags *v);
};
struct records_reseal {
	const char *prefix;
	const struct records_keys *keys;
	const struct records_tagging *tagging; /* with keys */
	char after[RECORD_NAME];
	size_t looked, sealed;
	bool more;
};
enum hf_err records_reseal(struct records *r, struct records_reseal *s) HF_MUST_CHECK;
/* records_forget_old: what the old key seals does not open any more. */
void records_forget_old(struct records *r);
/* records_forget_keys wipes the keys in place: nothing can be read or written any more. */
void records_forget_keys(struct records *r);

/* records_trouble says in words what records_open found wrong ("": nothing).
 * records_anchor_lost: the anchor was missing or damaged, so the lock-out
 * counters are only as new as the store. */
const char *records_trouble(const struct records *r);
bool records_anchor_lost(const struct records *r);
/* records_doubt: another witness knows of a later change than store and anchor do, or says so: as if the
 * anchor were lost, and told with the rest. */
void records_doubt(struct records *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t records_sequence(struct records *r);

/* records_write applies all changes or none, durable when it returns. Many
 * threads may call at once; their batches share a group commit. */
enum hf_err records_write(struct records *r, const struct record_change *v, size_t n)
	HF_MUST_CHECK;

/* records_write_early is records_write that returns when the store has the changes. The anchor is in place as
 * well when an audit record made after that is durable, or records_settle returns; before that the call does
 * not answer.
 *
 * struct records_behind: what is to be done for each of the writers of a commit when the store has their
 * changes, by one of them for all while the others sleep: they would sleep once more for it. all is the
 * same for all of them. It is not called if the commit failed, nor if somebody led it who has no such thing
 * to do. */
struct records_behind {
	void (*all)(void *const *ctx, size_t n);
	void *ctx;
};
enum hf_err records_write_early(struct records *r, const struct record_change *v, size_t n,
	const struct records_behind *b) HF_MUST_CHECK;
enum hf_err records_settle(struct records *r) HF_MUST_CHECK;

/* struct records_later is a records_write_early by who does not sleep while others' commit goes on. What it
 * points to stays until it is done. */
struct writer;
struct records_later {
	struct records *r;
	const struct record_change *v;
	size_t n;
	const struct records_behind *behind; /* or NULL */
	void (*ready)(void *ctx); /* from another thread; it must not wait for a lock of a call's */
	void *ctx;
	struct writer *w;         /* commit.c's; NULL at first */
	enum hf_err result;
};
/* records_write_later begins, or goes on. True: it is done, see result. False: it is put aside until ready is
 * called, once; then any thread calls this again, soon, since it may be the one to lead the next commit. */
bool records_write_later(struct records_later *l) HF_MUST_CHECK;

/* records_protect: from now on nothing changes but what use itself leaves behind: the audit log's
 * witness, tamper events, counts of wrong PINs, logins that ended, statistics; else
 * HF_E_WRITE_PROTECTED. */
void records_protect(struct records *r);

/* records_scan opens every record under prefix and calls visit with the plain
 * bytes; damaged is called with the name of one that does not open or decode
 * (never both). Slices live until the callback returns. */
struct record_visit {
	void *ctx;
	enum hf_err (*visit)(void *ctx, const char *name, uint64_t version, struct slice plain);
	void (*damaged)(void *ctx, const char *name);
};
enum hf_err records_scan(struct records *r, const char *prefix, enum seal seal, struct slice key,
	const struct record_visit *v) HF_MUST_CHECK;

/* records_scan_private is records_scan of what either key of a partition seals. */
enum hf_err records_scan_private(struct records *r, const char *prefix,
	const struct records_keys *keys, const struct record_visit *v) HF_MUST_CHECK;
/* records_scan_first is that for the first page; *ret_more: there are others. */
enum hf_err records_scan_first(struct records *r, const char *prefix, const struct records_keys *keys,
	const struct record_visit *v, bool *ret_more) HF_MUST_CHECK;

/* records_get is records_scan for one name. records_next finds the first name
 * under prefix that sorts after `after`; ret holds it, "" if there is none. */
enum hf_err records_get(struct records *r, const char *name, enum seal seal, struct slice key,
	const struct record_visit *v) HF_MUST_CHECK;
enum hf_err records_next(struct records *r, const char *prefix, const char *after,
	char ret[RECORD_NAME]) HF_MUST_CHECK;

/* A copy of all records as they are at one moment, for a backup; one at a time. Pages hold what lies
 * in the store; records_unseal opens what the store key sealed. */
enum hf_err records_freeze(struct records *r, uint64_t *ret_id) HF_MUST_CHECK;
void records_thaw(struct records *r);
enum hf_err records_frozen(struct records *r, const struct store_scan_frozen_req *q, struct arena *a,
	struct store_scan_frozen_res *ret) HF_MUST_CHECK;
enum hf_err records_unseal(struct records *r, const struct record *rec, struct secret *ret)
	HF_MUST_CHECK;

/* records_names tells names and versions only; those of damaged ones too. */
enum hf_err records_names(struct records *r, const char *prefix, void *ctx,
	enum hf_err (*visit)(void *ctx, const char *name, uint64_t version)) HF_MUST_CHECK;
/* records_tags is that, with their tags. */
enum hf_err records_tags(struct records *r, const char *prefix, void *ctx,
	enum hf_err (*visit)(void *ctx, const char *name, uint64_t version, const struct record_tags *v));
/* records_wipe deletes every record under prefix, in as many batches as it takes. */
enum hf_err records_wipe(struct records *r, const char *prefix) HF_MUST_CHECK;

/* Lock-out counters, kept in the anchor: failures of (partition serial, role).
 * records_fail_set is durable when it returns. */
unsigned records_fail_get(struct records *r, const char *serial, unsigned role);
enum hf_err records_fail_set(struct records *r, const char *serial, unsigned role, unsigned n)
	HF_MUST_CHECK;
/* records_fail_anchor sets one in the anchor alone, which is overwritten in place: for a full disk. */
enum hf_err records_fail_anchor(struct records *r, const char *serial, unsigned role, unsigned n)
	HF_MUST_CHECK;

#endif
