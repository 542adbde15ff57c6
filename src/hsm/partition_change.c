/* partition_change.c: partitions get other names, clients, limits and policies. */
#include <stdio.h>
#include <string.h>

#include "activate.h"
#include "app.h"
#include "domain.h"
#include "gate.h"
#include "hsm_roles.h"
#include "log.h"
#include "login.h"
#include "object.h"
#include "partition_int.h"
#include "consent.h"
#include "utf8.h"

/* struct remembered is what a change may touch, to be put back when the store
 * does not take it. */
struct remembered {
	char label[33];
	bool disabled, wiping;
	uint64_t epoch, max_objects, max_bytes;
	struct identity_list clients;
	uint8_t domain[DOMAIN_ID];
	uint64_t policy[POLICIES];
};

static void remember(struct partition *p, struct remembered *ret)
{
	(void)pthread_rwlock_rdlock(&p->lock);
	memcpy(ret->label, p->label, sizeof(ret->label));
	ret->disabled = p->disabled;
	ret->wiping = p->wiping;
	ret->epoch = p->epoch;
	ret->max_objects = p->max_objects;
	ret->max_bytes = p->max_bytes;
	ret->clients = p->clients;
	memcpy(ret->domain, p->domain, sizeof(ret->domain));
	(void)pthread_rwlock_unlock(&p->lock);
	for (unsigned k = 0; k < POLICIES; k++)
		ret->policy[k] = atomic_load(&p->policies.v[k]);
}

static void put(struct partition *p, const struct remembered *r)
{
	(void)pthread_rwlock_wrlock(&p->lock);
	memcpy(p->label, r->label, sizeof(p->label));
	p->disabled = r->disabled;
	p->wiping = r->wiping;
	p->epoch = r->epoch;
	p->max_objects = r->max_objects;
	p->max_bytes = r->max_bytes;
	p->clients = r->clients;
	memcpy(p->domain, r->domain, sizeof(p->domain));
	(void)pthread_rwlock_unlock(&p->lock);
	for (unsigned k = 0; k < POLICIES; k++)
		atomic_store(&p->policies.v[k], r->policy[k]);
}

enum hf_err partition_change(const struct partition *p, const struct rekey *k, char name[PART_NAME_LEN],
	struct buf *b, struct record_change *ret)
{
	(void)snprintf(name, PART_NAME_LEN, "p/%s", p->serial);
	partition_enc(p, k, b);
	TRY(buf_err(b));
	*ret = (struct record_change){
		.name = name,
		.expect = p->roles->part_version,
		.version = p->roles->part_version + 1,
		.seal = SEAL_STORE,
		.plain = buf_slice(b),
	};
	return HF_OK;
}

enum hf_err partition_write(struct hsm *h, struct partition *p, const struct rekey *k)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(PART_RECORD_MAX);
	char name[PART_NAME_LEN];
	struct record_change c;

	TRY(partition_change(p, k, name, &b, &c));
	TRY(records_write(h->records, &c, 1));
	p->roles->part_version = c.version;
	return HF_OK;
}

/* become puts the partition into its next state, durably, or leaves it as it was.
 * The caller holds roles.pin. */
static enum hf_err become(struct hsm *h, struct partition *p, const struct remembered *was,
	const struct remembered *next)
{
	enum hf_err e;

	put(p, next);
	e = partition_write(h, p, &p->rekey);
	if (e != HF_OK)
		put(p, was);
	return e;
}

enum hf_err partition_void_tickets(struct hsm *h, struct partition *p)
{
	MUTEX_HOLD(&p->roles->pin);
	struct remembered was, next;

	remember(p, &was);
	next = was;
	next.epoch++;
	return become(h, p, &was, &next);
}

/* --- policies ------------------------------------------------------------------- */

static enum hf_err apply(struct policy_value_list changes, struct remembered *next,
	bool *ret_destroys)
{
	*ret_destroys = false;
	for (size_t i = 0; i < changes.n; i++) {
		enum policy k = policy_numbered(changes.v[i].number);
		uint64_t value = changes.v[i].value;

		if (k == POLICIES || !policy_possible(k, value))
			return HF_E_POLICY_VALUE;
		if (value == next->policy[k])
			continue;
		*ret_destroys |= policy_destroys_by(k, next->policy[k], value);
		next->policy[k] = value;
	}
	return next->policy[POLICY_PIN_MIN] <= next->policy[POLICY_PIN_MAX] ? HF_OK :
		HF_E_POLICY_PIN_LENGTHS;
}

/* is_of_audit: the policy says what is recorded, or what stops where nothing can be. */
static bool is_of_audit(enum policy k)
{
	return k == POLICY_AUDIT_USE || k == POLICY_AUDIT_AUTH || k == POLICY_AUDIT_KEYS ||
		k == POLICY_AUDIT_FAILURES || k == POLICY_AUDIT_ALL || k == POLICY_AUDIT_CLOSED;
}

/* told: how much a value of an audit policy records. */
static uint64_t told(enum policy k, uint64_t value)
{
	static const uint8_t of_use[] = { [USE_FIRST] = 1, [USE_COUNTED] = 2, [USE_EVERY] = 3 };

	return k == POLICY_AUDIT_USE ? of_use[value] : value;
}

/* by_whom: what both have to agree to is the HSM's security officer's, but for less to be
 * recorded: that is the auditor's, once there is one. */
static enum hf_err by_whom(struct calls_ctx *c, const struct remembered *was,
	const struct remembered *next)
{
	bool officer = false, auditor = false;

	for (unsigned i = 0; i < POLICIES; i++) {
		enum policy k = (enum policy)i;
		bool less = is_of_audit(k) && told(k, next->policy[k]) < told(k, was->policy[k]);

		if (next->policy[k] == was->policy[k] || policy_rows[k].who != POLICY_BY_BOTH)
			continue;
		auditor |= less && hsm_has_auditor(c->hsm);
		officer |= !less || !hsm_has_auditor(c->hsm);
	}
	if (auditor)
		TRY(hsm_need(c, CALL_BY_D));
	return officer ? hsm_need(c, CALL_BY_H) : HF_OK;
}

static enum hf_err check_officer(struct calls_ctx *c, struct partition *p, struct slice so_pin)
{
	CLEANUP(secret_done) struct secret key = { 0 }, made = { 0 };
	MUTEX_HOLD(&p->roles->pin);
	struct slice pin;

	TRY(role_pin(c, p, &p->roles->so, so_pin, &made, &pin));
	return role_open(c->hsm, p, &p->roles->so, pin, &key);
}

/* The new policies and the sentence over the objects are one record: from then
 * on a start finishes what a crash cut short. */
static enum hf_err change_and_wipe(struct hsm *h, struct partition *p,
	const struct remembered *was, struct remembered *next)
{
	MUTEX_HOLD(&p->roles->pin);

	next->wiping = true;
	next->epoch++;
	TRY(become(h, p, was, next));
	return partition_finish_wipe(h, p) == HF_OK ? HF_OK : HF_E_WIPE_PENDING;
}

enum hf_err partition_begin_wipe(struct hsm *h, struct partition *p)
{
	struct remembered was, next;

	remember(p, &was);
	next = was;
	next.wiping = true;
	return become(h, p, &was, &next);
}

enum hf_err partition_finish_wipe(struct hsm *h, struct partition *p)
{
	struct remembered was, next;

	TRY(partition_wipe_objects(h, p));
	remember(p, &was);
	next = was;
	next.wiping = false;
	return become(h, p, &was, &next);
}

static bool is_wiping(struct partition *p)
{
	bool wiping;

	(void)pthread_rwlock_rdlock(&p->lock);
	wiping = p->wiping;
	(void)pthread_rwlock_unlock(&p->lock);
	return wiping;
}

static enum hf_err finish_busy(struct hsm *h, struct partition *p)
{
	MUTEX_HOLD(&p->roles->pin);

	return partition_finish_wipe(h, p);
}

/* Where a PIN is locked the gate tries again behind the call. */
enum hf_err partition_whole(struct hsm *h, struct partition *p)
{
	enum hf_err e;

	if (atomic_load(&p->condemned))
		return HF_E_WIPE_PENDING;
	if (!is_wiping(p))
		return HF_OK;
	TRY(partition_busy(p));
	e = finish_busy(h, p);
	partition_idle(p);
	if (e == HF_OK)
		log_notice("partition %s: the rest of its objects is destroyed", p->serial);
	return e == HF_OK ? HF_OK : HF_E_WIPE_PENDING;
}

static enum hf_err destroying_change(struct hsm *h, struct partition *p,
	const struct remembered *was, struct remembered *next)
{
	enum hf_err e;

	TRY(partition_busy(p));
	sessions_end_all(h, p);
	e = change_and_wipe(h, p, was, next);
	partition_idle(p);
	return e;
}

enum hf_err partition_policies_set(struct calls_ctx *c, struct partition *p, struct slice so_pin,
	struct policy_value_list changes, bool may_destroy, bool *ret_destroyed)
{
	struct remembered was, next;
	bool destroys;

	remember(p, &was);
	next = was;
	TRY(apply(changes, &next, &destroys));
	TRY(by_whom(c, &was, &next));
	if (destroys && !may_destroy)
		return HF_E_DESTRUCTIVE;
	TRY(check_officer(c, p, so_pin));
	*ret_destroyed = destroys;
	if (destroys) {
		call_detail(c, "all objects destroyed");
		return destroying_change(c->hsm, p, &was, &next);
	}
	MUTEX_HOLD(&p->roles->pin);
	TRY(become(c->hsm, p, &was, &next));
	if (next.policy[POLICY_ACTIVATION] == 0 ||
	    next.policy[POLICY_AUTO_ACTIVATION] < was.policy[POLICY_AUTO_ACTIVATION])
		return activation_end(c->hsm, p, NULL);
	return HF_OK;
}

enum hf_err partition_domain_set(struct calls_ctx *c, struct partition *p, struct slice so_pin,
	const uint8_t id[DOMAIN_ID])
{
	struct remembered was, next;

	TRY(check_officer(c, p, so_pin));
	MUTEX_HOLD(&p->roles->pin);
	remember(p, &was);
	if (domain_set(was.domain) && was.policy[POLICY_DOMAIN_CHANGE] == 0) {
		call_detail(c, ", policy %s", policy_rows[POLICY_DOMAIN_CHANGE].name);
		return HF_E_POLICY;
	}
	next = was;
	memcpy(next.domain, id, DOMAIN_ID);
	return become(c->hsm, p, &was, &next);
}

/* --- lock-out ------------------------------------------------------------------- */

/* The count stays: an older store that is put back is condemned again. */
static enum hf_err unset_locked(struct hsm *h, struct partition *p, struct role_record *r)
{
	struct role_record next;

	if (!role_condemns(h, p, r))
		return HF_OK;
	role_unset(r, &next);
	return role_store(h, p, r, &next);
}

static enum hf_err unset_all_locked(struct hsm *h, struct partition *p)
{
	MUTEX_HOLD(&p->roles->pin);

	TRY(unset_locked(h, p, &p->roles->so));
	TRY(unset_locked(h, p, &p->roles->user));
	for (struct user *u = p->roles->named; u != NULL; u = u->next)
		TRY(unset_locked(h, p, &u->rec));
	(void)pthread_rwlock_wrlock(&p->lock);
	p->user_pin_set = p->roles->user.set;
	(void)pthread_rwlock_unlock(&p->lock);
	return HF_OK;
}

/* The PINs last: while one is locked, the next start does all of it again. */
static enum hf_err destroy_for_lock_out(struct hsm *h, struct partition *p)
{
	struct remembered was, next;

	log_error("partition %s: a PIN is locked; all objects are destroyed", p->serial);
	remember(p, &was);
	next = was;
	TRY(change_and_wipe(h, p, &was, &next));
	return unset_all_locked(h, p);
}

enum hf_err partition_lock_out(struct hsm *h, struct partition *p)
{
	enum hf_err e;

	TRY(partition_busy(p));
	sessions_end_all(h, p);
	e = destroy_for_lock_out(h, p);
	partition_idle(p);
	return e;
}

enum hf_err partition_lock_out_load(struct hsm *h, struct partition *p)
{
	bool condemned = role_condemns(h, p, &p->roles->so) || role_condemns(h, p, &p->roles->user);

	for (const struct user *u = p->roles->named; u != NULL; u = u->next)
		condemned |= role_condemns(h, p, &u->rec);
	enum hf_err e = condemned ? destroy_for_lock_out(h, p) : HF_OK;

	atomic_store(&p->condemned, e != HF_OK);
	return e;
}

/* --- what the administrator changes --------------------------------------------- */

static enum hf_err copy_clients(struct identity_list from, struct identity_list *ret)
{
	struct identity *v = hf_alloc(from.n + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_MEMORY;
	if (from.n > 0)
		memcpy(v, from.v, from.n * sizeof(*v));
	*ret = (struct identity_list){ v, from.n };
	return HF_OK;
}

static void free_clients(struct identity_list *l)
{
	hf_free((void *)(uintptr_t)l->v);
}

static void overlay(const struct partition_edit *e, struct remembered *next)
{
	if ((e->what & EDIT_LABEL) != 0) {
		memset(next->label, 0, sizeof(next->label));
		if (e->label.n > 0)
			memcpy(next->label, e->label.p, e->label.n);
	}
	if ((e->what & EDIT_ENABLED) != 0) {
		next->disabled = !e->enabled;
		next->epoch += !e->enabled; /* no ticket brings a login of before back */
	}
	if ((e->what & EDIT_LIMITS) != 0) {
		next->max_objects = e->max_objects;
		next->max_bytes = e->max_bytes;
	}
}

static enum hf_err check_edit(struct hsm *h, const struct partition *p,
	const struct partition_edit *e)
{
	char label[33] = "";

	if ((e->what & EDIT_LABEL) == 0)
		return HF_OK;
	if (e->label.n == 0 || e->label.n >= sizeof(label) || !utf8_printable(e->label))
		return HF_E_LABEL;
	memcpy(label, e->label.p, e->label.n);
	return partition_label_taken(h, label, p) ? HF_E_PARTITION_EXISTS : HF_OK;
}

static enum hf_err edit(struct hsm *h, struct partition *p, const struct partition_edit *e)
{
	CLEANUP(free_clients) struct identity_list spare = { 0 };
	MUTEX_HOLD(&p->roles->pin);
	struct remembered was, next;
	enum hf_err r;

	remember(p, &was);
	next = was;
	overlay(e, &next);
	if ((e->what & EDIT_CLIENTS) != 0) {
		TRY(copy_clients(e->clients, &spare));
		next.clients = spare;
	}
	r = become(h, p, &was, &next);
	if (r == HF_OK && (e->what & EDIT_CLIENTS) != 0)
		spare = was.clients;
	return r;
}

enum hf_err partition_edit(struct hsm *h, struct partition *p, const struct partition_edit *e)
{
	TRY(check_edit(h, p, e));
	TRY(edit(h, p, e));
	if ((e->what & EDIT_ENABLED) == 0 || e->enabled)
		return HF_OK;
	sessions_end_all(h, p);
	return activation_end(h, p, NULL);
}
