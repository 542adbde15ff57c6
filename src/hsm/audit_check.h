/* audit_check.h: checks a run of audit records: numbers, chain, signatures. Needs
 * only the records and the audit key's public half; keeps one hash. */
#ifndef HF_AUDIT_CHECK_H
#define HF_AUDIT_CHECK_H

#include "audit_codec.h"
#include "audit_sign.h"
#include "crypto.h"

#define AUDIT_UNSIGNED_MOST 10000u /* records behind the last signed one; what may be cut unseen */

/* struct audit_check: zeroed but for the keys before the first record. From the first
 * record with an ML-DSA signature on, each signed one has to have it. */
struct audit_check {
	uint8_t public_key[32];
	uint8_t next_key[32];     /* where has_next: it was announced, and counts too */
	bool has_next;
	const uint8_t *ml_public; /* CRYPTO_ML_DSA65_PUBLIC bytes; NULL: not checked */
	uint8_t ml_of[32];        /* beside which Ed25519 key */
	struct audit_ml {         /* those that the log itself announced, after a start with ml_public */
		bool there;
		uint8_t of[32], key[CRYPTO_ML_DSA65_PUBLIC];
	} ml_now, ml_next;
	size_t ml_got;            /* bytes of ml_next until now */
	uint64_t ml_signed;       /* records whose ML-DSA signature was checked */
	uint8_t prev[CRYPTO_HASH]; /* of the last record */
	uint64_t seq;              /* of the last record; on an error: of the bad one */
};

/* audit_took_over: this record, by its signature, says which key followed which. */
bool audit_took_over(const struct audit_record *rec, struct audit_pair *ret);

/* audit_is_gap: the HSM found at a start that its log is not the one that it had kept. */
bool audit_is_gap(const struct audit_record *rec);

/* audit_is_loss: it says that records of calls are not in the log (AUDIT_DROPPED, AUDIT_LOST); *ret_n: how
 * many, 0: that is not known. */
bool audit_is_loss(const struct audit_record *rec, uint64_t *ret_n);

/* audit_check_next checks one encoded record against the one before (the first
 * one's `prev` is taken on trust unless its number is 1; numbers may be missing before a
 * gap's record) and decodes it into
 * *ret, with views into `encoded`. False: *ret_why says what is wrong. */
bool audit_check_next(struct audit_check *c, struct slice encoded, struct arena *a,
	struct audit_record *ret, const char **ret_why) HF_MUST_CHECK;

#endif
