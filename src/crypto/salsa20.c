/* salsa20.c: Salsa20 with a nonce of 64 bits, XSalsa20 with one of 192 (Bernstein; PKCS#11
 * 3.2 §6.59), from libsodium: OpenSSL has neither. The counter of 64 bits is little-endian. */
#include <sodium/crypto_stream_salsa20.h>
#include <sodium/crypto_stream_xsalsa20.h>
#include <string.h>

#include "families.h"
#include "family.h"

#define SALSA_BLOCK 64
#define NONCE_MAX crypto_stream_xsalsa20_NONCEBYTES

struct salsa20 {
	uint64_t counter;
	uint8_t nonce[NONCE_MAX];
	bool extended;
	uint8_t stream[SALSA_BLOCK]; /* of the block at hand */
	size_t at;                   /* bytes of it that are used up */
};

static enum hf_err begin(struct crypt *c)
{
	const struct param_salsa20 *p = &c->params->u.salsa20;
	struct salsa20 *s;

	if (p->nonce.n != crypto_stream_salsa20_NONCEBYTES && p->nonce.n != NONCE_MAX)
		return HF_E_MECHANISM_PARAM;
	s = secret_calloc(1, sizeof(*s));
	if (s == NULL)
		return HF_E_MEMORY;
	c->state = s;
	for (size_t i = p->counter.n; i > 0; i--)
		s->counter = s->counter << 8 | p->counter.p[i - 1];
	memcpy(s->nonce, p->nonce.p, p->nonce.n);
	s->extended = p->nonce.n == NONCE_MAX;
	s->at = SALSA_BLOCK;
	return HF_OK;
}

/* blocks covers n bytes from the counter on. */
static enum hf_err blocks(const struct crypt *c, const uint8_t *in, size_t n, uint8_t *out)
{
	struct salsa20 *s = c->state;
	int e = s->extended ?
		crypto_stream_xsalsa20_xor_ic(out, in, n, s->nonce, s->counter, c->key->value.p) :
		crypto_stream_salsa20_xor_ic(out, in, n, s->nonce, s->counter, c->key->value.p);

	s->counter += (n + SALSA_BLOCK - 1) / SALSA_BLOCK;
	return e == 0 ? HF_OK : HF_E_INTERNAL;
}

/* use_up takes what is left of the last block's stream. */
static size_t use_up(struct salsa20 *s, struct slice in, uint8_t *out)
{
	size_t n = 0;

	for (; n < in.n && s->at < SALSA_BLOCK; n++)
		out[n] = in.p[n] ^ s->stream[s->at++];
	return n;
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	static const uint8_t zeros[SALSA_BLOCK];
	struct salsa20 *s = c->state;
	size_t done, whole;
	uint8_t *p;

	TRY(out_add(out, in.n, &p));
	done = use_up(s, in, p);
	whole = (in.n - done) / SALSA_BLOCK * SALSA_BLOCK;
	if (whole > 0)
		TRY(blocks(c, in.p + done, whole, p + done));
	done += whole;
	if (done == in.n)
		return HF_OK;
	TRY(blocks(c, zeros, SALSA_BLOCK, s->stream));
	s->at = 0;
	(void)use_up(s, (struct slice){ in.p + done, in.n - done }, p + done);
	return HF_OK;
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	(void)sig;
	return update(c, in, out);
}

static enum hf_err copy(const struct crypt *from, struct crypt *to)
{
	memcpy(to->state, from->state, sizeof(struct salsa20));
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
	secret_free(c->state);
	c->state = NULL;
}

const struct family family_salsa20 = {
	.name = "salsa20",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = end,
	.copy = copy,
};
