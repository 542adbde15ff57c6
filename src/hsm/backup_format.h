/* backup_format.h: the file of a backup, as docs/backup-format.md describes it. The vault
 * makes and opens it; `holdfast backup` carries it, and checks it without opening a key. */
#ifndef HF_BACKUP_FORMAT_H
#define HF_BACKUP_FORMAT_H

#include "bytes.h"
#include "crypto.h"
#include "err.h"
#include "secret.h"

#define BACKUP_VERSION 1u
#define BACKUP_PREFIX 16u        /* magic, version, length: enough to read the rest */
#define BACKUP_HEADER_MOST 4096u
#define BACKUP_FRAME_PREFIX 13u  /* length, number, kind */
#define BACKUP_FRAME_MOST (2u << 20)
#define BACKUP_FRAME_OBJECTS 1000u
#define BACKUP_SALT 16

enum backup_domain { BACKUP_PASSPHRASE = 1 };
enum backup_kind { BACKUP_OBJECTS = 1, BACKUP_END = 2 };

/* struct backup_header: slices point into what was read. */
struct backup_header {
	uint64_t created;                      /* UTC, microseconds */
	struct slice hsm, serial, label;       /* where it was made */
	uint8_t domain;
	uint32_t kib, passes;                  /* of Argon2id */
	uint8_t salt[BACKUP_SALT];
	struct slice bound;                    /* what the sealed key is bound to */
	struct slice sealed;                   /* the file's key */
	uint8_t hash[CRYPTO_HASH];             /* the header's last 32 bytes */
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
	struct secret objects_key, end_key;
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
/* backup_header_make draws the file's key, seals it and begins a chain with it. */
enum hf_err backup_header_make(struct backup_header *h, struct slice passphrase, struct buf *out,
	struct backup_chain *ret) HF_MUST_CHECK;

/* backup_look begins a chain without keys. backup_unlock gives it those that the passphrase
 * opens; whole false: only the end's. HF_E_BACKUP_KEY: a wrong one. */
void backup_look(const struct backup_header *h, struct backup_chain *ret);
enum hf_err backup_unlock(const struct backup_header *h, struct slice passphrase, bool whole,
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
