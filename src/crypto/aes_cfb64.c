/* aes_cfb64.c: AES in cipher feedback of 64 bits (SP 800-38A §6.3), which OpenSSL
 * lacks: each block that AES gives covers eight bytes of data. */
#include <string.h>

#include "ciphers.h"
#include "families.h"
#include "family.h"

#define SEGMENT 8 /* bytes */

struct cfb64 {
	struct kept kept;
	EVP_CIPHER_CTX *ctx;
	uint8_t reg[BLOCK_MAX];    /* what is encrypted next */
	uint8_t stream[BLOCK_MAX]; /* covers the segment at hand */
	size_t at;                 /* bytes of that segment that are done */
};

static void drop(struct kept *k)
{
	struct cfb64 *s = (struct cfb64 *)k;

	EVP_CIPHER_CTX_free(s->ctx);
	secret_free(s);
}

/* set_key: both directions encrypt. */
static enum hf_err set_key(struct cfb64 *s, const struct key *k)
{
	const EVP_CIPHER *ecb = cipher_find(CKK_AES, k->value.n, BLOCK_ECB);

	s->ctx = EVP_CIPHER_CTX_new();
	if (s->ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_EncryptInit_ex2(s->ctx, ecb, k->value.p, NULL, NULL), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err begin(struct crypt *c)
{
	struct slice iv = c->params->u.iv.raw;
	enum hf_err e = HF_OK;
	struct cfb64 *s;
	bool fresh;

	if (iv.n != BLOCK_MAX)
		return HF_E_MECHANISM_PARAM;
	TRY(kept_begin(c, sizeof(*s), drop, &fresh));
	s = c->state;
	if (fresh)
		e = set_key(s, c->key);
	memcpy(s->reg, iv.p, BLOCK_MAX);
	s->at = 0;
	if (e != HF_OK) {
		c->state = NULL;
		drop(&s->kept);
	}
	return e;
}

/* next_segment makes the stream for the register; its second half moves to the
 * front, and the ciphertext to come fills what is behind. */
static enum hf_err next_segment(struct cfb64 *s)
{
	int n = 0;

	OSSL_TRY(EVP_EncryptUpdate(s->ctx, s->stream, &n, s->reg, BLOCK_MAX), HF_E_INTERNAL);
	memmove(s->reg, s->reg + SEGMENT, BLOCK_MAX - SEGMENT);
	s->at = 0;
	return HF_OK;
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	bool encrypts = crypt_encrypts(c);
	struct cfb64 *s = c->state;
	uint8_t *p;

	TRY(out_add(out, in.n, &p));
	for (size_t i = 0; i < in.n; i++) {
		if (s->at % SEGMENT == 0)
			TRY(next_segment(s));
		p[i] = in.p[i] ^ s->stream[s->at];
		s->reg[BLOCK_MAX - SEGMENT + s->at] = encrypts ? p[i] : in.p[i];
		s->at++;
	}
	return HF_OK;
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	(void)sig;
	return update(c, in, out);
}

static enum hf_err copy(const struct crypt *from, struct crypt *to)
{
	const struct cfb64 *f = from->state;
	struct cfb64 *t = to->state;

	memcpy(t->reg, f->reg, sizeof(t->reg));
	memcpy(t->stream, f->stream, sizeof(t->stream));
	t->at = f->at;
	return HF_OK;
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	(void)c;
	(void)last;
	return in;
}

static void end(struct crypt *c)
{
	struct cfb64 *s = c->state;

	if (s != NULL)
		secret_wipe(s->stream, sizeof(s->stream));
	kept_end(c);
}

const struct family family_aes_cfb64 = {
	.name = "aes_cfb64",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = end,
	.copy = copy,
};
