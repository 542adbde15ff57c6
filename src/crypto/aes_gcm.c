/* aes_gcm.c: AES-GCM (SP 800-38D). */
#include "cipher.h"
#include "families.h"

bool gcm_tag_ok(uint64_t bits)
{
	return bits == 32 || bits == 64 || (bits >= 96 && bits <= 128 && bits % 8 == 0);
}

enum hf_err gcm_start(struct cipher *s, const struct param_gcm *p)
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

	if (p->iv.n == 0 || p->iv.n > GCM_IV_MAX || !gcm_tag_ok(p->tag_bits))
		return HF_E_MECHANISM_PARAM;
	TRY(cipher_begin(c, BLOCK_GCM, &s));
	s->tag = (size_t)p->tag_bits / 8;
	e = gcm_start(s, p);
	return e == HF_OK ? HF_OK : cipher_fail(c, e);
}

/* In sight: the client knows the key stream of its IV from data and ciphertext anyway, and the tag is that
 * of some ciphertext under this IV, for which it could have sent other data; there is only one. */
const struct family family_aes_gcm = {
	.name = "aes_gcm",
	.encrypts_in_sight = true,
	.begin = begin,
	.update = aead_update,
	.finish = aead_finish,
	.bound = aead_stream_bound,
	.end = cipher_end,
	.copy = cipher_copy,
};
