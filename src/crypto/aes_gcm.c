/* aes_gcm.c: AES-GCM (SP 800-38D). Decryption gathers, so that no plaintext
 * leaves before the tag is checked. */
#include "cipher.h"
#include "families.h"

#define GCM_IV_MAX 128 /* OpenSSL's limit */

static bool tag_ok(uint64_t bits)
{
	return bits == 32 || bits == 64 || (bits >= 96 && bits <= 128 && bits % 8 == 0);
}

static enum hf_err start(struct cipher *s, const struct param_gcm *p)
{
	OSSL_TRY(EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)p->iv.n, NULL),
		HF_E_MECHANISM_PARAM);
	TRY(cipher_restart(s, p->iv.p));
	return cipher_aad(s, p->aad);
}

static enum hf_err begin(struct crypt *c)
{
	const struct param_gcm *p = &c->params->u.gcm;
	struct cipher *s;
	enum hf_err e;

	if (p->iv.n == 0 || p->iv.n > GCM_IV_MAX || !tag_ok(p->tag_bits))
		return HF_E_MECHANISM_PARAM;
	TRY(cipher_begin(c, BLOCK_GCM, &s));
	s->tag = (size_t)p->tag_bits / 8;
	e = start(s, p);
	return e == HF_OK ? HF_OK : cipher_fail(c, e);
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
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

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	(void)sig;
	return crypt_encrypts(c) ? seal(c->state, in, out) : unseal(c, in, out);
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	return aead_bound(c, in, last, false);
}

const struct family family_aes_gcm = {
	.name = "aes_gcm",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = cipher_end,
};
