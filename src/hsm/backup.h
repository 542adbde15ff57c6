/* backup.h: a backup or a restore under way in a session.
 *
 * A backup holds references to the objects as they were when it began: objects never change in
 * place, so that is a snapshot, and signing goes on. What the session gets to see is sealed. */
#ifndef HF_BACKUP_H
#define HF_BACKUP_H

#include "backup_format.h"
#include "object.h"

/* What an object of a backup meets that is there already, and differs. */
enum restore_collision { RESTORE_FAIL, RESTORE_SKIP, RESTORE_REPLACE, RESTORE_RENAME };
/* What becomes, or in a dry run would become, of an object. */
enum restore_outcome {
	RESTORED_NEW, RESTORED_SAME, RESTORED_REPLACED, RESTORED_RENAMED, RESTORED_KEPT,
	RESTORED_STRICTER, /* kept: the one that is there may do less */
	RESTORED_STATEFUL, /* left out: it would sign twice with one one-time key */
	RESTORED_COLLIDES
};

struct backup {
	struct backup_chain chain;
	bool restoring;
	uint64_t objects, left_out;
	/* making: the snapshot */
	struct object **v;
	size_t n, at;
	/* restoring */
	enum restore_collision collision;
	bool dry;
};

/* backup_drop ends what is under way in a session, if anything is. */
void backup_drop(struct session *s);
void backup_free(struct backup *b); /* NULL-safe */
/* backup_permit: may this call make a backup, or restore one? */
enum hf_err backup_permit(struct calls_ctx *c) HF_MUST_CHECK;
/* backup_stateful: a signature key whose state must not come twice. */
bool backup_stateful(const struct object *o);

/* What the frames of objects hold: one after another. */
struct backup_object {
	uint8_t uid[UID_LEN];
	uint64_t version;
	struct slice content; /* as object_enc writes it */
	struct slice guard;   /* empty: none */
};
#define BACKUP_GUARD_MOST 4096u
#define BACKUP_CONTENT_MOST (ATTRS_MAX_BYTES + 64)

#endif
