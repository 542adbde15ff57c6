/* rsa.c: the parts that all RSA mechanisms share, and key generation. */
#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include "families.h"
#include "rsa.h"
#include "fips.h"

#define RSA_GEN_MAX 16384
#define RSA_E_MAX 32 /* bytes; FIPS 186-5 §A.1.1: e < 2^256 */
#define X931_STEP 256 /* bits by which X9.31's moduli grow */
#define X931_E_BITS 17 /* OpenSSL uses auxiliary primes from this exponent on */

size_t rsa_bytes(const struct key *k)
{
	return (k->size + 7) / 8;
}

enum hf_err rsa_setup(struct sig *s, const struct crypt *c, int padding)
{
	TRY(sig_init(s, c));
	OSSL_TRY(EVP_PKEY_CTX_set_rsa_padding(s->pctx, padding), HF_E_INTERNAL);
	if (s->hash != NULL)
		OSSL_TRY(EVP_PKEY_CTX_set_signature_md(s->pctx, s->hash->md), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err rsa_sign(struct sig *s, const struct crypt *c, struct slice tbs, enum hf_err e,
	struct buf *out)
{
	size_t before = out->n, n = rsa_bytes(c->key);
	uint8_t *p;

	TRY(out_add(out, n, &p));
	if (EVP_PKEY_sign(s->pctx, p, &n, tbs.p, tbs.n) == 1)
		return HF_OK;
	buf_cut(out, before);
	return ossl_err(e);
}

enum hf_err rsa_recover(struct sig *s, const struct crypt *c, struct slice sig, struct buf *out)
{
	size_t before = out->n, n = rsa_bytes(c->key);
	uint8_t *p;

	if (sig.n != n)
		return HF_E_SIGNATURE_LEN;
	TRY(out_add(out, n, &p));
	if (EVP_PKEY_verify_recover(s->pctx, p, &n, sig.p, sig.n) == 1) {
		buf_cut(out, before + n);
		return HF_OK;
	}
	buf_cut(out, before);
	return ossl_err(HF_E_SIGNATURE);
}

/* --- encryption ---------------------------------------------------------- */

static void rsa_crypt_drop(struct kept *k)
{
	struct rsa_crypt *s = (struct rsa_crypt *)k;

	EVP_PKEY_CTX_free(s->pctx);
	buf_done(&s->in);
	secret_free(s);
}

void rsa_crypt_fail(struct crypt *c)
{
	if (c->state != NULL)
		rsa_crypt_drop(c->state);
	c->state = NULL;
}

static enum hf_err rsa_crypt_new(struct rsa_crypt *s, const struct crypt *c, int padding)
{
	s->pctx = EVP_PKEY_CTX_new_from_pkey(NULL, c->key->pkey, fips_props_of(c->key->pkey));
	if (s->pctx == NULL)
		return ossl_err(HF_E_MEMORY);
	s->in.max = rsa_bytes(c->key);
	OSSL_TRY(crypt_encrypts(c) ? EVP_PKEY_encrypt_init(s->pctx) : EVP_PKEY_decrypt_init(s->pctx),
		HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_CTX_set_rsa_padding(s->pctx, padding), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err rsa_crypt_begin(struct crypt *c, int padding, bool *ret_new)
{
	enum hf_err e;

	TRY(kept_begin(c, sizeof(struct rsa_crypt), rsa_crypt_drop, ret_new));
	if (!*ret_new)
		return HF_OK;
	e = rsa_crypt_new(c->state, c, padding);
	if (e != HF_OK)
		rsa_crypt_fail(c);
	return e;
}

enum hf_err rsa_crypt_finish(struct crypt *c, struct slice in, size_t most, struct buf *out)
{
	struct rsa_crypt *s = c->state;
	size_t before = out->n, n = rsa_bytes(c->key);
	bool encrypt = crypt_encrypts(c);
	uint8_t *p;
	int ok;

	if (gather_all(&s->in, in, &in) != HF_OK)
		return crypt_bad_len(c);
	if (encrypt ? in.n > most : in.n != n)
		return crypt_bad_len(c);
	TRY(out_add(out, n, &p));
	ok = encrypt ? EVP_PKEY_encrypt(s->pctx, p, &n, in.p, in.n) :
		       EVP_PKEY_decrypt(s->pctx, p, &n, in.p, in.n);
	if (ok == 1) {
		buf_cut(out, before + n);
		return HF_OK;
	}
	buf_cut(out, before);
	return ossl_err(crypt_bad_data(c));
}

enum hf_err rsa_crypt_update(struct crypt *c, struct slice in)
{
	struct rsa_crypt *s = c->state;

	return gather_more(&s->in, in) == HF_OK ? HF_OK : crypt_bad_len(c);
}

void rsa_crypt_end(struct crypt *c)
{
	struct rsa_crypt *s = c->state;

	if (s != NULL)
		buf_reset(&s->in);
	kept_end(c);
}

enum hf_err rsa_copy(const struct crypt *from, struct crypt *to)
{
	const struct rsa_crypt *f = from->state;
	struct rsa_crypt *t = to->state;

	return rsa_crypts(from) ? gather_copy(&f->in, &t->in) : sig_copy(from, to);
}

size_t rsa_crypt_bound(const struct crypt *c, size_t in, bool last)
{
	(void)in;
	return last ? rsa_bytes(c->key) : 0;
}

/* --- key generation ------------------------------------------------------ */

static enum hf_err set_exponent(EVP_PKEY_CTX *ctx, struct slice e, int least_bits)
{
	CLEANUP(BN_clear_free_p) BIGNUM *bn = NULL;

	if (e.n == 0)
		return HF_OK; /* OpenSSL's default: 65537 */
	if (e.n > RSA_E_MAX)
		return HF_E_ATTR_VALUE;
	bn = BN_bin2bn(e.p, (int)e.n, NULL);
	if (bn == NULL)
		return ossl_err(HF_E_MEMORY);
	if (!BN_is_odd(bn) || BN_is_one(bn) || BN_num_bits(bn) < least_bits)
		return HF_E_ATTR_VALUE;
	OSSL_TRY(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, bn), HF_E_ATTR_VALUE);
	return HF_OK;
}

static enum hf_err generate(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl, struct parts *pub,
	struct parts *priv)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *pkey = NULL;
	bool x931 = m->arg != NULL;
	uint64_t bits;

	(void)p;
	(void)tmpl;
	TRY(source_u64(pub_tmpl, CKA_MODULUS_BITS, &bits));
	if (bits < m->min || bits > m->max || bits > RSA_GEN_MAX ||
	    (x931 && bits % X931_STEP != 0))
		return HF_E_ATTR_VALUE;
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", fips_props_for("RSA", bits, NULL));
	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_keygen_init(ctx), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits), HF_E_ATTR_VALUE);
	TRY(set_exponent(ctx, source_get(pub_tmpl, CKA_PUBLIC_EXPONENT), x931 ? X931_E_BITS : 0));
	OSSL_TRY(EVP_PKEY_generate(ctx, &pkey), HF_E_INTERNAL);
	return key_pair_output(CKK_RSA, pkey, pub, priv);
}

const struct family family_rsa_gen = { .name = "rsa_gen", .generate = generate };
