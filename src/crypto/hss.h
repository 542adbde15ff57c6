/* hss.h: HSS keys from seeds, for generation and known answers. */
#ifndef HF_HSS_H
#define HF_HSS_H

#include "mech.h"

/* hss_make grows an HSS key of the types that a template lists (CKA_HSS_LMS_TYPES,
 * CKA_HSS_LMOTS_TYPES, CKA_HSS_LEVELS) from I | SEED of its topmost tree; no seeds: random
 * ones. Slow. */
enum hf_err hss_make(const struct key_source *types, struct slice seeds, struct parts *pub,
	struct parts *priv) HF_MUST_CHECK;

#endif
