/* rotate.h: a new root key in the place of the old one, while the HSM works.
 *
 *   1  one commit: all unlock methods wrap the new root key, which seals the old one; the
 *      store's state, its digest and what is written from then on are under the new one
 *   2  the audit key: the old one signs who follows it (audit.h), then the new one signs
 *   3  every record that the old store key seals is sealed anew, at the same version
 *   4  the old root key is forgotten: it opens nothing any more
 *
 * A new role key comes with it: what is under the one before opens until each role has logged in with
 * the PIN, which brings it under the new one; then the one before is forgotten, at a start or with the
 * next rotation.
 *
 * The phase in hsm/root says what is left after a crash: 1: all of 2; 2: the rest. Keys
 * that were derived from the first root key (of roles, of tickets for as long as
 * those live, and of the indices of backups, which stays) move to the record hsm/keys, under the new
 * store key. */
#ifndef HF_ROTATE_H
#define HF_ROTATE_H

#include "audit.h"
#include "module.h"

enum rotate_phase { ROTATE_NONE, ROTATE_AUDIT, ROTATE_RECORDS };

/* rotate_keys_load sets h->role_key and h->ticket_key. The records are open. */
enum hf_err rotate_keys_load(struct hsm *h) HF_MUST_CHECK;
/* rotate_old reads the phase, and the old root key while there is one. h->root is there. */
enum hf_err rotate_old(struct hsm *h) HF_MUST_CHECK;
/* rotate_audit_pair gives the audit keys of the old and the new root key. */
enum hf_err rotate_audit_pair(struct hsm *h, struct audit_pair *ret) HF_MUST_CHECK;
/* rotate_begin is step 1, and starts the rest. h->unlocking is held. HF_E_ROTATING. */
enum hf_err rotate_begin(struct hsm *h) HF_MUST_CHECK;
/* rotate_resume starts what a stop or a crash left. rotate_stop ends it for now. */
enum hf_err rotate_resume(struct hsm *h) HF_MUST_CHECK;
void rotate_stop(struct hsm *h);

/* rotate_role_keys copies the role key, and behind it those before that count still. */
enum hf_err rotate_role_keys(struct hsm *h, struct secret *ret) HF_MUST_CHECK;
/* rotate_forget_roles forgets those before that no role's record is under. The partitions are
 * loaded. */
enum hf_err rotate_forget_roles(struct hsm *h) HF_MUST_CHECK;
/* rotate_ticket_keys copies them; *ret_old is empty unless older tickets still count. */
enum hf_err rotate_ticket_keys(struct hsm *h, struct secret *ret, struct secret *ret_old)
	HF_MUST_CHECK;

#endif
