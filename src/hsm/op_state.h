/* op_state.h: operations that a session puts by and takes up again (PKCS#11 3.2 §5.6.4, §5.6.5).
 *
 * What is saved is a copy of the operations, kept in the vault; the application gets a sealed
 * note that names it:
 *
 *     seal(format 1 | id u64 | boot u64 | n u8 | n * (kind u8 | mechanism u32 | key's uid 16))
 *
 * under a key of the ticket key's, with application and partition as additional data. The copy
 * lives until the application leaves or logs out, its last session with the partition closes, or
 * SAVED_MAX newer ones push it out. */
#ifndef HF_OP_STATE_H
#define HF_OP_STATE_H

#include "module.h"

#define SAVED_MAX 32u /* of an application */

struct saved_op;
/* saved_drop forgets what the application put by in p (NULL: everywhere). The caller holds
 * app.lock, or is alone with the application. */
void saved_drop(struct app *app, const struct partition *p);

#endif
