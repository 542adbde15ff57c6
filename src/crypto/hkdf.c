/* hkdf.c: HKDF (RFC 5869; PKCS#11 3.2 §6.62): extract, expand, or both. */
#include <openssl/core_names.h>

#include "families.h"
#include "family.h"

struct hkdf {
	const struct hash *hash;
	struct slice salt;
	int mode;
};

static enum hf_err mode_of(const struct param_hkdf *p, int *ret)
{
	if (!p->extract && !p->expand)
		return HF_E_MECHANISM_PARAM;
	if (p->extract && p->expand)
		*ret = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
	else
		*ret = p->extract ? EVP_KDF_HKDF_MODE_EXTRACT_ONLY : EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	return HF_OK;
}

static enum hf_err salt_of(const struct param_hkdf *p, const struct key *other, struct slice *ret)
{
	*ret = SLICE_NONE;
	if (!p->extract || p->salt_type == CKF_HKDF_SALT_NULL)
		return HF_OK;
	if (p->salt_type == CKF_HKDF_SALT_DATA) {
		*ret = p->salt;
		return HF_OK;
	}
	if (p->salt_type != CKF_HKDF_SALT_KEY)
		return HF_E_MECHANISM_PARAM;
	if (other == NULL || other->cko != CKO_SECRET_KEY)
		return HF_E_KEY_HANDLE;
	*ret = secret_slice(&other->value);
	return HF_OK;
}

static OSSL_PARAM octets(const char *name, struct slice v)
{
	return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)v.p, v.n);
}

static enum hf_err run(struct hkdf *h, struct slice base, struct slice info, struct secret *out)
{
	CLEANUP(EVP_KDF_CTX_free_p) EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(algs.hkdf);
	OSSL_PARAM params[6], *p = params;

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	*p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
		(char *)(uintptr_t)h->hash->name, 0);
	*p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &h->mode);
	*p++ = octets(OSSL_KDF_PARAM_KEY, base);
	if (h->salt.n > 0)
		*p++ = octets(OSSL_KDF_PARAM_SALT, h->salt);
	if (info.n > 0)
		*p++ = octets(OSSL_KDF_PARAM_INFO, info);
	*p = OSSL_PARAM_construct_end();
	OSSL_TRY(EVP_KDF_derive(ctx, out->p, out->n, params), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err derive(const struct mech *m, const struct params *p, const struct key *base,
	const struct key *other, size_t want, struct secret *ret)
{
	const struct param_hkdf *hp = &p->u.hkdf;
	struct hkdf h = { .hash = hash_by_ckm(hp->prf) };
	CLEANUP(secret_done) struct secret out = { 0 };
	size_t n;

	(void)m;
	if (h.hash == NULL)
		return HF_E_MECHANISM_PARAM;
	TRY(mode_of(hp, &h.mode));
	TRY(salt_of(hp, other, &h.salt));
	n = want == 0 || !hp->expand ? h.hash->n : want;
	if (n > 255 * h.hash->n)
		return HF_E_KEY_SIZE;
	/* Expanding alone takes a pseudorandom key of at least the digest's size. */
	if (!hp->extract && base->value.n < h.hash->n)
		return HF_E_KEY_SIZE;
	TRY(secret_alloc(&out, n));
	TRY(run(&h, secret_slice(&base->value), hp->info, &out));
	TRY(cut_derived(&out, want));
	*ret = secret_take(&out);
	return HF_OK;
}

const struct family family_hkdf = { .name = "hkdf", .derive = derive };
