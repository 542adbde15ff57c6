/* clone.h: a partition's keys go from one HSM to another of the same security domain.
 *
 * Who is to get them asks first, with a key that opens one clone:
 *
 *   request: "HFCLNREQ" | u8 1 | HSM's serial bytes | partition's serial bytes | made u64 |
 *            domain's id 16 | X-Wing key 1216 | HMAC-SHA-256 of all before, under the domain's key 32
 *
 * The answer is a backup of objects (backup_format.h) for this one recipient, sealed with the
 * domain's key besides. The record "p/SERIAL/ask" remembers the request:
 *
 *   format u8 | made u64 | domain's id 16 | seed 32 */
#ifndef HF_CLONE_H
#define HF_CLONE_H

#include "backup.h"

#define CLONE_REQUEST_MOST 2048u
#define CLONE_ASK_S 86400u /* then a request is void */

/* clone_allowed: do the call's partition's policies let an object of this class come and go? */
bool clone_allowed(const struct calls_ctx *c, uint64_t cko);
/* clone_may_leave says of an object whether it goes along, and counts in b why not: policies, or
 * a signature key's state or a limit of uses, which would be there twice. */
bool clone_may_leave(struct calls_ctx *c, struct backup *b, const struct object *o);
/* clone_asker: which HSM and partition a request says that it is of; false: it is none. */
bool clone_asker(struct slice request, struct slice *ret_hsm, struct slice *ret_partition);

#endif
