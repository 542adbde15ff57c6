/* unlock_wrap.h: inside of unlock*.c: how a method's secret opens the root key. */
#ifndef HF_UNLOCK_WRAP_H
#define HF_UNLOCK_WRAP_H

#include "unlock.h"

/* unlock_wrap gives m a new secret and key pair, and puts h->root under them. */
enum hf_err unlock_wrap(struct hsm *h, struct unlock_method_record *m, const struct unlock_with *w)
	HF_MUST_CHECK;
/* unlock_rewrap puts another root key under the key pair that m has. */
enum hf_err unlock_rewrap(struct unlock_method_record *m, struct slice root) HF_MUST_CHECK;
/* unlock_unwrap: HF_E_DAMAGED where the secret is wrong. One of format 1 is brought to
 * what unlock_wrap makes; *ret_renewed tells. */
enum hf_err unlock_unwrap(struct hsm *h, struct unlock_method_record *m, struct slice secret,
	struct secret *ret, bool *ret_renewed) HF_MUST_CHECK;

bool unlock_quorum_dec(const struct unlock_method_record *m, struct quorum *ret);

#endif
