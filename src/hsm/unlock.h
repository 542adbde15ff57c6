/* unlock.h: the root key, and by which methods it opens (DESIGN §2). */
#ifndef HF_UNLOCK_H
#define HF_UNLOCK_H

#include "module.h"
#include "quorum.h"
#include "unlock_record.h"

/* struct unlock_with is what opens, or is to open: a passphrase, a TPM's PIN (may be
 * empty), the custodians' secret. quorum and pcrs are for new methods only. */
struct unlock_with {
	enum unlock_by by;
	struct slice secret;
	bool one;                 /* only the method of this id, which is of that kind */
	uint8_t id;
	const struct quorum *quorum;
	uint32_t pcrs;
};

/* unlock_at_open makes a new HSM's root key, or opens it by the file or the TPM. *ret
 * is empty if somebody has to come first. */
enum hf_err unlock_at_open(struct hsm *h, struct secret *ret) HF_MUST_CHECK;
/* unlock_with opens the root key of a locked HSM; the first passphrase of a new one
 * makes it. HF_E_PIN_INCORRECT: a wrong one; HF_E_STATE: it has no such method. */
enum hf_err unlock_with(struct hsm *h, const struct unlock_with *w, struct secret *ret) HF_MUST_CHECK;
/* unlock_born stores a new HSM's root key under its first method: the passphrase, else
 * the file, else the TPM. unlock_settle writes what unlocking brought up to date. */
enum hf_err unlock_born(struct hsm *h, struct slice passphrase) HF_MUST_CHECK;
enum hf_err unlock_settle(struct hsm *h) HF_MUST_CHECK;

/* Methods of an HSM that is open. unlock_only puts one in the place of all others. */
enum hf_err unlock_add(struct hsm *h, const struct unlock_with *w, uint8_t *ret_id) HF_MUST_CHECK;
enum hf_err unlock_only(struct hsm *h, const struct unlock_with *w) HF_MUST_CHECK;
enum hf_err unlock_remove(struct hsm *h, uint8_t id) HF_MUST_CHECK;
/* unlock_reseal seals a TPM's method anew, for its PCRs as they are now. */
enum hf_err unlock_reseal(struct hsm *h, uint8_t id, struct slice pin) HF_MUST_CHECK;

/* unlock_quorum_of tells the custodians; m is 0 where there are none. */
enum hf_err unlock_quorum_of(struct hsm *h, struct quorum *ret) HF_MUST_CHECK;
enum hf_err unlock_quorum(struct hsm *h, struct slice secret, struct secret *ret) HF_MUST_CHECK;
enum hf_err unlock_change_quorum(struct hsm *h, const struct quorum *q, struct slice secret)
	HF_MUST_CHECK;

/* unlock_destroy marks the HSM as zeroized, wipes the file of the unlock key, puts a tombstone in the root
 * key's place and purges the store, durably; what is done already is left. After a failure, or a crash,
 * it is called again. unlock_destroyed: it was begun. */
enum hf_err unlock_destroy(struct hsm *h) HF_MUST_CHECK;
/* unlock_purge: no copy of an older record of the root key stays in the store's files; where that
 * fails it is said in the log. */
void unlock_purge(struct hsm *h);
enum hf_err unlock_destroyed(struct hsm *h, bool *ret) HF_MUST_CHECK;

/* unlock_read and unlock_put: the record as it is, and a next one in its place, its tag
 * by h->root. For unlock*.c and rotate.c. */
enum hf_err unlock_read(struct hsm *h, struct root_record **ret) HF_MUST_CHECK;
enum hf_err unlock_put(struct hsm *h, struct root_record *r) HF_MUST_CHECK;
/* unlock_say puts the methods into the status, unlock_note one, with what came of it ("": nothing yet).
 * unlock_how: the command that opens it. */
void unlock_say(struct hsm *h, const struct root_record *r);
void unlock_note(struct hsm *h, const struct unlock_method_record *m, const char *came);
const char *unlock_how(const struct hsm *h);
/* unlock_warn says so in the log where the file is among them. */
void unlock_warn(struct root_record *r);
#define UNLOCK_WHAT 128
void unlock_what(const struct unlock_method_record *m, char out[UNLOCK_WHAT]);

#endif
