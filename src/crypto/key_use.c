/* key_use.c: see key_use.h. */
#include "key_use.h"

#include "key.h"

static bool agrees(const struct parts *p, uint32_t cka, struct slice known)
{
	struct slice made = parts_get(p, cka);

	return known.n == 0 || made.n == 0 || slice_eq(made, known);
}

static enum hf_err output(const struct key *k, struct parts *ret)
{
	return k->cko == CKO_SECRET_KEY ? secret_output(k->ckk, secret_slice(&k->value), ret) :
		k->kind->output(k, ret);
}

enum hf_err key_use_once(const struct key *k, struct slice info, struct slice check)
{
	CLEANUP(parts_done) struct parts p = { 0 };

	if (k->cko == CKO_PRIVATE_KEY && k->pkey != NULL)
		TRY(key_pair_test(k->pkey));
	if (k->cko != CKO_SECRET_KEY && (k->kind == NULL || k->kind->output == NULL))
		return HF_OK;
	TRY(output(k, &p));
	return agrees(&p, CKA_PUBLIC_KEY_INFO, info) && agrees(&p, CKA_CHECK_VALUE, check) ? HF_OK :
		HF_E_SELFTEST;
}
