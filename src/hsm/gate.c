/* gate.c: every call of every front end comes through here, and nothing is
 * checked anywhere else that its row in spec/calls can say. */
#include "gate.h"

#include <string.h>

#include "ahead.h"
#include "app.h"
#include "audit.h"
#include "audit_level.h"
#include "clock.h"
#include "consent.h"
#include "generation.h"
#include "handlers_keys.h"
#include "hsm_roles.h"
#include "log.h"
#include "login.h"
#include "metrics.h"
#include "object.h"
#include "op.h"
#include "partition.h"
#include "policy.h"
#include "records.h"
#include "rights.h"
#include "roles.h"
#include "unlock.h"
#include "usage.h"

#define NS_PER_S 1000000000u

void set_part(struct calls_ctx *c, struct partition *p)
{
	partition_unref(c->part);
	c->part = p;
	if (c->app != NULL)
		c->role = app_role(c->app, p, &c->rights);
}

/* --- what the row asks for --------------------------------------------------------- */

static const struct call_row *row_of(unsigned opcode)
{
	return opcode < CALLS_ROWS && calls_rows[opcode].name != NULL ? &calls_rows[opcode] : NULL;
}

/* A signature is slow if the operation that this connection began last says so: a thread
 * signs on the connection that it began on. */
bool hsm_is_slow(const struct hsm_conn *c, const struct wire_head *head, struct slice fields)
{
	const struct call_row *row = row_of(head->opcode);
	bool signs = head->opcode == CALLS_SIGN || head->opcode == CALLS_SIGN_FINAL;

	if (head->opcode == CALLS_KEY_PAIR_GENERATE && pair_is_quick(fields))
		return false;
	return (row != NULL && row->slow) ||
		(signs && atomic_load_explicit(&c->signs_slowly, memory_order_relaxed));
}

static enum hf_err refuse_locked(struct calls_ctx *c)
{
	call_detail(c, "it opens with %s", unlock_how(c->hsm));
	return HF_E_LOCKED;
}

static enum hf_err check_state(struct calls_ctx *c)
{
	c->app = atomic_load(&c->conn->app); /* hears why */
	switch ((enum hsm_state)atomic_load(&c->hsm->state)) {
	case HSM_OPERATIONAL:
		return c->row->states & CALL_IN_O ? HF_OK : HF_E_STATE;
	case HSM_LOCKED:
		return c->row->states & CALL_IN_L ? HF_OK : refuse_locked(c);
	case HSM_ERROR:
		return c->row->states & CALL_IN_E ? HF_OK : HF_E_SELFTEST;
	case HSM_TAMPERED:
		return c->row->states & CALL_IN_T ? HF_OK : HF_E_TAMPERED;
	case HSM_UNINITIALIZED:
		return c->row->states & CALL_IN_N ? HF_OK : refuse_locked(c);
	case HSM_ZEROIZED:
		return c->row->states & CALL_IN_Z ? HF_OK : HF_E_ZEROIZED;
	}
	return HF_E_INTERNAL;
}

static enum hf_err check_app(struct calls_ctx *c)
{
	if (c->row->needs == CALL_NEEDS_NONE)
		return HF_OK;
	if (c->app == NULL)
		return HF_E_ARGUMENTS; /* hello comes first */
	return c->row->needs == CALL_NEEDS_APP && c->row->roles != 0 ? hsm_need(c, c->row->roles) : HF_OK;
}

/* end_if_idle logs an application out that made no call for too long. */
static enum hf_err end_if_idle(struct calls_ctx *c)
{
	uint64_t idle = policy_value(c->part, POLICY_IDLE) * NS_PER_S, now;
	bool late;

	if (idle == 0 || c->role == ROLE_PUBLIC)
		return HF_OK;
	now = clock_mono_ns();
	{
		MUTEX_HOLD(&c->app->lock);
		late = now - c->session->login->used_ns > idle;
		c->session->login->used_ns = now;
	}
	if (!late)
		return HF_OK;
	call_detail(c, "logged out by policy %s; ", policy_rows[POLICY_IDLE].name);
	c->role = ROLE_PUBLIC;
	return login_end(c->hsm, c->app, c->part, c->session);
}

static void say_who_may(struct calls_ctx *c)
{
	static const enum role all[] = { ROLE_SO, ROLE_USER, ROLE_LIMITED, ROLE_CRYPTO_USER };
	const char *sep = "needs a login as ";

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if ((c->row->roles & (unsigned)all[i]) == 0)
			continue;
		call_detail(c, "%s%s", sep, role_name(all[i]));
		sep = " or ";
	}
}

/* The standard's error is for those who could log in and have not. */
static enum hf_err check_role(struct calls_ctx *c)
{
	if ((c->row->roles & (unsigned)c->role) != 0)
		return rights_call(c);
	say_who_may(c);
	if (c->role != ROLE_LIMITED && c->role != ROLE_CRYPTO_USER)
		return HF_E_NOT_LOGGED_IN;
	call_detail(c, ", not as %s", role_name(c->role));
	return HF_E_DENIED;
}

/* enter_session finds the session and holds it until the call is over. */
static enum hf_err enter_session(struct calls_ctx *c)
{
	struct session *s = session_find(c->app, c->head.session);

	if (s == NULL)
		return HF_E_SESSION_HANDLE;
	baton_take(&s->lock);
	c->session = s;
	if (s->closed)
		return HF_E_SESSION_CLOSED;
	session_catch_up(s);
	partition_ref(s->part);
	set_part(c, s->part);
	TRY(end_if_idle(c));
	return check_role(c);
}

static void leave_session(struct calls_ctx *c)
{
	struct session *s = c->session;

	if (s == NULL)
		return;
	if (!s->closed)
		session_catch_up(s);
	baton_give(&s->lock);
	session_unref(s);
}

static enum hf_err run(struct calls_ctx *c, struct buf *out)
{
	struct rd r = rd_of(c->fields);

	if (c->bulk != NULL)
		r.aside = c->bulk->data;
	TRY(check_state(c));
	TRY(check_app(c));
	if (c->row->needs == CALL_NEEDS_SESSION)
		TRY(enter_session(c));
	TRY(consent_needed(c));
	TRY(audit_permit(c));
	c->answer = out;
	c->in_sight = c->bulk != NULL && audit_wants(c, HF_OK) != AUDIT_OR_NOTHING;
	return calls_run(c->head.opcode, c, r, c->arena, out);
}

/* --- before and after ------------------------------------------------------------------ */

/* take_back ends what a use whose answer is withheld has begun. */
static void take_back(struct calls_ctx *c)
{
	if (c->session == NULL || c->row->audit != CALL_AUDIT_USE)
		return;
	for (unsigned k = 0; k < OPK_COUNT; k++)
		op_cancel(c->session, (enum op_kind)k);
}

/* settle: a record that is kept comes after the anchor (spec/keeper-calls); else that is waited for by
 * itself. Where it cannot be put, the next change is refused. */
static void settle(const struct calls_ctx *c, bool kept)
{
	if (c->anchor_due && !kept && records_settle(c->hsm->records) != HF_OK)
		log_error("%s: the anchor is older than the store", c->row->name);
}

/* has_ended: what is legal now is done and told, with or without a record. */
static bool has_ended(const struct hsm *h)
{
	int state = atomic_load(&h->state);

	return state == HSM_ZEROIZED || state == HSM_TAMPERED;
}

/* Where policy says so, a record that cannot be kept takes the call's answer with it;
 * what the call did stays done. */
static enum hf_err withheld(struct calls_ctx *c, enum hf_err e, enum hf_err recorded)
{
	if (recorded == HF_OK || has_ended(c->hsm))
		return e;
	take_back(c);
	/* Who cannot compute keeps no record either. */
	return atomic_load(&c->hsm->state) == HSM_ERROR ? HF_E_SELFTEST : HF_E_AUDIT;
}

static enum hf_err audit(struct calls_ctx *c, enum hf_err e, bool *ret_kept)
{
	struct audit_end end = { .result = e, .want = audit_wants(c, e) };
	enum hf_err recorded;

	if (end.want == AUDIT_NONE)
		return e;
	if (e == HF_OK && c->ahead->made) {
		*ret_kept = c->ahead->end.kept;
		return withheld(c, e, c->ahead->recorded);
	}
	if (e == HF_E_AUDIT) /* refused for want of a record: this one may be missing, too */
		end.want = AUDIT_QUEUED;
	if (c->hsm->audit == NULL) {
		/* The audit key is under the root key. */
		log_notice("%s by uid %llu: %s", c->row->name, (unsigned long long)c->conn->peer.uid,
			e == HF_OK ? "done" : err_text(e));
		return e;
	}
	end.duration_ns = clock_mono_ns() - c->ahead->began_ns;
	recorded = audit_call(c->hsm->audit, c, &end);
	*ret_kept = end.kept;
	return withheld(c, e, recorded);
}

/* says_all: what else the record has (whose PIN, which backup) would not help the caller. */
static bool says_all(enum hf_err e)
{
	static const enum hf_err all[] = { HF_E_PIN_INCORRECT, HF_E_PIN_LOCKED, HF_E_PIN_NOT_SET,
		HF_E_PIN_EXPIRED, HF_E_USER_BLOCKED, HF_E_BACKUP_KEY, HF_E_SHARE_WRONG };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] == e)
			return true;
	return false;
}

/* remember_why keeps for the caller what the refused call would have taken. */
static void remember_why(struct calls_ctx *c, enum hf_err e)
{
	if (err_blame(e) != HF_BLAME_POLICY || c->app == NULL)
		return;
	log_info("%s refused to uid %llu: %s: %s", c->row->name, (unsigned long long)c->conn->peer.uid,
		err_name(e), c->audit.detail);
	MUTEX_HOLD(&c->app->lock);
	if (says_all(e))
		c->app->why[0] = '\0';
	else
		memcpy(c->app->why, c->audit.detail, sizeof(c->app->why));
}

static void log_own_fault(const struct calls_ctx *c, enum hf_err e)
{
	if (err_blame(e) == HF_BLAME_HSM && e != HF_E_SELFTEST && e != HF_E_AUDIT)
		log_error("%s: %s%s%s", c->row->name, err_text(e),
			c->audit.detail[0] != '\0' ? ": " : "", c->audit.detail);
}

/* A conditional self-test, of new keys or random bytes, that fails stops everything as those at
 * the start do. */
static void fail_if_untrue(const struct calls_ctx *c, enum hf_err e)
{
	if (e == HF_E_SELFTEST && atomic_load(&c->hsm->state) == HSM_OPERATIONAL)
		hsm_fail(c->hsm, "a conditional self-test failed: a new pair of keys, or random bytes");
}

/* With no session's lock held: all sessions end. What fails is tried again with the
 * partition's next call, and at the next start. */
static void lock_out(struct calls_ctx *c)
{
	struct partition *p = c->part;
	enum hf_err e;

	if (!atomic_exchange(&p->condemned, false))
		return;
	e = partition_lock_out(c->hsm, p);
	atomic_store(&p->condemned, e != HF_OK);
	if (e != HF_OK)
		log_error("partition %s: its objects are not yet destroyed: %s", p->serial, err_text(e));
	if (c->hsm->audit != NULL)
		e = audit_event(c->hsm->audit, "lock_out", p->serial, e);
	if (e != HF_OK)
		log_error("a lock-out could not be recorded: %s", err_text(e));
}

/* A call that failed did no approved service. */
void gate_service(struct calls_ctx *c, enum hf_err e)
{
	if (c->session == NULL || c->service == SERVICE_NONE)
		return;
	c->session->service = e == HF_OK ? c->service : SERVICE_NOT_APPROVED;
	if (e == HF_OK && c->service == SERVICE_NOT_APPROVED)
		call_detail(c, "%snot approved", c->audit.detail[0] != '\0' ? "; " : "");
}

/* row_over: e is what the row's work came to. */
static enum hf_err row_over(struct calls_ctx *c, enum hf_err e)
{
	bool kept = false;

	consent_over(c, e);
	if (e != HF_OK || !c->ahead->made)
		gate_service(c, e);
	log_own_fault(c, e);
	fail_if_untrue(c, e);
	remember_why(c, e);
	usage_count(c, e);
	generation_event(c->hsm, c->row, c->head.opcode, e);
	e = audit(c, e, &kept);
	settle(c, kept);
	metrics_call(c, e, c->ahead->began_ns);
	usage_unref(c->usage.u);
	leave_session(c);
	if (c->part != NULL && atomic_load_explicit(&c->part->condemned, memory_order_relaxed))
		lock_out(c);
	partition_unref(c->part);
	return e;
}

/* finish makes the frame whole: an error has no fields. */
static void finish(const struct wire_head *request, enum hf_err e, size_t at, struct buf *out)
{
	struct wire_head h = {
		.opcode = request->opcode,
		.flags = (uint16_t)e,
		.request = request->request,
	};

	if (e != HF_OK)
		out->err = HF_OK;
	buf_cut(out, e != HF_OK ? at + WIRE_HEAD : out->n);
	h.length = (uint32_t)(out->n - at - WIRE_HEAD);
	wire_head_put(&h, out->p + at);
}

bool hsm_takes_bulk(const struct wire_head *head)
{
	return head->opcode == CALLS_ENCRYPT;
}

/* --- calls -------------------------------------------------------------------------------- */

/* struct hsm_call is a call from its frame to its answer. It stays where it is. */
struct hsm_call {
	struct calls_ctx c;
	struct arena arena;
	struct ahead ahead;
	struct buf *out;
	size_t at; /* where its answer begins there */
};

/* begin: false: the peer broke the protocol. */
static bool begin(struct hsm_call *k, struct hsm_conn *conn, const struct wire_head *head,
	struct slice fields, struct buf *out)
{
	k->ahead.began_ns = clock_mono_ns();
	k->out = out;
	k->at = out->n;
	k->c.hsm = conn->hsm;
	k->c.conn = conn;
	k->c.role = ROLE_PUBLIC;
	k->c.rights.may = RIGHTS_ALL;
	k->c.admin = peer_is_admin(conn->hsm, &conn->peer);
	k->c.row = row_of(head->opcode);
	k->c.head = *head;
	k->c.fields = fields;
	k->c.arena = &k->arena;
	k->c.ahead = &k->ahead;
	k->c.audit.mechanism = UINT32_MAX;
	return head->length == fields.n && buf_add(out, WIRE_HEAD) != NULL;
}

static void over(struct hsm_call *k, enum hf_err e)
{
	finish(&k->c.head, e, k->at, k->out);
	arena_done(&k->arena);
}

/* go_on: e is how it went so far. False: it is put aside. */
static bool go_on(struct hsm_call *k, enum hf_err e)
{
	if (k->c.adding != NULL && !object_added(&k->c, e, &e))
		return false;
	over(k, row_over(&k->c, e));
	return true;
}

static bool serve(struct hsm_call *k)
{
	if (k->c.row != NULL)
		return go_on(k, run(&k->c, k->out));
	over(k, HF_E_UNSUPPORTED);
	return true;
}

bool hsm_serve(struct hsm_conn *conn, const struct wire_head *head, struct slice fields,
	struct buf *out)
{
	return hsm_serve_bulk(conn, head, fields, NULL, out);
}

bool hsm_serve_bulk(struct hsm_conn *conn, const struct wire_head *head, struct slice fields,
	const struct hsm_bulk *bulk, struct buf *out)
{
	struct hsm_call k = { 0 };

	if (!begin(&k, conn, head, fields, out))
		return false;
	k.c.bulk = bulk;
	return serve(&k); /* without c.later it is not put aside */
}

/* makes_keys: the calls that may wait with others. */
static bool makes_keys(const struct wire_head *head)
{
	return head->opcode == CALLS_KEY_PAIR_GENERATE || head->opcode == CALLS_KEY_GENERATE;
}

bool hsm_serve_later(struct hsm_conn *conn, const struct wire_head *head, struct slice fields,
	struct hsm_later *l, struct buf *out)
{
	struct hsm_call *k = makes_keys(head) ? hf_alloc(1, sizeof(*k)) : NULL;
	bool ok;

	if (k == NULL)
		return hsm_serve(conn, head, fields, out);
	ok = begin(k, conn, head, fields, out);
	k->c.later = l;
	l->call = k;
	if (!ok || serve(k)) {
		l->call = NULL;
		hf_free(k);
	}
	return ok;
}

bool hsm_go_on(struct hsm_later *l)
{
	struct hsm_call *k = l->call;

	if (!go_on(k, HF_OK))
		return false;
	l->call = NULL;
	hf_free(k);
	return true;
}
