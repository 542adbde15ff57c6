/* backup_index.h: what there was when a backup was made: an id and a tag of each object or
 * record, 32 bytes. An increment holds what its base's index does not have just so; a chain
 * restores what its newest index has, from whichever file. */
#ifndef HF_BACKUP_INDEX_H
#define HF_BACKUP_INDEX_H

#include "crypto.h"

#define BACKUP_ID 16u
#define BACKUP_TAG 16u

struct backup_entry {
	uint8_t id[BACKUP_ID];   /* the unique id; of a record the SHA-256 of its name, cut */
	uint8_t tag[BACKUP_TAG]; /* SHA-256 of its content, cut */
};

struct backup_index {
	struct backup_entry *v;
	uint8_t *done;           /* a bit each: restored already */
	size_t n, cap, left;     /* left: not done yet */
	bool sorted;
};

void backup_index_done(struct backup_index *x);
/* backup_index_read adds a frame's entries. */
enum hf_err backup_index_read(struct backup_index *x, struct slice plain) HF_MUST_CHECK;
/* backup_index_has finds an entry; the first call sorts. */
bool backup_index_has(struct backup_index *x, const struct backup_entry *e);
/* backup_index_take: it is there, and was not taken before. HF_E_MEMORY. */
enum hf_err backup_index_take(struct backup_index *x, const struct backup_entry *e, bool *ret)
	HF_MUST_CHECK;
/* backup_index_complete: all of it was taken. */
bool backup_index_complete(const struct backup_index *x);
void backup_entry_enc(const struct backup_entry *e, struct buf *out);
enum hf_err backup_tag(struct slice content, struct slice more, struct backup_entry *ret)
	HF_MUST_CHECK;

#endif
