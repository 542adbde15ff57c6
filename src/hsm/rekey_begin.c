/* rekey_begin.c: the one commit that puts another partition key in force. */
#include <string.h>

#include "activate.h"
#include "app.h"
#include "bridge.h"
#include "consent.h"
#include "gate.h"
#include "login.h"
#include "opening.h"
#include "partition_int.h"
#include "rekey.h"

#define BRIDGE_MAX (16u << 20) /* a few hundred thousand logins */

/* struct piece: a record that changes with the key. */
struct piece {
	struct role_record *now; /* NULL: it is no role's */
	struct role_record next;
	char name[ROLE_NAME_LEN];
	struct buf b;
};

struct plan {
	struct piece *v;
	struct record_change *changes;
	size_t n, most;
	struct secret key;       /* the new one */
	struct rekey rekey;
};

static void plan_done(struct plan *l)
{
	for (size_t i = 0; i < l->n; i++)
		buf_done(&l->v[i].b);
	hf_free(l->v);
	hf_free(l->changes);
	secret_done(&l->key);
}

/* --- who has no pair yet ----------------------------------------------------------------------- */

static struct role_record *role_at(struct roles *r, size_t i)
{
	struct user *u = r->named;

	if (i < 2)
		return i == 0 ? &r->so : &r->user;
	for (i -= 2; u != NULL && i > 0; i--)
		u = u->next;
	return u != NULL ? &u->rec : NULL;
}

static enum hf_err take_pin(struct calls_ctx *c, struct partition *p, struct role_record *r)
{
	struct role_record next;

	role_unset(r, &next);
	TRY(activation_end(c->hsm, p, r->name));
	TRY(role_store(c->hsm, p, r, &next));
	(void)pthread_rwlock_wrlock(&p->lock);
	p->user_pin_set = p->roles->user.set;
	(void)pthread_rwlock_unlock(&p->lock);
	return HF_OK;
}

static enum hf_err need_pairs(struct calls_ctx *c, struct partition *p, bool force)
{
	struct role_record *r;
	size_t missing = 0;

	for (size_t i = 0; (r = role_at(p->roles, i)) != NULL; i++) {
		if (!r->set || r->paired)
			continue;
		call_detail(c, "%s%s", missing++ > 0 ? ", " : force ? "PINs taken from " : "not yet: ",
			r->name);
		if (force)
			TRY(take_pin(c, p, r));
	}
	return missing > 0 && !force ? HF_E_ROLES_OLD : HF_OK;
}

/* --- what is written --------------------------------------------------------------------------- */

static size_t count_records(struct partition *p)
{
	size_t n = 2 + activation_count(p);

	for (size_t i = 0; role_at(p->roles, i) != NULL; i++)
		n++;
	return n;
}

static struct piece *add(struct plan *l, size_t max)
{
	struct piece *r = &l->v[l->n++];

	r->b = BUF_MAX(max);
	return r;
}

static enum hf_err add_own(struct partition *p, struct plan *l)
{
	struct piece *r = add(l, PART_RECORD_MAX);

	return partition_change(p, &l->rekey, r->name, &r->b, &l->changes[l->n - 1]);
}

static enum hf_err add_bridge(struct hsm *h, struct partition *p, struct plan *l)
{
	struct piece *r = add(l, BRIDGE_MAX);

	return bridge_change(h, p, secret_slice(&l->key), r->name, &r->b, &l->changes[l->n - 1]);
}

static enum hf_err add_role(struct partition *p, struct role_record *now, struct plan *l)
{
	struct piece *r;

	if (!now->set)
		return HF_OK;
	r = add(l, ROLE_RECORD_MAX);
	r->now = now;
	r->next = *now;
	TRY(role_rekey(p->serial, &r->next, secret_slice(&l->key)));
	return role_change(p->serial, now, &r->next, r->name, &r->b, &l->changes[l->n - 1]);
}

static enum hf_err add_activations(struct partition *p, struct plan *l)
{
	MUTEX_HOLD(&p->roles->lock);

	for (const struct activation *a = p->roles->active; a != NULL; a = a->next) {
		struct piece *r;

		if (!a->kept)
			continue;
		if (l->n == l->most)
			return HF_E_CONFLICT; /* one came meanwhile */
		r = add(l, ROLE_RECORD_MAX);
		TRY(activation_rekey(p, a, secret_slice(&l->key), r->name, &r->b, &l->changes[l->n - 1]));
	}
	return HF_OK;
}

static enum hf_err make(struct hsm *h, struct partition *p, struct slice old, struct plan *l)
{
	struct role_record *r;

	TRY(secret_alloc(&l->key, CRYPTO_KEY));
	TRY(crypto_random(l->key.p, l->key.n));
	TRY(rekey_seal(p, secret_slice(&l->key), old, &l->rekey));
	l->most = count_records(p);
	l->v = hf_alloc(l->most, sizeof(*l->v));
	l->changes = hf_alloc(l->most, sizeof(*l->changes));
	if (l->v == NULL || l->changes == NULL)
		return HF_E_MEMORY;
	TRY(add_own(p, l));
	TRY(add_bridge(h, p, l));
	for (size_t i = 0; (r = role_at(p->roles, i)) != NULL; i++)
		TRY(add_role(p, r, l));
	return add_activations(p, l);
}

/* --- in force ---------------------------------------------------------------------------------- */

static void take_over(struct partition *p, struct plan *l)
{
	MUTEX_HOLD(&p->roles->lock);

	p->roles->part_version = l->changes[0].version;
	for (size_t i = 1; i < l->n; i++)
		if (l->v[i].now != NULL) {
			*l->v[i].now = l->v[i].next;
			l->v[i].now->version = l->changes[i].version;
		}
	(void)pthread_rwlock_wrlock(&p->lock);
	p->rekey = l->rekey;
	secret_done(&p->old_key);
	p->old_key = secret_take(&p->key);
	p->key = secret_take(&l->key);
	(void)pthread_rwlock_unlock(&p->lock);
}

/* Nobody seals a private object under the old key from here on. */
static enum hf_err commit(struct hsm *h, struct partition *p, struct plan *l)
{
	enum hf_err e;

	rwlock_write(&p->keeping);
	e = records_write(h->records, l->changes, l->n);
	if (e == HF_OK)
		take_over(p, l);
	rwlock_unlock(&p->keeping);
	return e;
}

static enum hf_err begin(struct calls_ctx *c, struct partition *p, struct slice key, bool force)
{
	CLEANUP(plan_done) struct plan l = { .n = 0 };

	TRY(need_pairs(c, p, force));
	TRY(make(c->hsm, p, key, &l));
	TRY(commit(c->hsm, p, &l));
	MUTEX_HOLD(&p->roles->lock);
	rekey_resume(c->hsm, p);
	return HF_OK;
}

/* --- the call ---------------------------------------------------------------------------------- */

/* One that rests goes on instead. */
static enum hf_err begin_or_go_on(struct calls_ctx *c, struct partition *p, struct slice key, bool force)
{
	bool rekeying;
	enum hf_err e;

	(void)pthread_rwlock_rdlock(&p->lock);
	rekeying = p->rekeying;
	(void)pthread_rwlock_unlock(&p->lock);
	if (rekeying)
		return HF_E_ROTATING;
	TRY(login_come(c->hsm, p, ROLE_SO, key));
	e = p->rekey.under_way ? HF_OK : begin(c, p, key, force);
	login_gone(c->hsm, p, ROLE_SO);
	return e;
}

static enum hf_err rotate(struct calls_ctx *c, struct partition *p, struct slice so_pin, bool force)
{
	CLEANUP(secret_done) struct secret key = { 0 }, made = { 0 };
	MUTEX_HOLD(&p->roles->pin);
	struct slice pin;

	TRY(opening_wait(p)); /* it reads with the keys that it began with */
	TRY(role_pin(c, p, &p->roles->so, so_pin, &made, &pin));
	TRY(role_open(c->hsm, p, &p->roles->so, pin, &key));
	return begin_or_go_on(c, p, secret_slice(&key), force);
}

/* without_pin copies the names of those who have none. */
static enum hf_err without_pin(struct calls_ctx *c, struct partition *p, char (**ret)[USER_NAME_MAX + 1],
	size_t *ret_n)
{
	MUTEX_HOLD(&p->roles->pin);
	struct role_record *r;
	size_t n = 0;

	while (role_at(p->roles, n) != NULL)
		n++;
	*ret = arena_alloc(c->arena, n, sizeof(**ret));
	*ret_n = 0;
	if (*ret == NULL)
		return HF_E_MEMORY;
	for (size_t i = 0; (r = role_at(p->roles, i)) != NULL; i++)
		if (!r->set)
			memcpy((*ret)[(*ret_n)++], r->name, USER_NAME_MAX + 1);
	return HF_OK;
}

enum hf_err rekey_by_officer(struct calls_ctx *c, struct partition *p, struct slice so_pin, bool force)
{
	char (*names)[USER_NAME_MAX + 1];
	size_t n;

	TRY(rotate(c, p, so_pin, force));
	if (!force)
		return HF_OK;
	TRY(without_pin(c, p, &names, &n));
	for (size_t i = 0; i < n; i++)
		logins_end_of(c->hsm, p, slice_str(names[i]));
	return HF_OK;
}
