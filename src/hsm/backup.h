/* backup.h: a backup or a restore under way in a session, or in an application of the HSM's
 * administrator (backup_hsm.h).
 *
 * A backup holds references to the objects as they were when it began: objects never change in
 * place, so that is a snapshot, and signing goes on. What the session gets to see is sealed. */
#ifndef HF_BACKUP_H
#define HF_BACKUP_H

#include "backup_format.h"
#include "backup_index.h"
#include "object.h"

/* What an object of a backup meets that is there already, and differs. */
enum restore_collision { RESTORE_FAIL, RESTORE_SKIP, RESTORE_REPLACE, RESTORE_RENAME };
/* What becomes, or in a dry run would become, of an object. */
enum restore_outcome {
	RESTORED_NEW, RESTORED_SAME, RESTORED_REPLACED, RESTORED_RENAMED, RESTORED_KEPT,
	RESTORED_STRICTER, /* kept: the one that is there may do less */
	RESTORED_STATEFUL, /* left out: a stateful key, and the policy does not want those */
	RESTORED_COLLIDES,
	RESTORED_FORBIDDEN /* of a clone: the policies do not let such a key in */
};

struct whole; /* backup_hsm.h; the first thing in it is how to give it up */

struct backup {
	struct backup_chain chain;
	bool restoring, clone;
	char name[17];                /* restoring: the newest file's (backup_name) */
	uint64_t objects, left_out;   /* objects: those with their content in the file */
	uint64_t whole_objects;       /* of whole partitions: in the index */
	uint64_t forbidden;           /* of a clone: what the policies leave out */
	/* making: the snapshot; first its index goes out, then what the base does not have */
	struct object **v;
	size_t n, indexed, at;
	bool increment, based;        /* based: the base's index is complete */
	struct backup_chain base_chain;
	struct backup_index base;
	/* restoring; live is what the newest file of a chain says that there was */
	enum restore_collision collision;
	bool dry, chained, awaits;    /* awaits: the file before this one */
	uint8_t scope;
	uint8_t next_hash[CRYPTO_HASH]; /* of its header */
	struct backup_index live;
	struct arena kept;            /* holds only */
	size_t would, would_bytes;    /* dry: new objects so far */
	char full[128];               /* dry: the limit that they reach; empty: none */
	struct attr_list only;        /* objects that match it; empty: all */
	struct whole *whole;          /* owned; NULL: objects of one partition */
};

/* backup_drop ends what is under way in a session, if anything is. */
void backup_drop(struct session *s);
void backup_free(struct backup *b); /* NULL-safe */
/* backup_permit: may this call make a backup, or restore one? */
enum hf_err backup_permit(struct calls_ctx *c) HF_MUST_CHECK;
/* backup_stateful: a signature key whose state must not come twice, and which the call's partition
 * wants in no backup. In one it is without its count (onetime.h), and never signs again. */
bool backup_stateful(const struct calls_ctx *c, const struct object *o);

/* backup_tell puts the name of a backup and whom it is sealed to into the audit record: a key by
 * the beginning of its SHA-256. */
void backup_tell(struct calls_ctx *c, const struct backup_header *h);
#define BACKUP_TOLD 17 /* the name, as text */
void backup_name(const struct backup_header *h, char out[BACKUP_TOLD]);

/* backup_start makes the header of h for those who may open it, and the chain; base is the
 * header of the backup to build on, or empty. backup_start_to is for who knows them already. */
struct backup_start {
	struct backup_header h;
	struct slice base;
	bool approved;       /* a partition in it is in approved mode: passphrases by PBKDF2 */
	struct slice header; /* made; in the call's arena */
};
enum hf_err backup_start(struct calls_ctx *c, struct backup *b, struct recipient_list to,
	struct backup_start *s) HF_MUST_CHECK;
enum hf_err backup_start_to(struct calls_ctx *c, struct backup *b, struct backup_make *m,
	struct backup_start *s) HF_MUST_CHECK;
/* backup_snapshot takes references to what is chosen (empty: all on the token) and may leave. */
enum hf_err backup_snapshot(struct calls_ctx *c, struct backup *b, struct u64_list chosen) HF_MUST_CHECK;
/* backup_take_base reads a frame of the base; *ret: its index was complete. */
enum hf_err backup_take_base(struct backup *b, struct slice frame, bool *ret) HF_MUST_CHECK;
/* backup_end_frame makes the last frame. */
enum hf_err backup_end_frame(struct backup *b, struct buf *frame) HF_MUST_CHECK;

/* What the frames of objects hold: one after another. */
struct backup_object {
	uint8_t uid[UID_LEN];
	uint64_t version;
	struct slice content; /* as object_enc writes it */
	struct slice guard;   /* empty: none */
};
#define BACKUP_GUARD_MOST 4096u
#define BACKUP_CONTENT_MOST (ATTRS_MAX_BYTES + 64)
#define BACKUP_FULL 131072u /* bytes after which a frame is full; one object may exceed it */

/* restore_open begins with a file's header; again is the next file of the same chain.
 * restore_open_with is for who has what opens it.
 * restore_frame takes a frame into c->part; what is told lives in the call's arena. */
enum hf_err restore_open(struct calls_ctx *c, struct backup *b, struct slice header,
	struct opener_list keys) HF_MUST_CHECK;
enum hf_err restore_open_with(struct calls_ctx *c, struct backup *b, struct slice header,
	const struct backup_opener *v, size_t n) HF_MUST_CHECK;
enum hf_err restore_again(struct calls_ctx *c, struct backup *b, struct slice header,
	struct opener_list keys) HF_MUST_CHECK;
struct restored_frame {
	struct restored_list objects;
	bool last;
};
enum hf_err restore_frame(struct calls_ctx *c, struct backup *b, struct slice frame,
	struct restored_frame *ret) HF_MUST_CHECK;

#endif
