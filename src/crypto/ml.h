/* ml.h: the parameter sets of ML-KEM, ML-DSA and SLH-DSA (FIPS 203 to 205). */
#ifndef HF_ML_H
#define HF_ML_H

#include "key.h"

#define ML_DSA_MU 64        /* bytes of what ML-DSA signs in the end (FIPS 204 §6.2) */
#define ML_CONTEXT_MAX 255  /* bytes */

struct ml_set {
	uint32_t ckk, ckp;
	const char *name; /* OpenSSL's key type */
	size_t size;      /* what CKA_VALUE of the public key has, in bytes */
	size_t out;       /* signature or ciphertext, in bytes */
};

/* ml_set_of reads CKA_PARAMETER_SET. */
enum hf_err ml_set_of(uint32_t ckk, const struct key_source *s, const struct ml_set **ret)
	HF_MUST_CHECK;

#endif
