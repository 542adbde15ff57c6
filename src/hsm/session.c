#include "app.h"
#include "jobs.h"
#include "log.h"
#include "login.h"
#include "object.h"
#include "op_state.h"
#include "partition.h"

void session_unref(struct session *s)
{
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	partition_unref(s->part);
	baton_done(&s->lock);
	hf_free(s);
}

struct session *session_find(struct app *app, uint64_t id)
{
	MUTEX_HOLD(&app->lock);
	struct map_node *n = map_get(&app->sessions, id);
	struct session *s;

	if (n == NULL)
		return NULL;
	s = container_of(n, struct session, by_id);
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void session_catch_up(struct session *s)
{
	uint64_t ended = atomic_load(&s->login->ended);

	if (s->ended != ended) {
		ops_drop_private(s);
		s->guard_open = s->guard_asked = 0;
	}
	s->ended = ended;
}

/* --- opening ------------------------------------------------------------------- */

static enum hf_err count_in_partition(struct partition *p, bool rw)
{
	enum hf_err e = HF_OK;

	(void)pthread_rwlock_wrlock(&p->lock);
	if (p->deleted)
		e = HF_E_SLOT;
	else if (p->disabled)
		e = HF_E_DISABLED;
	else if (p->busy)
		e = HF_E_CONFLICT;
	if (e == HF_OK) {
		p->sessions++;
		p->rw_sessions += rw;
	}
	(void)pthread_rwlock_unlock(&p->lock);
	return e;
}

static void uncount_in_partition(struct partition *p, bool rw)
{
	(void)pthread_rwlock_wrlock(&p->lock);
	p->sessions--;
	p->rw_sessions -= rw;
	(void)pthread_rwlock_unlock(&p->lock);
}

static void forget_if_unused(struct app *app, struct app_login *l)
{
	struct app_login **at = &app->logins;

	if (l->sessions > 0 || l->role != ROLE_PUBLIC)
		return;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	partition_unref(l->part);
	secret_done(&l->own);
	hf_free(l);
}

/* enter puts the session into its application's tables; app.lock. */
static enum hf_err enter(struct app *app, struct session *s)
{
	struct app_login *l;
	enum hf_err e;

	TRY(app_login_need(app, s->part, &l));
	e = l->role == ROLE_SO && !s->rw ? HF_E_SESSION_SO_EXISTS : HF_OK;
	if (e == HF_OK)
		e = count_in_partition(s->part, s->rw);
	if (e == HF_OK) {
		e = map_put(&app->sessions, ++app->next_session, &s->by_id);
		if (e != HF_OK)
			uncount_in_partition(s->part, s->rw);
	}
	if (e != HF_OK) {
		forget_if_unused(app, l);
		return e;
	}
	l->sessions++;
	l->rw_sessions += s->rw;
	s->login = l;
	s->ended = l->ended;
	return HF_OK;
}

enum hf_err session_new(struct hsm *h, struct app *app, struct partition *p, struct session_wish w,
	uint64_t *ret)
{
	struct session *s = hf_alloc(1, sizeof(*s));
	enum hf_err e;

	if (s == NULL)
		return HF_E_MEMORY;
	atomic_init(&s->refs, 1); /* the table's */
	s->app = app;
	s->part = p;
	s->rw = w.rw;
	s->ivs_before = w.ivs;
	partition_ref(p);
	baton_init(&s->lock);
	{
		MUTEX_HOLD(&app->lock);
		e = app->sessions.n >= h->cfg.max_sessions ? HF_E_SESSION_COUNT : enter(app, s);
		*ret = s->by_id.key;
	}
	if (e != HF_OK)
		session_unref(s);
	return e;
}

/* --- closing --------------------------------------------------------------------- */

/* struct leaving is what is to be done about a login after app.lock is free. */
struct leaving {
	enum role role;
	uint8_t login_id[LOGIN_ID_LEN];
};

static void leave(struct session *s, struct leaving *out)
{
	struct app *app = s->app;
	struct app_login *l = s->login;
	MUTEX_HOLD(&app->lock);

	(void)map_del(&app->sessions, s->by_id.key);
	l->sessions--;
	l->rw_sessions -= s->rw;
	out->role = ROLE_PUBLIC;
	if (l->sessions > 0)
		return;
	saved_drop(app, s->part);
	out->role = l->role;
	for (size_t i = 0; i < LOGIN_ID_LEN; i++)
		out->login_id[i] = l->login_id[i];
	l->role = ROLE_PUBLIC;
	forget_if_unused(app, l);
}

void session_end(struct hsm *h, struct session *s, bool revoke)
{
	struct partition *p = s->part;
	struct leaving out;
	enum hf_err e = HF_OK;

	if (s->closed)
		return;
	s->closed = true;
	ops_drop(s);
	leave(s, &out);
	jobs_forget(h->jobs, s->app, s->by_id.key);
	objects_drop_session(p->objects, s->app, s->by_id.key, false);
	if (out.role != ROLE_PUBLIC) {
		login_gone(h, p, out.role);
		if (revoke)
			e = login_revoke(h, p, out.login_id);
	}
	if (e != HF_OK)
		log_warn("partition %s: a login's end could not be recorded: %s", p->serial, err_text(e));
	uncount_in_partition(p, s->rw);
	s->login = NULL;
	session_unref(s); /* the table's */
}

static void end_one(struct hsm *h, struct session *s, bool revoke)
{
	baton_take(&s->lock);
	session_end(h, s, revoke);
	baton_give(&s->lock);
	session_unref(s);
}

/* struct many is some references, taken while a lock is held: so that closing
 * needs no memory, it goes in rounds. */
#define MANY 64
struct many {
	struct session *v[MANY];
	size_t n;
};

static void collect(struct app *app, const struct partition *p, struct many *m)
{
	MUTEX_HOLD(&app->lock);

	for (struct map_node *n = map_next(&app->sessions, NULL); n != NULL && m->n < MANY;
	     n = map_next(&app->sessions, n)) {
		struct session *s = container_of(n, struct session, by_id);

		if (p != NULL && s->part != p)
			continue;
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
		m->v[m->n++] = s;
	}
}

static void end_many(struct hsm *h, struct many *m, bool revoke)
{
	for (size_t i = 0; i < m->n; i++)
		end_one(h, m->v[i], revoke);
}

void sessions_end(struct hsm *h, struct app *app, const struct partition *p, bool revoke)
{
	struct many m;

	do {
		m.n = 0;
		collect(app, p, &m);
		end_many(h, &m, revoke);
	} while (m.n > 0);
}

static void collect_all(struct hsm *h, const struct partition *p, struct many *m)
{
	MUTEX_HOLD(&h->lock);

	for (struct map_node *n = map_next(&h->apps, NULL); n != NULL; n = map_next(&h->apps, n))
		collect(container_of(n, struct app, by_id), p, m);
}

void sessions_end_all(struct hsm *h, const struct partition *p)
{
	struct many m;

	do {
		m.n = 0;
		collect_all(h, p, &m);
		end_many(h, &m, false);
	} while (m.n > 0);
}
