/* partition_make.c: partitions come to be, begin anew, and end. */
#include <stdio.h>
#include <string.h>

#include "activate.h"
#include "app.h"
#include "clock.h"
#include "guard.h"
#include "onetime.h"
#include "log.h"
#include "login.h"
#include "object.h"
#include "hsm_roles.h"
#include "partition_int.h"
#include "tags.h"
#include "usage.h"

/* --- what one batch writes ------------------------------------------------------ */

/* struct making is a partition's three records on their way. */
struct making {
	struct role_record so, user;
	struct buf part_buf, so_buf, user_buf;
	char part_name[PART_NAME_LEN], so_name[ROLE_NAME_LEN], user_name[ROLE_NAME_LEN];
	struct record_change v[3];
};

#define MAKING { .part_buf = BUF_MAX(PART_RECORD_MAX), \
	.so_buf = BUF_MAX(ROLE_RECORD_MAX), .user_buf = BUF_MAX(ROLE_RECORD_MAX) }

static void making_done(struct making *m)
{
	buf_done(&m->part_buf);
	buf_done(&m->so_buf);
	buf_done(&m->user_buf);
}

static enum hf_err part_change(const struct partition *p, struct making *m)
{
	static const struct rekey first = { .known = false };

	return partition_change(p, &first, m->part_name, &m->part_buf, &m->v[0]);
}

/* make_roles makes a new partition key and wraps it for the officer, and for the
 * user if there is a PIN. */
static enum hf_err make_roles(struct hsm *h, struct partition *p, struct slice so_pin,
	struct slice user_pin, struct making *m)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	struct roles *r = p->roles;

	TRY(secret_alloc(&key, CRYPTO_KEY));
	TRY(crypto_random(key.p, key.n));
	TRY(role_wrap(h, p, so_pin, secret_slice(&key), &r->so, &m->so));
	if (user_pin.n == 0)
		role_unset(&r->user, &m->user);
	else
		TRY(role_wrap(h, p, user_pin, secret_slice(&key), &r->user, &m->user));
	TRY(role_change(p->serial, &r->so, &m->so, m->so_name, &m->so_buf, &m->v[1]));
	return role_change(p->serial, &r->user, &m->user, m->user_name, &m->user_buf, &m->v[2]);
}

static void take_roles(struct partition *p, struct making *m)
{
	MUTEX_HOLD(&p->roles->lock);

	p->roles->so = m->so;
	p->roles->so.version = m->v[1].version;
	p->roles->user = m->user;
	p->roles->user.version = m->v[2].version;
	p->roles->part_version = m->v[0].version;
	(void)pthread_rwlock_wrlock(&p->lock);
	p->rekey = (struct rekey){ .known = false };
	(void)pthread_rwlock_unlock(&p->lock);
}

/* --- creating --------------------------------------------------------------------- */

static enum hf_err fill(const struct hsm *h, const struct partition_new *n, struct partition *p)
{
	struct identity *v = hf_alloc(n->clients.n, sizeof(*v));

	if (v == NULL)
		return HF_E_MEMORY;
	if (n->clients.n > 0)
		memcpy(v, n->clients.v, n->clients.n * sizeof(*v));
	p->clients = (struct identity_list){ v, n->clients.n };
	if (n->label.n >= sizeof(p->label))
		return HF_E_ARGUMENTS;
	if (n->label.n > 0)
		memcpy(p->label, n->label.p, n->label.n);
	p->created = clock_wall_us();
	p->epoch = 1;
	policies_init(&p->policies, h->cfg.strict_partitions || hsm_has_officer(h));
	return HF_OK;
}

static bool label_taken(const struct hsm *h, const char *label, const struct partition *but)
{
	for (struct map_node *n = map_next(&h->partitions, NULL); n != NULL;
	     n = map_next(&h->partitions, n)) {
		struct partition *p = container_of(n, struct partition, by_slot);
		bool same;

		(void)pthread_rwlock_rdlock(&p->lock);
		same = p != but && strcmp(p->label, label) == 0 && !p->deleted;
		(void)pthread_rwlock_unlock(&p->lock);
		if (same)
			return true;
	}
	return false;
}

bool partition_label_taken(struct hsm *h, const char *label, const struct partition *but)
{
	MUTEX_HOLD(&h->lock);

	return label_taken(h, label, but);
}

/* reserve puts p into its slot, not yet to be seen: nobody else takes the slot
 * or the label meanwhile. */
static enum hf_err reserve(struct hsm *h, const struct partition_new *n, struct partition *p)
{
	uint64_t slot = n->slot == PARTITION_ANY ? partition_free_slot(h) : n->slot;
	MUTEX_HOLD(&h->lock);

	if (h->partitions.n >= PARTITIONS_MAX)
		return HF_E_LIMIT;
	if (n->unique_label && label_taken(h, p->label, NULL))
		return HF_E_PARTITION_EXISTS;
	while (n->slot == PARTITION_ANY && map_get(&h->partitions, slot) != NULL)
		slot++;
	p->slot = slot;
	return map_put(&h->partitions, slot, &p->by_slot);
}

static void unreserve(struct hsm *h, struct partition *p)
{
	MUTEX_HOLD(&h->lock);

	if (map_get(&h->partitions, p->slot) == &p->by_slot)
		(void)map_del(&h->partitions, p->slot);
}

static void set_ready(struct partition *p)
{
	(void)pthread_rwlock_wrlock(&p->lock);
	p->user_pin_set = p->roles->user.set;
	p->ready = true;
	(void)pthread_rwlock_unlock(&p->lock);
}

static enum hf_err write_new(struct hsm *h, const struct partition_new *n, struct partition *p)
{
	CLEANUP(making_done) struct making m = MAKING;

	TRY(part_change(p, &m));
	TRY(make_roles(h, p, n->so_pin, n->user_pin, &m));
	TRY(records_write(h->records, m.v, 3));
	take_roles(p, &m);
	return HF_OK;
}

static enum hf_err new_serial(char out[SERIAL_LEN + 1])
{
	uint8_t random[SERIAL_LEN / 2];

	TRY(crypto_random(random, sizeof(random)));
	hex_encode(SLICE_OF(random), out);
	return HF_OK;
}

static void unref_it(struct partition **p)
{
	partition_unref(*p);
}

enum hf_err partition_create(struct hsm *h, const struct partition_new *n, struct partition **ret)
{
	CLEANUP(unref_it) struct partition *p = NULL;
	char serial[SERIAL_LEN + 1];
	enum hf_err e;

	TRY(new_serial(serial));
	TRY(partition_alloc(serial, &p));
	TRY(fill(h, n, p));
	TRY(pin_length(h, p, n->so_pin));
	if (n->user_pin.n > 0)
		TRY(pin_length(h, p, n->user_pin));
	TRY(reserve(h, n, p));
	partition_ref(p); /* the map's */
	e = write_new(h, n, p);
	if (e != HF_OK) {
		unreserve(h, p);
		partition_unref(p);
		return e;
	}
	set_ready(p);
	*ret = p;
	p = NULL;
	return HF_OK;
}

/* --- beginning anew ----------------------------------------------------------------- */

static enum hf_err make_busy(struct partition *p)
{
	unsigned held = activation_count(p);
	enum hf_err e = HF_OK;

	(void)pthread_rwlock_wrlock(&p->lock);
	if (p->rekeying)
		e = HF_E_ROTATING;
	else if (p->sessions > 0 || p->logins > held)
		e = HF_E_SESSION_EXISTS;
	else if (p->busy || p->deleted)
		e = HF_E_CONFLICT;
	else
		p->busy = true;
	(void)pthread_rwlock_unlock(&p->lock);
	return e;
}

enum hf_err partition_busy(struct partition *p)
{
	enum hf_err e = HF_OK;

	(void)pthread_rwlock_wrlock(&p->lock);
	if (p->busy || p->deleted)
		e = HF_E_CONFLICT;
	else
		p->busy = true;
	(void)pthread_rwlock_unlock(&p->lock);
	return e;
}

void partition_idle(struct partition *p)
{
	(void)pthread_rwlock_wrlock(&p->lock);
	p->busy = false;
	(void)pthread_rwlock_unlock(&p->lock);
}

enum hf_err partition_wipe_objects(struct hsm *h, struct partition *p)
{
	static const char *const kinds[] = { "prv", "pub", "gone", "guard", "active", "bridge", "usage",
		"onetime" };
	struct objects *fresh = NULL, *old;
	char prefix[PART_NAME_LEN];

	TRY(activation_end(h, p, NULL));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		(void)snprintf(prefix, sizeof(prefix), "p/%s/%s/", p->serial, kinds[i]);
		TRY(records_wipe(h->records, prefix));
	}
	tags_clear(p->tags);
	TRY(objects_new(&fresh));
	(void)pthread_rwlock_wrlock(&p->lock);
	old = p->objects;
	p->objects = fresh;
	atomic_store(&p->stored, 0);
	(void)pthread_rwlock_unlock(&p->lock);
	objects_free(old);
	MUTEX_HOLD(&p->roles->lock);
	gone_free(p->roles);
	guards_clear(p->guards);
	usages_clear(p->usages);
	onetimes_clear(p->onetimes);
	return HF_OK;
}

/* The partition as its record will say it; on failure as it was. */
static void relabel(struct partition *p, const char label[33], uint64_t epoch)
{
	(void)pthread_rwlock_wrlock(&p->lock);
	memcpy(p->label, label, sizeof(p->label));
	p->epoch = epoch;
	(void)pthread_rwlock_unlock(&p->lock);
}

static void set_wiping(struct partition *p, bool on)
{
	(void)pthread_rwlock_wrlock(&p->lock);
	p->wiping = on;
	(void)pthread_rwlock_unlock(&p->lock);
}

static enum hf_err write_reset(struct hsm *h, struct partition *p, struct slice so_pin,
	struct slice label)
{
	CLEANUP(making_done) struct making m = MAKING;
	char was[33], now[33] = "";
	bool wiping = p->wiping;
	uint64_t epoch = p->epoch;
	enum hf_err e;

	memcpy(was, p->label, sizeof(was));
	if (label.n > 0)
		memcpy(now, label.p, label.n);
	relabel(p, now, epoch + 1);
	set_wiping(p, false);
	e = part_change(p, &m);
	if (e == HF_OK)
		e = make_roles(h, p, so_pin, SLICE_NONE, &m);
	if (e == HF_OK)
		e = records_write(h->records, m.v, 3);
	if (e != HF_OK) {
		relabel(p, was, epoch);
		set_wiping(p, wiping);
		return e;
	}
	take_roles(p, &m);
	set_ready(p);
	return HF_OK;
}

/* Objects go first: after a crash in the middle the old PIN still holds, over
 * what is left; never the new one over what should be gone. */
static enum hf_err wipe_and_reset(struct hsm *h, struct partition *p, struct slice so_pin,
	struct slice label)
{
	TRY(users_drop(h, p));
	TRY(partition_wipe_objects(h, p));
	TRY(records_fail_set(h->records, p->serial, ROLE_USER, 0));
	return write_reset(h, p, so_pin, label);
}

static enum hf_err reset_now(struct hsm *h, struct partition *p, struct slice so_pin,
	struct slice label)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	MUTEX_HOLD(&p->roles->pin);

	TRY(role_open(h, p, &p->roles->so, so_pin, &key));
	TRY(partition_begin_wipe(h, p));
	return wipe_and_reset(h, p, so_pin, label) == HF_OK ? HF_OK : HF_E_WIPE_PENDING;
}

enum hf_err partition_reset(struct hsm *h, struct partition *p, struct slice so_pin,
	struct slice label)
{
	enum hf_err e;

	if (label.n >= sizeof(p->label))
		return HF_E_ARGUMENTS;
	TRY(make_busy(p));
	e = reset_now(h, p, so_pin, label);
	partition_idle(p);
	return e;
}

/* --- ending ---------------------------------------------------------------------------- */

static enum hf_err set_deleted(struct partition *p, bool deleted)
{
	enum hf_err e = HF_OK;

	(void)pthread_rwlock_wrlock(&p->lock);
	if (deleted && (p->busy || p->deleted))
		e = HF_E_CONFLICT;
	else
		p->deleted = deleted;
	(void)pthread_rwlock_unlock(&p->lock);
	return e;
}

/* The partition's own record first: what is below it is rubbish from then on,
 * and is cleared away at the next start if not now. */
static enum hf_err delete_record(struct hsm *h, const struct partition *p)
{
	struct record_change c = { .expect = p->roles->part_version };
	char name[PART_NAME_LEN];

	(void)snprintf(name, sizeof(name), "p/%s", p->serial);
	c.name = name;
	return records_write(h->records, &c, 1);
}

static enum hf_err clear_count(struct hsm *h, const struct partition *p,
	const struct role_record *r)
{
	return records_fail_get(h->records, p->serial, r->id) > 0 ?
		records_fail_set(h->records, p->serial, r->id, 0) : HF_OK;
}

static void clear_away(struct hsm *h, const struct partition *p)
{
	char prefix[PART_NAME_LEN];
	enum hf_err e;

	(void)snprintf(prefix, sizeof(prefix), "p/%s/", p->serial);
	e = records_wipe(h->records, prefix);
	e = e == HF_OK ? clear_count(h, p, &p->roles->so) : e;
	e = e == HF_OK ? clear_count(h, p, &p->roles->user) : e;
	for (const struct user *u = p->roles->named; e == HF_OK && u != NULL; u = u->next)
		e = clear_count(h, p, &u->rec);
	if (e != HF_OK)
		log_warn("partition %s: %s; the next start deletes the rest of it", p->serial, err_text(e));
}

/* One whose own record is damaged is in no slot; what there is of it goes. */
enum hf_err partition_delete_damaged(struct hsm *h, struct slice serial)
{
	char prefix[PART_NAME_LEN];

	if (serial.n != SERIAL_LEN)
		return HF_E_NO_PARTITION;
	(void)snprintf(prefix, sizeof(prefix), "p/%.*s", (int)serial.n, (const char *)serial.p);
	if (!damaged_has(h->damaged, prefix))
		return HF_E_NO_PARTITION;
	TRY(records_wipe(h->records, prefix));
	damaged_forget(h->damaged, prefix);
	return HF_OK;
}

enum hf_err partition_delete(struct hsm *h, struct partition *p)
{
	enum hf_err e;

	TRY(set_deleted(p, true));
	sessions_end_all(h, p);
	e = activation_end(h, p, NULL);
	if (e == HF_OK)
		e = delete_record(h, p);
	if (e != HF_OK) {
		(void)set_deleted(p, false);
		return e;
	}
	clear_away(h, p);
	unreserve(h, p);
	partition_unref(p); /* the map's */
	return HF_OK;
}
