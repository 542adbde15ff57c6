/* rsa_pss.c: RSASSA-PSS over a given or our own digest (RFC 8017 §8.1). */
#include <string.h>

#include <openssl/rsa.h>

#include "families.h"
#include "rsa.h"

/* check: the digest of the parameter is the mechanism's, and the salt fits. */
static enum hf_err check(const struct crypt *c)
{
	const struct param_rsa_pss *p = &c->params->u.rsa_pss;
	const struct hash *h = hash_by_ckm(p->hash), *own = hash_by_name(c->mech->arg);
	size_t em = (c->key->size - 1 + 7) / 8;

	if (h == NULL || hash_by_mgf(p->mgf) == NULL || (own != NULL && own != h))
		return HF_E_MECHANISM_PARAM;
	if (em < h->n + 2 || p->salt_len > em - h->n - 2)
		return HF_E_MECHANISM_PARAM;
	return HF_OK;
}

static enum hf_err setup(struct sig *s, const struct crypt *c)
{
	const struct param_rsa_pss *p = &c->params->u.rsa_pss;

	TRY(rsa_setup(s, c, RSA_PKCS1_PSS_PADDING));
	OSSL_TRY(EVP_PKEY_CTX_set_signature_md(s->pctx, hash_by_ckm(p->hash)->md), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_CTX_set_rsa_mgf1_md(s->pctx, hash_by_mgf(p->mgf)->md), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_CTX_set_rsa_pss_saltlen(s->pctx, (int)p->salt_len), HF_E_INTERNAL);
	s->pss = *p;
	return HF_OK;
}

static bool same(const struct sig *s, const struct crypt *c)
{
	const struct param_rsa_pss *p = &c->params->u.rsa_pss;

	return s->pss.hash == p->hash && s->pss.mgf == p->mgf && s->pss.salt_len == p->salt_len;
}

static enum hf_err sign(struct sig *s, const struct crypt *c, struct slice tbs, struct buf *out)
{
	if (tbs.n != hash_by_ckm(s->pss.hash)->n)
		return HF_E_DATA_LEN;
	return rsa_sign(s, c, tbs, HF_E_INTERNAL, out);
}

static enum hf_err verify(struct sig *s, const struct crypt *c, struct slice tbs, struct slice sig)
{
	(void)c;
	if (tbs.n != hash_by_ckm(s->pss.hash)->n)
		return HF_E_DATA_LEN;
	OSSL_TRY(EVP_PKEY_verify(s->pctx, sig.p, sig.n, tbs.p, tbs.n), HF_E_SIGNATURE);
	return HF_OK;
}

static const struct sig_scheme pss = {
	.setup = setup,
	.same = same,
	.sign = sign,
	.verify = verify,
	.size = rsa_bytes,
};

static enum hf_err begin(struct crypt *c)
{
	TRY(check(c));
	return sig_begin(c, &pss);
}

const struct family family_rsa_pss = {
	.name = "rsa_pss",
	.begin = begin,
	.update = sig_update,
	.finish = sig_finish,
	.bound = sig_bound,
	.end = sig_end,
	.copy = sig_copy,
};
