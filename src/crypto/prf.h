/* prf.h: a pseudorandom function that a mechanism parameter names: any of the
 * HMACs, or AES-CMAC. */
#ifndef HF_PRF_H
#define HF_PRF_H

#include "key.h"

struct prf {
	EVP_MAC_CTX *ctx;
	size_t n; /* bytes of an output */
};

/* prf_begin: HF_E_MECHANISM_PARAM if ckm is none that we have, HF_E_KEY_SIZE. */
enum hf_err prf_begin(uint64_t ckm, struct slice key, struct prf *ret) HF_MUST_CHECK;
/* prf_run writes the output for the parts, one behind the other: p->n bytes. */
enum hf_err prf_run(const struct prf *p, const struct slice part[], size_t n,
	uint8_t out[EVP_MAX_MD_SIZE]) HF_MUST_CHECK;
void prf_done(struct prf *p);

#endif
