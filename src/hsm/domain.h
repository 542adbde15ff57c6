/* domain.h: security domains: HSMs that share a key, so that keys may be cloned from one to the
 * other. A partition is in one of them or in none.
 *
 * The record "hsm/domain/ID" (ID in hex), sealed under the store key, holds one:
 *
 *   format u8 | name bytes | since u64 | key 32 | members u32,
 *   each: serial bytes | key 32 | since u64 | how u8 */
#ifndef HF_DOMAIN_H
#define HF_DOMAIN_H

#include "module.h"

#define DOMAIN_NAME 32u
#define DOMAINS_MOST 16u /* of one HSM */
#define MEMBERS_MOST 64u /* that one HSM remembers of a domain */
#define MEMBER_KEY 32u   /* public half of an attestation root */

enum domain_how { DOMAIN_WE_ADMITTED = 1, DOMAIN_ADMITTED_US };

struct member {
	char serial[SERIAL_LEN + 1];
	uint8_t key[MEMBER_KEY];
	uint64_t since; /* UTC, microseconds */
	uint8_t how;    /* enum domain_how */
};

struct domain {
	uint8_t id[DOMAIN_ID];
	char name[DOMAIN_NAME + 1];
	uint64_t since; /* when this HSM made or joined it; UTC, microseconds */
	struct secret key;
	uint64_t version; /* of the record; 0: not yet stored */
	struct member members[MEMBERS_MOST];
	size_t member_count;
};
void domain_done(struct domain *d);

/* domain_get: HF_E_DOMAIN_NONE if this HSM is not in it. domain_named takes its name, or its id in
 * hex. */
enum hf_err domain_get(struct hsm *h, const uint8_t id[DOMAIN_ID], struct domain *ret) HF_MUST_CHECK;
enum hf_err domain_named(struct hsm *h, struct slice name, struct domain *ret) HF_MUST_CHECK;
/* domains_each shows each; d is the callee's only until it returns. Damaged ones are left out. */
enum hf_err domains_each(struct hsm *h, void *ctx, enum hf_err (*see)(void *ctx, const struct domain *d))
	HF_MUST_CHECK;

/* domain_new: a key for it, and an id. HF_E_ARGUMENTS: no name; HF_E_DOMAIN_EXISTS, HF_E_LIMIT. */
enum hf_err domain_new(struct hsm *h, struct slice name, struct domain *ret) HF_MUST_CHECK;
/* domain_free_name: HF_E_ARGUMENTS, HF_E_DOMAIN_EXISTS or HF_E_LIMIT if none such can be added. */
enum hf_err domain_free_name(struct hsm *h, struct slice name) HF_MUST_CHECK;
/* domain_keep stores it, and in the same commit whatever more says (NULL: nothing). */
struct record_change;
enum hf_err domain_keep(struct hsm *h, struct domain *d, const struct record_change *more) HF_MUST_CHECK;
enum hf_err domain_forget(struct hsm *h, const struct domain *d) HF_MUST_CHECK;
/* domain_remember adds a member; HF_E_LIMIT. One that is known is renewed. */
enum hf_err domain_remember(struct domain *d, const struct member *m) HF_MUST_CHECK;

/* domain_set: is it one at all? All zero: none. */
bool domain_set(const uint8_t id[DOMAIN_ID]);
/* domain_of is the partition's. */
void domain_of(struct partition *p, uint8_t ret[DOMAIN_ID]);

#endif
