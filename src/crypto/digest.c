/* digest.c: digests; and keys derived by digesting another (PKCS#11 3.2 §6.21),
 * as long as the digest, or with SHAKE as long as wanted (§6.32). */
#include <string.h>

#include "families.h"
#include "family.h"

struct digest {
	const struct hash *hash;
	EVP_MD_CTX *ctx;
};

static enum hf_err begin(struct crypt *c)
{
	const struct hash *h = hash_of(c->mech, c->params);
	struct digest *s;

	if (h == NULL)
		return HF_E_MECHANISM_PARAM;
	s = secret_calloc(1, sizeof(*s));
	if (s == NULL)
		return HF_E_MEMORY;
	c->state = s;
	s->hash = h;
	s->ctx = EVP_MD_CTX_new();
	if (s->ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	return hash_init(s->ctx, h);
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	struct digest *s = c->state;

	(void)out;
	OSSL_TRY(EVP_DigestUpdate(s->ctx, in.p, in.n), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	struct digest *s = c->state;
	uint8_t *p;

	(void)sig;
	OSSL_TRY(EVP_DigestUpdate(s->ctx, in.p, in.n), HF_E_INTERNAL);
	TRY(out_add(out, s->hash->n, &p));
	OSSL_TRY(EVP_DigestFinal_ex(s->ctx, p, NULL), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err copy(const struct crypt *from, struct crypt *to)
{
	const struct digest *f = from->state;
	struct digest *t = to->state;

	OSSL_TRY(EVP_MD_CTX_copy_ex(t->ctx, f->ctx), HF_E_INTERNAL);
	return HF_OK;
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	const struct digest *s = c->state;

	(void)in;
	return last ? s->hash->n : 0;
}

static void end(struct crypt *c)
{
	struct digest *s = c->state;

	if (s != NULL)
		EVP_MD_CTX_free(s->ctx);
	secret_free(s);
	c->state = NULL;
}

static enum hf_err stretch(const struct hash *h, struct slice value, struct secret *out)
{
	CLEANUP(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(hash_init(ctx, h));
	OSSL_TRY(EVP_DigestUpdate(ctx, value.p, value.n), HF_E_INTERNAL);
	OSSL_TRY(EVP_DigestFinalXOF(ctx, out->p, out->n), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err digest_of(const struct hash *h, struct slice value, struct secret *ret)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	enum hf_err e;

	TRY(hash_once(h, &value, 1, digest));
	e = secret_dup((struct slice){ digest, h->n }, ret);
	secret_wipe(digest, sizeof(digest));
	return e;
}

static enum hf_err derive(const struct mech *m, const struct params *p, const struct key *base,
	const struct key *other, size_t want, struct secret *ret)
{
	CLEANUP(secret_done) struct secret out = { 0 };
	const struct hash *h = hash_of(m, p);
	struct slice value = secret_slice(&base->value);

	(void)other;
	if (h == NULL)
		return HF_E_MECHANISM_PARAM;
	if (!EVP_MD_xof(h->md)) {
		TRY(digest_of(h, value, &out));
		TRY(cut_derived(&out, want));
	} else if (want == 0) {
		return HF_E_TEMPLATE_INCOMPLETE;
	} else {
		TRY(secret_alloc(&out, want));
		TRY(stretch(h, value, &out));
	}
	*ret = secret_take(&out);
	return HF_OK;
}

const struct family family_digest = {
	.name = "digest",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = end,
	.copy = copy,
	.derive = derive,
};
