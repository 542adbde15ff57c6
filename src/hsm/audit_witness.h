/* audit_witness.h: what the store knows of the audit log's end.
 *
 * The record "hsm/audit" holds the number and hash of the last signed record that
 * was kept. It is sealed, counted in the store's digest and so held by the anchor:
 * a log that was cut, or forked, behind the store's back shows at the next start. */
#ifndef HF_AUDIT_WITNESS_H
#define HF_AUDIT_WITNESS_H

#include "crypto.h"
#include "records.h"

struct audit_mark {
	uint64_t seq; /* 0: nothing was ever kept */
	uint8_t hash[CRYPTO_HASH];
};

/* struct audit_witness outlives the audit that it is given to. */
struct audit_witness {
	struct records *records;
	uint64_t version; /* of "hsm/audit"; 0: absent */
	bool damaged;
	struct audit_mark mark;
	uint64_t gaps; /* how often the log was found cut, replaced or deleted */
};

enum hf_err audit_witness_open(struct records *r, struct audit_witness *ret) HF_MUST_CHECK;
/* audit_witness_keep keeps w->gaps too. It is durable when it returns. */
enum hf_err audit_witness_keep(struct audit_witness *w, const struct audit_mark *m) HF_MUST_CHECK;

#endif
