#include "audit_level.h"

#include "gate.h"
#include "policy.h"
#include "usage.h"

static bool wanted(const struct calls_ctx *c, enum policy k, unsigned least)
{
	return least != 0 || policy_value(c->part, k) != 0;
}

/* use_level: the greater of what partition and HSM want. */
static enum policy_use_level use_level(const struct hsm *h, const struct partition *p)
{
	static const unsigned rank[] = {
		[USE_NONE] = 0, [USE_FIRST] = 1, [USE_COUNTED] = 2, [USE_EVERY] = 3,
	};
	unsigned own = (unsigned)policy_value(p, POLICY_AUDIT_USE), least = h->cfg.audit_use;

	return (enum policy_use_level)(rank[own] >= rank[least] ? own : least);
}

bool audit_counts_uses(const struct hsm *h, const struct partition *p)
{
	return use_level(h, p) == USE_COUNTED;
}

static bool use_recorded(const struct calls_ctx *c, enum hf_err e)
{
	switch (use_level(c->hsm, c->part)) {
	case USE_NONE:
		return false;
	case USE_EVERY:
		return true;
	case USE_COUNTED:
		return e != HF_OK || c->usage.u == NULL;
	case USE_FIRST:
		return e != HF_OK || c->usage.u == NULL || usage_first(c->usage.u, c->usage.kind);
	}
	return true;
}

static bool by_class(const struct calls_ctx *c, enum hf_err e)
{
	const struct hsm_config *cfg = &c->hsm->cfg;

	switch (c->row->audit) {
	case CALL_AUDIT_NO:
		return false;
	case CALL_AUDIT_ADMIN:
		return true;
	case CALL_AUDIT_AUTH:
		return wanted(c, POLICY_AUDIT_AUTH, cfg->audit_auth);
	case CALL_AUDIT_KEYS:
		return wanted(c, POLICY_AUDIT_KEYS, cfg->audit_keys);
	case CALL_AUDIT_USE:
		return use_recorded(c, e);
	}
	return true;
}

static bool recorded(const struct calls_ctx *c, enum hf_err e)
{
	const struct hsm_config *cfg = &c->hsm->cfg;

	return err_blame(e) == HF_BLAME_POLICY || by_class(c, e) ||
		(e != HF_OK && wanted(c, POLICY_AUDIT_FAILURES, cfg->audit_failures)) ||
		wanted(c, POLICY_AUDIT_ALL, cfg->audit_all);
}

/* of_change: a record of these is on disk before the answer, where that can be. */
static bool of_change(const struct calls_ctx *c)
{
	return c->row->audit != CALL_AUDIT_NO && c->row->audit != CALL_AUDIT_USE;
}

/* closed: without its record, no call. */
static bool closed(const struct calls_ctx *c)
{
	unsigned own = (unsigned)policy_value(c->part, POLICY_AUDIT_CLOSED);

	if (own < c->hsm->cfg.audit_closed)
		own = c->hsm->cfg.audit_closed;
	if (c->row->audit == CALL_AUDIT_ADMIN || own == CLOSED_ALL)
		return true;
	return own == CLOSED_CHANGES && of_change(c);
}

/* emergency: what is legal in one goes on while no record can be kept. */
static bool emergency(const struct calls_ctx *c)
{
	return c->row->states != CALL_IN_O && c->hsm->audit != NULL && audit_failing(c->hsm->audit);
}

enum audit_want audit_wants(const struct calls_ctx *c, enum hf_err e)
{
	if (!recorded(c, e))
		return AUDIT_NONE;
	if (closed(c) && !emergency(c))
		return AUDIT_OR_NOTHING;
	return of_change(c) ? AUDIT_DURABLE : AUDIT_QUEUED;
}

/* may_be_recorded: as recorded, before it is known how the call ends. */
static bool may_be_recorded(const struct calls_ctx *c)
{
	if (c->row->audit == CALL_AUDIT_USE)
		return use_level(c->hsm, c->part) != USE_NONE;
	return recorded(c, HF_OK);
}

enum hf_err audit_permit(struct calls_ctx *c)
{
	if (c->hsm->audit == NULL || !audit_failing(c->hsm->audit) || emergency(c) || !closed(c) ||
	    !may_be_recorded(c))
		return HF_OK;
	call_detail(c, "audit records cannot be kept");
	return HF_E_AUDIT;
}
