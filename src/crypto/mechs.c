/* mechs.c: the rows of spec/mechanisms, sorted by number. */
#include <stdlib.h>
#include <string.h>

#include "ciphers.h"
#include "families.h"
#include "mechs.h"
#include "pkcs11_numbers.h"
#include "sp800_108.h"

/* The words of spec/mechanisms/README. */
enum {
	E = CKF_ENCRYPT,
	D = CKF_DECRYPT,
	H = CKF_DIGEST,
	S = CKF_SIGN,
	SR = CKF_SIGN_RECOVER,
	V = CKF_VERIFY,
	VR = CKF_VERIFY_RECOVER,
	G = CKF_GENERATE,
	GP = CKF_GENERATE_KEY_PAIR,
	W = CKF_WRAP,
	U = CKF_UNWRAP,
	X = CKF_DERIVE,
	EN = CKF_ENCAPSULATE,
	DE = CKF_DECAPSULATE,

	APPROVED = MECH_APPROVED,
	LEGACY = MECH_LEGACY,
	NO_MULTI = MECH_NO_MULTI,
	PUBLIC_DATA = MECH_PUBLIC_DATA,
	INHERIT = MECH_INHERIT,
	DOMAIN = MECH_DOMAIN,
	OTP = MECH_OTP,
	ONE_TIME = MECH_ONE_TIME,
	OWN = MECH_OWN,
};

#define MECH(name, ops, key, alt_key, min, max, param, arg, flags)             \
	{ (uint32_t)CKM_##name, "CKM_" #name, ops, (uint32_t)CKK_##key,        \
	  (uint32_t)CKK_##alt_key, min, max, PARAM_##param, arg, flags, &MECH_FAMILY },

static const struct mech rows[] = {
#include "mechanisms/all.def"
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct mech *sorted[ROWS];
static size_t count; /* of those that OpenSSL can do */

static int by_number(const void *a, const void *b)
{
	const struct mech *x = *(const struct mech *const *)a, *y = *(const struct mech *const *)b;

	return (x->type > y->type) - (x->type < y->type);
}

enum hf_err mechs_init(void)
{
	for (size_t i = 0; i < ROWS; i++)
		if (ciphers_have(rows[i].key))
			sorted[count++] = &rows[i];
	qsort(sorted, count, sizeof(sorted[0]), by_number);
	for (size_t i = 1; i < count; i++)
		if (sorted[i]->type == sorted[i - 1]->type)
			return HF_E_INTERNAL;
	return HF_OK;
}

const struct mech *mech_find(uint32_t ckm)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (sorted[mid]->type == ckm)
			return sorted[mid];
		if (sorted[mid]->type < ckm)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct mech *mech_at(size_t i)
{
	return i < count ? sorted[i] : NULL;
}

void derivation_done(struct derivation *d)
{
	for (size_t i = 0; i < DERIVED_MAX; i++)
		secret_done(&d->made[i]);
	buf_done(&d->told);
}

static uint64_t only_if(bool has, uint64_t handle)
{
	return has ? handle : 0;
}

void mech_other_keys(const struct mech *m, const struct params *p, uint64_t ret[OTHER_KEYS_MAX])
{
	memset(ret, 0, OTHER_KEYS_MAX * sizeof(ret[0]));
	if (m->param == PARAM_HANDLE)
		ret[0] = p->u.handle.value;
	if (m->param == PARAM_MU_GEN)
		ret[0] = p->u.mu_gen.key;
	if (m->param == PARAM_HKDF)
		ret[0] = only_if(p->u.hkdf.salt_type == CKF_HKDF_SALT_KEY, p->u.hkdf.salt_key);
	if (m->param == PARAM_SP800_108)
		(void)sp800_108_keys(p->u.sp800_108.fields, ret);
	if (m->param == PARAM_SP800_108_FEEDBACK)
		(void)sp800_108_keys(p->u.sp800_108_feedback.fields, ret);
	if (m->param == PARAM_IKE_PRF)
		ret[0] = only_if(p->u.ike_prf.rekey, p->u.ike_prf.new_key);
	if (m->param == PARAM_IKE1_PRF) {
		ret[0] = p->u.ike1_prf.gxy;
		ret[1] = only_if(p->u.ike1_prf.has_previous, p->u.ike1_prf.previous);
	}
	if (m->param == PARAM_IKE1_EXTENDED)
		ret[0] = only_if(p->u.ike1_extended.has_gxy, p->u.ike1_extended.gxy);
	if (m->param == PARAM_IKE2_PLUS)
		ret[0] = only_if(p->u.ike2_plus.has_seed_key, p->u.ike2_plus.seed_key);
}

struct slice mech_more_templates(const struct params *p)
{
	if (p->id == PARAM_SP800_108)
		return p->u.sp800_108.more;
	if (p->id == PARAM_SP800_108_FEEDBACK)
		return p->u.sp800_108_feedback.more;
	return SLICE_NONE;
}
