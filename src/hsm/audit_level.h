/* audit_level.h: which calls have an audit record, and what happens to a call whose
 * record cannot be kept: the partition's policies 71 and 140 to 144, and at least what
 * the HSM's settings say. */
#ifndef HF_AUDIT_LEVEL_H
#define HF_AUDIT_LEVEL_H

#include "audit.h"

/* audit_wants: of a call that ended with e. Administration, and what a rule refused,
 * always have a record. Counts a use where the level is "first" or "counted". */
enum audit_want audit_wants(const struct calls_ctx *c, enum hf_err e);
/* audit_permit: HF_E_AUDIT before the call works, where its record could not be kept and
 * policy wants it. Calls that are for emergencies (legal in a tampered or locked HSM,
 * too) go on, and lose their answer at most. */
enum hf_err audit_permit(struct calls_ctx *c) HF_MUST_CHECK;
/* audit_counts_uses: is the partition's level of key use "counted"? */
bool audit_counts_uses(const struct hsm *h, const struct partition *p);

#endif
