/* handlers_keys.h: what the calls that make keys share. */
#ifndef HF_HANDLERS_KEYS_H
#define HF_HANDLERS_KEYS_H

#include "attrs.h"
#include "object.h"

/* made_before: an earlier copy of this call made the object; its handle. */
bool made_before(struct calls_ctx *c, uint64_t *ret_handle);

/* forget_made destroys what an earlier copy of this call made, where its answer
 * had more than handles and was lost: its keys serve nobody. */
enum hf_err forget_made(struct calls_ctx *c) HF_MUST_CHECK;

/* add_key completes a's attributes by what crypto made and adds the object;
 * add_secret does it for a bare value, whose length must be what a asks for. */
enum hf_err add_key(struct calls_ctx *c, struct attrs *a, const struct parts *p,
	uint64_t *ret_handle) HF_MUST_CHECK;
enum hf_err add_secret(struct calls_ctx *c, struct attrs *a, struct slice value,
	uint64_t *ret_handle) HF_MUST_CHECK;

/* pair_is_quick: the request of key_pair_generate with these fields takes no longer than a signature. */
bool pair_is_quick(struct slice fields);

/* merge_template appends to t what the template attribute cka of key `by` wants
 * of every key made with it. HF_E_TEMPLATE_CONFLICT: they differ. */
enum hf_err merge_template(struct calls_ctx *c, struct attr_list t, const struct object *by,
	uint32_t cka, struct attr_list *ret) HF_MUST_CHECK;

/* derived: a new secret key, of the class and type that t gives or the usual. */
struct birth_info derived(const struct calls_ctx *c, struct attr_list t);

/* once_login refuses a key that wants the PIN for every use in a call that has
 * no place for it. */
enum hf_err once_login(const struct object *o) HF_MUST_CHECK;

#endif
