/* mechs.c: the rows of spec/mechanisms, sorted by number. */
#include <stdlib.h>

#include "families.h"
#include "mechs.h"
#include "pkcs11_numbers.h"

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
};

#define MECH(name, ops, key, alt_key, min, max, param, arg, flags)             \
	{ (uint32_t)CKM_##name, "CKM_" #name, ops, (uint32_t)CKK_##key,        \
	  (uint32_t)CKK_##alt_key, min, max, PARAM_##param, arg, flags, &MECH_FAMILY },

static const struct mech rows[] = {
#include "mechanisms/all.def"
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct mech *sorted[ROWS];

static int by_number(const void *a, const void *b)
{
	const struct mech *x = *(const struct mech *const *)a, *y = *(const struct mech *const *)b;

	return (x->type > y->type) - (x->type < y->type);
}

enum hf_err mechs_init(void)
{
	for (size_t i = 0; i < ROWS; i++)
		sorted[i] = &rows[i];
	qsort(sorted, ROWS, sizeof(sorted[0]), by_number);
	for (size_t i = 1; i < ROWS; i++)
		if (sorted[i]->type == sorted[i - 1]->type)
			return HF_E_INTERNAL;
	return HF_OK;
}

const struct mech *mech_find(uint32_t ckm)
{
	size_t low = 0, high = ROWS;

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
	return i < ROWS ? sorted[i] : NULL;
}

uint64_t mech_other_key(const struct mech *m, const struct params *p)
{
	if (m->param == PARAM_HANDLE)
		return p->u.handle.value;
	if (m->param == PARAM_HKDF && p->u.hkdf.salt_type == CKF_HKDF_SALT_KEY)
		return p->u.hkdf.salt_key;
	return 0;
}
