/* builtin.h: objects that nobody made: what the HSM says of itself (PKCS#11 3.2
 * §4: hardware features, mechanisms, profiles). They are made anew for each look
 * at them. Of hardware there is a clock and a counter, but nothing that faces a
 * person; and nobody has validated anything yet. */
#ifndef HF_BUILTIN_H
#define HF_BUILTIN_H

#include "object.h"

/* Handles of these lie above those of all others. */
#define BUILTIN_HANDLE (UINT64_C(1) << 48)

/* builtin_wanted: does the template name one of these classes? */
bool builtin_wanted(struct attr_list tmpl);

/* builtin_get is object_get for handles from BUILTIN_HANDLE on. */
enum hf_err builtin_get(struct calls_ctx *c, uint64_t handle, enum hf_err missing,
	struct object **ret) HF_MUST_CHECK;

/* builtin_find is objects_find for templates that name one of these classes; no
 * other search finds them. */
enum hf_err builtin_find(struct calls_ctx *c, struct attr_list tmpl, uint64_t after, uint32_t max,
	struct u64_list *ret, uint64_t *ret_cursor) HF_MUST_CHECK;

#endif
