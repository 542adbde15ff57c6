/* roles_int.h: inside of roles.c and role_key.c. */
#ifndef HF_ROLES_INT_H
#define HF_ROLES_INT_H

#include "roles.h"

/* pin_stretch makes of a PIN what m says; pin_tag what tells it. */
enum hf_err pin_stretch(const struct pin_memory *m, struct slice pin, struct secret *ret) HF_MUST_CHECK;
enum hf_err pin_tag(struct slice stretched, uint8_t tag[CRYPTO_HASH]) HF_MUST_CHECK;

/* role_unwrap gives the partition key; HF_E_PIN_INCORRECT. *ret_foreign: the record is under another
 * role key than the HSM's of now. */
enum hf_err role_unwrap(struct hsm *h, const struct partition *p, const struct role_record *r,
	struct slice pin, struct secret *ret, bool *ret_foreign) HF_MUST_CHECK;
/* role_renew brings a record whose PIN was right to what is wanted now. */
void role_renew(struct hsm *h, struct partition *p, struct role_record *r, struct slice pin,
	struct slice key, bool foreign);

#endif
