#include "login.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "object.h"
#include "opening.h"
#include "op_state.h"
#include "partition.h"
#include "rekey.h"

#define US_PER_S 1000000u
#define PURGE_AT_ONCE 32u /* expired revocations deleted with a new one */

/* --- beginning ------------------------------------------------------------------ */

/* PKCS#11 3.2 §5.6.8: in this order. app.lock. */
static enum hf_err may_log_in(const struct app_login *l, enum role role)
{
	if (l != NULL && l->role == role)
		return HF_E_ALREADY_LOGGED_IN;
	if (l != NULL && l->role != ROLE_PUBLIC)
		return HF_E_OTHER_LOGGED_IN;
	if (l != NULL && role == ROLE_SO && l->rw_sessions < l->sessions)
		return HF_E_SESSION_RO_EXISTS;
	return HF_OK;
}

enum hf_err login_allowed(struct app *app, struct partition *p, enum role role)
{
	MUTEX_HOLD(&app->lock);

	return may_log_in(app_login_of(app, p), role);
}

static enum hf_err key_enter(struct partition *p, struct slice key)
{
	bool current = true;
	enum hf_err e = HF_OK;

	(void)pthread_rwlock_wrlock(&p->lock);
	if (p->key.n == 0)
		e = rekey_is_current(p, key, &current);
	if (e == HF_OK && !current)
		e = HF_E_TICKET; /* of before the key was replaced */
	if (e == HF_OK && p->key.n == 0)
		e = secret_dup(key, &p->key);
	if (e == HF_OK) {
		rekey_enter(p);
		p->logins++;
	}
	(void)pthread_rwlock_unlock(&p->lock);
	return e;
}

static void key_leave(struct partition *p)
{
	(void)pthread_rwlock_wrlock(&p->lock);
	if (--p->logins == 0) {
		secret_done(&p->key);
		secret_done(&p->old_key);
	}
	(void)pthread_rwlock_unlock(&p->lock);
}

static void close_private(struct partition *p)
{
	opening_end(p);
	objects_drop_private(p->objects);
}

/* login_come is the partition's side: the first login opens it, the first user's
 * brings its private objects into memory. */
enum hf_err login_come(struct hsm *h, struct partition *p, enum role role, struct slice key)
{
	MUTEX_HOLD(&p->roles->lock);
	enum hf_err e;

	TRY(key_enter(p, key));
	rekey_resume(h, p);
	if (!role_is_user(role) || p->roles->users++ > 0)
		return HF_OK;
	e = opening_begin(h, p);
	if (e == HF_OK)
		return HF_OK;
	p->roles->users--;
	close_private(p);
	key_leave(p);
	return e;
}

void login_gone(struct hsm *h, struct partition *p, enum role role)
{
	MUTEX_HOLD(&p->roles->lock);

	(void)h;
	if (role_is_user(role) && --p->roles->users == 0)
		close_private(p);
	key_leave(p);
}

/* struct ids is what tells a login from every other. */
struct ids {
	uint8_t id[LOGIN_ID_LEN];
	struct secret own;
};

static void ids_done(struct ids *i)
{
	secret_done(&i->own);
}

static enum hf_err ids_of(const struct login_as *as, struct ids *ret)
{
	if (as->id != NULL) {
		memcpy(ret->id, as->id, sizeof(ret->id));
		return secret_dup(as->own, &ret->own);
	}
	TRY(crypto_random(ret->id, sizeof(ret->id)));
	TRY(secret_alloc(&ret->own, CRYPTO_KEY));
	return crypto_random(ret->own.p, ret->own.n);
}

static enum hf_err set_role(struct app *app, struct partition *p, const struct login_as *as,
	struct ids *ids)
{
	MUTEX_HOLD(&app->lock);
	struct app_login *l;

	TRY(app_login_need(app, p, &l));
	TRY(may_log_in(l, as->role));
	l->role = as->role;
	memcpy(l->user, as->user, sizeof(l->user));
	l->rights = as->rights;
	l->used_ns = clock_mono_ns();
	memcpy(l->login_id, ids->id, LOGIN_ID_LEN);
	secret_done(&l->own);
	l->own = secret_take(&ids->own);
	return HF_OK;
}

struct login_as login_by(const struct role_record *r)
{
	struct login_as as = { .role = r->role, .rights = r->rights };

	memcpy(as.user, r->name, sizeof(as.user));
	return as;
}

enum hf_err login_begin(struct hsm *h, struct app *app, struct partition *p,
	const struct login_as *as, struct slice key)
{
	CLEANUP(ids_done) struct ids ids = { { 0 } };
	enum hf_err e;

	TRY(ids_of(as, &ids));
	TRY(login_come(h, p, as->role, key));
	e = set_role(app, p, as, &ids);
	if (e != HF_OK)
		login_gone(h, p, as->role);
	return e;
}

/* --- ending ------------------------------------------------------------------------ */

/* Sessions in a call just now end their operations when it is over (gate.c). */
static void cancel_idle(struct app *app, const struct partition *p, const struct session *own)
{
	MUTEX_HOLD(&app->lock);

	saved_drop(app, p);
	for (struct map_node *n = map_next(&app->sessions, NULL); n != NULL;
	     n = map_next(&app->sessions, n)) {
		struct session *s = container_of(n, struct session, by_id);

		if (s == own || s->part != p || !baton_try(&s->lock))
			continue;
		ops_drop_private(s);
		baton_give(&s->lock);
	}
}

static enum hf_err clear_role(struct app *app, struct partition *p, enum role *ret,
	uint8_t ret_id[LOGIN_ID_LEN])
{
	MUTEX_HOLD(&app->lock);
	struct app_login *l = app_login_of(app, p);

	if (l == NULL || l->role == ROLE_PUBLIC)
		return HF_E_NOT_LOGGED_IN;
	*ret = l->role;
	memcpy(ret_id, l->login_id, LOGIN_ID_LEN);
	l->role = ROLE_PUBLIC;
	l->ended++;
	return HF_OK;
}

/* In memory first: if the store does not take the revocation the caller learns
 * it, but nothing is open any more. */
enum hf_err login_end(struct hsm *h, struct app *app, struct partition *p, struct session *own)
{
	uint8_t id[LOGIN_ID_LEN];
	enum role role;

	TRY(clear_role(app, p, &role, id));
	if (own != NULL)
		session_catch_up(own);
	cancel_idle(app, p, own);
	objects_drop_session(p->objects, app, 0, true);
	login_gone(h, p, role);
	return login_revoke(h, p, id);
}

/* hsm.lock is held: the application stays. Sessions in a call just now end their
 * operations when it is over. */
static void end_in_app(struct hsm *h, struct app *app, struct partition *p, struct slice name)
{
	enum role role = ROLE_PUBLIC;

	{
		MUTEX_HOLD(&app->lock);
		struct app_login *l = app_login_of(app, p);

		if (l == NULL || l->role == ROLE_PUBLIC || !slice_eq(slice_str(l->user), name))
			return;
		role = l->role;
		l->role = ROLE_PUBLIC;
		l->ended++;
	}
	cancel_idle(app, p, NULL);
	objects_drop_session(p->objects, app, 0, true);
	login_gone(h, p, role);
}

void logins_end_of(struct hsm *h, struct partition *p, struct slice name)
{
	MUTEX_HOLD(&h->lock);

	for (struct map_node *n = map_next(&h->apps, NULL); n != NULL; n = map_next(&h->apps, n))
		end_in_app(h, container_of(n, struct app, by_id), p, name);
}

/* --- what outlives its end ------------------------------------------------------------ */

struct gone {
	struct map_node by_id;
	uint8_t id[LOGIN_ID_LEN];
	uint64_t version;
	uint64_t expiry; /* UTC, microseconds: its tickets are void by themselves */
};

static struct gone *of_node(struct map_node *n)
{
	return container_of(n, struct gone, by_id);
}

/* Ids are random: their first half names one; a second one of the same half is
 * as good as the first. */
static enum hf_err gone_put(struct roles *r, struct gone *g)
{
	enum hf_err e = map_put(&r->gone, get_u64(g->id), &g->by_id);

	if (e == HF_OK && (r->gone.n == 1 || g->expiry < r->gone_due))
		r->gone_due = g->expiry;
	return e;
}

static void drop(struct map_node *n)
{
	hf_free(of_node(n));
}

void gone_free(struct roles *r)
{
	map_free(&r->gone, drop);
}

bool login_revoked(struct partition *p, const uint8_t id[LOGIN_ID_LEN])
{
	MUTEX_HOLD(&p->roles->lock);

	return map_get(&p->roles->gone, get_u64(id)) != NULL;
}

static void gone_name(const struct partition *p, const uint8_t id[LOGIN_ID_LEN],
	char out[RECORD_NAME])
{
	char hex[2 * LOGIN_ID_LEN + 1];

	hex_encode((struct slice){ id, LOGIN_ID_LEN }, hex);
	(void)snprintf(out, RECORD_NAME, "p/%s/gone/%s", p->serial, hex);
}

/* take_expired takes some of those that expired out of the map; nothing is
 * looked at before the first of them is due. */
static size_t take_expired(struct roles *r, struct gone *v[PURGE_AT_ONCE])
{
	uint64_t now = clock_wall_us(), due = UINT64_MAX;
	MUTEX_HOLD(&r->lock);
	size_t n = 0;

	if (now < r->gone_due)
		return 0;
	for (struct map_node *m = map_next(&r->gone, NULL), *next; m != NULL; m = next) {
		struct gone *g = of_node(m);

		next = map_next(&r->gone, m);
		if (g->expiry < now && n < PURGE_AT_ONCE)
			v[n++] = of_node(map_del(&r->gone, m->key));
		else if (g->expiry < due)
			due = g->expiry;
	}
	r->gone_due = due;
	return n;
}

/* Those that expired go along with the new one, or are left for the next start. */
static enum hf_err write_gone(struct hsm *h, struct partition *p, const struct gone *g,
	struct gone *const *expired, size_t n)
{
	struct record_change v[PURGE_AT_ONCE + 1];
	char names[PURGE_AT_ONCE + 1][RECORD_NAME];
	uint8_t expiry[8];

	put_u64(expiry, g->expiry);
	gone_name(p, g->id, names[n]);
	v[n] = (struct record_change){
		.name = names[n], .version = 1, .seal = SEAL_STORE, .plain = SLICE_OF(expiry),
	};
	for (size_t i = 0; i < n; i++) {
		gone_name(p, expired[i]->id, names[i]);
		v[i] = (struct record_change){ .name = names[i], .expect = expired[i]->version };
	}
	return records_write(h->records, v, n + 1);
}

enum hf_err login_revoke(struct hsm *h, struct partition *p, const uint8_t id[LOGIN_ID_LEN])
{
	struct gone *g = hf_alloc(1, sizeof(*g)), *expired[PURGE_AT_ONCE];
	struct gone copy;
	enum hf_err e;
	size_t n;

	if (g == NULL)
		return HF_E_MEMORY;
	memcpy(g->id, id, LOGIN_ID_LEN);
	g->version = 1;
	g->expiry = clock_wall_us() + (uint64_t)h->cfg.ticket_seconds * US_PER_S;
	copy = *g;
	n = take_expired(p->roles, expired);
	{
		MUTEX_HOLD(&p->roles->lock);
		e = gone_put(p->roles, g);
	}
	if (e == HF_OK)
		e = write_gone(h, p, &copy, expired, n);
	else
		hf_free(g);
	if (e == HF_E_CONFLICT) /* revoked already */
		e = HF_OK;
	for (size_t i = 0; i < n; i++)
		hf_free(expired[i]);
	return e;
}

static enum hf_err gone_purge(struct hsm *h, const char *name, uint64_t version)
{
	struct record_change c = { .name = name, .expect = version };

	return records_write(h->records, &c, 1);
}

enum hf_err gone_load(struct hsm *h, struct partition *p, const char *name, uint64_t version,
	struct slice plain)
{
	struct rd r = rd_of(plain);
	struct gone *g;
	size_t n;

	g = hf_alloc(1, sizeof(*g));
	if (g == NULL)
		return HF_E_MEMORY;
	g->version = version;
	if (!hex_decode(strrchr(name, '/') + 1, g->id, sizeof(g->id), &n) || n != sizeof(g->id) ||
	    !rd_u64(&r, &g->expiry) || !rd_done(&r)) {
		hf_free(g);
		return HF_E_DAMAGED;
	}
	if (g->expiry < clock_wall_us()) {
		hf_free(g);
		return gone_purge(h, name, version);
	}
	if (gone_put(p->roles, g) != HF_OK) {
		hf_free(g);
		return HF_E_MEMORY;
	}
	return HF_OK;
}
