/* ml_kem.c: ML-KEM (FIPS 203), and key pairs of both lattice algorithms. */
#include "families.h"
#include "family.h"
#include "fips.h"
#include "ml.h"

enum { SHARED = 32 };

static enum hf_err generate(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl, struct parts *pub,
	struct parts *priv)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = NULL;
	const struct ml_set *set;
	EVP_PKEY *pkey = NULL;

	(void)p;
	(void)tmpl;
	TRY(ml_set_of(m->key, pub_tmpl, &set));
	ctx = EVP_PKEY_CTX_new_from_name(NULL, set->name, NULL);
	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_PKEY_keygen_init(ctx), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_generate(ctx, &pkey), HF_E_INTERNAL);
	return key_pair_output(m->key, pkey, pub, priv);
}

const struct family family_ml_gen = { .name = "ml_gen", .generate = generate };

static enum hf_err encapsulate(EVP_PKEY_CTX *ctx, const struct ml_set *set, struct buf *ct_out,
	struct secret *shared)
{
	size_t n = set->out;
	uint8_t *p;

	OSSL_TRY(EVP_PKEY_encapsulate_init(ctx, NULL), HF_E_INTERNAL);
	TRY(out_add(ct_out, n, &p));
	OSSL_TRY(EVP_PKEY_encapsulate(ctx, p, &n, shared->p, &shared->n), HF_E_INTERNAL);
	return HF_OK;
}

/* A wrong ciphertext of the right length gives another secret, by design. */
static enum hf_err decapsulate(EVP_PKEY_CTX *ctx, const struct ml_set *set, struct slice ct,
	struct secret *shared)
{
	if (ct.n != set->out)
		return HF_E_WRAPPED_KEY_LEN;
	OSSL_TRY(EVP_PKEY_decapsulate_init(ctx, NULL), HF_E_INTERNAL);
	OSSL_TRY(EVP_PKEY_decapsulate(ctx, shared->p, &shared->n, ct.p, ct.n), HF_E_WRAPPED_KEY);
	return HF_OK;
}

static enum hf_err kem(const struct mech *m, const struct params *p, const struct key *k,
	struct slice ct_in, struct buf *ct_out, struct secret *ret)
{
	CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey,
		fips_props_of(k->pkey));
	CLEANUP(secret_done) struct secret shared = { 0 };

	(void)m;
	(void)p;
	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	TRY(secret_alloc(&shared, SHARED));
	if (k->cko == CKO_PUBLIC_KEY)
		TRY(encapsulate(ctx, k->set, ct_out, &shared));
	else
		TRY(decapsulate(ctx, k->set, ct_in, &shared));
	*ret = secret_take(&shared);
	return HF_OK;
}

const struct family family_ml_kem = { .name = "ml_kem", .kem = kem };
