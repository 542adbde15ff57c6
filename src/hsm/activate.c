#include "activate.h"

#include <stdio.h>
#include <string.h>

#include "gate.h"
#include "log.h"
#include "login.h"
#include "partition.h"
#include "policy.h"
#include "rekey.h"

#define FORMAT 1
#define NAME_LEN ROLE_NAME_LEN

/* --- what is in memory -------------------------------------------------------------- */

static struct activation *find(const struct roles *r, const char *name)
{
	struct activation *a = r->active;

	while (a != NULL && strcmp(a->name, name) != 0)
		a = a->next;
	return a;
}

bool activation_is(struct partition *p, const char *name)
{
	MUTEX_HOLD(&p->roles->lock);

	return find(p->roles, name) != NULL;
}

unsigned activation_count(struct partition *p)
{
	MUTEX_HOLD(&p->roles->lock);
	unsigned n = 0;

	for (const struct activation *a = p->roles->active; a != NULL; a = a->next)
		n++;
	return n;
}

void activations_free(struct roles *r)
{
	while (r->active != NULL) {
		struct activation *a = r->active;

		r->active = a->next;
		hf_free(a);
	}
}

/* take takes one out of the list; NULL: there is none. */
static struct activation *take(struct roles *r, const char *name)
{
	MUTEX_HOLD(&r->lock);
	struct activation **at = &r->active, *a;

	while (*at != NULL && name != NULL && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	a = *at;
	if (a != NULL)
		*at = a->next;
	return a;
}

static enum hf_err hold(struct hsm *h, struct partition *p, const struct role_record *r,
	struct slice key, bool kept)
{
	struct activation *a = hf_alloc(1, sizeof(*a));
	enum hf_err e;

	if (a == NULL)
		return HF_E_MEMORY;
	memcpy(a->name, r->name, sizeof(a->name));
	a->role = r->role;
	a->kept = kept;
	a->epoch = r->epoch;
	e = login_come(h, p, r->role, key);
	if (e != HF_OK) {
		hf_free(a);
		return e;
	}
	MUTEX_HOLD(&p->roles->lock);
	a->next = p->roles->active;
	p->roles->active = a;
	return HF_OK;
}

enum hf_err partition_key(struct partition *p, struct secret *ret)
{
	enum hf_err e;

	(void)pthread_rwlock_rdlock(&p->lock);
	e = p->key.n > 0 ? secret_dup(secret_slice(&p->key), ret) : HF_E_NOT_LOGGED_IN;
	(void)pthread_rwlock_unlock(&p->lock);
	return e;
}

/* --- what comes back --------------------------------------------------------------------- */

static void record_name(const struct partition *p, const char *name, char ret[NAME_LEN])
{
	(void)snprintf(ret, NAME_LEN, "p/%s/active/%s", p->serial, name);
}

/* format u8 | epochs of partition and role u64 u64 | partition key 32 */
enum hf_err activation_rekey(const struct partition *p, const struct activation *a, struct slice key,
	char name[ROLE_NAME_LEN], struct buf *b, struct record_change *ret)
{
	record_name(p, a->name, name);
	buf_u8(b, FORMAT);
	buf_u64(b, p->epoch);
	buf_u64(b, a->epoch);
	buf_raw(b, key);
	TRY(buf_err(b));
	*ret = (struct record_change){ .name = name, .expect = 1, .version = 1, .seal = SEAL_STORE,
		.plain = buf_slice(b) };
	return HF_OK;
}

static enum hf_err keep(struct hsm *h, struct partition *p, const struct role_record *r,
	struct slice key)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(128);
	struct activation a = { .epoch = r->epoch };
	char name[NAME_LEN];
	struct record_change c;

	memcpy(a.name, r->name, sizeof(a.name));
	TRY(activation_rekey(p, &a, key, name, &b, &c));
	c.expect = 0;
	return records_write(h->records, &c, 1);
}

static enum hf_err forget(struct hsm *h, const struct partition *p, const char *user)
{
	char name[NAME_LEN];
	struct record_change c = { .name = name, .expect = 1 };
	enum hf_err e;

	record_name(p, user, name);
	e = records_write(h->records, &c, 1);
	return e == HF_E_CONFLICT ? HF_OK : e; /* there is none */
}

struct loading {
	struct hsm *h;
	struct partition *p;
};

/* is_of: one that is put back may hold a key of before. */
static bool is_of(struct partition *p, const uint8_t *key)
{
	bool current = false;
	enum hf_err e;

	(void)pthread_rwlock_rdlock(&p->lock);
	e = rekey_is_current(p, (struct slice){ key, CRYPTO_KEY }, &current);
	(void)pthread_rwlock_unlock(&p->lock);
	return e == HF_OK && current;
}

static enum hf_err bring_back(struct hsm *h, struct partition *p, const char *user,
	struct slice plain)
{
	struct role_record *r = role_named(p->roles, slice_str(user));
	struct rd rd = rd_of(plain);
	uint64_t epoch, role_epoch;
	const uint8_t *key;
	uint8_t format;

	if (!rd_u8(&rd, &format) || format != FORMAT || !rd_u64(&rd, &epoch) ||
	    !rd_u64(&rd, &role_epoch) || !rd_take(&rd, CRYPTO_KEY, &key) || !rd_done(&rd))
		return HF_E_DAMAGED;
	if (r == NULL || !is_of(p, key) || !r->set || r->blocked || !r->challenge_set ||
	    !role_is_user(r->role) ||
	    epoch != p->epoch || role_epoch != r->epoch || policy_value(p, POLICY_ACTIVATION) == 0 ||
	    policy_value(p, POLICY_AUTO_ACTIVATION) == 0)
		return forget(h, p, user);
	log_notice("partition %s: %s is activated again", p->serial, r->name);
	return hold(h, p, r, (struct slice){ key, CRYPTO_KEY }, true);
}

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	const struct loading *l = ctx;

	(void)version;
	return bring_back(l->h, l->p, strrchr(name, '/') + 1, plain);
}

static void damaged(void *ctx, const char *name)
{
	const struct loading *l = ctx;

	damaged_add(l->p->roles->damaged, name);
}

enum hf_err activations_load(struct hsm *h, struct partition *p)
{
	struct loading l = { h, p };
	const struct record_visit v = { &l, visit, damaged };
	char prefix[NAME_LEN];

	record_name(p, "", prefix);
	return records_scan(h->records, prefix, SEAL_STORE, SLICE_NONE, &v);
}

/* In memory first: what the store does not take is still over until the next start. */
enum hf_err activation_end(struct hsm *h, struct partition *p, const char *name)
{
	struct activation *a;
	enum hf_err e = HF_OK;

	while ((a = take(p->roles, name)) != NULL) {
		enum hf_err f = forget(h, p, a->name);

		login_gone(h, p, a->role);
		hf_free(a);
		if (e == HF_OK)
			e = f;
	}
	return e;
}

/* --- calls ----------------------------------------------------------------------------------- */

static enum hf_err user_named(struct calls_ctx *c, struct slice name, struct role_record **ret)
{
	*ret = role_named(c->part->roles, name);
	return *ret != NULL && role_is_user((*ret)->role) ? HF_OK : HF_E_USER_TYPE;
}

static void own_name(struct calls_ctx *c, char ret[USER_NAME_MAX + 1])
{
	MUTEX_HOLD(&c->app->lock);

	memcpy(ret, c->session->login->user, USER_NAME_MAX + 1);
}

enum hf_err on_challenge_set(struct calls_ctx *c, const struct challenge_set_req *q,
	struct challenge_set_res *r)
{
	MUTEX_HOLD(&c->part->roles->pin);
	struct role_record *rec, next;

	(void)r;
	call_detail(c, "user %.*s", (int)q->name.n, (const char *)q->name.p);
	TRY(user_named(c, q->name, &rec));
	if (rec->version == 0)
		return HF_E_PIN_NOT_SET;
	if (q->challenge.n > 0)
		TRY(pin_length(c->hsm, c->part, q->challenge));
	next = *rec;
	next.challenge_set = q->challenge.n > 0;
	if (next.challenge_set)
		TRY(pin_remember(c->hsm, c->part, q->challenge, &next.challenge));
	TRY(crypto_random((uint8_t *)&next.person, sizeof(next.person))); /* another can come in by it */
	TRY(activation_end(c->hsm, c->part, rec->name));
	return role_store(c->hsm, c->part, rec, &next);
}

static enum hf_err activate(struct calls_ctx *c, const struct role_record *r)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	bool kept = policy_value(c->part, POLICY_AUTO_ACTIVATION) != 0;

	if (!r->challenge_set) {
		call_detail(c, "the officer gives %s a challenge first ('holdfast user challenge')", r->name);
		return HF_E_PIN_NOT_SET;
	}
	if (activation_is(c->part, r->name))
		return HF_OK;
	TRY(partition_key(c->part, &key));
	TRY(hold(c->hsm, c->part, r, secret_slice(&key), kept));
	return kept ? keep(c->hsm, c->part, r, secret_slice(&key)) : HF_OK;
}

enum hf_err on_activate(struct calls_ctx *c, const struct activate_req *q, struct activate_res *r)
{
	MUTEX_HOLD(&c->part->roles->pin);
	char name[USER_NAME_MAX + 1];
	struct role_record *rec;

	(void)q;
	(void)r;
	TRY(policy_need(c, POLICY_ACTIVATION));
	own_name(c, name);
	call_detail(c, "user %s", name);
	TRY(user_named(c, slice_str(name), &rec));
	return activate(c, rec);
}

enum hf_err on_deactivate(struct calls_ctx *c, const struct deactivate_req *q,
	struct deactivate_res *r)
{
	MUTEX_HOLD(&c->part->roles->pin);
	char own[USER_NAME_MAX + 1];
	struct role_record *rec;

	(void)r;
	call_detail(c, "user %.*s", (int)q->name.n, (const char *)q->name.p);
	TRY(user_named(c, q->name, &rec));
	own_name(c, own);
	if (c->role != ROLE_SO && strcmp(own, rec->name) != 0) {
		call_detail(c, ": another's, which takes the officer");
		return HF_E_DENIED;
	}
	return activation_end(c->hsm, c->part, rec->name);
}
