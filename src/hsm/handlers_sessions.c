#include <string.h>

#include "pkcs11.h"

#include "activate.h"
#include "app.h"
#include "consent.h"
#include "gate.h"
#include "guard.h"
#include "login.h"
#include "op.h"
#include "partition.h"
#include "policy.h"
#include "rights.h"

/* --- sessions ---------------------------------------------------------------------- */

enum hf_err on_session_open(struct calls_ctx *c, const struct session_open_req *q,
	struct session_open_res *r)
{
	struct partition *p;

	TRY(call_part(c, q->slot, &p));
	TRY(partition_whole(c->hsm, p));
	if (q->rw && c->hsm->cfg.read_only)
		return HF_E_WRITE_PROTECTED;
	return session_new(c->hsm, c->app, p, (struct session_wish){ q->rw, q->ivs }, &r->session);
}

enum hf_err on_session_close(struct calls_ctx *c, const struct session_close_req *q,
	struct session_close_res *r)
{
	(void)q;
	(void)r;
	session_end(c->hsm, c->session, true);
	return HF_OK;
}

enum hf_err on_session_close_all(struct calls_ctx *c, const struct session_close_all_req *q,
	struct session_close_all_res *r)
{
	struct partition *p;
	enum hf_err e = call_part(c, q->slot, &p);

	(void)r;
	if (e == HF_E_NO_TOKEN)
		return HF_OK;
	TRY(e);
	sessions_end(c->hsm, c->app, p, true);
	return HF_OK;
}

static uint32_t session_state(enum role role, bool rw)
{
	switch (role) {
	case ROLE_SO:
		return (uint32_t)CKS_RW_SO_FUNCTIONS;
	case ROLE_USER:
	case ROLE_LIMITED:
	case ROLE_CRYPTO_USER:
		return (uint32_t)(rw ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS);
	case ROLE_HSM_SO: /* these log in without a session */
	case ROLE_ADMINISTRATOR:
	case ROLE_AUDITOR:
	case ROLE_PUBLIC:
		break;
	}
	return (uint32_t)(rw ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION);
}

enum hf_err on_session_info(struct calls_ctx *c, const struct session_info_req *q,
	struct session_info_res *r)
{
	(void)q;
	r->slot = c->part->slot;
	r->rw = c->session->rw;
	r->service = (uint8_t)c->session->service;
	r->state = session_state(c->role, c->session->rw);
	return HF_OK;
}

/* --- login ------------------------------------------------------------------------- */

/* struct claim is who somebody says he is, and the PIN for it. */
struct claim {
	struct slice name, pin;
};

/* C_LoginUser names the user. An application that knows C_Login only may have
 * been given "name:PIN" as its PIN, which is understood where there is a user of
 * that name. */
static struct claim claim_of(struct roles *r, struct slice name, struct slice pin)
{
	struct claim c = { name, pin };
	size_t i = pin_name_len(pin);

	if (name.n > 0)
		return c;
	c.name = SLICE_STR("user");
	if (i == 0 || role_named(r, (struct slice){ pin.p, i }) == NULL)
		return c;
	return (struct claim){ { pin.p, i }, { pin.p + i + 1, pin.n - i - 1 } };
}

/* no_user: "name:PIN" of no user that there is, taken for the crypto officer's, whose PIN is surely not of
 * this form: nothing is tried and nothing counted, so that a name mistyped locks nobody. */
static enum hf_err no_user(struct calls_ctx *c, const struct role_record *r, struct slice pin)
{
	if (r != &c->part->roles->user || r->form != PIN_FORM_PLAIN || r->challenge_set ||
	    r->quorum.m > 0 || pin_name_len(pin) == 0)
		return HF_OK;
	call_detail(c, "; there is no user of the name before the colon");
	return HF_E_PIN_INCORRECT;
}

/* find_user: the record of a claim; the caller holds roles.pin. */
static enum hf_err find_user(struct calls_ctx *c, const struct claim *claim,
	struct role_record **ret)
{
	*ret = role_named(c->part->roles, claim->name);
	return *ret != NULL && role_is_user((*ret)->role) ? HF_OK : HF_E_USER_TYPE;
}

static enum hf_err find_role(struct calls_ctx *c, const struct login_req *q, struct claim *claim,
	struct role_record **ret)
{
	struct roles *r = c->part->roles;

	if (q->user != CKU_SO && q->user != CKU_USER)
		return HF_E_USER_TYPE;
	if (q->user == CKU_USER) {
		*claim = claim_of(r, q->name, q->pin);
		return find_user(c, claim, ret);
	}
	if (q->name.n > 0 && !slice_eq(q->name, slice_str(r->so.name)))
		return HF_E_USER_TYPE;
	*claim = (struct claim){ slice_str(r->so.name), q->pin };
	*ret = &r->so;
	return HF_OK;
}

/* own_name: who is logged in here. */
static void own_name(struct calls_ctx *c, char ret[USER_NAME_MAX + 1])
{
	MUTEX_HOLD(&c->app->lock);

	memcpy(ret, c->session->login->user, USER_NAME_MAX + 1);
}

/* The user's PIN once more; or the shares of those who stand for it, asked for anew. */
static enum hf_err own_pin(struct calls_ctx *c, struct slice pin)
{
	CLEANUP(secret_done) struct secret key = { 0 }, made = { 0 };
	MUTEX_HOLD(&c->part->roles->pin);
	char name[USER_NAME_MAX + 1];
	struct claim claim;
	struct role_record *r;

	own_name(c, name);
	claim = claim_of(c->part->roles, SLICE_NONE, pin);
	if (!slice_eq(claim.name, slice_str(name)))
		claim = (struct claim){ slice_str(name), pin };
	TRY(find_user(c, &claim, &r));
	TRY(role_pin(c, c->part, r, claim.pin, &made, &claim.pin));
	return role_open_active(c->hsm, c->part, r, claim.pin, &key);
}

/* A PIN for what runs in the session: that of the key if it has one of its own, which was
 * missing just now or which CKA_ALWAYS_AUTHENTICATE asks for; else the user's. */
static enum hf_err context_login(struct calls_ctx *c, struct slice pin)
{
	uint64_t key = c->session->guard_asked != 0 ? c->session->guard_asked :
		op_waits_for_login(c->session);

	call_detail(c, "for one operation");
	if (!role_is_user(c->role))
		return HF_E_NOT_LOGGED_IN;
	if (guard_has_pin(c, key)) {
		TRY(guard_enter(c, key, pin));
		op_context_login(c->session, key);
		return HF_OK;
	}
	if (key == 0)
		return HF_E_OP_NONE;
	TRY(own_pin(c, pin));
	op_context_login(c->session, 0);
	return HF_OK;
}

static enum hf_err open_role(struct calls_ctx *c, const struct login_req *q,
	struct login_as *ret_as, struct secret *ret_key)
{
	MUTEX_HOLD(&c->part->roles->pin);
	CLEANUP(secret_done) struct secret key = { 0 }, made = { 0 };
	struct role_record *r;
	struct claim claim;

	TRY(find_role(c, q, &claim, &r));
	call_detail(c, "as %s", r->name);
	TRY(no_user(c, r, claim.pin));
	TRY(login_allowed(c->app, c->part, r->role));
	TRY(role_pin(c, c->part, r, claim.pin, &made, &claim.pin));
	TRY(role_open_active(c->hsm, c->part, r, claim.pin, &key));
	if (pin_expired(c->part, r))
		return HF_E_PIN_EXPIRED;
	*ret_as = login_by(r);
	*ret_key = secret_take(&key);
	return HF_OK;
}

enum hf_err on_login(struct calls_ctx *c, const struct login_req *q, struct login_res *r)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	struct login_as as;

	if (q->user == CKU_CONTEXT_SPECIFIC)
		return context_login(c, q->pin);
	TRY(open_role(c, q, &as, &key));
	TRY(login_begin(c->hsm, c->app, c->part, &as, secret_slice(&key)));
	c->role = as.role;
	if (policy_value(c->part, POLICY_RECOVERY) == 0)
		return HF_OK;
	return ticket_make(c->hsm, c->app, c->part, c->arena, &r->ticket, &r->renew_s);
}

enum hf_err on_logout(struct calls_ctx *c, const struct logout_req *q, struct logout_res *r)
{
	(void)q;
	(void)r;
	return login_end(c->hsm, c->app, c->part, c->session);
}

enum hf_err on_resume(struct calls_ctx *c, const struct resume_req *q, struct resume_res *r)
{
	struct partition *p;
	enum role role;

	(void)r;
	TRY(call_part(c, q->slot, &p));
	TRY(partition_open(p));
	TRY(partition_whole(c->hsm, p));
	TRY(policy_need(c, POLICY_RECOVERY));
	TRY(ticket_resume(c->hsm, c->app, p, q->ticket, &role));
	c->role = role;
	return HF_OK;
}

enum hf_err on_ticket_renew(struct calls_ctx *c, const struct ticket_renew_req *q,
	struct ticket_renew_res *r)
{
	(void)q;
	TRY(policy_need(c, POLICY_RECOVERY));
	return ticket_make(c->hsm, c->app, c->part, c->arena, &r->ticket, &r->renew_s);
}

/* --- PINs ---------------------------------------------------------------------------- */

enum hf_err role_new_pin(struct calls_ctx *c, struct role_record *now, const struct new_pin *n)
{
	struct partition *p = c->part;
	struct role_record next;

	TRY(role_wrap(c->hsm, p, n->pin, n->key, now, &next));
	TRY(activation_end(c->hsm, p, now->name));
	next.change = n->change;
	if (!n->own)
		TRY(crypto_random((uint8_t *)&next.person, sizeof(next.person)));
	if (n->quorum != NULL)
		next.quorum = *n->quorum;
	TRY(role_store(c->hsm, p, now, &next));
	(void)pthread_rwlock_wrlock(&p->lock);
	p->user_pin_set = p->roles->user.set;
	(void)pthread_rwlock_unlock(&p->lock);
	if (records_fail_get(c->hsm->records, p->serial, now->id) == 0)
		return HF_OK;
	return records_fail_set(c->hsm->records, p->serial, now->id, 0);
}

/* give_pin is the officer's: a new PIN for a user. */
static enum hf_err give_pin(struct calls_ctx *c, struct role_record *r, struct slice pin, bool change)
{
	CLEANUP(secret_done) struct secret key = { 0 };

	TRY(pin_allowed(c->hsm, c->part, r, pin));
	if (r->set)
		TRY(policy_need(c, POLICY_OFFICER_RESETS));
	if (r->set && role_locked(c->hsm, c->part, r))
		TRY(policy_need(c, POLICY_LOCK_OUT_USER));
	TRY(partition_key(c->part, &key));
	return role_new_pin(c, r, &(struct new_pin){ pin, secret_slice(&key),
		.change = change || policy_value(c->part, POLICY_PIN_FIRST) != 0 });
}

enum hf_err on_pin_init(struct calls_ctx *c, const struct pin_init_req *q, struct pin_init_res *r)
{
	(void)r;
	{
		MUTEX_HOLD(&c->part->roles->pin);
		TRY(give_pin(c, &c->part->roles->user, q->pin, false));
	}
	logins_end_of(c->hsm, c->part, SLICE_STR("user"));
	return HF_OK;
}

/* whose: which PIN C_SetPIN changes: the one of who is logged in; without a
 * login the user's, or that of a named user ("name:PIN"). */
static enum hf_err whose(struct calls_ctx *c, struct slice old, struct claim *ret,
	struct role_record **ret_r)
{
	char name[USER_NAME_MAX + 1];
	struct claim claim = claim_of(c->part->roles, SLICE_NONE, old);

	own_name(c, name);
	if (c->role == ROLE_PUBLIC) {
		*ret = claim;
		return find_user(c, ret, ret_r);
	}
	*ret_r = role_named(c->part->roles, slice_str(name));
	*ret = slice_eq(claim.name, slice_str(name)) ? claim : (struct claim){ claim.name, old };
	return *ret_r != NULL ? HF_OK : HF_E_NOT_LOGGED_IN;
}

/* own_new_pin: old becomes new; the caller holds roles.pin. */
static enum hf_err own_new_pin(struct calls_ctx *c, struct role_record *r, struct slice old,
	struct slice new)
{
	CLEANUP(secret_done) struct secret key = { 0 }, made = { 0 };

	call_detail(c, "PIN of %s", r->name);
	TRY(pin_length(c->hsm, c->part, new));
	TRY(role_pin(c, c->part, r, old, &made, &old));
	TRY(role_open(c->hsm, c->part, r, old, &key));
	TRY(pin_allowed(c->hsm, c->part, r, new));
	return role_new_pin(c, r, &(struct new_pin){ new, secret_slice(&key), .own = true });
}

/* without_name: whoever wrote "name:PIN" for the old PIN may write it for the new one as well. */
static struct slice without_name(const struct claim *old, struct slice given, struct slice new)
{
	size_t n = old->name.n;

	if (old->pin.n == given.n || new.n <= n || new.p[n] != ':' ||
	    !slice_eq((struct slice){ new.p, n }, old->name))
		return new;
	return (struct slice){ new.p + n + 1, new.n - n - 1 };
}

static enum hf_err change_pin(struct calls_ctx *c, const struct pin_set_req *q)
{
	MUTEX_HOLD(&c->part->roles->pin);
	struct role_record *r;
	struct claim claim;

	TRY(whose(c, q->old, &claim, &r));
	TRY(no_user(c, r, claim.pin));
	return own_new_pin(c, r, claim.pin, without_name(&claim, q->old, q->new));
}

/* The tickets of the old PIN are void; the caller gets a new one. */
enum hf_err on_pin_set(struct calls_ctx *c, const struct pin_set_req *q, struct pin_set_res *r)
{
	if (!c->session->rw)
		return HF_E_SESSION_RO;
	TRY(change_pin(c, q));
	if (c->role == ROLE_PUBLIC || policy_value(c->part, POLICY_RECOVERY) == 0)
		return HF_OK;
	return ticket_make(c->hsm, c->app, c->part, c->arena, &r->ticket, &r->renew_s);
}

enum hf_err on_pin_change(struct calls_ctx *c, const struct pin_change_req *q, struct pin_change_res *r)
{
	MUTEX_HOLD(&c->part->roles->pin);
	struct role_record *rec = role_named(c->part->roles, q->name);

	(void)r;
	if (rec == NULL)
		return HF_E_USER_TYPE;
	if (!c->session->rw)
		return HF_E_SESSION_RO;
	return own_new_pin(c, rec, q->old, q->new);
}

/* --- named users ------------------------------------------------------------------------ */

/* A user who is new appears in memory first; one that the store does not take is
 * forgotten. */
static enum hf_err find_or_add(struct calls_ctx *c, const struct user_set_req *q,
	struct role_record **ret)
{
	struct roles *roles = c->part->roles;
	struct role_record *rec = role_named(roles, q->name);

	if (rec == NULL && q->role == 0)
		return HF_E_USER_TYPE;
	if (rec != NULL && q->role != 0 && rec->role != (enum role)q->role)
		return HF_E_USER_ROLE;
	*ret = rec;
	return rec != NULL ? HF_OK :
		roles_add(roles, q->name, (enum role)q->role, roles_free_id(roles), ret);
}

static enum hf_err restrict_only(struct calls_ctx *c, struct role_record *rec)
{
	struct role_record next = *rec;

	if (rec->version == 0)
		return HF_E_PIN_LENGTH; /* a new user needs a PIN */
	next.epoch++;
	TRY(activation_end(c->hsm, c->part, rec->name));
	return role_store(c->hsm, c->part, rec, &next);
}

static enum hf_err give_all(struct calls_ctx *c, const struct user_set_req *q,
	struct role_record *rec)
{
	struct rights was = rec->rights;
	enum hf_err e;

	if (q->restrict_)
		rights_set(&rec->rights, q->may, q->keys);
	e = q->restrict_ && q->pin.n == 0 ? restrict_only(c, rec) : give_pin(c, rec, q->pin, q->change);
	if (e != HF_OK)
		rec->rights = was;
	return e;
}

static enum hf_err set_user(struct calls_ctx *c, const struct user_set_req *q)
{
	MUTEX_HOLD(&c->part->roles->pin);
	struct role_record *rec;
	enum hf_err e;

	call_detail(c, "user %.*s", (int)q->name.n, (const char *)q->name.p);
	if (!user_name_valid(q->name))
		return HF_E_USER_NAME;
	if (q->role != 0 && !role_is_user((enum role)q->role))
		return HF_E_ARGUMENTS;
	if (q->restrict_ && !rights_possible(q->may, q->keys))
		return HF_E_USER_RIGHTS;
	TRY(find_or_add(c, q, &rec));
	e = give_all(c, q, rec);
	if (e != HF_OK && rec->version == 0)
		roles_remove(c->part->roles, rec);
	return e;
}

/* With a new PIN, or none, the logins of the old one are over. */
enum hf_err on_user_set(struct calls_ctx *c, const struct user_set_req *q, struct user_set_res *r)
{
	(void)r;
	TRY(set_user(c, q));
	logins_end_of(c->hsm, c->part, q->name);
	return HF_OK;
}

static enum hf_err block_user(struct calls_ctx *c, const struct user_block_req *q)
{
	MUTEX_HOLD(&c->part->roles->pin);
	struct role_record *rec = role_named(c->part->roles, q->name), next;

	if (rec == NULL || !role_is_user(rec->role))
		return HF_E_USER_TYPE;
	next = *rec;
	next.blocked = q->blocked;
	next.epoch++;
	TRY(activation_end(c->hsm, c->part, rec->name));
	return role_store(c->hsm, c->part, rec, &next);
}

enum hf_err on_user_block(struct calls_ctx *c, const struct user_block_req *q,
	struct user_block_res *r)
{
	(void)r;
	call_detail(c, "user %.*s %s", (int)q->name.n, (const char *)q->name.p,
		q->blocked ? "blocked" : "let in again");
	TRY(block_user(c, q));
	logins_end_of(c->hsm, c->part, q->name);
	return HF_OK;
}

static enum hf_err delete_user(struct calls_ctx *c, struct slice name)
{
	MUTEX_HOLD(&c->part->roles->pin);

	return user_drop(c->hsm, c->part, name);
}

enum hf_err on_user_delete(struct calls_ctx *c, const struct user_delete_req *q,
	struct user_delete_res *r)
{
	enum hf_err e;

	(void)r;
	call_detail(c, "user %.*s", (int)q->name.n, (const char *)q->name.p);
	e = delete_user(c, q->name);
	if (e == HF_OK)
		logins_end_of(c->hsm, c->part, q->name);
	return e == HF_E_USER_TYPE && (c->head.flags & WIRE_FLAG_REPEAT) != 0 ? HF_OK : e;
}
