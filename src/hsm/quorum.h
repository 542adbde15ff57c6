/* quorum.h: custodians, of whom M of N together open the HSM, or consent to what
 * changes its protection.
 *
 * A secret of 32 bytes is split (shamir.h); the root key is wrapped under it. A
 * share as a custodian holds it:
 *   quorum 16 | x u8 | m u8 | n u8 | y 32
 * The record hsm/root holds the SHA-256 of each, so that a wrong one is told at
 * once, by name, and never joined with the others. */
#ifndef HF_QUORUM_H
#define HF_QUORUM_H

#include "module.h"
#include "quorum_record.h"

#define SHARE_LEN (QUORUM_ID + 3u + CRYPTO_KEY)
#define QUORUM_S 600u /* within which the shares come, and consent holds */

/* quorum_make: a new secret and its shares, ret_shares[n], for the m, n and names of who. */
enum hf_err quorum_make(const struct quorum *who, struct quorum *ret, struct secret *ret_secret,
	struct secret *ret_shares) HF_MUST_CHECK;

/* What came so far is h->gathering, under h->unlocking. */
void quorum_done(struct hsm *h); /* forgets it */
unsigned gathering_count(struct gathering *g);
void gathering_drop(struct gathering *g);

/* quorum_take adds a share; *ret is the secret once it is the last one needed.
 * HF_E_SHARE_FOREIGN, _WRONG, _TWICE. */
enum hf_err quorum_take(struct gathering *g, const struct quorum *q, struct slice share,
	struct secret *ret) HF_MUST_CHECK;

/* quorum_consent uses consent up: HF_E_QUORUM unless the HSM has no custodians,
 * or M of them agreed within the time. */
enum hf_err quorum_consent(struct calls_ctx *c) HF_MUST_CHECK;

#endif
