/* copying.h: a copy of a key may do no more than its original. */
#ifndef HF_COPYING_H
#define HF_COPYING_H

#include "attrs.h"
#include "object.h"

/* copy_judge: may a, which attrs_birth made of template t, be a copy of o? Other keys than private and
 * secret ones always may. What it could do that o cannot takes what C_SetAttributeValue would take on o
 * itself: HF_E_DENIED, HF_E_NOT_LOGGED_IN, HF_E_MODIFY_PROHIBITED, HF_E_POLICY. A session's copy for those
 * who may not change o is not modifiable, or it would come to the same. */
enum hf_err copy_judge(struct calls_ctx *c, const struct object *o, struct attr_list t, struct attrs *a)
	HF_MUST_CHECK;

#endif
