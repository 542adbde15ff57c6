/* cipher.h: a cipher with a context that the key keeps. */
#ifndef HF_CIPHER_H
#define HF_CIPHER_H

#include "ciphers.h"
#include "family.h"

#define GCM_IV_MAX 128 /* OpenSSL's limit */

struct cipher_mode;

struct cipher {
	struct kept kept;
	EVP_CIPHER_CTX *ctx;
	const struct cipher_mode *mode;
	size_t block;       /* bytes of a block */
	struct buf in;      /* gathered input, where it must be */
	uint64_t got, gave; /* bytes so far */
	uint64_t limit;     /* most that may come */
	size_t tag;         /* bytes of an AEAD's tag */
	bool blocks;        /* output comes in whole blocks */
	bool holds;         /* the last block waits for the end: it may be padding */
};

/* cipher_begin: a state whose context holds key, cipher and direction. */
enum hf_err cipher_begin(struct crypt *c, enum block_mode mode, struct cipher **ret) HF_MUST_CHECK;
/* cipher_restart sets an IV (NULL: none) and forgets the last use. */
enum hf_err cipher_restart(struct cipher *s, const uint8_t *iv) HF_MUST_CHECK;
/* cipher_gives: bytes that cipher_run will append for so many more. */
size_t cipher_gives(const struct cipher *s, size_t in);
/* cipher_run appends the output for in, and needs no more room than that. */
enum hf_err cipher_run(struct cipher *s, struct slice in, struct buf *out) HF_MUST_CHECK;
/* cipher_update: as cipher_run, up to the mode's limit for one use. */
enum hf_err cipher_update(struct crypt *c, struct slice in, struct buf *out) HF_MUST_CHECK;
/* cipher_aad takes additional data. */
enum hf_err cipher_aad(struct cipher *s, struct slice aad) HF_MUST_CHECK;
/* cipher_copy: a family's copy. */
enum hf_err cipher_copy(const struct crypt *from, struct crypt *to);
/* cipher_end keeps the state; cipher_fail frees it and returns e. */
void cipher_end(struct crypt *c);
enum hf_err cipher_fail(struct crypt *c, enum hf_err e);

/* aead_update, aead_finish: GCM and its like, the tag behind the ciphertext, from the
 * state that the family's begin has given IV, additional data and tag length. */
enum hf_err aead_update(struct crypt *c, struct slice in, struct buf *out);
enum hf_err aead_finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out);
size_t aead_stream_bound(const struct crypt *c, size_t in, bool last);
/* gcm_start sets IV and additional data; gcm_tag_ok tells whether GCM has such tags. */
enum hf_err gcm_start(struct cipher *s, const struct param_gcm *p) HF_MUST_CHECK;
bool gcm_tag_ok(uint64_t bits);

/* aead_bound: what an AEAD gives, whose decryption gathers. */
size_t aead_bound(const struct crypt *c, size_t in, bool last, bool gathers);

#endif
