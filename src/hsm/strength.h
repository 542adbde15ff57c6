/* strength.h: what the rules about sizes (spec/policies.def, spec/approved.def) look at. */
#ifndef HF_STRENGTH_H
#define HF_STRENGTH_H

#include "attrs.h"

enum strength_kind {
	STRENGTH_OTHER, STRENGTH_RSA, STRENGTH_EC, STRENGTH_SECRET,
	STRENGTH_UNAPPROVED, /* a parameter set that no rule approves */
};
struct strength {
	enum strength_kind kind; /* STRENGTH_OTHER: no rule, or not known yet */
	uint64_t bits;
	unsigned group;          /* enum curve_group */
};
struct strength strength_of(const struct attrs *a);

#endif
