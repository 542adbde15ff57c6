/* digest.c: SHA-1, SHA-2, SHA-3; and keys derived by digesting another
 * (PKCS#11 3.2 §6.21.5). */
#include <string.h>

#include "families.h"
#include "family.h"

struct digest {
	const struct hash *hash;
	EVP_MD_CTX *ctx;
};

static enum hf_err begin(struct crypt *c)
{
	struct digest *s = secret_calloc(1, sizeof(*s));

	if (s == NULL)
		return HF_E_MEMORY;
	c->state = s;
	s->hash = hash_by_name(c->mech->arg);
	s->ctx = EVP_MD_CTX_new();
	if (s->ctx == NULL || s->hash == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_DigestInit_ex2(s->ctx, s->hash->md, NULL), HF_E_INTERNAL);
	return HF_OK;
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

static enum hf_err derive(const struct mech *m, const struct params *p, const struct key *base,
	const struct key *other, size_t want, struct secret *ret)
{
	CLEANUP(secret_done) struct secret out = { 0 };
	const struct hash *h = hash_by_name(m->arg);
	struct slice value = secret_slice(&base->value);
	uint8_t digest[EVP_MAX_MD_SIZE];
	enum hf_err e;

	(void)p;
	(void)other;
	TRY(hash_once(h, &value, 1, digest));
	e = secret_dup((struct slice){ digest, h->n }, &out);
	secret_wipe(digest, sizeof(digest));
	TRY(e);
	TRY(cut_derived(&out, want));
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
	.derive = derive,
};
