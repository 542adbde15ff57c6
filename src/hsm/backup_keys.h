/* backup_keys.h: the keys that open a backup: this HSM's own, what custodians gave together, and
 * what the caller brings. */
#ifndef HF_BACKUP_KEYS_H
#define HF_BACKUP_KEYS_H

#include "backup_format.h"
#include "module.h"
#include "quorum.h"

/* struct backup_keys: shares that came for one backup key, and its seed once they are enough. */
struct backup_keys {
	struct mutex lock;
	struct gathering shares;
	uint8_t id[BACKUP_KEY_ID]; /* whose shares */
	struct secret seed;        /* empty: not enough yet */
	uint64_t until_ns;         /* when the seed is forgotten */
};
enum hf_err backup_keys_new(struct backup_keys **ret) HF_MUST_CHECK;
void backup_keys_free(struct backup_keys *k); /* NULL-safe */
void backup_keys_forget(struct backup_keys *k); /* NULL-safe */

/* backup_own_key seals index keys for this HSM alone. */
enum hf_err backup_own_key(struct hsm *h, struct secret *ret) HF_MUST_CHECK;

/* struct backup_openers is what there is to open a backup with, now. */
struct backup_openers {
	struct backup_opener v[BACKUP_RECIPIENTS + 2];
	size_t n;
	struct secret own, custodians;
};
void backup_openers_done(struct backup_openers *o);
/* keys stay the caller's. */
/* backup_key_missing: why nothing opens it: HF_E_BACKUP_KEY, or HF_E_BACKUP_SHARES if some of its
 * custodians gave theirs. */
enum hf_err backup_key_missing(struct calls_ctx *c, struct slice header) HF_MUST_CHECK;
enum hf_err backup_openers_get(struct calls_ctx *c, struct opener_list keys,
	struct backup_openers *ret) HF_MUST_CHECK;

/* backup_card_of is this HSM's own card; its slices live in c->arena. HF_E_BACKUP_NO_KEY. */
enum hf_err backup_card_of(struct calls_ctx *c, bool create, struct backup_card *ret) HF_MUST_CHECK;
/* backup_seed is the private half. */
enum hf_err backup_seed(struct hsm *h, struct secret *ret) HF_MUST_CHECK;

#endif
