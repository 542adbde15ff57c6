/* attest.h: the HSM's own root for attestation: an Ed25519 key, made with the HSM and kept in
 * the record "hsm/attest":
 *
 *   format u8 | seed 32 | made u64 (UTC, microseconds) */
#ifndef HF_ATTEST_H
#define HF_ATTEST_H

#include "module.h"

/* attest_open reads it into h, or makes it. Where it is damaged h->attest stays empty. */
enum hf_err attest_open(struct hsm *h) HF_MUST_CHECK;

#endif
