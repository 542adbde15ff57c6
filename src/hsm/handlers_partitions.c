#include <stdio.h>

#include "pkcs11.h"

#include "activate.h"
#include "app.h"
#include "consent.h"
#include "domain.h"
#include "gate.h"
#include "hsm_roles.h"
#include "object.h"
#include "partition.h"
#include "policy.h"
#include "rekey.h"
#include "utf8.h"

#define DAMAGED_TEXT 4096u

/* --- slots -------------------------------------------------------------------------- */

/* The free slot is there for whoever may fill it. */
static bool may_create(const struct calls_ctx *c)
{
	return c->hsm->cfg.clients_may_create || (hsm_roles_of(c) & CALL_BY_H) != 0;
}

static enum hf_err label_copy(struct calls_ctx *c, struct partition *p, struct slice *ret)
{
	enum hf_err e;

	(void)pthread_rwlock_rdlock(&p->lock);
	e = arena_dup(c->arena, slice_str(p->label), ret);
	(void)pthread_rwlock_unlock(&p->lock);
	return e;
}

static enum hf_err fill_slot(struct calls_ctx *c, struct partition *p, struct slot *s)
{
	s->id = p->slot;
	s->initialized = true;
	TRY(label_copy(c, p, &s->label));
	return arena_dup(c->arena, slice_str(p->serial), &s->serial);
}

static enum hf_err list_slots(struct calls_ctx *c, struct partition **v, size_t n,
	struct slot_list *ret)
{
	struct slot *s = arena_alloc(c->arena, n + 1, sizeof(*s));
	uint64_t free_slot = partition_free_slot(c->hsm);
	bool told = !may_create(c);
	size_t k = 0;

	if (s == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < n; i++) {
		if (!told && v[i]->slot > free_slot) {
			s[k++].id = free_slot;
			told = true;
		}
		if (partition_sees(v[i], c->hsm, &c->conn->peer))
			TRY(fill_slot(c, v[i], &s[k++]));
	}
	if (!told)
		s[k++].id = free_slot;
	*ret = (struct slot_list){ s, k };
	return HF_OK;
}

enum hf_err on_slot_list(struct calls_ctx *c, const struct slot_list_req *q,
	struct slot_list_res *r)
{
	struct partition **v;
	enum hf_err e;
	size_t n;

	(void)q;
	TRY(partitions_all(c->hsm, c->arena, &v, &n));
	e = list_slots(c, v, n, &r->slots);
	partitions_unref(v, n);
	return e;
}

/* --- tokens -------------------------------------------------------------------------- */

/* pin_flags: PKCS#11 3.2 §3.2, CKF_USER_PIN_COUNT_LOW and so on; the officer's are
 * four bits higher. */
static uint32_t pin_flags(struct calls_ctx *c, const struct partition *p, enum role role)
{
	unsigned failures = records_fail_get(c->hsm->records, p->serial, role);
	unsigned limit = pin_failures(c->hsm, p);
	unsigned shift = role == ROLE_SO ? 4 : 0;
	uint32_t flags = 0;

	if (failures > 0)
		flags |= (uint32_t)CKF_USER_PIN_COUNT_LOW;
	if (failures + 1 == limit)
		flags |= (uint32_t)CKF_USER_PIN_FINAL_TRY;
	if (failures >= limit)
		flags = (uint32_t)CKF_USER_PIN_LOCKED;
	return flags << shift;
}

static void count_sessions(struct calls_ctx *c, const struct partition *p,
	struct token_info_res *r)
{
	MUTEX_HOLD(&c->app->lock);
	const struct app_login *l = app_login_of(c->app, p);

	r->sessions = l != NULL ? l->sessions : 0;
	r->rw_sessions = l != NULL ? l->rw_sessions : 0;
}

static enum hf_err info_of(struct calls_ctx *c, struct partition *p, struct token_info_res *r)
{
	bool user_pin_set;

	TRY(label_copy(c, p, &r->label));
	(void)pthread_rwlock_rdlock(&p->lock);
	user_pin_set = p->user_pin_set;
	(void)pthread_rwlock_unlock(&p->lock);
	r->initialized = true;
	r->serial = slice_str(p->serial);
	r->flags |= (uint32_t)(CKF_LOGIN_REQUIRED | CKF_TOKEN_INITIALIZED);
	if (user_pin_set)
		r->flags |= (uint32_t)CKF_USER_PIN_INITIALIZED;
	if (p->roles->user.quorum.m > 0) /* an empty PIN: its custodians are asked */
		r->flags |= (uint32_t)CKF_PROTECTED_AUTHENTICATION_PATH;
	r->flags |= pin_flags(c, p, ROLE_USER) | pin_flags(c, p, ROLE_SO);
	count_sessions(c, p, r);
	return HF_OK;
}

enum hf_err on_token_info(struct calls_ctx *c, const struct token_info_req *q,
	struct token_info_res *r)
{
	struct partition *p;
	enum hf_err e = call_part(c, q->slot, &p);

	r->flags = (uint32_t)CKF_RNG;
	if (c->hsm->cfg.read_only)
		r->flags |= (uint32_t)CKF_WRITE_PROTECTED;
	r->max_sessions = c->hsm->cfg.max_sessions;
	r->pin_min = pin_min(c->hsm, NULL);
	r->pin_max = pin_max(c->hsm, NULL);
	if (e == HF_E_NO_TOKEN)
		return HF_OK;
	TRY(e);
	r->pin_min = pin_min(c->hsm, p);
	r->pin_max = pin_max(c->hsm, p);
	return info_of(c, p, r);
}

static enum hf_err create(struct calls_ctx *c, const struct partition_new *n)
{
	struct partition *p;

	TRY(partition_create(c->hsm, n, &p));
	set_part(c, p);
	return HF_OK;
}

/* What takes consent as a call of its own takes it by C_InitToken as well. */
static enum hf_err init_consent(struct calls_ctx *c, enum consent which)
{
	enum hf_err e = consent_for(c, which);

	if (e == HF_E_QUORUM)
		call_detail(c, ", for the consent %s", consent_rows[which].name);
	return e;
}

enum hf_err on_token_init(struct calls_ctx *c, const struct token_init_req *q,
	struct token_init_res *r)
{
	struct identity own = { IDENTITY_UID, c->conn->peer.uid };
	struct partition_new n = {
		.label = label_trimmed(q->label),
		.so_pin = q->so_pin,
		.clients = { &own, 1 },
		.slot = q->slot,
	};
	struct partition *p;
	enum hf_err e = call_part(c, q->slot, &p);

	(void)r;
	if (!utf8_printable(n.label))
		return HF_E_LABEL;
	if (e == HF_OK) {
		TRY(partition_whole(c->hsm, p));
		TRY(init_consent(c, CONSENT_PARTITION_DELETE));
		call_detail(c, "all objects destroyed");
		return partition_reset(c->hsm, p, q->so_pin, n.label);
	}
	if (e != HF_E_NO_TOKEN)
		return e;
	if (!may_create(c))
		return hsm_need(c, CALL_BY_H);
	TRY(init_consent(c, CONSENT_PARTITION_CREATE));
	e = create(c, &n);
	return e == HF_E_CONFLICT ? HF_E_SLOT : e; /* another took the slot just now */
}

/* --- partitions ------------------------------------------------------------------------ */

static uint8_t failures(struct calls_ctx *c, const struct partition *p, enum role role)
{
	unsigned n = records_fail_get(c->hsm->records, p->serial, role);

	return n < UINT8_MAX ? (uint8_t)n : UINT8_MAX;
}

static enum hf_err copy_clients(struct calls_ctx *c, const struct partition *p,
	struct identity_list *ret)
{
	struct identity *v = arena_alloc(c->arena, p->clients.n + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < p->clients.n; i++)
		v[i] = p->clients.v[i];
	*ret = (struct identity_list){ v, p->clients.n };
	return HF_OK;
}

static enum hf_err tell_domain(struct calls_ctx *c, struct partition *p, struct slice *ret)
{
	CLEANUP(domain_done) struct domain d = { 0 };
	char hex[2 * DOMAIN_ID + 1];
	uint8_t id[DOMAIN_ID];
	enum hf_err e;

	domain_of(p, id);
	if (!domain_set(id))
		return HF_OK;
	e = domain_get(c->hsm, id, &d);
	hex_encode(SLICE_OF(id), hex);
	if (e != HF_OK && e != HF_E_DOMAIN_NONE)
		return e;
	return arena_dup(c->arena, slice_str(e == HF_OK ? d.name : hex), ret);
}

static enum hf_err fill_info(struct calls_ctx *c, struct partition *p, struct partition_info *r)
{
	enum hf_err e;

	TRY(label_copy(c, p, &r->label));
	TRY(arena_dup(c->arena, slice_str(p->serial), &r->serial));
	(void)pthread_rwlock_rdlock(&p->lock);
	r->slot = p->slot;
	r->created = p->created;
	r->objects = objects_held(p);
	r->user_pin_set = p->user_pin_set;
	r->enabled = !p->disabled;
	r->max_objects = p->max_objects;
	r->max_bytes = p->max_bytes;
	r->bytes = objects_bytes(p->objects);
	e = copy_clients(c, p, &r->clients);
	(void)pthread_rwlock_unlock(&p->lock);
	r->so_failures = failures(c, p, ROLE_SO);
	r->user_failures = failures(c, p, ROLE_USER);
	if (e == HF_OK)
		e = tell_domain(c, p, &r->domain);
	r->damaged = damaged_text(p->roles->damaged, DAMAGED_TEXT, c->arena);
	return e;
}

/* sees: whoever runs the HSM knows of all its partitions. */
static bool sees(const struct calls_ctx *c, struct partition *p)
{
	return partition_sees(p, c->hsm, &c->conn->peer) ||
		(hsm_roles_of(c) & CALL_BY_HSM) != 0;
}

static enum hf_err list_partitions(struct calls_ctx *c, struct partition **v, size_t n,
	struct partition_info_list *ret)
{
	struct partition_info *info = arena_alloc(c->arena, n + 1, sizeof(*info));
	size_t k = 0;

	if (info == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < n; i++)
		if (sees(c, v[i]))
			TRY(fill_info(c, v[i], &info[k++]));
	*ret = (struct partition_info_list){ info, k };
	return HF_OK;
}

enum hf_err on_partition_list(struct calls_ctx *c, const struct partition_list_req *q,
	struct partition_list_res *r)
{
	struct partition **v;
	enum hf_err e;
	size_t n;

	(void)q;
	TRY(partitions_all(c->hsm, c->arena, &v, &n));
	e = list_partitions(c, v, n, &r->partitions);
	partitions_unref(v, n);
	return e;
}

static bool clients_valid(struct identity_list l)
{
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i].kind != IDENTITY_UID && l.v[i].kind != IDENTITY_GID)
			return false;
	return true;
}

enum hf_err on_partition_create(struct calls_ctx *c, const struct partition_create_req *q,
	struct partition_create_res *r)
{
	struct identity own = { IDENTITY_UID, c->conn->peer.uid };
	struct partition_new n = {
		.label = label_trimmed(q->label),
		.so_pin = q->so_pin,
		.user_pin = q->user_pin,
		.clients = q->clients,
		.unique_label = true,
		.slot = PARTITION_ANY,
	};

	if (n.label.n == 0 || !utf8_printable(n.label))
		return HF_E_LABEL;
	if (!clients_valid(q->clients))
		return HF_E_ARGUMENTS;
	if (n.clients.n == 0)
		n.clients = (struct identity_list){ &own, 1 };
	TRY(create(c, &n));
	r->slot = c->part->slot;
	r->serial = slice_str(c->part->serial);
	return HF_OK;
}

/* Asked again after a broken connection, it is gone already. */
enum hf_err on_partition_delete(struct calls_ctx *c, const struct partition_delete_req *q,
	struct partition_delete_res *r)
{
	struct partition *p = partition_by_serial(c->hsm, q->serial);

	enum hf_err e;

	(void)r;
	if (p != NULL) {
		set_part(c, p);
		return partition_delete(c->hsm, p);
	}
	e = partition_delete_damaged(c->hsm, q->serial);
	return e == HF_E_NO_PARTITION && (c->head.flags & WIRE_FLAG_REPEAT) ? HF_OK : e;
}

enum hf_err partition_seen(struct calls_ctx *c, struct slice serial, struct partition **ret)
{
	struct partition *p = partition_by_serial(c->hsm, serial);

	if (p == NULL)
		return HF_E_NO_PARTITION;
	if (!sees(c, p)) {
		partition_unref(p);
		return HF_E_NO_PARTITION;
	}
	set_part(c, p);
	*ret = p;
	return partition_whole(c->hsm, p);
}

enum hf_err on_partition_change(struct calls_ctx *c, const struct partition_change_req *q,
	struct partition_change_res *r)
{
	struct partition_edit e = {
		.what = q->what, .label = label_trimmed(q->label), .enabled = q->enabled,
		.max_objects = q->max_objects, .max_bytes = q->max_bytes, .clients = q->clients,
	};
	struct partition *p;

	(void)r;
	TRY(partition_seen(c, q->serial, &p));
	if (e.what == 0 || (e.what & ~(unsigned)EDIT_ALL) != 0 || !clients_valid(q->clients))
		return HF_E_ARGUMENTS;
	if (e.what != EDIT_ENABLED)
		TRY(hsm_need(c, CALL_BY_H));
	return partition_edit(c->hsm, p, &e);
}

enum hf_err on_policy_get(struct calls_ctx *c, const struct policy_get_req *q,
	struct policy_get_res *r)
{
	struct policy_value *v = arena_alloc(c->arena, POLICIES, sizeof(*v));
	struct partition *p;

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	TRY(partition_seen(c, q->serial, &p));
	for (unsigned k = 0; k < POLICIES; k++) {
		v[k].number = policy_rows[k].number;
		v[k].value = policy_value(p, (enum policy)k);
	}
	r->policies = (struct policy_value_list){ v, POLICIES };
	return HF_OK;
}

#define CHANGES_NAMED 7 /* more have no room in a record by their names */

static bool changes_it(struct partition *p, const struct policy_value *v)
{
	enum policy k = policy_numbered(v->number);

	return k >= POLICIES || policy_value(p, k) != v->value;
}

/* A number that is no policy's is told as it is. */
static void tell_change(struct calls_ctx *c, struct partition *p, const struct policy_value *v, bool by_name)
{
	enum policy k = policy_numbered(v->number);
	unsigned long long next = v->value, was = k < POLICIES ? policy_value(p, k) : 0;

	if (k >= POLICIES)
		call_detail(c, "%u=%llu ", v->number, next);
	else if (by_name)
		call_detail(c, "%s=%llu->%llu ", policy_rows[k].name, was, next);
	else
		call_detail(c, "%u=%llu->%llu ", v->number, was, next);
}

enum hf_err on_policy_set(struct calls_ctx *c, const struct policy_set_req *q,
	struct policy_set_res *r)
{
	struct partition *p;
	size_t n = 0;

	TRY(partition_seen(c, q->serial, &p));
	for (size_t i = 0; i < q->changes.n; i++)
		n += changes_it(p, &q->changes.v[i]);
	for (size_t i = 0; i < q->changes.n; i++)
		if (changes_it(p, &q->changes.v[i]))
			tell_change(c, p, &q->changes.v[i], n <= CHANGES_NAMED);
	return partition_policies_set(c, p, q->so_pin, q->changes, q->destroy, &r->destroyed);
}

enum hf_err on_rotate_partition(struct calls_ctx *c, const struct rotate_partition_req *q,
	struct rotate_partition_res *r)
{
	struct partition *p;

	(void)r;
	TRY(partition_seen(c, q->serial, &p));
	return rekey_by_officer(c, p, q->so_pin, q->force);
}

enum hf_err user_told(struct calls_ctx *c, struct partition *p, const struct role_record *u,
	struct user_info *ret)
{
	*ret = (struct user_info){
		.role = (uint8_t)u->role, .set = u->set, .changed = u->changed, .blocked = u->blocked,
		.change = u->set && pin_expired(p, u), .locked = role_locked(c->hsm, p, u),
		.failures = (uint8_t)records_fail_get(c->hsm->records, p->serial, u->id),
		.may = u->rights.may, .challenge = u->challenge_set, .active = activation_is(p, u->name),
		.m = u->quorum.m, .n = u->quorum.n,
	};
	TRY(arena_dup(c->arena, slice_str(u->rights.keys), &ret->keys));
	TRY(quorum_list(&u->quorum, c->arena, &ret->custodians));
	return arena_dup(c->arena, slice_str(u->name), &ret->name);
}

enum hf_err on_user_list(struct calls_ctx *c, const struct user_list_req *q,
	struct user_list_res *r)
{
	struct user_info *v;
	struct partition *p;
	size_t n = 2, k = 0;

	TRY(partition_seen(c, q->serial, &p));
	MUTEX_HOLD(&p->roles->pin);
	for (const struct user *u = p->roles->named; u != NULL; u = u->next)
		n++;
	v = arena_alloc(c->arena, n, sizeof(*v));
	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	TRY(user_told(c, p, &p->roles->so, &v[k++]));
	TRY(user_told(c, p, &p->roles->user, &v[k++]));
	for (const struct user *u = p->roles->named; u != NULL; u = u->next)
		TRY(user_told(c, p, &u->rec, &v[k++]));
	r->users = (struct user_info_list){ v, n };
	return HF_OK;
}
