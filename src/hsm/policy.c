#include "policy.h"

#include <string.h>

#include "clock.h"
#include "crypto.h"
#include "curve_group.h"
#include "gate.h"
#include "pkcs11_numbers.h"

#define US_PER_DAY 86400000000ull

uint64_t policy_value(const struct partition *p, enum policy k)
{
	return p != NULL ? atomic_load_explicit(&p->policies.v[k], memory_order_relaxed) :
		policy_rows[k].open;
}

enum hf_err policy_forbids(struct calls_ctx *c, enum policy k, enum hf_err e)
{
	size_t n = strlen(c->audit.detail);

	call_detail(c, "%spolicy %s", n > 0 && c->audit.detail[n - 1] != ' ' ? "; " : "",
		policy_rows[k].name);
	return e;
}

enum hf_err policy_need(struct calls_ctx *c, enum policy k)
{
	return policy_value(c->part, k) != 0 ? HF_OK : policy_forbids(c, k, HF_E_POLICY);
}

/* --- days -------------------------------------------------------------------- */

static void today(char day[9])
{
	char now[28];

	clock_iso(clock_wall_us(), now); /* 2026-01-31T... */
	memcpy(day, now, 4);
	memcpy(day + 4, now + 5, 2);
	memcpy(day + 6, now + 8, 2);
	day[8] = '\0';
}

/* Asked with each use of a key, so made once a day: the day since 1970, and its number. */
static uint32_t day_number(void)
{
	static _Atomic uint64_t made;
	uint64_t since = clock_coarse_us() / US_PER_DAY, was = atomic_load(&made);
	char day[9];
	uint32_t n = 0;

	if (was >> 32 == since)
		return (uint32_t)was;
	today(day);
	for (const char *p = day; *p != '\0'; p++)
		n = n * 10 + (uint32_t)(*p - '0');
	atomic_store(&made, since << 32 | n);
	return n;
}

static bool in_time(const struct object *key)
{
	struct slice start = attrs_get(&key->attrs, CKA_START_DATE),
		end = attrs_get(&key->attrs, CKA_END_DATE);
	char day[9];

	today(day);
	return (start.n != 8 || slice_cmp(slice_str(day), start) >= 0) &&
		(end.n != 8 || slice_cmp(slice_str(day), end) <= 0);
}

/* --- sizes ------------------------------------------------------------------- */

static const struct approved {
	enum strength_kind kind;
	uint64_t bits;
	enum strength_use use;
	uint32_t from, until;
} approved[] = {
#define APPROVED(kind, bits, use, from, until, source)                         \
	{ STRENGTH_##kind, bits, USE_##use, from, until },
#include "approved.def"
#undef APPROVED
};

bool approved_size(const struct strength *s, enum strength_use use, uint32_t day)
{
	if (s->kind == STRENGTH_UNAPPROVED)
		return false;
	for (size_t i = 0; i < sizeof(approved) / sizeof(approved[0]); i++) {
		const struct approved *r = &approved[i];

		if (r->kind == s->kind && r->use == use && day >= r->from &&
		    day <= r->until && s->bits < r->bits)
			return false;
	}
	/* SP 800-186: the NIST curves, and Edwards curves for signatures. */
	return s->kind != STRENGTH_EC || (s->group & (CURVES_NIST | CURVES_EDWARDS)) != 0;
}

/* The least bits that this partition wants of each kind. */
static const struct {
	enum strength_kind kind;
	enum policy least;
} leasts[] = {
	{ STRENGTH_RSA, POLICY_MIN_RSA },
	{ STRENGTH_EC, POLICY_MIN_EC },
	{ STRENGTH_SECRET, POLICY_MIN_SECRET },
};

static enum hf_err check_strength(struct calls_ctx *c, const struct strength *s, enum strength_use use)
{
	bool good;

	if (s->kind == STRENGTH_OTHER)
		return HF_OK;
	good = approved_size(s, use, day_number());
	if (!good)
		c->service = SERVICE_NOT_APPROVED;
	if (policy_value(c->part, POLICY_NON_APPROVED) == 0 && !good)
		return policy_forbids(c, POLICY_NON_APPROVED, HF_E_SIZE_FORBIDDEN);
	if (s->kind == STRENGTH_EC && (policy_value(c->part, POLICY_CURVES) & s->group) == 0)
		return policy_forbids(c, POLICY_CURVES, HF_E_CURVE_FORBIDDEN);
	for (size_t i = 0; use == USE_PROTECT && i < sizeof(leasts) / sizeof(leasts[0]); i++)
		if (leasts[i].kind == s->kind && s->bits < policy_value(c->part, leasts[i].least))
			return policy_forbids(c, leasts[i].least, HF_E_SIZE_FORBIDDEN);
	return HF_OK;
}

/* --- uses -------------------------------------------------------------------- */

#define CKF_CRYPT (CKF_ENCRYPT | CKF_DECRYPT | CKF_WRAP | CKF_UNWRAP)
#define CKF_PROTECT \
	(CKF_ENCRYPT | CKF_SIGN | CKF_SIGN_RECOVER | CKF_WRAP | CKF_DERIVE | CKF_ENCAPSULATE)

static enum strength_use strength_use_of(uint32_t ckf)
{
	if ((ckf & CKF_PROTECT) != 0)
		return USE_PROTECT;
	return (ckf & (CKF_VERIFY | CKF_VERIFY_RECOVER)) != 0 ? USE_VERIFY : USE_PROCESS;
}

/* Mechanisms that a policy takes operations from. */
static const struct {
	uint32_t mechanism, ops;
	enum policy policy;
} mechanisms[] = {
	{ CKM_RSA_X_509, UINT32_MAX, POLICY_RAW_RSA },
	{ CKM_RSA_PKCS, CKF_CRYPT, POLICY_RSA_PKCS1_CRYPT },
};

bool mech_approved(const struct mech *m)
{
	return (m->flags & MECH_APPROVED) != 0 && !((m->flags & MECH_OWN) != 0 && crypto_is_fips());
}

/* takes: the operations that policy k takes from the mechanism when it says no. */
static uint32_t takes(enum policy k, const struct mech *m)
{
	uint32_t ops = 0;

	if ((k == POLICY_LEGACY && (m->flags & MECH_LEGACY) != 0) ||
	    (k == POLICY_NON_APPROVED && !mech_approved(m)))
		return UINT32_MAX;
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (mechanisms[i].policy == k && mechanisms[i].mechanism == m->type)
			ops |= mechanisms[i].ops;
	return ops;
}

static const enum policy takers[] = {
	POLICY_LEGACY, POLICY_NON_APPROVED, POLICY_RAW_RSA, POLICY_RSA_PKCS1_CRYPT,
};

uint32_t policy_ops(const struct partition *p, const struct mech *m)
{
	uint32_t ops = UINT32_MAX;

	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++)
		if (policy_value(p, takers[i]) == 0)
			ops &= ~takes(takers[i], m);
	return ops;
}

enum hf_err policy_mechanism(struct calls_ctx *c, const struct mech *m, uint32_t ops)
{
	enum hf_err e = HF_OK;

	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++)
		if (policy_value(c->part, takers[i]) == 0 && (ops & ~takes(takers[i], m)) == 0)
			e = policy_forbids(c, takers[i], HF_E_MECHANISM_FORBIDDEN);
	return e;
}

enum hf_err policy_use(struct calls_ctx *c, uint32_t ckf, const struct object *key)
{
	if (policy_value(c->part, POLICY_DATES) != 0 && !in_time(key))
		return policy_forbids(c, POLICY_DATES, HF_E_KEY_FUNCTION);
	if ((ckf & (CKF_SIGN | CKF_SIGN_RECOVER)) != 0 && !key->local)
		TRY(policy_need(c, POLICY_IMPORTED_SIGNING));
	return check_strength(c, &key->strength, strength_use_of(ckf));
}

/* need_by_class: private and secret keys have a policy each. */
static enum hf_err need_by_class(struct calls_ctx *c, uint64_t cko, enum policy private_,
	enum policy secret)
{
	if (cko == CKO_PRIVATE_KEY)
		return policy_need(c, private_);
	return cko == CKO_SECRET_KEY || cko == CKO_OTP_KEY ? policy_need(c, secret) : HF_OK;
}

enum hf_err policy_wrap(struct calls_ctx *c, uint64_t cko)
{
	return need_by_class(c, cko, POLICY_PRIVATE_WRAPPING, POLICY_SECRET_WRAPPING);
}

enum hf_err policy_unwrap(struct calls_ctx *c, uint64_t cko)
{
	return need_by_class(c, cko, POLICY_PRIVATE_UNWRAPPING, POLICY_SECRET_UNWRAPPING);
}

enum hf_err policy_import(struct calls_ctx *c, uint64_t cko)
{
	return need_by_class(c, cko, POLICY_KEY_IMPORT, POLICY_KEY_IMPORT);
}

/* --- objects ----------------------------------------------------------------- */

/* One purpose a row. */
static const uint32_t purposes[][4] = {
	{ CKA_ENCRYPT, CKA_DECRYPT },
	{ CKA_SIGN, CKA_VERIFY, CKA_SIGN_RECOVER, CKA_VERIFY_RECOVER },
	{ CKA_WRAP, CKA_UNWRAP },
	{ CKA_DERIVE },
	{ CKA_ENCAPSULATE, CKA_DECAPSULATE },
};

static unsigned count_purposes(const struct attrs *a)
{
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(purposes) / sizeof(purposes[0]); i++) {
		bool has = false;

		for (size_t k = 0; k < 4 && purposes[i][k] != 0; k++)
			has |= attrs_bool(a, purposes[i][k]);
		n += has;
	}
	return n;
}

bool holds_secret(uint64_t cko)
{
	return cko == CKO_PRIVATE_KEY || cko == CKO_SECRET_KEY || cko == CKO_OTP_KEY;
}

enum hf_err policy_unwrapped(struct calls_ctx *c, const struct attrs *a)
{
	if (!holds_secret(attrs_u64(a, CKA_CLASS, ATTRS_AS_GIVEN)) || attrs_bool(a, CKA_SENSITIVE))
		return HF_OK;
	return policy_need(c, POLICY_CLEAR_UNWRAPPED);
}

enum hf_err policy_birth(struct calls_ctx *c, const struct attrs *a)
{
	uint64_t cko = attrs_u64(a, CKA_CLASS, ATTRS_AS_GIVEN);
	struct strength s = strength_of(a);

	if (holds_secret(cko) && count_purposes(a) > 1)
		TRY(policy_need(c, POLICY_MULTIPURPOSE));
	/* A public key is there to check what others made, too. */
	return check_strength(c, &s, cko != CKO_PUBLIC_KEY || attrs_bool(a, CKA_LOCAL) ?
		USE_PROTECT : USE_VERIFY);
}

enum hf_err policy_change(struct calls_ctx *c, const struct object *o, const struct attrs *next)
{
	if (!holds_secret(o->cko))
		return HF_OK;
	TRY(policy_need(c, POLICY_CHANGING_ATTRIBUTES));
	if (count_purposes(next) > 1)
		TRY(policy_need(c, POLICY_MULTIPURPOSE));
	return HF_OK;
}
