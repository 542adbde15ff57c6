#include "client_int.h"

#include "clock.h"
#include "stubs.h"

#define RENEW_AGAIN_S 60u /* after a renewal that failed */
#define NS_PER_S 1000000000u

struct login *login_of(struct client *c, uint64_t slot)
{
	struct map_node *n = map_get(&c->logins, slot);
	struct login *l;

	if (n != NULL)
		return container_of(n, struct login, node);
	l = hf_alloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	if (map_put(&c->logins, slot, &l->node) != HF_OK) {
		hf_free(l);
		return NULL;
	}
	return l;
}

static void login_free(struct map_node *n)
{
	struct login *l = container_of(n, struct login, node);

	secret_done(&l->ticket);
	hf_free(l);
}

void logins_done(struct client *c)
{
	map_free(&c->logins, login_free);
}

void login_forget(struct client *c, struct login *l)
{
	MUTEX_HOLD(&c->lock);

	secret_done(&l->ticket);
	l->renew_at = 0;
}

static uint64_t after_s(uint32_t seconds)
{
	return seconds == 0 ? 0 : clock_mono_ns() + (uint64_t)seconds * NS_PER_S;
}

/* login_keep takes the ticket that a call brought; an empty one changes nothing. */
static enum hf_err login_keep(struct client *c, struct login *l, struct slice ticket,
	uint32_t renew_s, uint64_t generation)
{
	struct secret fresh;

	if (ticket.n == 0)
		return HF_OK;
	TRY(secret_dup(ticket, &fresh));
	MUTEX_HOLD(&c->lock);
	secret_done(&l->ticket);
	l->ticket = fresh;
	l->renew_at = after_s(renew_s);
	l->generation = generation;
	return HF_OK;
}

/* --- after a restart ------------------------------------------------------ */

static bool must_resume(const struct login *l, uint64_t generation)
{
	return l->ticket.n > 0 && l->generation != generation;
}

static bool must_renew(const struct login *l)
{
	return l->ticket.n > 0 && l->renew_at != 0 && clock_mono_ns() >= l->renew_at;
}

bool login_is_due(const struct client *c, const struct login *l, uint64_t generation)
{
	(void)c;
	return must_resume(l, generation) || must_renew(l);
}

static void encode_ticket(struct client *c, const struct login *l, struct buf *b)
{
	MUTEX_HOLD(&c->lock);
	struct resume_req q = { .slot = l->node.key, .ticket = secret_slice(&l->ticket) };

	resume_req_enc(b, &q);
}

/* A vault that does not take the ticket has ended the login: the calls that
 * need it will say so. */
static enum hf_err resume(struct client *c, struct conn *k, struct login *l)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1024);
	enum hf_err answer;

	encode_ticket(c, l, &b);
	TRY(link_tell(c, k, CALLS_RESUME, 0, &b, &answer));
	if (answer != HF_OK && answer != HF_E_ALREADY_LOGGED_IN && err_blame(answer) != HF_BLAME_HSM &&
	    answer != HF_E_LOCKED && answer != HF_E_STATE)
		login_forget(c, l);
	MUTEX_HOLD(&c->lock);
	if (answer == HF_OK || answer == HF_E_ALREADY_LOGGED_IN)
		l->generation = k->generation;
	return HF_OK;
}

static enum hf_err renew(struct client *c, struct conn *k, struct login *l, uint64_t vault_session)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct ticket_renew_res r;
	struct rd rest;
	enum hf_err answer;

	TRY(link_tell(c, k, CALLS_TICKET_RENEW, vault_session, NULL, &answer));
	rest = rd_of(k->answer);
	if (answer == HF_OK && ticket_renew_res_dec(&rest, &a, &r) && rd_done(&rest))
		return login_keep(c, l, r.ticket, r.renew_s, k->generation);
	MUTEX_HOLD(&c->lock);
	l->renew_at = after_s(RENEW_AGAIN_S);
	return HF_OK;
}

static void what_is_due(struct client *c, const struct login *l, uint64_t generation,
	bool *ret_resume, bool *ret_renew)
{
	MUTEX_HOLD(&c->lock);

	*ret_resume = must_resume(l, generation);
	*ret_renew = must_renew(l);
}

enum hf_err login_restore(struct client *c, struct conn *k, struct login *l, uint64_t vault_session)
{
	bool to_resume, to_renew;

	what_is_due(c, l, k->generation, &to_resume, &to_renew);
	if (to_resume)
		TRY(resume(c, k, l));
	if (to_renew)
		return renew(c, k, l, vault_session);
	return HF_OK;
}

/* --- for callers ---------------------------------------------------------- */

static enum hf_err login_call(struct client *c, struct call *q, struct session *s, struct buf *b)
{
	TRY(buf_err(b));
	q->session = s->node.key;
	q->fields = buf_slice(b);
	return call_run(c, q);
}

enum hf_err client_login(struct client *c, uint64_t session, uint32_t user, struct slice name,
	struct slice pin)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);
	CLEANUP(arena_done) struct arena a = { 0 };
	struct login_req q = { .user = user, .name = name, .pin = pin };
	struct session *s = session_get(c, session);
	struct login_res r;
	struct rd rest;
	struct call call = { .op = CALLS_LOGIN, .arena = &a, .rest = &rest };
	enum hf_err e;

	if (s == NULL)
		return HF_E_SESSION_HANDLE;
	login_req_enc(&b, &q);
	e = login_call(c, &call, s, &b);
	if (e == HF_OK && (!login_res_dec(&rest, &a, &r) || !rd_done(&rest)))
		e = HF_E_MALFORMED;
	if (e == HF_OK)
		e = login_keep(c, s->login, r.ticket, r.renew_s, call.generation);
	session_put(s);
	return e;
}

/* A connection that breaks meanwhile leaves nobody logged in as far as this
 * application goes: without the ticket, only the same vault may still hold the
 * login, so it is asked once more. */
enum hf_err client_logout(struct client *c, uint64_t session)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct logout_req q = { 0 };
	struct logout_res r;
	struct session *s = session_get(c, session);
	enum hf_err e;

	if (s == NULL)
		return HF_E_SESSION_HANDLE;
	e = do_logout(c, session, &q, &r, &a);
	if (e == HF_OK || e == HF_E_NOT_LOGGED_IN || e == HF_E_CONNECTION)
		login_forget(c, s->login);
	if (e == HF_E_CONNECTION) {
		e = do_logout(c, session, &q, &r, &a);
		e = e == HF_E_NOT_LOGGED_IN ? HF_OK : e;
	}
	session_put(s);
	return e;
}

enum hf_err client_pin_set(struct client *c, uint64_t session, struct slice old,
	struct slice fresh)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);
	CLEANUP(arena_done) struct arena a = { 0 };
	struct pin_set_req q = { .old = old, .new = fresh };
	struct session *s = session_get(c, session);
	struct pin_set_res r;
	struct rd rest;
	struct call call = { .op = CALLS_PIN_SET, .arena = &a, .rest = &rest };
	enum hf_err e;

	if (s == NULL)
		return HF_E_SESSION_HANDLE;
	pin_set_req_enc(&b, &q);
	e = login_call(c, &call, s, &b);
	if (e == HF_OK && (!pin_set_res_dec(&rest, &a, &r) || !rd_done(&rest)))
		e = HF_E_MALFORMED;
	if (e == HF_OK)
		e = login_keep(c, s->login, r.ticket, r.renew_s, call.generation);
	session_put(s);
	return e;
}
