/* unlock.h: the root key, and what it is wrapped under (DESIGN §2). */
#ifndef HF_UNLOCK_H
#define HF_UNLOCK_H

#include "module.h"
#include "quorum.h"

/* unlock_at_open makes a new HSM's root key, or opens it where the unlock key
 * lies in a file. *ret is empty if a passphrase is needed first. */
enum hf_err unlock_at_open(struct hsm *h, struct secret *ret) HF_MUST_CHECK;
/* unlock_passphrase opens the root key of a locked HSM; the first passphrase of
 * a new one makes it. HF_E_PIN_INCORRECT: a wrong one. */
enum hf_err unlock_passphrase(struct hsm *h, struct slice passphrase, struct secret *ret)
	HF_MUST_CHECK;
/* unlock_change wraps the root key anew; an empty passphrase: by file again. */
enum hf_err unlock_change(struct hsm *h, struct slice passphrase) HF_MUST_CHECK;

/* unlock_quorum_of tells the custodians; m is 0 where there are none.
 * unlock_quorum opens the root key by their secret; unlock_change_quorum puts it
 * under a new one. */
enum hf_err unlock_quorum_of(struct hsm *h, struct quorum *ret) HF_MUST_CHECK;
enum hf_err unlock_quorum(struct hsm *h, struct slice secret, struct secret *ret) HF_MUST_CHECK;
enum hf_err unlock_change_quorum(struct hsm *h, const struct quorum *q, struct slice secret)
	HF_MUST_CHECK;

/* unlock_destroy puts a tombstone in the root key's place, durably, and wipes the
 * file of the unlock key. unlock_destroyed: is that what is there? */
enum hf_err unlock_destroy(struct hsm *h) HF_MUST_CHECK;
enum hf_err unlock_destroyed(struct hsm *h, bool *ret) HF_MUST_CHECK;

/* root_write wraps h->root and stores it. Empty passphrase: under the file's key. */
enum hf_err root_write(struct hsm *h, struct slice passphrase) HF_MUST_CHECK;

#endif
