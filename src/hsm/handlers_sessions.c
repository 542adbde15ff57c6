#include "pkcs11.h"

#include "app.h"
#include "gate.h"
#include "login.h"
#include "op.h"
#include "partition.h"
#include "policy.h"

/* --- sessions ---------------------------------------------------------------------- */

enum hf_err on_session_open(struct calls_ctx *c, const struct session_open_req *q,
	struct session_open_res *r)
{
	struct partition *p;

	TRY(call_part(c, q->slot, &p));
	return session_new(c->hsm, c->app, p, q->rw, &r->session);
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
		return (uint32_t)(rw ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS);
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
	r->state = session_state(c->role, c->session->rw);
	return HF_OK;
}

/* --- login ------------------------------------------------------------------------- */

/* C_Login names a role by number, C_LoginUser by name as well; then both agree. */
static enum hf_err role_asked(const struct login_req *q, enum role *ret)
{
	if (q->user == CKU_SO)
		*ret = ROLE_SO;
	else if (q->user == CKU_USER || q->user == CKU_CONTEXT_SPECIFIC)
		*ret = ROLE_USER;
	else
		return HF_E_USER_TYPE;
	if (q->name.n > 0 && !slice_eq(q->name, slice_str(role_name(*ret))))
		return HF_E_USER_TYPE;
	return HF_OK;
}

static enum hf_err open_role(struct calls_ctx *c, enum role role, struct slice pin,
	struct secret *ret)
{
	MUTEX_HOLD(&c->part->roles->pin);

	return role_open(c->hsm, c->part, role, pin, ret);
}

/* The user's PIN once more, for a key with CKA_ALWAYS_AUTHENTICATE. */
static enum hf_err context_login(struct calls_ctx *c, struct slice pin)
{
	CLEANUP(secret_done) struct secret key = { 0 };

	call_detail(c, "for one operation");
	if (c->role != ROLE_USER)
		return HF_E_NOT_LOGGED_IN;
	TRY(open_role(c, ROLE_USER, pin, &key));
	return op_context_login(c->session) ? HF_OK : HF_E_OP_NONE;
}

enum hf_err on_login(struct calls_ctx *c, const struct login_req *q, struct login_res *r)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	enum role role;

	TRY(role_asked(q, &role));
	if (q->user == CKU_CONTEXT_SPECIFIC)
		return context_login(c, q->pin);
	call_detail(c, "as %s", role_name(role));
	TRY(login_allowed(c->app, c->part, role));
	TRY(open_role(c, role, q->pin, &key));
	TRY(login_begin(c->hsm, c->app, c->part, role, secret_slice(&key), NULL));
	c->role = role;
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
	TRY(ticket_resume(c->hsm, c->app, p, q->ticket, &role));
	c->role = role;
	return HF_OK;
}

enum hf_err on_ticket_renew(struct calls_ctx *c, const struct ticket_renew_req *q,
	struct ticket_renew_res *r)
{
	(void)q;
	return ticket_make(c->hsm, c->app, c->part, c->arena, &r->ticket, &r->renew_s);
}

/* --- PINs ---------------------------------------------------------------------------- */

/* store_pin wraps the partition's key for a role under a new PIN. The caller
 * holds roles.pin. */
static enum hf_err store_pin(struct calls_ctx *c, enum role role, struct slice pin,
	struct slice key)
{
	struct partition *p = c->part;
	struct role_record next;

	TRY(role_wrap(c->hsm, p->serial, role, pin, key, role_of(p->roles, role), &next));
	TRY(role_store(c->hsm, p, role, &next));
	(void)pthread_rwlock_wrlock(&p->lock);
	p->user_pin_set = p->roles->user.set;
	(void)pthread_rwlock_unlock(&p->lock);
	if (records_fail_get(c->hsm->records, p->serial, role) == 0)
		return HF_OK;
	return records_fail_set(c->hsm->records, p->serial, role, 0);
}

static enum hf_err copy_key(struct partition *p, struct secret *ret)
{
	enum hf_err e;

	(void)pthread_rwlock_rdlock(&p->lock);
	e = p->key.n > 0 ? secret_dup(secret_slice(&p->key), ret) : HF_E_NOT_LOGGED_IN;
	(void)pthread_rwlock_unlock(&p->lock);
	return e;
}

enum hf_err on_pin_init(struct calls_ctx *c, const struct pin_init_req *q, struct pin_init_res *r)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	MUTEX_HOLD(&c->part->roles->pin);

	(void)r;
	TRY(pin_length(c->hsm, c->part, q->pin));
	if (c->part->user_pin_set)
		TRY(policy_need(c, POLICY_OFFICER_RESETS));
	TRY(copy_key(c->part, &key));
	return store_pin(c, ROLE_USER, q->pin, secret_slice(&key));
}

static enum hf_err change_pin(struct calls_ctx *c, enum role role, const struct pin_set_req *q)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	MUTEX_HOLD(&c->part->roles->pin);

	TRY(pin_length(c->hsm, c->part, q->new));
	TRY(role_open(c->hsm, c->part, role, q->old, &key));
	return store_pin(c, role, q->new, secret_slice(&key));
}

/* Without a login it is the user's PIN that changes (PKCS#11 3.2 §5.5.10). The
 * tickets of the old one are void; the caller gets a new one. */
enum hf_err on_pin_set(struct calls_ctx *c, const struct pin_set_req *q, struct pin_set_res *r)
{
	enum role role = c->role == ROLE_SO ? ROLE_SO : ROLE_USER;

	call_detail(c, "PIN of %s", role_name(role));
	if (!c->session->rw)
		return HF_E_SESSION_RO;
	TRY(change_pin(c, role, q));
	if (c->role == ROLE_PUBLIC)
		return HF_OK;
	return ticket_make(c->hsm, c->app, c->part, c->arena, &r->ticket, &r->renew_s);
}
