/* backup_format.h: the file of a backup, as docs/backup-format.md describes it. The vault
 * makes and opens it; `holdfast backup` carries it, and checks it without opening a key. */
#ifndef HF_BACKUP_FORMAT_H
#define HF_BACKUP_FORMAT_H

#include "backup_to.h"

#define BACKUP_VERSION 3u
#define BACKUP_VERSION_1 1u      /* one passphrase, a partition's objects, no index */
#define BACKUP_PREFIX 16u        /* magic, version, length: enough to read the rest */
#define BACKUP_HEADER_MOST 32768u
#define BACKUP_RECIPIENTS 8u
#define BACKUP_FRAME_PREFIX 13u  /* length, number, kind */
#define BACKUP_FRAME_MOST (2u << 20)
#define BACKUP_FRAME_OBJECTS 1000u

enum backup_scope {
	BACKUP_OF_OBJECTS = 1,    /* of one partition, as its crypto officer sees them */
	BACKUP_OF_PARTITIONS = 2, /* whole partitions: their records; private objects stay sealed */
};
enum backup_kind { BACKUP_OBJECTS = 1, BACKUP_END = 2, BACKUP_INDEX = 3, BACKUP_RECORDS = 4 };

/* struct backup_header: slices point into what was read. */
struct backup_header {
	uint16_t version;
	uint64_t created;                      /* UTC, microseconds */
	struct slice hsm, serial, label;       /* where it was made; the latter empty: a whole HSM */
	uint8_t scope;
	struct slice base;                     /* empty, or the hash of the header it builds on */
	struct slice own;                      /* the index key, for the HSM that made it */
	struct slice own_bound, bound;         /* what stands before own, before the recipients */
	struct backup_recipient to[BACKUP_RECIPIENTS];
	size_t to_n;
	uint8_t hash[CRYPTO_HASH];             /* the header's last 32 bytes; names the backup */
};

/* struct backup_end is what the last frame holds. */
struct backup_end {
	uint64_t objects, left_out;
	uint64_t frames;                       /* the last one not counted */
	uint8_t chain[CRYPTO_HASH];            /* of the frame before */
};

/* struct backup_chain goes along the frames; its keys are empty for one who only looks. */
struct backup_chain {
	uint8_t head[CRYPTO_HASH], last[CRYPTO_HASH];
	uint64_t next;
	struct secret objects_key, index_key, end_key;
};
void backup_chain_done(struct backup_chain *c);

struct backup_frame {
	uint64_t number;
	uint8_t kind;
	struct slice sealed;
};

/* backup_header_length: bytes of the whole header, from its first BACKUP_PREFIX.
 * HF_E_BACKUP: it is no backup; HF_E_BACKUP_NEWER. */
enum hf_err backup_header_length(struct slice prefix, size_t *ret) HF_MUST_CHECK;
enum hf_err backup_header_read(struct slice in, struct backup_header *ret) HF_MUST_CHECK;

/* struct backup_make: what backup_header_make needs besides. own_key is the maker's own. */
struct backup_make {
	const struct backup_to *to;
	size_t to_n;
	struct slice own_key;
};
/* backup_header_make draws the file's key, seals it to all and begins a chain with it. */
enum hf_err backup_header_make(struct backup_header *h, const struct backup_make *m, struct buf *out,
	struct backup_chain *ret) HF_MUST_CHECK;

/* backup_look begins a chain without keys. backup_unlock gives it those that an opener
 * opens; whole false: only the end's. HF_E_BACKUP_KEY: none of v opens it. backup_unlock_index
 * gives that of the index to the HSM that made it; HF_E_BACKUP_FOREIGN. */
void backup_look(const struct backup_header *h, struct backup_chain *ret);
enum hf_err backup_unlock(const struct backup_header *h, const struct backup_opener *v, size_t n,
	bool whole, struct backup_chain *c) HF_MUST_CHECK;
enum hf_err backup_unlock_index(const struct backup_header *h, struct slice own_key,
	struct backup_chain *c) HF_MUST_CHECK;

/* backup_frame_length: bytes of the whole frame, from its first four. */
enum hf_err backup_frame_length(struct slice prefix, size_t *ret) HF_MUST_CHECK;
enum hf_err backup_frame_make(struct backup_chain *c, enum backup_kind kind, struct slice plain,
	struct buf *out) HF_MUST_CHECK;
/* backup_frame_check: the frame is the chain's next and as it was written. The chain
 * goes on. HF_E_BACKUP_DAMAGED otherwise. */
enum hf_err backup_frame_check(struct backup_chain *c, struct slice in, struct backup_frame *ret)
	HF_MUST_CHECK;
/* backup_frame_open opens what backup_frame_check gave. */
enum hf_err backup_frame_open(const struct backup_chain *c, const struct backup_frame *f,
	struct secret *ret) HF_MUST_CHECK;

void backup_end_enc(const struct backup_end *e, struct buf *out);
/* backup_end_check reads the last frame and compares it with the way there; before is
 * the chain's hash in front of it. */
enum hf_err backup_end_check(const struct backup_chain *c, const struct backup_frame *f,
	const uint8_t before[CRYPTO_HASH], struct backup_end *ret) HF_MUST_CHECK;

#endif
