/* block_cipher.c: block ciphers in ECB, CBC, CTR, OFB and CFB mode (SP 800-38A), and
 * keys derived by encrypting data (PKCS#11 3.2 §6.10.10, §6.17, §6.48 and others). */
#include <string.h>

#include "cipher.h"
#include "families.h"

struct cipher_mode {
	const char *name; /* the row's argument */
	enum block_mode mode;
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
	return p->id == PARAM_CBC_DATA8 ? p->u.cbc_data8.iv : p->u.cbc_data.iv;
}

static const struct cipher_mode modes[] = {
	{ "ECB", BLOCK_ECB, false, true, iv_none },
	{ "CBC", BLOCK_CBC, false, true, iv_raw },
	{ "CBC-PAD", BLOCK_CBC, true, false, iv_raw },
	{ "CTR", BLOCK_CTR, false, false, iv_ctr },
	{ "OFB", BLOCK_OFB, false, false, iv_raw },
	{ "CFB", BLOCK_CFB, false, false, iv_raw },
	{ "CFB8", BLOCK_CFB8, false, false, iv_raw },
	{ "CFB1", BLOCK_CFB1, false, false, iv_raw },
	{ "ECB-DATA", BLOCK_ECB, false, true, iv_none },
	{ "CBC-DATA", BLOCK_CBC, false, true, iv_data },
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
	*ret = blocks * BLOCK_MAX;
	return HF_OK;
}

static enum hf_err start(struct crypt *c, struct cipher *s, struct slice iv)
{
	if (s->mode->mode == BLOCK_CTR)
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

	if (iv.n != (m->mode == BLOCK_ECB ? 0 : cipher_block(c->key->ckk)))
		return HF_E_MECHANISM_PARAM;
	TRY(cipher_begin(c, m->mode, &s));
	s->mode = m;
	s->blocks = m->padded || m->whole;
	s->holds = m->padded && !crypt_encrypts(c);
	e = start(c, s, iv);
	return e == HF_OK ? HF_OK : cipher_fail(c, e);
}

/* ends_with: a key that is wrapped without padding is filled up. */
static enum hf_err ends_with(const struct crypt *c, size_t in)
{
	const struct cipher *s = c->state;
	uint64_t all = s->got + in;
	bool whole = s->mode->whole && c->verb != VERB_WRAP;
	bool padding = s->mode->padded && !crypt_encrypts(c); /* is part of it */

	if (in > s->limit - s->got || ((whole || padding) && all % s->block != 0) || (padding && all == 0))
		return crypt_bad_len(c);
	return HF_OK;
}

/* fill with zeros. */
static enum hf_err fill(struct cipher *s, struct buf *out)
{
	static const uint8_t zeros[BLOCK_MAX];
	size_t part = (size_t)(s->got % s->block);

	if (part == 0 || !s->mode->whole)
		return HF_OK;
	return cipher_run(s, (struct slice){ zeros, s->block - part }, out);
}

static enum hf_err last_part(struct crypt *c, struct slice in, struct buf *out)
{
	struct cipher *s = c->state;
	uint8_t block[2 * BLOCK_MAX];
	int n = 0;

	TRY(ends_with(c, in.n));
	TRY(cipher_run(s, in, out));
	TRY(fill(s, out));
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
		return (all / s->block + 1) * s->block;
	if (c->verb == VERB_WRAP)
		return (all + s->block - 1) / s->block * s->block;
	return all / s->block * s->block;
}

static struct slice derive_data(const struct params *p)
{
	if (p->id == PARAM_DATA)
		return p->u.data.data;
	return p->id == PARAM_CBC_DATA8 ? p->u.cbc_data8.data : p->u.cbc_data.data;
}

static enum hf_err derive(const struct mech *m, const struct params *p, const struct key *base,
	const struct key *other, size_t want, struct secret *ret)
{
	struct slice data = derive_data(p);
	struct crypt c = { .mech = m, .verb = VERB_ENCRYPT, .key = base, .params = p };
	CLEANUP(buf_done) struct buf out = BUF_MAX(data.n + 2 * BLOCK_MAX);
	CLEANUP(secret_done) struct secret v = { 0 };
	enum hf_err e;

	(void)other;
	if (data.n == 0 || data.n % cipher_block(base->ckk) != 0)
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

/* In sight: whatever a mode reads, and in CBC reads back of its own output, what it writes is the cipher of
 * some block, which the client could have chosen in a call of its own. Counters and the feedback of OFB and
 * CFB are the context's own. */
const struct family family_block_cipher = {
	.name = "block_cipher",
	.encrypts_in_sight = true,
	.begin = begin,
	.update = cipher_update,
	.ends_with = ends_with,
	.finish = finish,
	.bound = bound,
	.end = cipher_end,
	.copy = cipher_copy,
	.derive = derive,
};
