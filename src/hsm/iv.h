/* iv.h: initialization vectors that the vault makes (PKCS#11 3.2 §6.13.3).
 *
 * A partition remembers for each key how far it came, by the key's value: neither another
 * session nor another _init nor a copy of the key makes a counter begin anew, until the vault
 * starts anew. A session that an application opens in the place of one that was lost goes on
 * behind it (session_open's ivs). */
#ifndef HF_IV_H
#define HF_IV_H

#include "object.h"

#define IV_KEYS_MAX 65536u /* keys of a partition that are there */
#define IV_MAX 128u      /* bytes */

struct iv_wish {
	struct slice given;  /* as long as it shall be; its front holds the fixed bits */
	uint64_t fixed_bits;
	uint64_t generator;  /* CKG_ */
};

/* iv_make gives the next one in ret, w->given.n bytes in the call's arena; with
 * CKG_NO_GENERATE what was given. HF_E_MECHANISM_PARAM: no such generator, too few free bits,
 * another way of counting or other bits than before, or a base that changed. HF_E_IV_EXHAUSTED: another one
 * could be one that was there already. */
enum hf_err iv_make(struct calls_ctx *c, const struct object *key, const struct iv_wish *w,
	struct slice *ret) HF_MUST_CHECK;

void ivs_free(struct map *ivs); /* a partition's */

#endif
