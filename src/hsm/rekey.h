/* rekey.h: a new partition key in the place of the old one, while the partition is used.
 *
 *   1  one commit: every role's pair wraps the new key, activations that come back hold it, logins
 *      of now find it (bridge.h),
 *      and the partition's own record says which key is the partition's and holds the old
 *      one, sealed by the new; what is written from then on is under the new one
 *   2  every private record that the old key seals is sealed anew, at the same version
 *   3  the old key is forgotten: it opens nothing any more
 *
 * Records of an older format, without tags (tags.h), get them the same way, under the same key: 2 alone.
 *
 * What a stop or a crash leaves of 2 and 3 goes on with the next login: before it nobody
 * has the keys. Until then a record opens under the one key or the other. */
#ifndef HF_REKEY_H
#define HF_REKEY_H

#include "module.h"

/* rekey_enc and rekey_dec are the end of the record "p/SERIAL". */
void rekey_enc(const struct rekey *k, struct buf *out);
bool rekey_dec(struct rd *r, struct rekey *ret) HF_MUST_CHECK;

/* rekey_is_current: whether key is p's, as far as p knows. The caller holds p->lock. */
enum hf_err rekey_is_current(const struct partition *p, struct slice key, bool *ret) HF_MUST_CHECK;
/* rekey_enter brings the old key into memory beside p->key; the caller holds p->lock to write. */
void rekey_enter(struct partition *p);
/* rekey_old copies the old key; *ret stays empty where there is none. */
enum hf_err rekey_old(struct partition *p, struct secret *ret) HF_MUST_CHECK;
/* rekey_seal fills what the record says of key, and of old under it. */
enum hf_err rekey_seal(const struct partition *p, struct slice key, struct slice old,
	struct rekey *ret) HF_MUST_CHECK;
/* rekey_by_officer is step 1, or resumes, with the officer's PIN, and starts the rest. Roles whose
 * records have no pair yet: HF_E_ROLES_OLD, or, by force, they lose their PINs. HF_E_ROTATING. */
enum hf_err rekey_by_officer(struct calls_ctx *c, struct partition *p, struct slice so_pin, bool force)
	HF_MUST_CHECK;
/* rekey_resume goes on with what is left, if anything; somebody is logged in, and the caller
 * holds roles.lock. */
void rekey_resume(struct hsm *h, struct partition *p);
/* rekeys_stop ends all of them for now; none begins until rekeys_start. */
void rekeys_stop(struct hsm *h);
void rekeys_start(struct hsm *h);
#endif
