/* family.h: what the families share. */
#ifndef HF_FAMILY_H
#define HF_FAMILY_H

#include "key.h"

/* The most that an operation gathers which cannot give out data before it has
 * all (an AEAD's plaintext before its tag is checked). */
#define GATHER_MAX (64u << 20)

static inline bool crypt_encrypts(const struct crypt *c)
{
	return c->verb == VERB_ENCRYPT || c->verb == VERB_WRAP;
}

/* The words that PKCS#11 has for the same fault in different verbs. */
enum hf_err crypt_bad_len(const struct crypt *c);  /* the input's length */
enum hf_err crypt_bad_data(const struct crypt *c); /* the input itself */

/* kept_begin takes a kept state of c's key into c->state, or makes a zeroed one
 * of size n whose head is filled in; *ret_new says which. */
enum hf_err kept_begin(struct crypt *c, size_t n, void (*drop)(struct kept *s), bool *ret_new)
	HF_MUST_CHECK;
/* kept_end gives c->state back to the key. */
void kept_end(struct crypt *c);

/* gather_more appends in to a gathered input: HF_E_TOO_BIG past its limit. */
enum hf_err gather_more(struct buf *b, struct slice in) HF_MUST_CHECK;
/* gather_copy appends what another operation gathered, up to GATHER_COPY_MAX. */
#define GATHER_COPY_MAX (1u << 20)
enum hf_err gather_copy(const struct buf *from, struct buf *to) HF_MUST_CHECK;
/* gather_all is the whole input: what was gathered, or in when nothing was. */
enum hf_err gather_all(struct buf *b, struct slice in, struct slice *ret) HF_MUST_CHECK;

/* out_add makes room for n bytes of output. */
enum hf_err out_add(struct buf *out, size_t n, uint8_t **ret) HF_MUST_CHECK;

/* hash_of: the row's digest, or for SHA-512/t the one that the parameter asks for;
 * NULL: none that we have. */
const struct hash *hash_of(const struct mech *m, const struct params *p);

/* kwp_once wraps or unwraps, as c's verb says, with AES-KWP under that key's value. */
enum hf_err kwp_once(const struct crypt *c, struct slice value, struct slice in,
	struct buf *out) HF_MUST_CHECK;

/* cut_derived shortens a derived value to want bytes from its front (0: all);
 * HF_E_KEY_SIZE if it has fewer. */
enum hf_err cut_derived(struct secret *v, size_t want) HF_MUST_CHECK;

#endif
