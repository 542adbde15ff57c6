#include "client_int.h"

#include "stubs.h"

/* --- the table ------------------------------------------------------------ */

struct session *session_get(struct client *c, uint64_t handle)
{
	MUTEX_HOLD(&c->lock);
	struct map_node *n = map_get(&c->sessions, handle);
	struct session *s;

	if (n == NULL)
		return NULL;
	s = container_of(n, struct session, node);
	s->refs++;
	return s;
}

static void session_free(struct session *s)
{
	operations_done(s);
	mutex_done(&s->lock);
	hf_free(s);
}

void session_put(struct session *s)
{
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		session_free(s);
}

static enum hf_err session_new(struct client *c, uint64_t slot, bool rw, const struct call *opened,
	uint64_t vault, uint64_t *ret)
{
	struct session *s = hf_alloc(1, sizeof(*s));
	enum hf_err e;

	if (s == NULL)
		return HF_E_MEMORY;
	*s = (struct session){
		.refs = 1, /* the table's */
		.rw = rw,
		.vault = vault,
		.generation = opened->generation,
		.boot = opened->boot,
		.epoch = 1,
	};
	mutex_init(&s->lock);
	MUTEX_HOLD(&c->lock);
	s->login = login_of(c, slot);
	e = s->login == NULL ? HF_E_MEMORY : map_put(&c->sessions, ++c->next_session, &s->node);
	if (e != HF_OK) {
		session_free(s);
		return e;
	}
	s->login->sessions++;
	*ret = s->node.key;
	return HF_OK;
}

/* The table's reference passes to the caller. NULL: another thread was first. */
static struct session *session_take_out(struct client *c, struct session *s)
{
	MUTEX_HOLD(&c->lock);

	if (s->closed)
		return NULL;
	s->closed = true;
	(void)map_del(&c->sessions, s->node.key);
	s->login->sessions--;
	return s;
}

/* session_drop forgets a session; with a slot's last one its login ends. */
static void session_drop(struct client *c, struct session *s)
{
	struct login *l = s->login;
	bool last;

	if (session_take_out(c, s) == NULL)
		return;
	{
		MUTEX_HOLD(&c->lock);
		last = l->sessions == 0;
	}
	if (last)
		login_forget(c, l);
	session_put(s);
}

static void drop(struct map_node *n)
{
	session_free(container_of(n, struct session, node));
}

void sessions_done(struct client *c)
{
	map_free(&c->sessions, drop);
}

/* --- opening again -------------------------------------------------------- */

static enum hf_err ask_open(struct client *c, struct conn *k, struct session *s,
	enum hf_err *ret_answer)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	CLEANUP(arena_done) struct arena a = { 0 };
	struct session_open_req q = { .slot = s->login->node.key, .rw = s->rw, .ivs = s->ivs };
	struct session_open_res r;
	struct rd rest;

	session_open_req_enc(&b, &q);
	TRY(link_tell(c, k, CALLS_SESSION_OPEN, 0, &b, ret_answer));
	if (*ret_answer != HF_OK)
		return HF_OK;
	rest = rd_of(k->answer);
	if (!session_open_res_dec(&rest, &a, &r) || !rd_done(&rest)) {
		*ret_answer = HF_E_MALFORMED;
		return HF_OK;
	}
	MUTEX_HOLD(&c->lock);
	s->vault = r.session;
	s->epoch++;
	return HF_OK;
}

/* The same vault may still know the session, if only connections broke. */
static enum hf_err session_reopen(struct client *c, struct conn *k, struct session *s,
	enum hf_err *ret_answer)
{
	*ret_answer = HF_E_SESSION_HANDLE;
	if (s->vault != 0 && s->boot == k->boot)
		TRY(link_tell(c, k, CALLS_SESSION_INFO, s->vault, NULL, ret_answer));
	if (*ret_answer == HF_E_SESSION_HANDLE)
		TRY(ask_open(c, k, s, ret_answer));
	if (*ret_answer != HF_OK)
		return HF_OK;
	MUTEX_HOLD(&c->lock);
	s->generation = k->generation;
	s->boot = k->boot;
	return HF_OK;
}

static bool login_due(struct client *c, const struct login *l, uint64_t generation)
{
	MUTEX_HOLD(&c->lock);

	return login_is_due(c, l, generation);
}

enum hf_err session_restore(struct client *c, struct conn *k, struct session *s, struct call *q)
{
	enum hf_err answer = HF_OK;

	if (s->generation == k->generation && s->vault != 0 &&
	    !login_due(c, s->login, k->generation))
		return HF_OK;
	MUTEX_HOLD(&c->restoring);
	if (s->generation != k->generation || s->vault == 0)
		TRY(session_reopen(c, k, s, &answer));
	if (answer != HF_OK) {
		q->answered = true;
		q->answer = answer;
		return HF_OK;
	}
	return login_restore(c, k, s->login, s->vault);
}

void session_lost(struct client *c, struct session *s)
{
	MUTEX_HOLD(&s->lock);
	MUTEX_HOLD(&c->lock);
	s->vault = 0;
	s->login->generation = 0;
}

/* --- for callers ---------------------------------------------------------- */

enum hf_err client_session_open(struct client *c, uint64_t slot, bool rw, uint64_t *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	CLEANUP(arena_done) struct arena a = { 0 };
	struct session_open_req q = { .slot = slot, .rw = rw };
	struct session_open_res r;
	struct rd rest;
	struct call call = { .op = CALLS_SESSION_OPEN, .arena = &a, .rest = &rest };

	session_open_req_enc(&b, &q);
	TRY(buf_err(&b));
	call.fields = buf_slice(&b);
	TRY(call_run(c, &call));
	if (!session_open_res_dec(&rest, &a, &r) || !rd_done(&rest))
		return HF_E_MALFORMED;
	return session_new(c, slot, rw, &call, r.session, ret);
}

static bool is_live(const struct session *s, uint64_t generation)
{
	return s->vault != 0 && s->generation == generation;
}

/* The sessions of s's slot besides it: is one of them known to the vault? Else
 * *ret_other is one that is not (0: there is none). */
static bool others_live(struct client *c, const struct session *s, uint64_t *ret_other)
{
	MUTEX_HOLD(&c->lock);

	*ret_other = 0;
	for (struct map_node *n = map_next(&c->sessions, NULL); n != NULL;
	     n = map_next(&c->sessions, n)) {
		struct session *o = container_of(n, struct session, node);

		if (o == s || o->login != s->login)
			continue;
		if (is_live(o, c->generation))
			return true;
		*ret_other = n->key;
	}
	return false;
}

/* After a restart the vault knows only the sessions that were used since. If it
 * saw its last one close it would end the login, which the others still want. */
static enum hf_err keep_login(struct client *c, const struct session *s)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct session_info_req q = { 0 };
	struct session_info_res r;
	uint64_t other;

	if (others_live(c, s, &other) || other == 0)
		return HF_OK;
	return do_session_info(c, other, &q, &r, &a);
}

static enum hf_err close_live(struct client *c, struct session *s)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct session_close_req q = { 0 };
	struct session_close_res r;
	bool live;

	{
		MUTEX_HOLD(&c->lock);
		live = is_live(s, c->generation);
	}
	if (!live)
		return HF_OK;
	TRY(keep_login(c, s));
	return do_session_close(c, s->node.key, &q, &r, &a);
}

/* If the vault restarted during the close, it did see its last session close. */
static void note_alone(struct client *c, const struct session *s)
{
	uint64_t other;

	if (others_live(c, s, &other) || other == 0)
		return;
	MUTEX_HOLD(&c->lock);
	s->login->generation = 0;
}

enum hf_err client_session_close(struct client *c, uint64_t session)
{
	struct session *s = session_get(c, session);
	enum hf_err e;

	if (s == NULL)
		return HF_E_SESSION_HANDLE;
	e = close_live(c, s);
	note_alone(c, s);
	session_drop(c, s);
	session_put(s);
	return e == HF_E_SESSION_HANDLE ? HF_OK : e;
}

static struct session *any_of_slot(struct client *c, uint64_t slot)
{
	MUTEX_HOLD(&c->lock);

	for (struct map_node *n = map_next(&c->sessions, NULL); n != NULL;
	     n = map_next(&c->sessions, n)) {
		struct session *s = container_of(n, struct session, node);

		if (s->login->node.key == slot) {
			s->refs++;
			return s;
		}
	}
	return NULL;
}

enum hf_err client_session_close_all(struct client *c, uint64_t slot)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct session_close_all_req q = { .slot = slot };
	struct session_close_all_res r;
	struct session *s;
	enum hf_err e = do_session_close_all(c, 0, &q, &r, &a);

	while ((s = any_of_slot(c, slot)) != NULL) {
		session_drop(c, s);
		session_put(s);
	}
	return e;
}

enum hf_err client_session_slot(struct client *c, uint64_t session, uint64_t *ret)
{
	struct session *s = session_get(c, session);

	if (s == NULL)
		return HF_E_SESSION_HANDLE;
	*ret = s->login->node.key;
	session_put(s);
	return HF_OK;
}
