/* aes_ccm.c: AES-CCM (SP 800-38C). It must know the length of all data before
 * the first byte, so both directions gather. */
#include "cipher.h"
#include "families.h"

static bool params_ok(const struct param_ccm *p)
{
	size_t l = 15 - p->nonce.n; /* bytes of the length field */

	if (p->nonce.n < 7 || p->nonce.n > 13 || p->mac_len < 4 || p->mac_len > 16 ||
	    p->mac_len % 2 != 0)
		return false;
	return p->data_len <= GATHER_MAX && (l >= 8 || p->data_len >> (8 * l) == 0);
}

static enum hf_err begin(struct crypt *c)
{
	const struct param_ccm *p = &c->params->u.ccm;
	struct cipher *s;

	if (!params_ok(p))
		return HF_E_MECHANISM_PARAM;
	TRY(cipher_begin(c, BLOCK_CCM, &s));
	s->tag = (size_t)p->mac_len;
	return HF_OK;
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	struct cipher *s = c->state;

	(void)out;
	return gather_more(&s->in, in);
}

/* start: lengths, then key and nonce, then the length of the data, then the
 * additional data; OpenSSL wants them in this order. tag: to check, or NULL. */
static enum hf_err start(const struct crypt *c, size_t data, const uint8_t *tag)
{
	const struct param_ccm *p = &c->params->u.ccm;
	struct cipher *s = c->state;
	int n;

	OSSL_TRY(EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)p->nonce.n, NULL),
		HF_E_MECHANISM_PARAM);
	OSSL_TRY(EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_SET_TAG, (int)s->tag,
			 (void *)(uintptr_t)tag),
		HF_E_MECHANISM_PARAM);
	OSSL_TRY(EVP_CipherInit_ex2(s->ctx, NULL, c->key->value.p, p->nonce.p, -1, NULL),
		HF_E_INTERNAL);
	OSSL_TRY(EVP_CipherUpdate(s->ctx, NULL, &n, NULL, (int)data), HF_E_INTERNAL);
	return cipher_aad(s, p->aad);
}

static enum hf_err seal(struct crypt *c, struct slice in, struct buf *out)
{
	struct cipher *s = c->state;
	uint8_t *p;
	int n;

	if (in.n != c->params->u.ccm.data_len)
		return crypt_bad_len(c);
	TRY(start(c, in.n, NULL));
	TRY(out_add(out, in.n + s->tag, &p));
	OSSL_TRY(EVP_CipherUpdate(s->ctx, p, &n, in.p == NULL ? p : in.p, (int)in.n),
		HF_E_INTERNAL);
	OSSL_TRY(EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_GET_TAG, (int)s->tag, p + in.n),
		HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err unseal(struct crypt *c, struct slice in, struct buf *out)
{
	struct cipher *s = c->state;
	size_t before = out->n, data;
	uint8_t *p;
	int n;

	if (in.n < s->tag)
		return crypt_bad_len(c);
	data = in.n - s->tag;
	/* Some callers count the tag into the length, some do not. */
	if (c->params->u.ccm.data_len != data && c->params->u.ccm.data_len != in.n)
		return crypt_bad_len(c);
	TRY(start(c, data, in.p + data));
	TRY(out_add(out, data, &p));
	if (EVP_CipherUpdate(s->ctx, p, &n, in.p, (int)data) == 1)
		return HF_OK;
	buf_cut(out, before);
	return ossl_err(c->verb == VERB_UNWRAP ? HF_E_WRAPPED_KEY : HF_E_AEAD);
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	struct cipher *s = c->state;
	size_t before = out->n;
	enum hf_err e;

	(void)sig;
	TRY(gather_all(&s->in, in, &in));
	if (in.n > GATHER_MAX)
		return HF_E_TOO_BIG;
	e = crypt_encrypts(c) ? seal(c, in, out) : unseal(c, in, out);
	if (e != HF_OK)
		buf_cut(out, before);
	return e;
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	return aead_bound(c, in, last, true);
}

const struct family family_aes_ccm = {
	.name = "aes_ccm",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = cipher_end,
	.copy = cipher_copy,
};
