/* quorum.h: custodians, of whom M of N together open the HSM, open a role, or consent to
 * what changes the HSM's protection.
 *
 * A secret of 32 bytes is split (shamir.h): the root key is wrapped under it, or it is a
 * role's PIN. A share as a custodian holds it:
 *   quorum 16 | x u8 | m u8 | n u8 | y 32
 * where quorum is the HSM's serial number 8 | whose custodians 4 | which set 4. The record of
 * it holds the SHA-256 of each share, so that a wrong one is told at once, by name, and
 * never joined with the others. */
#ifndef HF_QUORUM_H
#define HF_QUORUM_H

#include "module.h"
#include "quorum_record.h"

#define SHARE_LEN (QUORUM_ID + 3u + CRYPTO_KEY)

/* quorum_make: a new secret and its shares, ret_shares[n], for the m, n and names of who;
 * scope says whose custodians they are. */
enum hf_err quorum_make(const struct hsm *h, const char *scope, const struct quorum *who,
	struct quorum *ret, struct secret *ret_secret, struct secret *ret_shares) HF_MUST_CHECK;

/* quorum_check: HF_OK: it is a share of these custodians. HF_E_SHARE_FOREIGN: of another
 * HSM, or none; _OTHER: of other custodians of this HSM; _OLD: of a set that was replaced;
 * _WRONG: altered. HF_E_STATE: there are no custodians. */
enum hf_err quorum_check(const struct quorum *q, struct slice share) HF_MUST_CHECK;
/* Of a share that passed it: its number, from 1, and its part of the secret. */
unsigned quorum_number(struct slice share);
struct slice quorum_value(struct slice share);

/* quorum_join: the secret, of the first m of the parts that are there. */
enum hf_err quorum_join(const struct secret y[SHAMIR_MAX], unsigned m, struct secret *ret)
	HF_MUST_CHECK;

/* struct gathering: shares that came so far, of custodians who open one thing. quorum_take
 * adds a share; *ret is the secret once it is the last one needed. HF_E_SHARE_TWICE, and
 * those of quorum_check. */
#define QUORUM_S 600u /* within which they come */
struct gathering {
	struct secret y[SHAMIR_MAX];
	uint64_t since_ns; /* the first of them */
};
enum hf_err quorum_take(struct gathering *g, const struct quorum *q, struct slice share,
	struct secret *ret) HF_MUST_CHECK;
unsigned gathering_count(const struct gathering *g);
void gathering_drop(struct gathering *g);

/* quorum_refresh reads the HSM's custodians anew, after a change or at the start. */
enum hf_err quorum_refresh(struct hsm *h) HF_MUST_CHECK;

#endif
