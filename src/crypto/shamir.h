/* shamir.h: a secret in n shares of which any m give it back (Shamir, "How to
 * share a secret", CACM 22, 1979), byte by byte over GF(2^8) with the polynomial
 * of AES. Fewer than m shares tell nothing. Nothing here tells a wrong share:
 * who hands out shares keeps something to recognise them by. */
#ifndef HF_SHAMIR_H
#define HF_SHAMIR_H

#include "err.h"
#include "secret.h"

#define SHAMIR_MAX 16u /* shares */

/* shamir_split makes share x (1 to n) in ret[x - 1], each as long as the secret.
 * HF_E_ARGUMENTS unless 1 <= m <= n <= SHAMIR_MAX. */
enum hf_err shamir_split(struct slice secret, unsigned m, unsigned n, struct secret *ret)
	HF_MUST_CHECK;

struct shamir_share {
	uint8_t x; /* not 0 */
	struct slice y;
};
/* shamir_join: exactly the m that were asked for when it was split; no x twice. */
enum hf_err shamir_join(const struct shamir_share *v, size_t m, struct secret *ret) HF_MUST_CHECK;

/* shamir_mul multiplies in the field, in a time that tells nothing. */
uint8_t shamir_mul(uint8_t a, uint8_t b);

#endif
