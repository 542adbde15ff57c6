/* ecdsa.c: ECDSA and DSA over given data or over a digest; signatures are r || s
 * (PKCS#11 3.2 §6.3.1, §6.2.1). */
#include "curve.h"
#include "der.h"
#include "families.h"
#include "sig.h"

#define DER_SIG_MAX (3 + 2 * (2 + 1 + 66)) /* P-521's; one length takes two bytes */

/* half: bytes of r, and of s. */
static size_t half(const struct key *k)
{
	return k->curve != NULL ? k->curve->n : k->half;
}

static size_t ecdsa_size(const struct key *k)
{
	return 2 * half(k);
}

static enum hf_err ecdsa_sign(struct sig *s, const struct crypt *c, struct slice tbs,
	struct buf *out)
{
	uint8_t der[DER_SIG_MAX], *raw;
	size_t n = sizeof(der);

	if (tbs.n == 0)
		return HF_E_DATA_LEN;
	TRY(out_add(out, ecdsa_size(c->key), &raw));
	if (EVP_PKEY_sign(s->pctx, der, &n, tbs.p, tbs.n) != 1 ||
	    !der_sig_split((struct slice){ der, n }, half(c->key), raw)) {
		buf_cut(out, out->n - ecdsa_size(c->key));
		return ossl_err(HF_E_INTERNAL);
	}
	return HF_OK;
}

static enum hf_err ecdsa_verify(struct sig *s, const struct crypt *c, struct slice tbs,
	struct slice sig)
{
	CLEANUP(buf_done) struct buf der = BUF_MAX(DER_SIG_MAX);

	(void)c;
	if (tbs.n == 0)
		return HF_E_DATA_LEN;
	der_sig_join(sig, &der);
	TRY(buf_err(&der));
	OSSL_TRY(EVP_PKEY_verify(s->pctx, der.p, der.n, tbs.p, tbs.n), HF_E_SIGNATURE);
	return HF_OK;
}

static const struct sig_scheme ecdsa = {
	.setup = sig_init,
	.sign = ecdsa_sign,
	.verify = ecdsa_verify,
	.size = ecdsa_size,
};

static enum hf_err begin(struct crypt *c)
{
	return sig_begin(c, &ecdsa);
}

const struct family family_ecdsa = {
	.name = "ecdsa",
	.begin = begin,
	.update = sig_update,
	.finish = sig_finish,
	.bound = sig_bound,
	.end = sig_end,
	.copy = sig_copy,
};
