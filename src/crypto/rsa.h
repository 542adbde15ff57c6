/* rsa.h: what the RSA families share. */
#ifndef HF_RSA_H
#define HF_RSA_H

#include "sig.h"

size_t rsa_bytes(const struct key *k); /* of the modulus */

/* A struct sig for the padding (RSA_PKCS1_PADDING, RSA_NO_PADDING). */
enum hf_err rsa_setup(struct sig *s, const struct crypt *c, int padding) HF_MUST_CHECK;
/* rsa_sign appends EVP_PKEY_sign's output; e: what a failure means. */
enum hf_err rsa_sign(struct sig *s, const struct crypt *c, struct slice tbs, enum hf_err e,
	struct buf *out) HF_MUST_CHECK;
/* rsa_recover appends what a signature carries. */
enum hf_err rsa_recover(struct sig *s, const struct crypt *c, struct slice sig, struct buf *out)
	HF_MUST_CHECK;

/* Encryption, decryption, wrapping and unwrapping. */
struct rsa_crypt {
	struct kept kept;
	EVP_PKEY_CTX *pctx;
	struct buf in;                  /* gathered */
	struct param_rsa_oaep oaep;     /* what pctx is set up for */
};
enum hf_err rsa_crypt_begin(struct crypt *c, int padding, bool *ret_new) HF_MUST_CHECK;
/* rsa_crypt_finish: most is the longest plaintext that fits. */
enum hf_err rsa_crypt_finish(struct crypt *c, struct slice in, size_t most, struct buf *out)
	HF_MUST_CHECK;
size_t rsa_crypt_bound(const struct crypt *c, size_t in, bool last);
enum hf_err rsa_crypt_update(struct crypt *c, struct slice in) HF_MUST_CHECK;
void rsa_crypt_end(struct crypt *c);
/* rsa_copy: a family's copy, of a signature or an encryption. */
enum hf_err rsa_copy(const struct crypt *from, struct crypt *to);
/* rsa_crypt_fail drops a state that is not fit to be kept. */
void rsa_crypt_fail(struct crypt *c);
static inline bool rsa_crypts(const struct crypt *c)
{
	return c->verb == VERB_ENCRYPT || c->verb == VERB_DECRYPT || c->verb == VERB_WRAP ||
	       c->verb == VERB_UNWRAP;
}

#endif
