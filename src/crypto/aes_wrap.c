/* aes_wrap.c: AES key wrap, without and with padding (SP 800-38F; RFC 3394, RFC
 * 5649), for keys and for data. */
#include <string.h>

#include "cipher.h"
#include "families.h"

#define SEMIBLOCK 8

struct cipher_mode {
	const char *name; /* the row's argument */
	enum block_mode mode;
	struct slice iv; /* the default (RFC 3394 §2.2.3.1, RFC 5649 §3) */
	bool pkcs7;      /* filled to whole semiblocks with PKCS#7 padding */
	size_t least;    /* shortest plaintext */
};

static const uint8_t kw_iv[] = { 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6 };
static const uint8_t kwp_iv[] = { 0xa6, 0x59, 0x59, 0xa6 };

static const struct cipher_mode modes[] = {
	{ "KW", BLOCK_WRAP, { kw_iv, 8 }, false, 2 * SEMIBLOCK },
	{ "KWP", BLOCK_WRAP_PAD, { kwp_iv, 4 }, false, 1 },
	{ "KW-PKCS7", BLOCK_WRAP, { kw_iv, 8 }, true, 2 * SEMIBLOCK },
};

static const struct cipher_mode *mode_of(const struct mech *m)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, m->arg) == 0)
			return &modes[i];
	return NULL;
}

static enum hf_err begin(struct crypt *c)
{
	const struct cipher_mode *m = mode_of(c->mech);
	struct slice iv = c->params->u.iv_optional.raw;
	struct cipher *s;
	enum hf_err e;

	if (iv.n == 0)
		iv = m->iv;
	if (iv.n != m->iv.n)
		return HF_E_MECHANISM_PARAM;
	TRY(cipher_begin(c, m->mode, &s));
	s->mode = m;
	e = cipher_restart(s, iv.p);
	return e == HF_OK ? HF_OK : cipher_fail(c, e);
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	struct cipher *s = c->state;

	(void)out;
	return gather_more(&s->in, in);
}

/* run goes through a buffer of its own: a failing unwrap wipes as many bytes as
 * came in, more than what it gives. */
static enum hf_err run(struct cipher *s, struct slice in, enum hf_err bad, struct buf *out)
{
	CLEANUP(secret_done) struct secret tmp = { 0 };
	int n;

	if (in.n > GATHER_MAX)
		return HF_E_TOO_BIG;
	TRY(secret_alloc(&tmp, in.n + 2 * BLOCK_MAX));
	if (EVP_CipherUpdate(s->ctx, tmp.p, &n, in.p, (int)in.n) != 1 || n < 0)
		return ossl_err(bad);
	buf_raw(out, (struct slice){ tmp.p, (size_t)n });
	return buf_err(out);
}

static enum hf_err wrap(const struct crypt *c, struct slice in, struct buf *out)
{
	CLEANUP(buf_done) struct buf filled = BUF_MAX(GATHER_MAX + SEMIBLOCK);
	struct cipher *s = c->state;

	if (s->mode->pkcs7) {
		size_t pad = SEMIBLOCK - in.n % SEMIBLOCK;

		buf_raw(&filled, in);
		for (size_t i = 0; i < pad; i++)
			buf_u8(&filled, (uint8_t)pad);
		TRY(buf_err(&filled));
		in = buf_slice(&filled);
	}
	if (in.n < s->mode->least || (s->mode->mode == BLOCK_WRAP && in.n % SEMIBLOCK != 0))
		return crypt_bad_len(c);
	return run(s, in, HF_E_INTERNAL, out);
}

/* unpad: the integrity check has passed, so timing tells nothing. */
static bool unpad(const uint8_t *p, size_t *n)
{
	size_t pad = *n == 0 ? 0 : p[*n - 1];

	if (pad == 0 || pad > SEMIBLOCK || pad > *n)
		return false;
	for (size_t i = *n - pad; i < *n; i++)
		if (p[i] != pad)
			return false;
	*n -= pad;
	return true;
}

static enum hf_err unwrap(const struct crypt *c, struct slice in, struct buf *out)
{
	struct cipher *s = c->state;
	size_t before = out->n, n;

	if (in.n % SEMIBLOCK != 0 ||
	    in.n < SEMIBLOCK * (s->mode->mode == BLOCK_WRAP_PAD ? 2u : 3u))
		return crypt_bad_len(c);
	TRY(run(s, in, crypt_bad_data(c), out));
	n = out->n - before;
	if (!s->mode->pkcs7)
		return HF_OK;
	if (!unpad(out->p + before, &n)) {
		buf_cut(out, before);
		return crypt_bad_data(c);
	}
	buf_cut(out, before + n);
	return HF_OK;
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	struct cipher *s = c->state;

	(void)sig;
	TRY(gather_all(&s->in, in, &in));
	return crypt_encrypts(c) ? wrap(c, in, out) : unwrap(c, in, out);
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	const struct cipher *s = c->state;
	size_t all = s->in.n + in;

	if (!last)
		return 0;
	if (!crypt_encrypts(c))
		return all < SEMIBLOCK ? 0 : all - SEMIBLOCK;
	if (s->mode->pkcs7)
		return (all / SEMIBLOCK + 2) * SEMIBLOCK;
	return (all + SEMIBLOCK - 1) / SEMIBLOCK * SEMIBLOCK + SEMIBLOCK;
}

const struct family family_aes_wrap = {
	.name = "aes_wrap",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = cipher_end,
	.copy = cipher_copy,
};
