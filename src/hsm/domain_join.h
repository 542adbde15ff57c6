/* domain_join.h: how an HSM joins a security domain. It asks with a new public key, a member answers
 * with the domain's key sealed for that; each message is signed by its maker's attestation root, and
 * has a fingerprint that the officers compare, so that nobody stands between.
 *
 * request: "HFDOMREQ" | u8 1 | serial bytes | made u64 | attestation key 32 | X-Wing key 1216 | signature 64
 * answer:  "HFDOMANS" | u8 1 | serial bytes | made u64 | attestation key 32 | SHA-256 of the request 32 |
 *          domain's id 16 | name bytes | the domain's key, wrapped (crypto_kem_wrap) with all before it as
 *          its place | signature 64
 *
 * A signature is Ed25519 over all that stands before. */
#ifndef HF_DOMAIN_JOIN_H
#define HF_DOMAIN_JOIN_H

#include "domain.h"

#define DOMAIN_MESSAGE_MOST 4096u
#define DOMAIN_FINGERPRINT 16u /* SHA-256 of a message, cut */

/* domain_ask makes a request, which this HSM remembers until it is answered or asks again. */
enum hf_err domain_ask(struct hsm *h, struct buf *out) HF_MUST_CHECK;
/* domain_answer checks a request and answers it for d; *ret is who asked.
 * HF_E_DOMAIN_MESSAGE, HF_E_DOMAIN_FINGERPRINT. */
enum hf_err domain_answer(struct hsm *h, const struct domain *d, struct slice request,
	struct slice fingerprint, struct member *ret, struct buf *out) HF_MUST_CHECK;
/* domain_take checks the answer, and joins. *ret is who answered, for d. HF_E_DOMAIN_ANSWER besides. */
enum hf_err domain_take(struct hsm *h, struct slice answer, struct slice fingerprint,
	struct domain *ret) HF_MUST_CHECK;

#endif
