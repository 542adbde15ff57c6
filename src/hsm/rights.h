/* rights.h: what a named user is restricted to, beyond his role: some of the
 * rights of spec/rights.def, and some of the private token objects. */
#ifndef HF_RIGHTS_H
#define HF_RIGHTS_H

#include "module.h"
#include "object.h"

/* rights_call: HF_E_DENIED unless the call's maker has the right that it takes.
 * A call that uses or changes keys and that no right is about is not for those who
 * are restricted. */
enum hf_err rights_call(struct calls_ctx *c) HF_MUST_CHECK;
/* rights_key: is this object (or one of these attributes) among his? Others he does
 * not see. Public and session objects always are. */
bool rights_key(const struct rights *r, const struct attrs *a);
/* rights_valid: patterns joined by commas, each for a label (with * and ?) or an id
 * in hex with 0x before it. */
bool rights_valid(uint32_t may, struct slice keys);
/* rights_possible: besides, what begins with 0x is an id. Stored ones may be of before that was looked at. */
bool rights_possible(uint32_t may, struct slice keys);
void rights_set(struct rights *r, uint32_t may, struct slice keys);
static inline bool rights_all(const struct rights *r)
{
	return r->may == RIGHTS_ALL && r->keys[0] == '\0';
}

#endif
