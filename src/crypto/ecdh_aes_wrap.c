/* ecdh_aes_wrap.c: keys of any length under an elliptic-curve key (PKCS#11 3.2
 * §6.3.20 and following): a pair of this moment agrees on an AES key, and the key
 * goes under that with AES-KWP. The argument names the agreement's mechanism.
 *
 *   the pair's point, raw | KWP(key)
 */
#include <openssl/core_names.h>
#include <string.h>

#include "curve.h"
#include "families.h"
#include "family.h"
#include "fips.h"

#define KWP_EXTRA 16 /* the integrity block and up to 7 bytes of filling */

static size_t point_size(const struct key *k)
{
	return k->ckk == CKK_EC ? 1 + 2 * k->curve->n : k->curve->n;
}

/* agree makes the AES key of our private and their public half. */
static enum hf_err agree(const struct crypt *c, const struct key *own, struct slice point,
	struct secret *ret)
{
	const struct param_ecdh_aes_wrap *w = &c->params->u.ecdh_aes_wrap;
	bool cofactor = strcmp(c->mech->arg, "cofactor") == 0;
	const struct mech *m = mech_find(cofactor ? CKM_ECDH1_COFACTOR_DERIVE : CKM_ECDH1_DERIVE);
	struct params p = { .id = PARAM_ECDH, .present = true,
		.u.ecdh = { .kdf = w->kdf, .shared = w->shared, .peer = point } };

	return m->family->derive(m, &p, own, NULL, (size_t)w->aes_bits / 8, ret);
}

static void key_done(struct key **k)
{
	key_free(*k);
}

static enum hf_err make_pair(const struct key *like, struct key **ret)
{
	const char *type = like->ckk == CKK_EC ? "EC" : like->curve->ossl;
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type,
		fips_props_for(type, 0, like->curve));
	EVP_PKEY *pkey = NULL;

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_keygen_init(ctx), HF_E_INTERNAL);
	if (like->ckk == CKK_EC)
		OSSL_TRY(EVP_PKEY_CTX_set_group_name(ctx, like->curve->ossl), HF_E_CURVE);
	OSSL_TRY(EVP_PKEY_generate(ctx, &pkey), HF_E_INTERNAL);
	return key_adopt(CKO_PRIVATE_KEY, like->ckk, pkey, ret);
}

static enum hf_err wrap(const struct crypt *c, struct slice in, struct buf *out)
{
	CLEANUP(secret_done) struct secret ours = { 0 };
	CLEANUP(secret_done) struct secret theirs = { 0 };
	CLEANUP(secret_done) struct secret aes = { 0 };
	CLEANUP(key_done) struct key *own = NULL;

	TRY(make_pair(c->key, &own));
	if (own == NULL) /* the analyzer cannot see that there is one */
		return HF_E_INTERNAL;
	TRY(pkey_octets(own->pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, &ours));
	TRY(pkey_octets(c->key->pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, &theirs));
	if (ours.n != point_size(c->key))
		return HF_E_INTERNAL;
	TRY(agree(c, own, secret_slice(&theirs), &aes));
	buf_raw(out, secret_slice(&ours));
	return kwp_once(c, secret_slice(&aes), in, out);
}

static enum hf_err unwrap(const struct crypt *c, struct slice in, struct buf *out)
{
	CLEANUP(secret_done) struct secret aes = { 0 };
	size_t n = point_size(c->key);

	if (in.n < n + KWP_EXTRA)
		return HF_E_WRAPPED_KEY_LEN;
	if (agree(c, c->key, (struct slice){ in.p, n }, &aes) != HF_OK)
		return HF_E_WRAPPED_KEY;
	return kwp_once(c, secret_slice(&aes), (struct slice){ in.p + n, in.n - n }, out);
}

static enum hf_err begin(struct crypt *c)
{
	uint64_t bits = c->params->u.ecdh_aes_wrap.aes_bits;

	if (bits != 128 && bits != 192 && bits != 256)
		return HF_E_MECHANISM_PARAM;
	return c->key->cko == (crypt_encrypts(c) ? CKO_PUBLIC_KEY : CKO_PRIVATE_KEY) ? HF_OK :
		HF_E_KEY_TYPE;
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	size_t before = out->n;
	enum hf_err e;

	(void)sig;
	e = crypt_encrypts(c) ? wrap(c, in, out) : unwrap(c, in, out);
	if (e != HF_OK)
		buf_cut(out, before);
	return e;
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	size_t n = point_size(c->key);

	if (!last)
		return 0;
	if (crypt_encrypts(c))
		return n + (in + 7) / 8 * 8 + 8;
	return in < n ? 0 : in - n;
}

static void end(struct crypt *c)
{
	(void)c;
}

const struct family family_ecdh_aes_wrap = {
	.name = "ecdh_aes_wrap",
	.begin = begin,
	.finish = finish,
	.bound = bound,
	.end = end,
};
