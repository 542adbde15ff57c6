#include "app.h"

#include <stdio.h>
#include <string.h>

#include "backup.h"
#include "clock.h"
#include "login.h"
#include "partition.h"
#include "rights.h"

bool peer_is_admin(const struct hsm *h, const struct peer *p)
{
	return p->uid == 0 || p->uid == h->cfg.admin_uid;
}

/* --- applications ------------------------------------------------------------- */

static void app_free(struct app *app)
{
	while (app->logins != NULL) {
		struct app_login *l = app->logins;

		app->logins = l->next;
		partition_unref(l->part);
		secret_done(&l->own);
		hf_free(l);
	}
	backup_free(app->backup);
	map_done(&app->sessions);
	mutex_done(&app->backup_lock);
	mutex_done(&app->lock);
	hf_free(app);
}

static struct app *app_new(const struct peer *peer, struct slice id, struct slice program)
{
	struct app *app = hf_alloc(1, sizeof(*app));

	if (app == NULL)
		return NULL;
	memcpy(app->id, id.p, APP_ID_LEN);
	app->peer = *peer;
	(void)snprintf(app->program, sizeof(app->program), "%.*s", (int)program.n,
		program.n > 0 ? (const char *)program.p : "");
	mutex_init(&app->lock);
	mutex_init(&app->backup_lock);
	/* An application whose connections broke comes back as a new one: its sessions' numbers of before
	 * must not be those of others now. Without cryptography no session opens, and status tells why. */
	if (crypto_random((uint8_t *)&app->next_session, sizeof(app->next_session)) != HF_OK)
		app->next_session = clock_mono_ns();
	app->next_session >>= 1; /* never comes round to 0 */
	return app;
}

/* Applications are found by the first half of their id: 64 random bits. */
static uint64_t app_key(struct slice id)
{
	return get_u64(id.p);
}

static enum hf_err join_known(struct app *app, struct slice id, const struct peer *peer)
{
	if (!slice_eq(SLICE_OF(app->id), id))
		return HF_E_CONFLICT;
	if (app->peer.uid != peer->uid)
		return HF_E_DENIED;
	app->conns++;
	return HF_OK;
}

static enum hf_err join_new(struct hsm *h, const struct peer *peer, struct slice id,
	struct slice program, struct app **ret)
{
	struct app *app;

	if (h->app_count >= h->cfg.max_applications)
		return HF_E_LIMIT;
	app = app_new(peer, id, program);
	if (app == NULL)
		return HF_E_MEMORY;
	if (map_put(&h->apps, app_key(id), &app->by_id) != HF_OK) {
		app_free(app);
		return HF_E_MEMORY;
	}
	h->app_count++;
	app->conns = 1;
	*ret = app;
	return HF_OK;
}

enum hf_err app_join(struct hsm_conn *c, struct slice id, struct slice program)
{
	struct hsm *h = c->hsm;
	MUTEX_HOLD(&h->lock);
	struct map_node *n;
	struct app *app = atomic_load(&c->app);

	if (id.n != APP_ID_LEN)
		return HF_E_ARGUMENTS;
	if (app != NULL) /* hello again */
		return slice_eq(SLICE_OF(app->id), id) ? HF_OK : HF_E_ARGUMENTS;
	n = map_get(&h->apps, app_key(id));
	if (n != NULL) {
		app = container_of(n, struct app, by_id);
		TRY(join_known(app, id, &c->peer));
	} else {
		TRY(join_new(h, &c->peer, id, program, &app));
	}
	atomic_store(&c->app, app);
	return HF_OK;
}

/* app_leave: the last connection takes the application with it. Its logins end
 * without a record: a client that only lost its connections still has tickets. */
static void app_leave(struct hsm *h, struct app *app)
{
	{
		MUTEX_HOLD(&h->lock);
		if (--app->conns > 0)
			return;
		(void)map_del(&h->apps, app->by_id.key);
		h->app_count--;
	}
	sessions_end(h, app, NULL, false);
	for (struct app_login *l = app->logins; l != NULL; l = l->next)
		if (l->role != ROLE_PUBLIC)
			login_gone(h, l->part, l->role);
	app_free(app);
}

/* --- connections ---------------------------------------------------------------- */

enum hf_err hsm_conn_open(struct hsm *h, const struct peer *p, struct hsm_conn **ret)
{
	struct hsm_conn *c = hf_alloc(1, sizeof(*c));

	if (c == NULL)
		return HF_E_MEMORY;
	c->hsm = h;
	c->peer = *p;
	MUTEX_HOLD(&h->lock);
	if (h->conns >= h->cfg.max_connections) {
		hf_free(c);
		return HF_E_LIMIT;
	}
	h->conns++;
	c->id = ++h->conns_ever;
	*ret = c;
	return HF_OK;
}

void hsm_conn_close(struct hsm_conn *c)
{
	struct app *app = atomic_load(&c->app);
	struct hsm *h = c->hsm;

	if (app != NULL)
		app_leave(h, app);
	hf_free(c);
	MUTEX_HOLD(&h->lock);
	h->conns--;
}

unsigned hsm_connections(const struct hsm *h)
{
	struct hsm *own = (struct hsm *)(uintptr_t)h;
	MUTEX_HOLD(&own->lock);

	return own->conns;
}

/* --- standing in a partition ------------------------------------------------------ */

struct app_login *app_login_of(const struct app *app, const struct partition *p)
{
	for (struct app_login *l = app->logins; l != NULL; l = l->next)
		if (l->part == p)
			return l;
	return NULL;
}

enum hf_err app_login_need(struct app *app, struct partition *p, struct app_login **ret)
{
	struct app_login *l = app_login_of(app, p);

	if (l == NULL) {
		l = hf_alloc(1, sizeof(*l));
		if (l == NULL)
			return HF_E_MEMORY;
		partition_ref(p);
		l->part = p;
		l->role = ROLE_PUBLIC;
		l->next = app->logins;
		app->logins = l;
	}
	*ret = l;
	return HF_OK;
}

enum role app_role(struct app *app, const struct partition *p, struct rights *ret)
{
	MUTEX_HOLD(&app->lock);
	const struct app_login *l = app_login_of(app, p);

	ret->may = RIGHTS_ALL;
	ret->keys[0] = '\0';
	if (l != NULL && l->role != ROLE_PUBLIC && !rights_all(&l->rights))
		*ret = l->rights;
	return l != NULL ? l->role : ROLE_PUBLIC;
}
