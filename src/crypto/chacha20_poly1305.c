/* chacha20_poly1305.c: ChaCha20-Poly1305 (RFC 8439). */
#include "cipher.h"
#include "families.h"

#define NONCE 12
#define TAG 16

static enum hf_err begin(struct crypt *c)
{
	const struct param_chacha20_poly1305 *p = &c->params->u.chacha20_poly1305;
	struct cipher *s;
	enum hf_err e;

	if (p->nonce.n != NONCE)
		return HF_E_MECHANISM_PARAM;
	TRY(cipher_begin(c, BLOCK_STREAM_POLY1305, &s));
	s->tag = TAG;
	e = cipher_restart(s, p->nonce.p);
	if (e == HF_OK)
		e = cipher_aad(s, p->aad);
	return e == HF_OK ? HF_OK : cipher_fail(c, e);
}

const struct family family_chacha20_poly1305 = {
	.name = "chacha20_poly1305",
	.begin = begin,
	.update = aead_update,
	.finish = aead_finish,
	.bound = aead_stream_bound,
	.end = cipher_end,
	.copy = cipher_copy,
};
