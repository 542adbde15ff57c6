/* rsa_x509.c: RSA without padding (PKCS#11 3.2 §6.1.11): data is filled with
 * zeros from the left. */
#include <string.h>

#include <openssl/rsa.h>

#include "families.h"
#include "rsa.h"

static enum hf_err setup(struct sig *s, const struct crypt *c)
{
	return rsa_setup(s, c, RSA_NO_PADDING);
}

static enum hf_err fill(const struct crypt *c, struct slice in, struct secret *ret)
{
	size_t k = rsa_bytes(c->key);

	if (in.n > k || in.n == 0)
		return HF_E_DATA_LEN;
	TRY(secret_alloc(ret, k));
	memcpy(ret->p + (k - in.n), in.p, in.n);
	return HF_OK;
}

static enum hf_err sign(struct sig *s, const struct crypt *c, struct slice tbs, struct buf *out)
{
	CLEANUP(secret_done) struct secret v = { 0 };

	if (c->verb == VERB_VERIFY_RECOVER)
		return rsa_recover(s, c, tbs, out);
	TRY(fill(c, tbs, &v));
	return rsa_sign(s, c, secret_slice(&v), HF_E_DATA, out);
}

static enum hf_err verify(struct sig *s, const struct crypt *c, struct slice tbs, struct slice sig)
{
	CLEANUP(secret_done) struct secret v = { 0 };

	TRY(fill(c, tbs, &v));
	OSSL_TRY(EVP_PKEY_verify(s->pctx, sig.p, sig.n, v.p, v.n), HF_E_SIGNATURE);
	return HF_OK;
}

static const struct sig_scheme x509 = {
	.setup = setup,
	.sign = sign,
	.verify = verify,
	.size = rsa_bytes,
};

static enum hf_err begin(struct crypt *c)
{
	bool fresh;

	if (rsa_crypts(c))
		return rsa_crypt_begin(c, RSA_NO_PADDING, &fresh);
	return sig_begin(c, &x509);
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	return rsa_crypts(c) ? rsa_crypt_update(c, in) : sig_update(c, in, out);
}

static enum hf_err crypt_finish(struct crypt *c, struct slice in, struct buf *out)
{
	CLEANUP(secret_done) struct secret v = { 0 };
	struct rsa_crypt *s = c->state;

	if (!crypt_encrypts(c))
		return rsa_crypt_finish(c, in, rsa_bytes(c->key), out);
	if (gather_all(&s->in, in, &in) != HF_OK || fill(c, in, &v) != HF_OK)
		return crypt_bad_len(c);
	buf_reset(&s->in);
	return rsa_crypt_finish(c, secret_slice(&v), v.n, out);
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	if (rsa_crypts(c))
		return crypt_finish(c, in, out);
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

const struct family family_rsa_x509 = {
	.name = "rsa_x509",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = end,
	.copy = rsa_copy,
};
