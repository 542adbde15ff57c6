#include "hsm_roles.h"

#include <stdio.h>
#include <string.h>

#include "app.h"
#include "clock.h"
#include "gate.h"
#include "log.h"
#include "partition.h"
#include "partition_int.h"
#include "consent.h"
#include "unlock.h"

#define NS_PER_S 1000000000ull
/* Beside a role's counter of wrong PINs stands one that says only that there is a
 * PIN: the anchor keeps it, so a record that was taken away opens nothing. */
#define HAS_PIN 0x10000u

static const struct hsm_role {
	enum role role;
	const char *name, *needs;
} hsm_role_rows[] = {
	{ ROLE_HSM_SO, "so", "security officer (--as so)" },
	{ ROLE_ADMINISTRATOR, "administrator", "administrator (--as administrator)" },
	{ ROLE_AUDITOR, "auditor", "auditor (--as auditor)" },
};
#define HSM_ROLES (sizeof(hsm_role_rows) / sizeof(hsm_role_rows[0]))

/* --- records ------------------------------------------------------------------------ */

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct partition *self = ctx;
	struct role_record *r = role_named(self->roles, slice_str(strrchr(name, '/') + 1)), t;

	if (r == NULL)
		return HF_E_DAMAGED;
	t = *r;
	TRY(role_record_dec(plain, &t));
	if (t.role != r->role)
		return HF_E_DAMAGED;
	*r = t;
	r->version = version;
	return HF_OK;
}

/* What is damaged stays shut: a PIN is set, and none fits. */
static void damaged(void *ctx, const char *name)
{
	struct partition *self = ctx;
	struct role_record *r = role_named(self->roles, slice_str(strrchr(name, '/') + 1));

	if (r != NULL)
		r->set = true;
	damaged_add(self->roles->damaged, name);
}

static enum hf_err self_new(struct partition **ret)
{
	struct role_record *unused;
	struct partition *p;

	TRY(partition_alloc(HSM_SELF, &p));
	*ret = p;
	policies_init(&p->policies, true);
	p->roles->so.role = ROLE_HSM_SO;
	p->roles->so.id = ROLE_HSM_SO;
	for (size_t i = 1; i < HSM_ROLES; i++)
		TRY(roles_add(p->roles, slice_str(hsm_role_rows[i].name), hsm_role_rows[i].role,
			hsm_role_rows[i].role, &unused));
	return HF_OK;
}

static void close_missing(struct hsm *h, struct role_record *r)
{
	if (r->set || records_fail_get(h->records, HSM_SELF, HAS_PIN | r->id) == 0)
		return;
	log_error("the PIN of the HSM's %s is gone from the store; the role stays shut", r->name);
	r->set = true;
}

enum hf_err hsm_roles_load(struct hsm *h)
{
	struct record_visit v = { NULL, visit, damaged };

	TRY(self_new(&h->self));
	v.ctx = h->self;
	TRY(records_scan(h->records, HSM_SELF "/role/", SEAL_STORE, SLICE_NONE, &v));
	for (size_t i = 0; i < HSM_ROLES; i++)
		close_missing(h, role_named(h->self->roles, slice_str(hsm_role_rows[i].name)));
	return partition_after_lost_anchor(h, h->self);
}

/* --- who plays what --------------------------------------------------------------------- */

/* Before the HSM is unlocked there are no roles. */
static struct partition *self_of(const struct calls_ctx *c)
{
	int state = atomic_load(&c->hsm->state);

	return state == HSM_OPERATIONAL || state == HSM_TAMPERED ? c->hsm->self : NULL;
}

static enum role logged_in(const struct calls_ctx *c)
{
	uint64_t now = clock_mono_ns();
	struct app *app = c->app;

	if (app == NULL)
		return ROLE_PUBLIC;
	MUTEX_HOLD(&app->lock);
	if (app->hsm_role != 0 && now - app->hsm_used_ns > HSM_IDLE_S * NS_PER_S)
		app->hsm_role = 0;
	app->hsm_used_ns = now;
	return app->hsm_role != 0 ? app->hsm_role : ROLE_PUBLIC;
}

static bool has_pin(struct partition *self, const char *name)
{
	MUTEX_HOLD(&self->roles->lock);

	return role_named(self->roles, slice_str(name))->set;
}

bool hsm_has_officer(const struct hsm *h)
{
	return h->self != NULL && has_pin(h->self, "so");
}

bool hsm_has_auditor(const struct hsm *h)
{
	return h->self != NULL && has_pin(h->self, "auditor");
}

unsigned hsm_roles_of(const struct calls_ctx *c)
{
	struct partition *self = self_of(c);
	enum role in = logged_in(c);
	unsigned roles = 0;

	for (size_t i = 0; i < HSM_ROLES; i++) {
		enum role r = hsm_role_rows[i].role;
		bool by_pin = self != NULL && has_pin(self, hsm_role_rows[i].name);

		if (by_pin ? in == r : c->admin)
			roles |= (unsigned)r;
	}
	return roles;
}

enum hf_err hsm_need(struct calls_ctx *c, unsigned roles)
{
	const char *sep = "needs the HSM's ";

	if ((hsm_roles_of(c) & roles) != 0)
		return HF_OK;
	for (size_t i = 0; i < HSM_ROLES; i++) {
		if ((roles & (unsigned)hsm_role_rows[i].role) == 0)
			continue;
		call_detail(c, "%s%s", sep, hsm_role_rows[i].needs);
		sep = " or ";
	}
	return HF_E_DENIED;
}

const char *hsm_role_told(const struct calls_ctx *c)
{
	enum role in = self_of(c) != NULL ? logged_in(c) : ROLE_PUBLIC;

	return in != ROLE_PUBLIC ? role_name(in) : c->admin ? "admin" : "";
}

/* --- logging in ----------------------------------------------------------------------------- */

/* Whoever may not try can lock nobody out either. */
static enum hf_err may_try(struct calls_ctx *c)
{
	const struct peer *p = &c->conn->peer;
	uint64_t gid = c->hsm->cfg.login_gid;
	bool may = c->admin;

	if (gid != UINT32_MAX)
		may |= p->gid == gid;
	for (unsigned i = 0; gid != UINT32_MAX && i < p->group_count && !may; i++)
		may = p->groups[i] == gid;
	if (may)
		return HF_OK;
	call_detail(c, "the setting hsm-login-gid lets members of one group try");
	return HF_E_DENIED;
}

static enum hf_err find(struct calls_ctx *c, struct slice name, struct role_record **ret)
{
	struct role_record *r = role_named(c->hsm->self->roles, name);

	if (r == NULL || !role_is_of_hsm(r->role))
		return HF_E_USER_TYPE;
	call_detail(c, "%s ", r->name);
	*ret = r;
	return HF_OK;
}

/* attempt tries a PIN; the caller holds roles.pin. The key opens nothing. */
static enum hf_err attempt(struct calls_ctx *c, struct role_record *r, struct slice pin,
	struct secret *ret_key)
{
	CLEANUP(secret_done) struct secret made = { 0 };

	TRY(may_try(c));
	if (!r->set)
		return HF_E_PIN_NOT_SET;
	TRY(role_pin(c, c->hsm->self, r, pin, &made, &pin));
	return role_open(c->hsm, c->hsm->self, r, pin, ret_key);
}

static enum hf_err log_in(struct calls_ctx *c, enum role role)
{
	MUTEX_HOLD(&c->app->lock);

	if (c->app->hsm_role != 0)
		return c->app->hsm_role == role ? HF_E_ALREADY_LOGGED_IN : HF_E_OTHER_LOGGED_IN;
	c->app->hsm_role = role;
	c->app->hsm_used_ns = clock_mono_ns();
	return HF_OK;
}

enum hf_err on_hsm_login(struct calls_ctx *c, const struct hsm_login_req *q,
	struct hsm_login_res *r)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	struct partition *self = c->hsm->self;
	MUTEX_HOLD(&self->roles->pin);
	struct role_record *rec;

	(void)r;
	TRY(find(c, q->name, &rec));
	TRY(attempt(c, rec, q->pin, &key));
	return pin_expired(self, rec) ? HF_E_PIN_EXPIRED : log_in(c, rec->role);
}

enum hf_err on_hsm_logout(struct calls_ctx *c, const struct hsm_logout_req *q,
	struct hsm_logout_res *r)
{
	MUTEX_HOLD(&c->app->lock);

	(void)q;
	(void)r;
	c->app->hsm_role = 0;
	return HF_OK;
}

/* The logins of an old PIN are over. */
static void log_out_all(struct hsm *h, enum role role, const struct app *but)
{
	MUTEX_HOLD(&h->lock);

	for (struct map_node *n = map_next(&h->apps, NULL); n != NULL; n = map_next(&h->apps, n)) {
		struct app *app = container_of(n, struct app, by_id);
		MUTEX_HOLD(&app->lock);

		if (app != but && app->hsm_role == role)
			app->hsm_role = 0;
	}
}

/* --- PINs -------------------------------------------------------------------------------------- */

/* quorum: whose shares make it; or NULL. */
static enum hf_err store_pin(struct calls_ctx *c, struct role_record *now, struct slice pin,
	bool change, const struct quorum *quorum)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	struct hsm *h = c->hsm;
	struct role_record next;

	if (quorum == NULL)
		TRY(pin_allowed(h, h->self, now, pin));
	TRY(secret_alloc(&key, CRYPTO_KEY));
	TRY(crypto_random(key.p, key.n));
	TRY(role_wrap(h, h->self, pin, secret_slice(&key), now, &next));
	next.change = change;
	if (quorum != NULL)
		next.quorum = *quorum;
	TRY(role_store(h, h->self, now, &next));
	TRY(records_fail_set(h->records, HSM_SELF, HAS_PIN | now->id, 1));
	return records_fail_set(h->records, HSM_SELF, now->id, 0);
}

/* The custodians' consent replaces a PIN that is lost or locked. */
static enum hf_err custodians_replace(struct calls_ctx *c)
{
	struct quorum q;

	TRY(unlock_quorum_of(c->hsm, &q));
	if (q.m > 0)
		return consent_ask(c);
	call_detail(c, "changes that PIN himself ('holdfast hsm pin'), or custodians agree; there are none");
	return HF_E_DENIED;
}

static enum hf_err may_set(struct calls_ctx *c, const struct role_record *r)
{
	if (r->role == ROLE_ADMINISTRATOR)
		return hsm_need(c, CALL_BY_H);
	return r->set ? custodians_replace(c) : hsm_need(c, (unsigned)r->role);
}

static enum hf_err set_role(struct calls_ctx *c, const struct hsm_role_set_req *q, enum role *ret)
{
	MUTEX_HOLD(&c->hsm->unlocking);
	MUTEX_HOLD(&c->hsm->self->roles->pin);
	struct role_record *rec;

	TRY(find(c, q->name, &rec));
	TRY(may_set(c, rec));
	*ret = rec->role;
	return store_pin(c, rec, q->pin, q->change, NULL);
}

enum hf_err on_hsm_role_set(struct calls_ctx *c, const struct hsm_role_set_req *q,
	struct hsm_role_set_res *r)
{
	enum role role;

	(void)r;
	TRY(set_role(c, q, &role));
	log_out_all(c->hsm, role, NULL);
	return HF_OK;
}

/* Whoever plays a role puts it into custodians' hands. */
static enum hf_err may_split(struct calls_ctx *c, const struct role_record *r)
{
	return hsm_need(c, r->role == ROLE_ADMINISTRATOR ? CALL_BY_H : (unsigned)r->role);
}

enum hf_err on_hsm_role_quorum(struct calls_ctx *c, const struct hsm_role_quorum_req *q,
	struct hsm_role_quorum_res *r)
{
	CLEANUP(dealt_done) struct dealt d = { .of_hsm = true, .again = q->again,
		.quorum = { .m = q->m, .n = q->n } };
	MUTEX_HOLD(&c->hsm->self->roles->pin);
	struct role_record *rec;

	TRY(find(c, q->name, &rec));
	TRY(may_split(c, rec));
	scope_of(c->hsm->self, rec->name, d.scope);
	return quorum_deal(c, &d, q->names, &r->shares);
}

static enum hf_err put_in_force(struct calls_ctx *c, const struct hsm_role_quorum_commit_req *q,
	enum role *ret)
{
	CLEANUP(dealt_done) struct dealt d = { 0 };
	MUTEX_HOLD(&c->hsm->self->roles->pin);
	char scope[ASK_SCOPE + 1];
	struct role_record *rec;

	TRY(find(c, q->name, &rec));
	TRY(may_split(c, rec));
	scope_of(c->hsm->self, rec->name, scope);
	TRY(quorum_dealt(c, scope, q->set, &d));
	*ret = rec->role;
	return store_pin(c, rec, secret_slice(&d.secret), false, &d.quorum);
}

enum hf_err on_hsm_role_quorum_commit(struct calls_ctx *c,
	const struct hsm_role_quorum_commit_req *q, struct hsm_role_quorum_commit_res *r)
{
	enum role role;

	(void)r;
	TRY(put_in_force(c, q, &role));
	log_out_all(c->hsm, role, NULL);
	return HF_OK;
}

static enum hf_err set_pin(struct calls_ctx *c, const struct hsm_pin_set_req *q, enum role *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	MUTEX_HOLD(&c->hsm->self->roles->pin);
	struct role_record *rec;

	TRY(find(c, q->name, &rec));
	TRY(pin_length(c->hsm, c->hsm->self, q->new));
	TRY(attempt(c, rec, q->old, &key));
	*ret = rec->role;
	return store_pin(c, rec, q->new, false, NULL);
}

enum hf_err on_hsm_pin_set(struct calls_ctx *c, const struct hsm_pin_set_req *q,
	struct hsm_pin_set_res *r)
{
	enum role role;

	(void)r;
	TRY(set_pin(c, q, &role));
	log_out_all(c->hsm, role, c->app);
	return HF_OK;
}

/* --- telling --------------------------------------------------------------------------------------- */

enum hf_err on_hsm_roles(struct calls_ctx *c, const struct hsm_roles_req *q,
	struct hsm_roles_res *r)
{
	struct user_info *v = arena_alloc(c->arena, HSM_ROLES, sizeof(*v));
	struct partition *self = c->hsm->self;
	MUTEX_HOLD(&self->roles->pin);

	(void)q;
	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < HSM_ROLES; i++)
		TRY(user_told(c, self, role_named(self->roles, slice_str(hsm_role_rows[i].name)), &v[i]));
	r->roles = (struct user_info_list){ v, HSM_ROLES };
	return HF_OK;
}
