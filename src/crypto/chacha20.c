/* chacha20.c: ChaCha20, with a counter of 32 bits and a nonce of 96 (RFC 8439) or 64
 * bits each (Bernstein, "ChaCha, a variant of Salsa20"). */
#include <string.h>

#include "cipher.h"
#include "families.h"

#define CHACHA_BLOCK 64
#define CHACHA_IV 16 /* OpenSSL's: counter and nonce */

/* limit: bytes until the counter, little-endian, comes round. */
static uint64_t limit(struct slice counter)
{
	uint64_t at = 0, left;

	for (size_t i = counter.n; i > 0; i--)
		at = at << 8 | counter.p[i - 1];
	left = counter.n == 4 ? (UINT64_C(1) << 32) - at : UINT64_MAX - at;
	return left > UINT64_MAX / CHACHA_BLOCK ? UINT64_MAX : left * CHACHA_BLOCK;
}

static enum hf_err begin(struct crypt *c)
{
	const struct param_chacha20 *p = &c->params->u.chacha20;
	uint8_t iv[CHACHA_IV];
	struct cipher *s;
	enum hf_err e;

	if ((p->counter.n != 4 && p->counter.n != 8) || p->counter.n + p->nonce.n != CHACHA_IV)
		return HF_E_MECHANISM_PARAM;
	memcpy(iv, p->counter.p, p->counter.n);
	memcpy(iv + p->counter.n, p->nonce.p, p->nonce.n);
	TRY(cipher_begin(c, BLOCK_STREAM, &s));
	s->limit = limit(p->counter);
	e = cipher_restart(s, iv);
	return e == HF_OK ? HF_OK : cipher_fail(c, e);
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	(void)sig;
	return cipher_update(c, in, out);
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	(void)c;
	(void)last;
	return in;
}

const struct family family_chacha20 = {
	.name = "chacha20",
	.begin = begin,
	.update = cipher_update,
	.finish = finish,
	.bound = bound,
	.end = cipher_end,
	.copy = cipher_copy,
};
