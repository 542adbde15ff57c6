/* domain.h: a security domain: HSMs that share a key, so that partitions may be cloned from one to
 * the other. The record "hsm/domain" holds it. */
#ifndef HF_DOMAIN_H
#define HF_DOMAIN_H

#include "module.h"

#define DOMAIN_ID 16u
#define DOMAIN_NAME 32u

struct domain {
	uint8_t id[DOMAIN_ID];
	char name[DOMAIN_NAME + 1];
	uint64_t since;      /* when this HSM made or joined it; UTC, microseconds */
	struct secret key;
	uint64_t version;    /* of the record */
};
void domain_done(struct domain *d);

/* domain_get: HF_E_DOMAIN_NONE if this HSM is in none. */
enum hf_err domain_get(struct hsm *h, struct domain *ret) HF_MUST_CHECK;

#endif
