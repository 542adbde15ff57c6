/* ticket.c: a login, sealed, for the client library to keep instead of a PIN.
 *
 *   format u8 | partition's serial 16 | role u8 | user's name 33 | partition key 32 | application 32 |
 *   uid u64 | login 16 | its own secret 32 | epochs of partition and role u64 u64 | issued u64 | expiry u64
 *
 * sealed by the HSM's ticket key. It is good for the application that it was
 * given to, run by the same user, until the login ends, the role's PIN changes,
 * the partition begins anew, or it expires. */
#include <string.h>

#include "bridge.h"
#include "clock.h"
#include "login.h"
#include "partition.h"
#include "rotate.h"

#define FORMAT 3
#define US_PER_S 1000000u
#define TICKET_MAX 512u

struct ticket {
	char serial[SERIAL_LEN + 1];
	uint8_t role;
	char user[USER_NAME_MAX + 1];
	struct slice key, own;
	uint8_t app[APP_ID_LEN];
	uint64_t uid;
	uint8_t login_id[LOGIN_ID_LEN];
	uint64_t epoch, role_epoch;
	uint64_t issued, expiry; /* UTC, microseconds */
	struct rights rights;    /* not in it: as the record has them */
};

static void ticket_enc(const struct ticket *t, struct buf *b)
{
	buf_u8(b, FORMAT);
	buf_raw(b, (struct slice){ (const uint8_t *)t->serial, SERIAL_LEN });
	buf_u8(b, t->role);
	buf_raw(b, (struct slice){ (const uint8_t *)t->user, sizeof(t->user) });
	buf_raw(b, t->key);
	buf_raw(b, SLICE_OF(t->app));
	buf_u64(b, t->uid);
	buf_raw(b, SLICE_OF(t->login_id));
	buf_raw(b, t->own);
	buf_u64(b, t->epoch);
	buf_u64(b, t->role_epoch);
	buf_u64(b, t->issued);
	buf_u64(b, t->expiry);
}

static bool take(struct rd *r, void *to, size_t n)
{
	const uint8_t *p;

	if (!rd_take(r, n, &p))
		return false;
	memcpy(to, p, n);
	return true;
}

static bool ticket_dec(struct slice in, struct ticket *ret)
{
	struct ticket t = { .key = { NULL, CRYPTO_KEY }, .own = { NULL, CRYPTO_KEY } };
	struct rd r = rd_of(in);
	uint8_t format;

	if (!rd_u8(&r, &format) || format != FORMAT || !take(&r, t.serial, SERIAL_LEN) ||
	    !rd_u8(&r, &t.role) || !take(&r, t.user, sizeof(t.user)) ||
	    t.user[USER_NAME_MAX] != '\0' || !rd_take(&r, CRYPTO_KEY, &t.key.p) ||
	    !take(&r, t.app, sizeof(t.app)) || !rd_u64(&r, &t.uid) ||
	    !take(&r, t.login_id, sizeof(t.login_id)) || !rd_take(&r, CRYPTO_KEY, &t.own.p) ||
	    !rd_u64(&r, &t.epoch) ||
	    !rd_u64(&r, &t.role_epoch) || !rd_u64(&r, &t.issued) || !rd_u64(&r, &t.expiry) ||
	    !rd_done(&r))
		return false;
	*ret = t;
	return true;
}

/* --- giving -------------------------------------------------------------------- */

/* epochs: what p's and the role's are now; and what that user may. */
static enum hf_err epochs(struct partition *p, struct ticket *t)
{
	const struct role_record *r;

	(void)pthread_rwlock_rdlock(&p->lock);
	t->epoch = p->epoch;
	(void)pthread_rwlock_unlock(&p->lock);
	MUTEX_HOLD(&p->roles->lock);
	r = role_named(p->roles, slice_str(t->user));
	if (r == NULL || r->role != (enum role)t->role)
		return HF_E_TICKET;
	t->role_epoch = r->epoch;
	t->rights = r->rights;
	return HF_OK;
}

static enum hf_err describe(struct hsm *h, struct app *app, struct partition *p, struct ticket *t,
	struct secret *ret_own)
{
	const struct app_login *l;

	memcpy(t->serial, p->serial, sizeof(t->serial));
	memcpy(t->app, app->id, sizeof(t->app));
	t->uid = app->peer.uid;
	t->issued = clock_wall_us();
	t->expiry = t->issued + (uint64_t)h->cfg.ticket_seconds * US_PER_S;
	{
		MUTEX_HOLD(&app->lock);
		l = app_login_of(app, p);
		if (l == NULL || l->role == ROLE_PUBLIC)
			return HF_E_NOT_LOGGED_IN;
		t->role = (uint8_t)l->role;
		memcpy(t->user, l->user, sizeof(t->user));
		memcpy(t->login_id, l->login_id, sizeof(t->login_id));
		TRY(secret_dup(secret_slice(&l->own), ret_own));
	}
	t->own = secret_slice(ret_own);
	return epochs(p, t);
}

enum hf_err ticket_make(struct hsm *h, struct app *app, struct partition *p, struct arena *a,
	struct slice *ret, uint32_t *ret_renew_s)
{
	CLEANUP(buf_done) struct buf plain = BUF_MAX(TICKET_MAX), sealed = BUF_MAX(TICKET_MAX);
	CLEANUP(secret_done) struct secret key = { 0 }, before = { 0 }, own = { 0 };
	struct ticket t = { 0 };

	TRY(describe(h, app, p, &t, &own));
	(void)pthread_rwlock_rdlock(&p->lock);
	t.key = secret_slice(&p->key);
	ticket_enc(&t, &plain);
	(void)pthread_rwlock_unlock(&p->lock);
	TRY(buf_err(&plain));
	TRY(rotate_ticket_keys(h, &key, &before));
	TRY(crypto_seal(secret_slice(&key), SLICE_STR("ticket"), buf_slice(&plain), &sealed));
	*ret_renew_s = h->cfg.ticket_seconds / 2 + 1;
	return arena_dup(a, buf_slice(&sealed), ret);
}

/* --- taking ---------------------------------------------------------------------- */

static bool is_for(const struct ticket *t, const struct app *app, const struct partition *p)
{
	return strcmp(t->serial, p->serial) == 0 && t->uid == app->peer.uid &&
		slice_eq(SLICE_OF(t->app), SLICE_OF(app->id)) &&
		(role_is_user((enum role)t->role) || t->role == ROLE_SO);
}

static bool is_fresh(struct partition *p, struct ticket *t)
{
	struct ticket now = { .role = t->role };
	uint64_t time = clock_wall_us();

	memcpy(now.user, t->user, sizeof(now.user));
	if (epochs(p, &now) != HF_OK)
		return false;
	t->rights = now.rights;
	return t->epoch == now.epoch && t->role_epoch == now.role_epoch &&
		time < t->expiry && !login_revoked(p, t->login_id);
}

/* The same login again (a second connection that restores it) is no error. */
static enum hf_err resume_same(struct app *app, struct partition *p, const struct ticket *t)
{
	MUTEX_HOLD(&app->lock);
	const struct app_login *l = app_login_of(app, p);
	bool same = l != NULL && l->role == (enum role)t->role &&
		slice_eq(SLICE_OF(l->login_id), SLICE_OF(t->login_id));

	return same ? HF_OK : HF_E_ALREADY_LOGGED_IN;
}

static enum hf_err resume_new(struct hsm *h, struct app *app, struct partition *p,
	const struct ticket *t)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	struct login_as as = { .role = (enum role)t->role, .rights = t->rights, .id = t->login_id,
		.own = t->own };

	memcpy(as.user, t->user, sizeof(as.user));
	TRY(secret_dup(t->key, &key));
	TRY(bridge_cross(h, p, t->own, &key));
	return login_begin(h, app, p, &as, secret_slice(&key));
}

enum hf_err ticket_resume(struct hsm *h, struct app *app, struct partition *p,
	struct slice ticket, enum role *ret)
{
	CLEANUP(secret_done) struct secret plain = { 0 }, key = { 0 }, before = { 0 };
	struct ticket t;
	enum hf_err e;

	TRY(rotate_ticket_keys(h, &key, &before));
	e = crypto_open(secret_slice(&key), SLICE_STR("ticket"), ticket, &plain);
	if (e == HF_E_DAMAGED && before.n > 0)
		e = crypto_open(secret_slice(&before), SLICE_STR("ticket"), ticket, &plain);
	if (e == HF_E_DAMAGED)
		return HF_E_TICKET;
	if (e != HF_OK)
		return e;
	if (!ticket_dec(secret_slice(&plain), &t) || !is_for(&t, app, p) || !is_fresh(p, &t))
		return HF_E_TICKET;
	*ret = (enum role)t.role;
	e = login_allowed(app, p, *ret);
	if (e == HF_E_ALREADY_LOGGED_IN)
		return resume_same(app, p, &t);
	TRY(e);
	return resume_new(h, app, p, &t);
}
