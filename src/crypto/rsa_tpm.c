/* rsa_tpm.c: RSA encryption for a TPM of version 1.1 or 1.2 (PKCS#11 3.2 §6.1.18,
 * §6.1.19; TCG, TPM Main part 2, §10.4):
 *
 *   version 1 1 0 0 | kind 2: bound data | the data
 *
 * under PKCS#1 v1.5, or under OAEP with SHA-1 and the label "TCPA". */
#include <string.h>

#include <openssl/rsa.h>

#include "families.h"
#include "rsa.h"

#define HEAD 5
#define PKCS1_PAD 11
#define OAEP_PAD 42 /* twice a SHA-1, and two bytes */

static const uint8_t head[HEAD] = { 1, 1, 0, 0, 2 };
static const char label[] = "TCPA";

static bool oaep(const struct crypt *c)
{
	return c->mech->arg != NULL;
}

static enum hf_err set_oaep(EVP_PKEY_CTX *ctx)
{
	void *copy = OPENSSL_memdup(label, sizeof(label) - 1); /* the context takes it over */

	OSSL_TRY(EVP_PKEY_CTX_set_rsa_oaep_md(ctx, hash_by_name("SHA1")->md), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, hash_by_name("SHA1")->md), HF_E_INTERNAL);
	if (copy != NULL && EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, sizeof(label) - 1) == 1)
		return HF_OK;
	OPENSSL_free(copy);
	return ossl_err(HF_E_MEMORY);
}

static enum hf_err begin(struct crypt *c)
{
	enum hf_err e = HF_OK;
	bool fresh;

	TRY(rsa_crypt_begin(c, oaep(c) ? RSA_PKCS1_OAEP_PADDING : RSA_PKCS1_PADDING, &fresh));
	if (fresh && oaep(c))
		e = set_oaep(((struct rsa_crypt *)c->state)->pctx);
	if (e != HF_OK)
		rsa_crypt_fail(c);
	return e;
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	(void)out;
	return rsa_crypt_update(c, in);
}

static enum hf_err encrypt(struct crypt *c, struct slice in, struct buf *out)
{
	size_t most = rsa_bytes(c->key) - (oaep(c) ? OAEP_PAD : PKCS1_PAD);
	CLEANUP(secret_done) struct secret v = { 0 };

	if (in.n > most - HEAD)
		return crypt_bad_len(c);
	TRY(secret_alloc(&v, HEAD + in.n));
	memcpy(v.p, head, HEAD);
	if (in.n > 0)
		memcpy(v.p + HEAD, in.p, in.n);
	return rsa_crypt_finish(c, secret_slice(&v), most, out);
}

/* The last two bytes of the version may be any. */
static bool headed(struct slice v)
{
	return v.n >= HEAD && v.p[0] == head[0] && v.p[1] == head[1] && v.p[HEAD - 1] == head[HEAD - 1];
}

static enum hf_err decrypt(struct crypt *c, struct slice in, struct buf *out)
{
	CLEANUP(buf_done) struct buf v = BUF_MAX(rsa_bytes(c->key));

	TRY(rsa_crypt_finish(c, in, rsa_bytes(c->key), &v));
	if (!headed(buf_slice(&v)))
		return crypt_bad_data(c);
	buf_raw(out, (struct slice){ v.p + HEAD, v.n - HEAD });
	return buf_err(out);
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	(void)sig;
	return crypt_encrypts(c) ? encrypt(c, in, out) : decrypt(c, in, out);
}

const struct family family_rsa_tpm = {
	.name = "rsa_tpm",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = rsa_crypt_bound,
	.end = rsa_crypt_end,
	.copy = rsa_copy,
};
