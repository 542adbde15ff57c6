/* audit_sign.h: the keys that sign the audit chain, and a record's signature.
 *
 * It is Ed25519's, 64 bytes, over the record with the field empty; where ML-DSA is on,
 * ML-DSA-65's over the same bytes stands behind it. */
#ifndef HF_AUDIT_SIGN_H
#define HF_AUDIT_SIGN_H

#include "audit_form.h"
#include "crypto.h"

#define AUDIT_ED25519 64u /* bytes of a signature */
#define AUDIT_SIGNATURE_MAX (AUDIT_ED25519 + CRYPTO_ML_DSA65_SIGNATURE)

/* struct audit_pair: public keys, one of which follows the other. */
struct audit_pair {
	uint8_t old_key[32], new_key[32];
};

#define AUDIT_GAP "audit-gap" /* an event: the log was found cut, replaced or deleted */
/* Events whose details begin with how many records are not in the log, where that is known: dropped
 * since the queue was full, or lost in it when vault or keeper was killed. */
#define AUDIT_DROPPED "audit-dropped"
#define AUDIT_LOST "audit-lost"

/* The event of both records, and how their details begin; hex digits follow. */
#define AUDIT_KEY_EVENT "audit-key"
#define AUDIT_KEY_NEXT "next audit key "
#define AUDIT_KEY_NOW "audit key "
#define AUDIT_KEY_BEFORE " took over from "
/* Where ML-DSA is on, its next public key comes before, in records of this event: which part, a
 * space, and the digits. The announcement has its SHA-256, so that it is signed. */
#define AUDIT_ML_EVENT "audit-key-ml"
#define AUDIT_KEY_ML " ml-dsa-65 sha256 "
#define AUDIT_ML_PARTS 8u
#define AUDIT_ML_PART (CRYPTO_ML_DSA65_PUBLIC / AUDIT_ML_PARTS)
_Static_assert(AUDIT_ML_PART * AUDIT_ML_PARTS == CRYPTO_ML_DSA65_PUBLIC, "parts are equal");

struct audit_keys {
	struct secret seed, ml_seed; /* the second is empty where ML-DSA is off */
	uint8_t public_key[32];
	uint8_t ml_public[CRYPTO_ML_DSA65_PUBLIC];
};

/* audit_keys_open copies the seeds, 32 bytes each; ml_seed may be empty. */
enum hf_err audit_keys_open(struct slice seed, struct slice ml_seed, struct audit_keys *ret)
	HF_MUST_CHECK;
void audit_keys_done(struct audit_keys *k);
/* audit_sign fills rec->signature, whose bytes are written to out. */
enum hf_err audit_sign(const struct audit_keys *k, struct audit_record *rec,
	uint8_t out[AUDIT_SIGNATURE_MAX]) HF_MUST_CHECK;
/* audit_signed gives what a signature of rec stands over. */
void audit_signed(const struct audit_record *rec, struct buf *out);

#endif
