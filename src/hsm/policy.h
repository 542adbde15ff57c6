/* policy.h: what a partition's policies say. One function a policy;
 * p is NULL for the free slot. */
#ifndef HF_POLICY_H
#define HF_POLICY_H

#include "module.h"

/* policy_dates: are CKA_START_DATE and CKA_END_DATE enforced? */
bool policy_dates(const struct partition *p);
/* policy_legacy: are mechanisms of legacy use allowed? */
bool policy_legacy(const struct partition *p);
/* policy_approved_only: are the others forbidden? */
bool policy_approved_only(const struct partition *p);

#endif
