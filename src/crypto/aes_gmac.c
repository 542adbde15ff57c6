/* aes_gmac.c: AES-GMAC (SP 800-38D), GCM's tag over data that is not encrypted. */
#include "cipher.h"
#include "families.h"
#include "mac.h"

static enum hf_err begin(struct crypt *c)
{
	const struct param_gcm *p = &c->params->u.gcm;
	struct cipher *s;
	enum hf_err e;

	if (p->iv.n == 0 || p->iv.n > GCM_IV_MAX || p->aad.n != 0 || !gcm_tag_ok(p->tag_bits))
		return HF_E_MECHANISM_PARAM;
	TRY(cipher_begin(c, BLOCK_GCM, &s));
	s->tag = (size_t)p->tag_bits / 8;
	e = gcm_start(s, p);
	return e == HF_OK ? HF_OK : cipher_fail(c, e);
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	(void)out;
	return cipher_aad(c->state, in);
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	struct cipher *s = c->state;
	uint8_t tag[BLOCK_MAX];
	enum hf_err e;
	int n;

	TRY(cipher_aad(s, in));
	OSSL_TRY(EVP_CipherFinal_ex(s->ctx, tag, &n), HF_E_INTERNAL);
	OSSL_TRY(EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_GET_TAG, (int)s->tag, tag),
		HF_E_INTERNAL);
	e = mac_answer(c, (struct slice){ tag, s->tag }, sig, out);
	secret_wipe(tag, sizeof(tag));
	return e;
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	const struct cipher *s = c->state;

	(void)in;
	return last && c->verb == VERB_SIGN ? s->tag : 0;
}

const struct family family_aes_gmac = {
	.name = "aes_gmac",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = cipher_end,
	.copy = cipher_copy,
};
