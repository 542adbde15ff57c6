/* aead.c: see cipher.h. Decryption gathers, so that no plaintext leaves before the
 * tag is checked. */
#include "cipher.h"

enum hf_err aead_update(struct crypt *c, struct slice in, struct buf *out)
{
	struct cipher *s = c->state;

	return crypt_encrypts(c) ? cipher_run(s, in, out) : gather_more(&s->in, in);
}

static enum hf_err seal(struct cipher *s, struct slice in, struct buf *out)
{
	uint8_t *tag;
	int n;

	TRY(cipher_run(s, in, out));
	TRY(out_add(out, s->tag, &tag));
	OSSL_TRY(EVP_CipherFinal_ex(s->ctx, tag, &n), HF_E_INTERNAL);
	OSSL_TRY(EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_GET_TAG, (int)s->tag, tag),
		HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err unseal(struct crypt *c, struct slice in, struct buf *out)
{
	enum hf_err bad = c->verb == VERB_UNWRAP ? HF_E_WRAPPED_KEY : HF_E_AEAD;
	struct cipher *s = c->state;
	size_t before = out->n;
	uint8_t none[BLOCK_MAX];
	enum hf_err e;
	int n;

	TRY(gather_all(&s->in, in, &in));
	if (in.n < s->tag)
		return crypt_bad_len(c);
	in.n -= s->tag;
	OSSL_TRY(EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_SET_TAG, (int)s->tag,
			 (void *)(uintptr_t)(in.p + in.n)),
		HF_E_INTERNAL);
	e = cipher_run(s, in, out);
	if (e == HF_OK && EVP_CipherFinal_ex(s->ctx, none, &n) != 1)
		e = ossl_err(bad);
	if (e != HF_OK)
		buf_cut(out, before);
	return e;
}

enum hf_err aead_finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	(void)sig;
	return crypt_encrypts(c) ? seal(c->state, in, out) : unseal(c, in, out);
}

size_t aead_stream_bound(const struct crypt *c, size_t in, bool last)
{
	return aead_bound(c, in, last, false);
}
