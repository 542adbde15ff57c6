/* aes_block.c: AES in ECB, CBC, CTR, OFB and CFB mode (SP 800-38A), and keys
 * derived by encrypting data (PKCS#11 3.2 §6.13.13). */
#include <string.h>

#include "cipher.h"
#include "families.h"

struct cipher_mode {
	const char *name; /* the row's argument */
	enum aes_mode mode;
	bool padded;  /* PKCS#7 */
	bool whole;   /* whole blocks only */
	struct slice (*iv)(const struct params *p);
};

static struct slice iv_none(const struct params *p)
{
	(void)p;
	return SLICE_NONE;
}

static struct slice iv_raw(const struct params *p)
{
	return p->u.iv.raw;
}

static struct slice iv_ctr(const struct params *p)
{
	return p->u.ctr.block;
}

static struct slice iv_data(const struct params *p)
{
	return p->u.cbc_data.iv;
}

static const struct cipher_mode modes[] = {
	{ "ECB", AES_ECB, false, true, iv_none },
	{ "CBC", AES_CBC, false, true, iv_raw },
	{ "CBC-PAD", AES_CBC, true, false, iv_raw },
	{ "CTR", AES_CTR, false, false, iv_ctr },
	{ "OFB", AES_OFB, false, false, iv_raw },
	{ "CFB128", AES_CFB128, false, false, iv_raw },
	{ "CFB8", AES_CFB8, false, false, iv_raw },
	{ "CFB1", AES_CFB1, false, false, iv_raw },
	{ "ECB-DATA", AES_ECB, false, true, iv_none },
	{ "CBC-DATA", AES_CBC, false, true, iv_data },
};

static const struct cipher_mode *mode_of(const struct mech *m)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, m->arg) == 0)
			return &modes[i];
	return NULL;
}

/* ctr_limit: bytes until a counter of `bits` bits would come round to a value
 * that was used (PKCS#11 3.2 §6.13.7): 2^bits - counter blocks remain before it
 * overflows into the nonce, which must not happen. */
static enum hf_err ctr_limit(const struct param_ctr *p, uint64_t *ret)
{
	uint64_t low = get_u64(p->block.p + 8), blocks;

	if (p->bits == 0 || p->bits > 128)
		return HF_E_MECHANISM_PARAM;
	*ret = UINT64_MAX;
	if (p->bits >= 60)
		return HF_OK; /* out of anybody's reach */
	blocks = (UINT64_C(1) << p->bits) - (low & ((UINT64_C(1) << p->bits) - 1));
	*ret = blocks * AES_BLOCK;
	return HF_OK;
}

static enum hf_err start(struct crypt *c, struct cipher *s, struct slice iv)
{
	if (s->mode->mode == AES_CTR)
		TRY(ctr_limit(&c->params->u.ctr, &s->limit));
	TRY(cipher_restart(s, iv.p));
	OSSL_TRY(EVP_CIPHER_CTX_set_padding(s->ctx, s->mode->padded ? 1 : 0), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err begin(struct crypt *c)
{
	const struct cipher_mode *m = mode_of(c->mech);
	struct slice iv = m->iv(c->params);
	struct cipher *s;
	enum hf_err e;

	if (iv.n != (m->mode == AES_ECB ? 0 : AES_BLOCK))
		return HF_E_MECHANISM_PARAM;
	TRY(cipher_begin(c, m->mode, &s));
	s->mode = m;
	s->blocks = m->padded || m->whole;
	s->holds = m->padded && !crypt_encrypts(c);
	e = start(c, s, iv);
	return e == HF_OK ? HF_OK : cipher_fail(c, e);
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	struct cipher *s = c->state;

	if (in.n > s->limit - s->got)
		return crypt_bad_len(c);
	return cipher_run(s, in, out);
}

/* fill: a key that is wrapped without padding is filled up with zeros. */
static enum hf_err fill(const struct crypt *c, struct cipher *s, struct buf *out)
{
	static const uint8_t zeros[AES_BLOCK];
	size_t part = (size_t)(s->got % AES_BLOCK);

	if (part == 0 || !s->mode->whole)
		return HF_OK;
	if (c->verb != VERB_WRAP)
		return crypt_bad_len(c);
	return cipher_run(s, (struct slice){ zeros, AES_BLOCK - part }, out);
}

static enum hf_err last_part(struct crypt *c, struct slice in, struct buf *out)
{
	struct cipher *s = c->state;
	uint8_t block[2 * AES_BLOCK];
	int n = 0;

	TRY(update(c, in, out));
	TRY(fill(c, s, out));
	if (s->mode->padded && !crypt_encrypts(c) && (s->got == 0 || s->got % AES_BLOCK != 0))
		return crypt_bad_len(c);
	if (EVP_CipherFinal_ex(s->ctx, block, &n) != 1)
		return ossl_err(crypt_bad_data(c));
	buf_raw(out, (struct slice){ block, (size_t)n });
	secret_wipe(block, sizeof(block));
	return buf_err(out);
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	size_t before = out->n;
	enum hf_err e = last_part(c, in, out);

	(void)sig;
	if (e != HF_OK)
		buf_cut(out, before);
	return e;
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	const struct cipher *s = c->state;
	size_t all = (size_t)(s->got - s->gave) + in;

	if (!last || !s->blocks)
		return cipher_gives(s, in);
	if (crypt_encrypts(c) && s->mode->padded)
		return (all / AES_BLOCK + 1) * AES_BLOCK;
	if (c->verb == VERB_WRAP)
		return (all + AES_BLOCK - 1) / AES_BLOCK * AES_BLOCK;
	return all / AES_BLOCK * AES_BLOCK;
}

static enum hf_err derive(const struct mech *m, const struct params *p, const struct key *base,
	const struct key *other, size_t want, struct secret *ret)
{
	struct slice data = m->param == PARAM_DATA ? p->u.data.data : p->u.cbc_data.data;
	struct crypt c = { .mech = m, .verb = VERB_ENCRYPT, .key = base, .params = p };
	CLEANUP(buf_done) struct buf out = BUF_MAX(data.n + 2 * AES_BLOCK);
	CLEANUP(secret_done) struct secret v = { 0 };
	enum hf_err e;

	(void)other;
	if (data.n == 0 || data.n % AES_BLOCK != 0)
		return HF_E_MECHANISM_PARAM;
	TRY(begin(&c));
	e = finish(&c, data, SLICE_NONE, &out);
	cipher_end(&c);
	TRY(e);
	TRY(secret_dup(buf_slice(&out), &v));
	TRY(cut_derived(&v, want));
	*ret = secret_take(&v);
	return HF_OK;
}

const struct family family_aes_block = {
	.name = "aes_block",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = cipher_end,
	.derive = derive,
};
