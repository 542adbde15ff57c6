/* cipher.c: see cipher.h. */
#include "cipher.h"

/* EVP counts in int; a part goes through in pieces. */
#define PIECE (1u << 30)

static void drop(struct kept *k)
{
	struct cipher *s = (struct cipher *)k;

	EVP_CIPHER_CTX_free(s->ctx);
	buf_done(&s->in);
	secret_free(s);
}

static enum hf_err set_key(struct cipher *s, const struct crypt *c, const EVP_CIPHER *cipher,
	bool later)
{
	uint8_t room[BLOCK_KEY_MAX];
	struct slice key = block_key(c->key->ckk, secret_slice(&c->key->value), room);
	int ok = EVP_CipherInit_ex2(s->ctx, cipher, later ? NULL : key.p, NULL,
		c->verb != VERB_DECRYPT && c->verb != VERB_UNWRAP, NULL);

	secret_wipe(room, sizeof(room));
	OSSL_TRY(ok, HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err setup(struct cipher *s, const struct crypt *c, enum block_mode mode)
{
	const EVP_CIPHER *cipher = cipher_find(c->key->ckk, c->key->value.n, mode);

	if (cipher == NULL)
		return HF_E_KEY_SIZE;
	s->in.max = GATHER_MAX;
	s->block = cipher_block(c->key->ckk);
	s->ctx = EVP_CIPHER_CTX_new();
	if (s->ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	return set_key(s, c, cipher, mode == BLOCK_CCM); /* it takes its key after its lengths */
}

enum hf_err cipher_begin(struct crypt *c, enum block_mode mode, struct cipher **ret)
{
	struct cipher *s;
	enum hf_err e;
	bool fresh;

	TRY(kept_begin(c, sizeof(*s), drop, &fresh));
	s = c->state;
	if (fresh) {
		e = setup(s, c, mode);
		if (e != HF_OK)
			return cipher_fail(c, e);
	}
	s->got = s->gave = 0;
	s->blocks = s->holds = false;
	s->limit = UINT64_MAX;
	*ret = s;
	return HF_OK;
}

enum hf_err cipher_restart(struct cipher *s, const uint8_t *iv)
{
	OSSL_TRY(EVP_CipherInit_ex2(s->ctx, NULL, NULL, iv, -1, NULL), HF_E_INTERNAL);
	return HF_OK;
}

size_t cipher_gives(const struct cipher *s, size_t in)
{
	size_t all = (size_t)(s->got - s->gave) + in;

	if (!s->blocks)
		return in;
	if (s->holds)
		return all == 0 ? 0 : (all - 1) / s->block * s->block;
	return all / s->block * s->block;
}

static enum hf_err run_piece(struct cipher *s, struct slice in, struct buf *out)
{
	size_t before = out->n, gives = cipher_gives(s, in.n);
	uint8_t *p;
	int n = 0;

	TRY(out_add(out, gives, &p));
	if (EVP_CipherUpdate(s->ctx, p, &n, in.p, (int)in.n) != 1 || (size_t)n != gives) {
		buf_cut(out, before);
		return ossl_err(HF_E_INTERNAL);
	}
	s->got += in.n;
	s->gave += gives;
	return HF_OK;
}

enum hf_err cipher_run(struct cipher *s, struct slice in, struct buf *out)
{
	while (in.n > 0) {
		size_t n = in.n < PIECE ? in.n : PIECE;

		TRY(run_piece(s, (struct slice){ in.p, n }, out));
		in.p += n;
		in.n -= n;
	}
	return HF_OK;
}

enum hf_err cipher_update(struct crypt *c, struct slice in, struct buf *out)
{
	struct cipher *s = c->state;

	if (in.n > s->limit - s->got)
		return crypt_bad_len(c);
	return cipher_run(s, in, out);
}

enum hf_err cipher_aad(struct cipher *s, struct slice aad)
{
	int n;

	if (aad.n > INT_MAX)
		return HF_E_MECHANISM_PARAM;
	if (aad.n > 0)
		OSSL_TRY(EVP_CipherUpdate(s->ctx, NULL, &n, aad.p, (int)aad.n), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err cipher_copy(const struct crypt *from, struct crypt *to)
{
	const struct cipher *f = from->state;
	struct cipher *t = to->state;

	OSSL_TRY(EVP_CIPHER_CTX_copy(t->ctx, f->ctx), HF_E_INTERNAL);
	t->got = f->got;
	t->gave = f->gave;
	return gather_copy(&f->in, &t->in);
}

void cipher_end(struct crypt *c)
{
	struct cipher *s = c->state;

	if (s != NULL)
		buf_done(&s->in);
	kept_end(c);
}

enum hf_err cipher_fail(struct crypt *c, enum hf_err e)
{
	drop(c->state);
	c->state = NULL;
	return e;
}

size_t aead_bound(const struct crypt *c, size_t in, bool last, bool gathers)
{
	const struct cipher *s = c->state;
	size_t all = s->in.n + in;

	if (crypt_encrypts(c) && !gathers)
		return in + (last ? s->tag : 0);
	if (!last)
		return 0;
	if (crypt_encrypts(c))
		return all + s->tag;
	return all < s->tag ? 0 : all - s->tag;
}
