/* mac.h: message authentication codes with a context that the key keeps. */
#ifndef HF_MAC_H
#define HF_MAC_H

#include "family.h"

struct mac {
	struct kept kept;
	EVP_MAC_CTX *ctx;
	size_t full; /* bytes of the whole code */
	size_t n;    /* bytes wanted */
};

/* mac_begin: params may hold the algorithm's OSSL_PARAMs. A _GENERAL mechanism
 * has a length as its parameter, of at most full bytes. */
enum hf_err mac_begin(struct crypt *c, EVP_MAC *mac, const OSSL_PARAM params[], size_t full)
	HF_MUST_CHECK;
enum hf_err mac_update(struct crypt *c, struct slice in, struct buf *out);
enum hf_err mac_finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out);
enum hf_err mac_copy(const struct crypt *from, struct crypt *to);
/* mac_length: bytes of the code, of at most full: what a _GENERAL mechanism's
 * parameter says, else otherwise. */
enum hf_err mac_length(const struct crypt *c, size_t otherwise, size_t full, size_t *ret)
	HF_MUST_CHECK;
/* mac_answer gives out the code, or compares it with sig, as c's verb says. */
enum hf_err mac_answer(const struct crypt *c, struct slice code, struct slice sig,
	struct buf *out) HF_MUST_CHECK;
size_t mac_bound(const struct crypt *c, size_t in, bool last);

#endif
