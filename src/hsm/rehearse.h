/* rehearse.h: a backup restored into a scratch partition, every key of it used once, and the partition
 * destroyed.
 *
 * The scratch partition is in no slot and has no record of its own: what a crash leaves of it is
 * cleared away at the next start. */
#ifndef HF_REHEARSE_H
#define HF_REHEARSE_H

#include "backup_hsm.h"

struct rehearsal {
	struct partition *scratch;
	struct object **v;       /* what the table holds; from at on not used yet */
	size_t n, at;
	uint64_t used, others, failed;
	char first[256];         /* label of the first that failed */
	bool ready;              /* all is restored, and read back from the store */
};

enum hf_err rehearsal_new(struct hsm *h, struct rehearsal **ret) HF_MUST_CHECK;
void rehearsal_free(struct hsm *h, struct rehearsal *r); /* NULL-safe; destroys the partition */
/* rehearsal_enter makes the scratch partition the call's. */
void rehearsal_enter(struct calls_ctx *c, struct rehearsal *r);
/* rehearsal_ready forgets what is in memory and reads it back. */
enum hf_err rehearsal_ready(struct hsm *h, struct rehearsal *r) HF_MUST_CHECK;
/* rehearsal_use uses one object. */
void rehearsal_use(struct rehearsal *r, struct object *o);

/* rehearsed_load reads how the last rehearsal ended, and tells it in the status; from the record
 * "hsm/rehearsed":
 *
 *   format u8 | at u64 (UTC, microseconds) | keys u64 | failed u64 | records u64 */
enum hf_err rehearsed_load(struct hsm *h) HF_MUST_CHECK;

#endif
