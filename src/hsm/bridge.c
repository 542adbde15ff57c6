#include "bridge.h"

#include <stdio.h>

#include "app.h"
#include "clock.h"
#include "rekey.h"

#define FORMAT 1
#define SEALED (CRYPTO_KEY + CRYPTO_SEAL_EXTRA)
#define US_PER_S 1000000u

/* --- the record: format u8 | until when tickets need it u64 (UTC, microseconds) | n * sealed ---- */

struct bridge {
	const struct partition *p;
	struct slice own;        /* empty: only to look at it */
	struct secret *key;
	uint64_t version, until;
};

static void record_name(const struct partition *p, char ret[ROLE_NAME_LEN])
{
	(void)snprintf(ret, ROLE_NAME_LEN, "p/%s/bridge/logins", p->serial);
}

static enum hf_err key_of(const struct partition *p, struct slice own, struct secret *ret)
{
	return crypto_derive(own, "holdfast login", slice_str(p->serial), ret);
}

static enum hf_err find(const struct bridge *b, struct rd *r)
{
	CLEANUP(secret_done) struct secret under = { 0 };
	enum hf_err e = HF_E_DAMAGED;
	const uint8_t *sealed;

	TRY(key_of(b->p, b->own, &under));
	while (e == HF_E_DAMAGED && rd_take(r, SEALED, &sealed))
		e = crypto_open(secret_slice(&under), slice_str(b->p->serial),
			(struct slice){ sealed, SEALED }, b->key);
	return e == HF_E_DAMAGED ? HF_OK : e; /* it is of other logins */
}

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct bridge *b = ctx;
	struct rd r = rd_of(plain);
	uint8_t format;

	(void)name;
	b->version = version;
	if (!rd_u8(&r, &format) || format != FORMAT || !rd_u64(&r, &b->until))
		return HF_E_DAMAGED;
	return b->own.n > 0 ? find(b, &r) : HF_OK;
}

static void damaged(void *ctx, const char *name)
{
	const struct bridge *b = ctx;

	damaged_add(b->p->roles->damaged, name);
}

static enum hf_err look(struct hsm *h, struct bridge *b)
{
	const struct record_visit v = { b, visit, damaged };
	char name[ROLE_NAME_LEN];

	record_name(b->p, name);
	return records_get(h->records, name, SEAL_STORE, SLICE_NONE, &v);
}

/* --- writing ------------------------------------------------------------------------------------ */

static enum hf_err add_login(struct app *app, const struct partition *p, struct slice key, struct buf *b)
{
	CLEANUP(secret_done) struct secret under = { 0 };
	MUTEX_HOLD(&app->lock);
	const struct app_login *l = app_login_of(app, p);

	if (l == NULL || l->role == ROLE_PUBLIC || l->own.n == 0)
		return HF_OK;
	TRY(key_of(p, secret_slice(&l->own), &under));
	return crypto_seal(secret_slice(&under), slice_str(p->serial), key, b);
}

static enum hf_err add_all(struct hsm *h, const struct partition *p, struct slice key, struct buf *b)
{
	MUTEX_HOLD(&h->lock);

	for (struct map_node *n = map_next(&h->apps, NULL); n != NULL; n = map_next(&h->apps, n))
		TRY(add_login(container_of(n, struct app, by_id), p, key, b));
	return HF_OK;
}

enum hf_err bridge_change(struct hsm *h, struct partition *p, struct slice key, char name[ROLE_NAME_LEN],
	struct buf *b, struct record_change *ret)
{
	struct bridge old = { .p = p };

	TRY(look(h, &old));
	record_name(p, name);
	buf_u8(b, FORMAT);
	buf_u64(b, clock_wall_us() + (uint64_t)h->cfg.ticket_seconds * US_PER_S);
	TRY(add_all(h, p, key, b));
	TRY(buf_err(b));
	*ret = (struct record_change){ .name = name, .expect = old.version, .version = old.version + 1,
		.seal = SEAL_STORE, .plain = buf_slice(b) };
	return HF_OK;
}

/* --- crossing ----------------------------------------------------------------------------------- */

static enum hf_err is_current(struct partition *p, struct slice key, bool *ret)
{
	enum hf_err e;

	(void)pthread_rwlock_rdlock(&p->lock);
	e = rekey_is_current(p, key, ret);
	(void)pthread_rwlock_unlock(&p->lock);
	return e;
}

enum hf_err bridge_cross(struct hsm *h, struct partition *p, struct slice own, struct secret *key)
{
	CLEANUP(secret_done) struct secret found = { 0 };
	struct bridge b = { .p = p, .own = own, .key = &found };
	bool current;

	TRY(is_current(p, secret_slice(key), &current));
	if (current)
		return HF_OK;
	TRY(look(h, &b));
	if (found.n == 0)
		return HF_E_TICKET;
	secret_done(key);
	*key = secret_take(&found);
	return HF_OK;
}

enum hf_err bridge_load(struct hsm *h, const struct partition *p)
{
	struct bridge b = { .p = p };
	char name[ROLE_NAME_LEN];
	struct record_change c = { .name = name };

	TRY(look(h, &b));
	if (b.version == 0 || clock_wall_us() < b.until || h->cfg.read_only)
		return HF_OK;
	record_name(p, name);
	c.expect = b.version;
	return records_write(h->records, &c, 1);
}
