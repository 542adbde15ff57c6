/* audit.h: the audit chain: records made, numbered, chained and signed here. */
#ifndef HF_AUDIT_H
#define HF_AUDIT_H

#include "audit_codec.h"
#include "audit_witness.h"
#include "module.h"

enum audit_kind { AUDIT_EVENT, AUDIT_ADMIN, AUDIT_AUTH, AUDIT_KEYS, AUDIT_USE };

/* audit_open continues the chain where the keeper's last record left it, after
 * checking that record, and the one that the witness (borrowed; NULL: none)
 * remembers. What is wrong is said in a record "audit-gap". seed: of the Ed25519
 * key, 32 bytes. */
enum hf_err audit_open(struct keeper *k, struct slice seed, struct audit_witness *w,
	struct audit **ret) HF_MUST_CHECK;
void audit_close(struct audit *a); /* flushes, then writes the stop record */

/* audit_call records a call that ended; durable before it returns unless the
 * row's class is use. HF_E_AUDIT: it could not be kept; then the call's answer
 * must be that error. */
enum hf_err audit_call(struct audit *a, const struct calls_ctx *c, enum hf_err result,
	uint64_t duration_ns) HF_MUST_CHECK;
/* audit_event records something that is no call (start, stop, self-test, damage). */
enum hf_err audit_event(struct audit *a, const char *event, const char *detail, enum hf_err result)
	HF_MUST_CHECK;
/* audit_flush waits until what was recorded before is kept. */
enum hf_err audit_flush(struct audit *a) HF_MUST_CHECK;
uint64_t audit_sequence(struct audit *a); /* of the last record */
uint64_t audit_backlog(struct audit *a);  /* records that are not kept yet */
void audit_public_key(const struct audit *a, uint8_t out[32]);

#endif
