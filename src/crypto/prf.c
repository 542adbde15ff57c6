/* prf.c: see prf.h. */
#include <openssl/core_names.h>

#include "ciphers.h"
#include "families.h"
#include "prf.h"

#define CMAC_LEN 16

struct choice {
	EVP_MAC *mac;
	const char *param, *name;
	size_t n;
};

/* choose: a row of ours with that number tells which family and digest. */
static enum hf_err choose(uint64_t ckm, size_t key, struct choice *ret)
{
	const struct mech *m = ckm > UINT32_MAX ? NULL : mech_find((uint32_t)ckm);
	const struct hash *h = m == NULL ? NULL : hash_by_name(m->arg);
	const EVP_CIPHER *cbc = cipher_find(CKK_AES, key, BLOCK_CBC);

	if (m == NULL || m->param != PARAM_NONE || (m->flags & MECH_LEGACY) != 0)
		return HF_E_MECHANISM_PARAM;
	if (m->family == &family_hmac && h != NULL) {
		*ret = (struct choice){ hmac_over(h), OSSL_MAC_PARAM_DIGEST, h->name, h->n };
		return HF_OK;
	}
	if (m->family != &family_cmac)
		return HF_E_MECHANISM_PARAM;
	if (cbc == NULL)
		return HF_E_KEY_SIZE;
	*ret = (struct choice){ algs.cmac, OSSL_MAC_PARAM_CIPHER, EVP_CIPHER_get0_name(cbc), CMAC_LEN };
	return HF_OK;
}

enum hf_err prf_begin(uint64_t ckm, struct slice key, struct prf *ret)
{
	CLEANUP(prf_done) struct prf p = { 0 };
	struct choice c;
	OSSL_PARAM params[2];

	TRY(choose(ckm, key.n, &c));
	params[0] = OSSL_PARAM_construct_utf8_string(c.param, (char *)(uintptr_t)c.name, 0);
	params[1] = OSSL_PARAM_construct_end();
	p = (struct prf){ EVP_MAC_CTX_new(c.mac), c.n };
	if (p.ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_MAC_init(p.ctx, key.n == 0 ? (const uint8_t *)"" : key.p, key.n, params),
		HF_E_KEY_SIZE);
	*ret = p;
	p.ctx = NULL;
	return HF_OK;
}

enum hf_err prf_run(const struct prf *p, const struct slice part[], size_t n,
	uint8_t out[EVP_MAX_MD_SIZE])
{
	size_t got;

	OSSL_TRY(EVP_MAC_init(p->ctx, NULL, 0, NULL), HF_E_INTERNAL);
	for (size_t i = 0; i < n; i++)
		OSSL_TRY(EVP_MAC_update(p->ctx, part[i].p, part[i].n), HF_E_INTERNAL);
	OSSL_TRY(EVP_MAC_final(p->ctx, out, &got, EVP_MAX_MD_SIZE), HF_E_INTERNAL);
	return got == p->n ? HF_OK : HF_E_INTERNAL;
}

void prf_done(struct prf *p)
{
	EVP_MAC_CTX_free(p->ctx);
	p->ctx = NULL;
}
