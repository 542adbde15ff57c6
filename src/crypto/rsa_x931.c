/* rsa_x931.c: signatures of ANSI X9.31 (PKCS#11 3.2 §6.1.14, §6.1.15). A mechanism without a
 * digest takes a hash and, behind it, the number that ISO/IEC 10118 gives the function. */
#include <openssl/rsa.h>

#include "families.h"
#include "rsa.h"

static const struct {
	uint8_t number;
	const char *hash;
} numbers[] = {
	{ 0x33, "SHA1" }, { 0x34, "SHA256" }, { 0x35, "SHA512" }, { 0x36, "SHA384" },
};

/* use_hash: OpenSSL wants the digest first, since X9.31's padding names it. */
static enum hf_err use_hash(struct sig *s, const struct hash *h)
{
	OSSL_TRY(EVP_PKEY_CTX_set_signature_md(s->pctx, h->md), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_CTX_set_rsa_padding(s->pctx, RSA_X931_PADDING), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err setup(struct sig *s, const struct crypt *c)
{
	TRY(sig_init(s, c));
	return s->hash == NULL ? HF_OK : use_hash(s, s->hash);
}

/* take_number takes the number off tbs, and the digest for use. */
static enum hf_err take_number(struct sig *s, struct slice *tbs)
{
	const struct hash *h = NULL;

	if (s->hash != NULL)
		return HF_OK;
	if (tbs->n == 0)
		return HF_E_DATA_LEN;
	tbs->n--;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i].number == tbs->p[tbs->n])
			h = hash_by_name(numbers[i].hash);
	if (h == NULL)
		return HF_E_DATA;
	return tbs->n == h->n ? use_hash(s, h) : HF_E_DATA_LEN;
}

static enum hf_err sign(struct sig *s, const struct crypt *c, struct slice tbs, struct buf *out)
{
	TRY(take_number(s, &tbs));
	return rsa_sign(s, c, tbs, HF_E_KEY_SIZE, out);
}

static enum hf_err verify(struct sig *s, const struct crypt *c, struct slice tbs, struct slice sig)
{
	(void)c;
	TRY(take_number(s, &tbs));
	OSSL_TRY(EVP_PKEY_verify(s->pctx, sig.p, sig.n, tbs.p, tbs.n), HF_E_SIGNATURE);
	return HF_OK;
}

static const struct sig_scheme x931 = {
	.setup = setup,
	.sign = sign,
	.verify = verify,
	.size = rsa_bytes,
};

static enum hf_err begin(struct crypt *c)
{
	return sig_begin(c, &x931);
}

const struct family family_rsa_x931 = {
	.name = "rsa_x931",
	.begin = begin,
	.update = sig_update,
	.finish = sig_finish,
	.bound = sig_bound,
	.end = sig_end,
	.copy = sig_copy,
};
