/* rsa_pkcs1.c: PKCS#1 v1.5: signatures raw and hashed, recovery, encryption and
 * wrapping (RFC 8017 §7.2, §8.2). */
#include <openssl/rsa.h>

#include "families.h"
#include "rsa.h"

#define PKCS1_PAD 11 /* 00 01 ... 00, at least eight bytes of padding */

static enum hf_err setup(struct sig *s, const struct crypt *c)
{
	return rsa_setup(s, c, RSA_PKCS1_PADDING);
}

/* fits: OpenSSL takes an empty message for a failure when it verifies. */
static bool fits(const struct crypt *c, struct slice tbs)
{
	return tbs.n > 0 && tbs.n <= rsa_bytes(c->key) - PKCS1_PAD;
}

static enum hf_err sign(struct sig *s, const struct crypt *c, struct slice tbs, struct buf *out)
{
	if (c->verb == VERB_VERIFY_RECOVER)
		return rsa_recover(s, c, tbs, out);
	if (s->hash == NULL && !fits(c, tbs))
		return HF_E_DATA_LEN;
	return rsa_sign(s, c, tbs, s->hash == NULL ? HF_E_INTERNAL : HF_E_KEY_SIZE, out);
}

static enum hf_err verify(struct sig *s, const struct crypt *c, struct slice tbs, struct slice sig)
{
	if (!fits(c, tbs))
		return HF_E_DATA_LEN;
	OSSL_TRY(EVP_PKEY_verify(s->pctx, sig.p, sig.n, tbs.p, tbs.n), HF_E_SIGNATURE);
	return HF_OK;
}

static const struct sig_scheme pkcs1 = {
	.setup = setup,
	.sign = sign,
	.verify = verify,
	.size = rsa_bytes,
};

static enum hf_err begin(struct crypt *c)
{
	bool fresh;

	if (rsa_crypts(c))
		return rsa_crypt_begin(c, RSA_PKCS1_PADDING, &fresh);
	return sig_begin(c, &pkcs1);
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	return rsa_crypts(c) ? rsa_crypt_update(c, in) : sig_update(c, in, out);
}

/* Decryption keeps OpenSSL's implicit rejection: a wrong padding yields other
 * bytes, never an error that an attacker could see (CVE-2020-25659 and kin). */
static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	if (rsa_crypts(c))
		return rsa_crypt_finish(c, in, rsa_bytes(c->key) - PKCS1_PAD, out);
	if (c->verb == VERB_VERIFY_RECOVER && in.n == 0)
		in = sig;
	return sig_finish(c, in, sig, out);
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	return rsa_crypts(c) ? rsa_crypt_bound(c, in, last) : sig_bound(c, in, last);
}

static void end(struct crypt *c)
{
	if (rsa_crypts(c))
		rsa_crypt_end(c);
	else
		sig_end(c);
}

const struct family family_rsa_pkcs1 = {
	.name = "rsa_pkcs1",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = end,
	.copy = rsa_copy,
};
