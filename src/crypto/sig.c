/* sig.c: see sig.h. */
#include "sig.h"
#include "fips.h"

static void sig_drop(struct kept *k)
{
	struct sig *s = (struct sig *)k;

	EVP_PKEY_CTX_free(s->pctx);
	EVP_MD_CTX_free(s->md);
	buf_done(&s->raw);
	secret_free(s);
}

static int not_that(EVP_PKEY_CTX *ctx)
{
	(void)ctx;
	return 0;
}

enum hf_err sig_init(struct sig *s, const struct crypt *c)
{
	static int (*const init[])(EVP_PKEY_CTX *) = {
		[VERB_ENCRYPT] = not_that,
		[VERB_DECRYPT] = not_that,
		[VERB_DIGEST] = not_that,
		[VERB_SIGN] = EVP_PKEY_sign_init,
		[VERB_VERIFY] = EVP_PKEY_verify_init,
		[VERB_SIGN_RECOVER] = EVP_PKEY_sign_init,
		[VERB_VERIFY_RECOVER] = EVP_PKEY_verify_recover_init,
		[VERB_WRAP] = not_that,
		[VERB_UNWRAP] = not_that,
	};

	OSSL_TRY(init[c->verb](s->pctx), HF_E_MECHANISM);
	return HF_OK;
}

static enum hf_err sig_new(struct sig *s, const struct crypt *c, const struct sig_scheme *scheme)
{
	s->scheme = scheme;
	s->raw.max = SIG_RAW_MAX;
	s->hash = hash_by_name(c->mech->arg);
	s->pctx = EVP_PKEY_CTX_new_from_pkey(NULL, c->key->pkey,
		fips_props_hash(c->key->pkey, s->hash));
	if (s->hash != NULL)
		s->md = EVP_MD_CTX_new();
	if (s->pctx == NULL || (s->hash != NULL && s->md == NULL))
		return ossl_err(HF_E_MEMORY);
	return scheme->setup(s, c);
}

enum hf_err sig_begin(struct crypt *c, const struct sig_scheme *scheme)
{
	struct sig *s;
	enum hf_err e = HF_OK;
	bool fresh;

	TRY(kept_begin(c, sizeof(*s), sig_drop, &fresh));
	s = c->state;
	if (fresh)
		e = sig_new(s, c, scheme);
	else if (scheme->same != NULL && !scheme->same(s, c))
		e = scheme->setup(s, c);
	if (e == HF_OK && s->md != NULL && EVP_DigestInit_ex2(s->md, s->hash->md, NULL) != 1)
		e = ossl_err(HF_E_INTERNAL);
	if (e != HF_OK) { /* a state half set up is not for the next user */
		c->state = NULL;
		sig_drop(&s->kept);
	}
	return e;
}

enum hf_err sig_update(struct crypt *c, struct slice in, struct buf *out)
{
	struct sig *s = c->state;

	(void)out;
	if (s->hash == NULL)
		return gather_more(&s->raw, in) == HF_OK ? HF_OK : HF_E_DATA_LEN;
	OSSL_TRY(EVP_DigestUpdate(s->md, in.p, in.n), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err sig_copy(const struct crypt *from, struct crypt *to)
{
	const struct sig *f = from->state;
	struct sig *t = to->state;

	if (f->hash == NULL)
		return gather_copy(&f->raw, &t->raw);
	OSSL_TRY(EVP_MD_CTX_copy_ex(t->md, f->md), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err sig_finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	struct sig *s = c->state;
	uint8_t digest[EVP_MAX_MD_SIZE];
	struct slice tbs;

	if (s->hash == NULL) {
		TRY(gather_all(&s->raw, in, &tbs));
	} else {
		OSSL_TRY(EVP_DigestUpdate(s->md, in.p, in.n), HF_E_INTERNAL);
		OSSL_TRY(EVP_DigestFinal_ex(s->md, digest, NULL), HF_E_INTERNAL);
		tbs = (struct slice){ digest, s->hash->n };
	}
	if (c->verb != VERB_VERIFY)
		return s->scheme->sign(s, c, tbs, out);
	if (sig.n != s->scheme->size(c->key))
		return HF_E_SIGNATURE_LEN;
	return s->scheme->verify(s, c, tbs, sig);
}

size_t sig_bound(const struct crypt *c, size_t in, bool last)
{
	const struct sig *s = c->state;

	(void)in;
	return last && c->verb != VERB_VERIFY ? s->scheme->size(c->key) : 0;
}

void sig_end(struct crypt *c)
{
	struct sig *s = c->state;

	if (s != NULL)
		buf_reset(&s->raw);
	kept_end(c);
}
