/* ecdh.c: ECDH on Weierstrass and Montgomery curves (PKCS#11 3.2 §6.3.17;
 * SP 800-56A), with the KDF of ANSI X9.63 or of SP 800-56C. */
#include <openssl/ec.h>

#include "curve.h"
#include "families.h"
#include "family.h"
#include "fips.h"

/* agree: the shared secret Z. */
static enum hf_err agree(const struct mech *m, const struct key *base, EVP_PKEY *peer,
	struct secret *ret)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, base->pkey,
		fips_props_of(base->pkey));
	CLEANUP(secret_done) struct secret z = { 0 };
	size_t n = base->curve->n;

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_derive_init(ctx), HF_E_INTERNAL);
	if (base->ckk == CKK_EC)
		OSSL_TRY(EVP_PKEY_CTX_set_ecdh_cofactor_mode(ctx, m->arg != NULL ? 1 : 0),
			HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_derive_set_peer(ctx, peer), HF_E_PUBLIC_KEY);
	TRY(secret_alloc(&z, n));
	/* X25519 and X448 refuse an all-zero result: a point of small order. */
	OSSL_TRY(EVP_PKEY_derive(ctx, z.p, &n), HF_E_PUBLIC_KEY);
	secret_cut(&z, n);
	*ret = secret_take(&z);
	return HF_OK;
}

/* kdf: hash(Z | counter | shared), or in SP 800-56C's one step hash(counter | Z
 * | shared), for counter = 1, 2, ... */
static enum hf_err kdf(const struct hash *h, bool sp800, struct slice z, struct slice shared,
	struct secret *out)
{
	uint8_t counter[4], digest[EVP_MAX_MD_SIZE];
	struct slice part[3] = { z, SLICE_OF(counter), shared };
	enum hf_err e = HF_OK;
	uint32_t i = 1;

	if (sp800) {
		part[0] = SLICE_OF(counter);
		part[1] = z;
	}
	for (size_t at = 0; e == HF_OK && at < out->n; at += h->n, i++) {
		put_u32(counter, i);
		e = hash_once(h, part, 3, digest);
		for (size_t j = 0; j < h->n && at + j < out->n; j++)
			out->p[at + j] = digest[j];
	}
	secret_wipe(digest, sizeof(digest));
	return e;
}

/* Without a KDF the secret is shortened from its front (PKCS#11 3.2 §6.3.17). */
static enum hf_err last_bytes(struct slice z, size_t want, struct secret *ret)
{
	if (want == 0)
		want = z.n;
	if (want > z.n)
		return HF_E_KEY_SIZE;
	return secret_dup((struct slice){ z.p + (z.n - want), want }, ret);
}

static enum hf_err derive(const struct mech *m, const struct params *p, const struct key *base,
	const struct key *other, size_t want, struct secret *ret)
{
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *peer = NULL;
	CLEANUP(secret_done) struct secret z = { 0 }, out = { 0 };
	const struct param_ecdh *ecdh = &p->u.ecdh;
	bool sp800 = false;
	const struct hash *h = hash_by_kdf(ecdh->kdf, &sp800);

	(void)other;
	if (h == NULL && ecdh->kdf != CKD_NULL)
		return HF_E_MECHANISM_PARAM;
	if (h == NULL && ecdh->shared.n != 0)
		return HF_E_MECHANISM_PARAM;
	TRY(ec_public(base->curve, point_raw(base->curve, ecdh->peer), &peer));
	TRY(agree(m, base, peer, &z));
	if (h == NULL)
		return last_bytes(secret_slice(&z), want, ret);
	TRY(secret_alloc(&out, want == 0 ? h->n : want));
	TRY(kdf(h, sp800, secret_slice(&z), ecdh->shared, &out));
	*ret = secret_take(&out);
	return HF_OK;
}

const struct family family_ecdh = { .name = "ecdh", .derive = derive };
