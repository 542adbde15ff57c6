#include <stdio.h>
#include <string.h>

#include "activate.h"
#include "app.h"
#include "asks.h"
#include "clock.h"
#include "consent.h"
#include "gate.h"
#include "login.h"
#include "partition.h"
#include "policy.h"
#include "start.h"
#include "unlock.h"

#define NS_PER_S 1000000000u

/* --- shares ------------------------------------------------------------------------ */

/* A locked HSM asks by itself, with the first good share. */
static enum hf_err ask_to_unlock(struct hsm *h, struct slice share, uint64_t *ret_id)
{
	CLEANUP(secret_done) struct secret none = { 0 };
	struct quorum q;
	struct want w = { .opcode = CALLS_UNLOCK, .scope = SCOPE_HSM, .quorum = &q,
		.what = "unlock the HSM" };
	enum hf_err e;

	asks_custodians(h->asks, &q);
	TRY(quorum_check(&q, share));
	e = asks_need(h->asks, &w, ret_id, &none);
	return e == HF_E_QUORUM ? HF_OK : e;
}

/* The HSM's custodians prove by the root key that they are it. */
static enum hf_err complete(struct calls_ctx *c, const struct given *g, struct secret *secret)
{
	CLEANUP(secret_done) struct secret root = { 0 };
	struct hsm *h = c->hsm;

	call_detail(c, ", agreed");
	if (strcmp(g->scope, SCOPE_HSM) != 0) {
		asks_agree(h->asks, g->id, secret);
		return HF_OK;
	}
	TRY(unlock_quorum(h, secret_slice(secret), &root));
	asks_agree(h->asks, g->id, NULL);
	if (g->opcode != CALLS_UNLOCK)
		return HF_OK;
	asks_end(h->asks, g->id, true);
	return h->root.n == 0 ? hsm_start(h, &root, SLICE_NONE) : HF_OK;
}

static enum hf_err tell_given(struct calls_ctx *c, const struct given *g,
	struct quorum_share_res *r)
{
	r->have = g->have;
	r->needed = g->needed;
	r->request = g->id;
	TRY(arena_dup(c->arena, slice_str(g->custodian), &r->custodian));
	return arena_dup(c->arena, slice_str(g->what), &r->what);
}

enum hf_err on_quorum_share(struct calls_ctx *c, const struct quorum_share_req *q,
	struct quorum_share_res *r)
{
	CLEANUP(secret_done) struct secret secret = { 0 };
	struct hsm *h = c->hsm;
	MUTEX_HOLD(&h->unlocking);
	uint64_t id = q->request;
	struct given g = { 0 };
	enum hf_err e;

	if (h->root.n == 0)
		TRY(ask_to_unlock(h, q->share, &id));
	e = asks_give(h->asks, id, q->share, &g, &secret);
	if (g.id != 0)
		call_detail(c, "%s for request %llu (%s)", g.custodian, (unsigned long long)g.id, g.what);
	TRY(e);
	TRY(tell_given(c, &g, r));
	return secret.n > 0 ? complete(c, &g, &secret) : HF_OK;
}

enum hf_err on_quorum_cancel(struct calls_ctx *c, const struct quorum_cancel_req *q,
	struct quorum_cancel_res *r)
{
	(void)r;
	call_detail(c, "request %llu", (unsigned long long)q->request);
	return asks_cancel(c->hsm->asks, q->request, c->conn->peer.uid, c->admin);
}

/* --- status ------------------------------------------------------------------------ */

static enum hf_err list_rules(struct calls_ctx *c, struct consent_rule_list *ret)
{
	struct consent_rule *v = arena_alloc(c->arena, CONSENTS, sizeof(*v));
	uint32_t rules = atomic_load(&c->hsm->consent.rules);

	if (v == NULL)
		return HF_E_MEMORY;
	for (unsigned k = 0; k < CONSENTS; k++)
		v[k] = (struct consent_rule){
			.name = slice_str(consent_rows[k].name),
			.needed = consent_rows[k].always || (rules >> consent_rows[k].bit & 1) != 0,
			.always = consent_rows[k].always,
			.help = slice_str(consent_rows[k].help),
		};
	*ret = (struct consent_rule_list){ v, CONSENTS };
	return HF_OK;
}

enum hf_err on_quorum_status(struct calls_ctx *c, const struct quorum_status_req *q,
	struct quorum_status_res *r)
{
	struct quorum hsm;

	(void)q;
	asks_custodians(c->hsm->asks, &hsm);
	r->m = hsm.m;
	r->n = hsm.n;
	TRY(quorum_list(&hsm, c->arena, &r->names));
	TRY(asks_list(c->hsm->asks, c->arena, &r->asking));
	return list_rules(c, &r->rules);
}

/* --- dealing ----------------------------------------------------------------------- */

static void shares_done(struct secret (*v)[SHAMIR_MAX])
{
	for (unsigned i = 0; i < SHAMIR_MAX; i++)
		secret_done(&(*v)[i]);
}

static enum hf_err answer(struct calls_ctx *c, const struct secret *shares, unsigned n,
	struct share_list *ret)
{
	struct share *v = arena_alloc(c->arena, n, sizeof(*v));

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (unsigned i = 0; i < n; i++)
		TRY(arena_dup(c->arena, secret_slice(&shares[i]), &v[i].share));
	*ret = (struct share_list){ v, n };
	return HF_OK;
}

static void tell_under_way(struct calls_ctx *c, const struct dealt *other)
{
	unsigned s = (unsigned)((clock_mono_ns() - other->since_ns) / NS_PER_S);
	unsigned all = asks_seconds(c->hsm->asks);

	call_detail(c, "; uid %llu began to deal %u of %u custodians' shares %u s ago, and has %u s more",
		(unsigned long long)other->uid, other->quorum.m, other->quorum.n, s, all > s ? all - s : 0);
}

enum hf_err quorum_deal(struct calls_ctx *c, struct dealt *d, struct slice names,
	struct share_list *ret)
{
	CLEANUP(shares_done) struct secret shares[SHAMIR_MAX] = { { 0 } };
	struct quorum *q = &d->quorum;
	struct dealt other = { 0 };
	enum hf_err e;

	call_detail(c, "%u of %u custodians", q->m, q->n);
	if (q->m < 2 || q->m > q->n || q->n > SHAMIR_MAX || !quorum_names(q, names))
		return HF_E_ARGUMENTS;
	d->uid = c->conn->peer.uid;
	TRY(quorum_make(c->hsm, d->scope, q, q, &d->secret, shares));
	TRY(answer(c, shares, q->n, ret));
	e = asks_deal(c->hsm->asks, d, &other);
	if (e == HF_E_CEREMONY)
		tell_under_way(c, &other);
	return e;
}

enum hf_err quorum_dealt(struct calls_ctx *c, const char *scope, struct slice set, struct dealt *ret)
{
	struct dealt d = { .uid = c->conn->peer.uid };

	(void)snprintf(d.scope, sizeof(d.scope), "%s", scope);
	TRY(asks_dealt(c->hsm->asks, set, &d));
	call_detail(c, "%u of %u custodians", d.quorum.m, d.quorum.n);
	*ret = d;
	return HF_OK;
}

enum hf_err on_quorum_create(struct calls_ctx *c, const struct quorum_create_req *q,
	struct quorum_create_res *r)
{
	CLEANUP(dealt_done) struct dealt d = { .scope = SCOPE_HSM, .of_hsm = true, .again = q->again,
		.quorum = { .m = q->m, .n = q->n } };

	return quorum_deal(c, &d, q->names, &r->shares);
}

enum hf_err on_quorum_commit(struct calls_ctx *c, const struct quorum_commit_req *q,
	struct quorum_commit_res *r)
{
	CLEANUP(dealt_done) struct dealt d = { 0 };
	struct hsm *h = c->hsm;
	MUTEX_HOLD(&h->unlocking);

	(void)r;
	TRY(quorum_dealt(c, SCOPE_HSM, q->set, &d));
	TRY(unlock_change_quorum(h, &d.quorum, secret_slice(&d.secret)));
	return quorum_refresh(h);
}

enum hf_err on_quorum_forget(struct calls_ctx *c, const struct quorum_forget_req *q,
	struct quorum_forget_res *r)
{
	(void)r;
	return asks_undeal(c->hsm->asks, q->set, c->conn->peer.uid, c->admin);
}

/* --- a role's custodians --------------------------------------------------------------- */

/* role_to_split: whose PIN may be put into custodians' hands; the caller holds roles.pin. */
static enum hf_err role_to_split(struct calls_ctx *c, struct slice name, struct role_record **ret)
{
	*ret = role_named(c->part->roles, name);
	if (*ret == NULL)
		return HF_E_USER_TYPE;
	return (*ret)->role != ROLE_SO && (*ret)->set ? policy_need(c, POLICY_OFFICER_RESETS) : HF_OK;
}

enum hf_err on_role_quorum(struct calls_ctx *c, const struct role_quorum_req *q,
	struct role_quorum_res *r)
{
	CLEANUP(dealt_done) struct dealt d = { .again = q->again, .quorum = { .m = q->m, .n = q->n } };
	MUTEX_HOLD(&c->part->roles->pin);
	struct role_record *rec;

	call_detail(c, "%.*s: ", (int)q->name.n, (const char *)q->name.p);
	TRY(role_to_split(c, q->name, &rec));
	scope_of(c->part, rec->name, d.scope);
	return quorum_deal(c, &d, q->names, &r->shares);
}

static enum hf_err put_in_force(struct calls_ctx *c, const struct role_quorum_commit_req *q)
{
	CLEANUP(dealt_done) struct dealt d = { 0 };
	CLEANUP(secret_done) struct secret key = { 0 };
	MUTEX_HOLD(&c->part->roles->pin);
	char scope[ASK_SCOPE + 1];
	struct role_record *rec;

	TRY(role_to_split(c, q->name, &rec));
	scope_of(c->part, rec->name, scope);
	call_detail(c, "%s: ", rec->name);
	TRY(quorum_dealt(c, scope, q->set, &d));
	TRY(partition_key(c->part, &key));
	return role_new_pin(c, rec, &(struct new_pin){ secret_slice(&d.secret), secret_slice(&key),
		.quorum = &d.quorum });
}

/* The logins of the PIN that was are over, but for the officer's own. */
enum hf_err on_role_quorum_commit(struct calls_ctx *c, const struct role_quorum_commit_req *q,
	struct role_quorum_commit_res *r)
{
	(void)r;
	TRY(put_in_force(c, q));
	if (!slice_eq(q->name, SLICE_STR("so")))
		logins_end_of(c->hsm, c->part, q->name);
	return HF_OK;
}
