/* curve_group.h: families of curves, for rules about them. */
#ifndef HF_CURVE_GROUP_H
#define HF_CURVE_GROUP_H

#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

enum curve_group {
	CURVES_NIST = 1, CURVES_BRAINPOOL = 2, CURVES_SECP256K1 = 4, CURVES_EDWARDS = 8,
	CURVES_MONTGOMERY = 16
};

/* curve_group_of reads CKA_EC_PARAMS of a key of type ckk; 0: not one of ours. */
unsigned curve_group_of(uint32_t ckk, struct slice params, size_t *ret_bits);

#endif
