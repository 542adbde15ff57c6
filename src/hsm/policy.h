/* policy.h: what a partition's policies (spec/policies.def) forbid, asked where
 * it would happen. A refusal names its policy in the audit record. Without a
 * partition (the free slot) nothing is forbidden. */
#ifndef HF_POLICY_H
#define HF_POLICY_H

#include "attrs.h"
#include "module.h"
#include "object.h"

/* policy_value: as the partition has it; p NULL: as an open one would. */
uint64_t policy_value(const struct partition *p, enum policy k);
/* policy_forbids puts the policy's name into the call's record, and returns e. */
enum hf_err policy_forbids(struct calls_ctx *c, enum policy k, enum hf_err e) HF_MUST_CHECK;
/* policy_need: HF_E_POLICY unless the call's partition has it on. */
enum hf_err policy_need(struct calls_ctx *c, enum policy k) HF_MUST_CHECK;

/* mech_approved: the row is, and where OpenSSL's FIPS provider is in force it is done there. */
bool mech_approved(const struct mech *m);
/* policy_ops: which of the mechanism's operations (CKF_) are allowed. */
uint32_t policy_ops(const struct partition *p, const struct mech *m);
/* policy_mechanism: may it do at least one of ops? HF_E_MECHANISM_FORBIDDEN. */
enum hf_err policy_mechanism(struct calls_ctx *c, const struct mech *m, uint32_t ops) HF_MUST_CHECK;
/* policy_use: may this key be used so (a CKF_)? */
enum hf_err policy_use(struct calls_ctx *c, uint32_t ckf, const struct object *key) HF_MUST_CHECK;
/* policy_wrap, policy_unwrap, policy_import: may a key of this class leave or
 * come? Public keys and data always may. */
enum hf_err policy_wrap(struct calls_ctx *c, uint64_t cko) HF_MUST_CHECK;
enum hf_err policy_unwrap(struct calls_ctx *c, uint64_t cko) HF_MUST_CHECK;
enum hf_err policy_import(struct calls_ctx *c, uint64_t cko) HF_MUST_CHECK;
/* policy_unwrapped: may a key with these attributes be what came in wrapped? */
enum hf_err policy_unwrapped(struct calls_ctx *c, const struct attrs *a) HF_MUST_CHECK;
/* policy_birth: may there be such an object, as far as its attributes are known? */
enum hf_err policy_birth(struct calls_ctx *c, const struct attrs *a) HF_MUST_CHECK;
/* holds_secret: private, secret and OTP keys. */
bool holds_secret(uint64_t cko);
/* policy_change: may this object's attributes become those? */
enum hf_err policy_change(struct calls_ctx *c, const struct object *o, const struct attrs *next)
	HF_MUST_CHECK;

/* enum strength_use: what a key's size has to be good for (spec/approved.def). */
enum strength_use { USE_PROTECT, USE_VERIFY, USE_PROCESS };
/* approved_size reads spec/approved.def; day as yyyymmdd. */
bool approved_size(const struct strength *s, enum strength_use use, uint32_t day);

#endif
