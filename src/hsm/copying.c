#include "copying.h"

#include "attrs_rules.h"
#include "gate.h"
#include "guard.h"
#include "pkcs11_numbers.h"
#include "policy.h"
#include "rights.h"

/* What says nothing about what a key may do. */
static bool is_harmless(uint32_t cka)
{
	static const uint32_t all[] = { CKA_TOKEN, CKA_PRIVATE, CKA_LABEL, CKA_ID, CKA_SUBJECT,
		CKA_DESTROYABLE };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] == cka)
			return true;
	return false;
}

static bool is_false(struct slice v)
{
	return v.n == 1 && v.p[0] == 0;
}

/* longer: no date is no bound. */
static bool longer(uint32_t cka, struct slice was, struct slice now)
{
	int later = was.n == 8 && now.n == 8 ? slice_cmp(now, was) : 0;

	if (was.n != 8)
		return false;
	return now.n != 8 || (cka == CKA_END_DATE ? later > 0 : later < 0);
}

/* The rules let attributes of one way only go the way that takes something. */
static bool widens(const struct attrs *from, const struct attr *to)
{
	struct slice was = attrs_get(from, to->type);
	const struct rule *r = rule_of(from, to->type);

	if ((was.p != NULL && slice_eq(was, to->value)) || is_harmless(to->type))
		return false;
	if (r != NULL && (r->flags & (ONLY_TO_TRUE | ONLY_TO_FALSE)) != 0)
		return false;
	if (to->type == CKA_START_DATE || to->type == CKA_END_DATE)
		return longer(to->type, was, to->value);
	return !is_false(to->value);
}

static bool does_more(const struct attrs *from, const struct attrs *a)
{
	struct attr to;
	size_t at = 0;

	while (attrs_next(a, &at, &to))
		if (widens(from, &to))
			return true;
	return false;
}

static const struct call_row *change_row(void)
{
	return &calls_rows[CALLS_ATTR_SET];
}

static enum hf_err may_change(struct calls_ctx *c, const struct object *o, const struct attrs *a)
{
	enum hf_err e = o->token ? object_role(c, change_row()) : HF_OK;

	if (e == HF_OK && (c->rights.may & RIGHT_CHANGE) == 0) {
		call_detail(c, "this user is restricted ('holdfast user list'), and has no right to change");
		e = HF_E_DENIED;
	}
	if (e == HF_OK && !attrs_bool(&o->attrs, CKA_MODIFIABLE))
		e = HF_E_MODIFY_PROHIBITED;
	if (e == HF_OK)
		e = policy_change(c, o, a);
	if (e != HF_OK)
		call_detail(c, "; a copy may do no more than its original");
	return e;
}

/* fixed: the copy is for somebody who may not change the original. */
static bool fixed(const struct calls_ctx *c, const struct object *o, const struct attrs *a)
{
	if (!o->token || attrs_bool(a, CKA_TOKEN))
		return false;
	return (change_row()->session_only & (unsigned)c->role) != 0 ||
		(c->role == ROLE_PUBLIC && policy_value(c->part, POLICY_PUBLIC_CHANGES) == 0);
}

static enum hf_err fix(struct calls_ctx *c, struct attr_list t, struct attrs *a)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.v[i].type == CKA_MODIFIABLE && !is_false(t.v[i].value)) {
			call_detail(c, "for this role copies of token keys are CKA_MODIFIABLE false");
			return HF_E_DENIED;
		}
	return attrs_set_bool(a, CKA_MODIFIABLE, false);
}

enum hf_err copy_judge(struct calls_ctx *c, const struct object *o, struct attr_list t, struct attrs *a)
{
	if (!holds_secret(o->cko))
		return HF_OK;
	if (!attrs_bool(a, CKA_TOKEN))
		TRY(guard_double(c, o));
	if (does_more(&o->attrs, a))
		TRY(may_change(c, o, a));
	return fixed(c, o, a) ? fix(c, t, a) : HF_OK;
}
