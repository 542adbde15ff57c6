/* partition_load.c: partitions from their records, when the HSM unlocks. */
#include <stdio.h>
#include <string.h>

#include "activate.h"
#include "audit.h"
#include "bridge.h"
#include "guard.h"
#include "onetime.h"
#include "log.h"
#include "login.h"
#include "object.h"
#include "opening.h"
#include "partition.h"
#include "partition_int.h"
#include "rekey.h"
#include "tags.h"
#include "usage.h"

#define FORMAT 4
#define FORMAT_1 1 /* had no limits and no policies */
#define FORMAT_2 2 /* had no security domain */
#define FORMAT_3 3 /* had its first key for ever */
#define MAX_CLIENTS 64u

/* --- the record "p/SERIAL" --------------------------------------------------- */

void partition_enc(const struct partition *p, const struct rekey *k, struct buf *out)
{
	buf_u8(out, FORMAT);
	buf_u64(out, p->slot);
	buf_bytes(out, slice_str(p->label));
	buf_u64(out, p->created);
	buf_u64(out, p->epoch);
	buf_u32(out, (uint32_t)p->clients.n);
	for (size_t i = 0; i < p->clients.n; i++) {
		buf_u8(out, p->clients.v[i].kind);
		buf_u64(out, p->clients.v[i].id);
	}
	buf_bool(out, p->disabled);
	buf_bool(out, p->wiping);
	buf_u64(out, p->max_objects);
	buf_u64(out, p->max_bytes);
	buf_u32(out, POLICIES);
	for (unsigned i = 0; i < POLICIES; i++) {
		buf_u32(out, policy_rows[i].number);
		buf_u64(out, atomic_load(&p->policies.v[i]));
	}
	buf_raw(out, SLICE_OF(p->domain));
	rekey_enc(k, out);
}

/* A policy that is unknown here may forbid what this version would allow: such a
 * partition stays shut. One that the record does not know is as in an open one. */
static enum hf_err dec_policies(struct rd *r, struct partition *p)
{
	uint32_t n, number;
	uint64_t value;

	if (!rd_u32(r, &n))
		return HF_E_DAMAGED;
	for (; n > 0; n--) {
		enum policy k;

		if (!rd_u32(r, &number) || !rd_u64(r, &value))
			return HF_E_DAMAGED;
		k = policy_numbered(number);
		if (k == POLICIES || !policy_possible(k, value))
			return HF_E_DAMAGED;
		atomic_store(&p->policies.v[k], value);
	}
	return HF_OK;
}

static enum hf_err dec_domain(struct rd *r, struct partition *p)
{
	const uint8_t *id;

	if (!rd_take(r, DOMAIN_ID, &id))
		return HF_E_DAMAGED;
	memcpy(p->domain, id, DOMAIN_ID);
	return HF_OK;
}

static enum hf_err dec_rest(struct rd *r, uint8_t format, struct partition *p)
{
	if (!rd_bool(r, &p->disabled) || !rd_bool(r, &p->wiping) || !rd_u64(r, &p->max_objects) ||
	    !rd_u64(r, &p->max_bytes))
		return HF_E_DAMAGED;
	TRY(dec_policies(r, p));
	return format == FORMAT_2 ? HF_OK : dec_domain(r, p);
}

static enum hf_err dec_clients(struct rd *r, uint32_t n, struct partition *p)
{
	struct identity *v = hf_alloc(n, sizeof(*v));

	if (v == NULL)
		return HF_E_MEMORY;
	p->clients = (struct identity_list){ v, n };
	for (uint32_t i = 0; i < n; i++)
		if (!rd_u8(r, &v[i].kind) || !rd_u64(r, &v[i].id))
			return HF_E_DAMAGED;
	return HF_OK;
}

static enum hf_err partition_dec(struct slice in, struct partition *p)
{
	struct rd r = rd_of(in);
	struct slice label;
	uint8_t format;
	uint32_t n;

	if (!rd_u8(&r, &format) || format < FORMAT_1 || format > FORMAT ||
	    !rd_u64(&r, &p->slot) ||
	    !rd_bytes(&r, sizeof(p->label) - 1, &label) || !rd_u64(&r, &p->created) ||
	    !rd_u64(&r, &p->epoch) || !rd_u32(&r, &n) || n > MAX_CLIENTS)
		return HF_E_DAMAGED;
	if (label.n > 0)
		memcpy(p->label, label.p, label.n);
	TRY(dec_clients(&r, n, p));
	policies_init(&p->policies, false);
	if (format != FORMAT_1)
		TRY(dec_rest(&r, format, p));
	if (format > FORMAT_3 && !rekey_dec(&r, &p->rekey))
		return HF_E_DAMAGED;
	return rd_done(&r) ? HF_OK : HF_E_DAMAGED;
}

enum hf_err partition_alloc(const char *serial, struct partition **ret)
{
	struct partition *p = hf_alloc(1, sizeof(*p));
	enum hf_err e;

	if (p == NULL)
		return HF_E_MEMORY;
	atomic_init(&p->refs, 1);
	(void)pthread_rwlock_init(&p->lock, NULL);
	mutex_init(&p->iv_lock);
	opening_init(&p->opening);
	rwlock_init_fair(&p->keeping);
	(void)snprintf(p->serial, sizeof(p->serial), "%s", serial);
	e = roles_new(&p->roles);
	if (e == HF_OK)
		e = objects_new(&p->objects);
	if (e == HF_OK)
		e = tags_new(&p->tags);
	if (e == HF_OK)
		e = guards_new(&p->guards);
	if (e == HF_OK)
		e = usages_new(&p->usages);
	if (e == HF_OK)
		e = onetimes_new(&p->onetimes);
	if (e != HF_OK) {
		partition_unref(p);
		return e;
	}
	*ret = p;
	return HF_OK;
}

/* --- loading ------------------------------------------------------------------- */

/* Every name here begins with "p/SERIAL". */
static bool split_name(const char *name, char serial[SERIAL_LEN + 1])
{
	char rest;

	if (strlen(name) < 2 + SERIAL_LEN || strncmp(name, "p/", 2) != 0)
		return false;
	memcpy(serial, name + 2, SERIAL_LEN);
	serial[SERIAL_LEN] = '\0';
	rest = name[2 + SERIAL_LEN];
	return strchr(serial, '/') == NULL && (rest == '\0' || rest == '/');
}

/* Two partitions in one slot: one of them comes from a damaged time; it moves. */
static enum hf_err place(struct hsm *h, struct partition *p)
{
	if (map_get(&h->partitions, p->slot) != NULL) {
		uint64_t slot = partition_free_slot(h);

		log_warn("partition %s: slot %llu is taken, it is in slot %llu now", p->serial,
			(unsigned long long)p->slot, (unsigned long long)slot);
		p->slot = slot;
	}
	MUTEX_HOLD(&h->lock);
	return map_put(&h->partitions, p->slot, &p->by_slot);
}

static enum hf_err load_partition(struct hsm *h, const char *serial, uint64_t version,
	struct slice plain)
{
	struct partition *p;
	enum hf_err e;

	TRY(partition_alloc(serial, &p));
	e = partition_dec(plain, p);
	if (e == HF_OK) {
		p->ready = true;
		p->roles->part_version = version;
		e = place(h, p);
	}
	if (e != HF_OK)
		partition_unref(p);
	return e;
}

static enum hf_err visit_partition(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	char serial[SERIAL_LEN + 1];

	if (!split_name(name, serial))
		return HF_E_DAMAGED;
	return load_partition(ctx, serial, version, plain);
}

static void damaged_partition(void *ctx, const char *name)
{
	struct hsm *h = ctx;

	damaged_add(h->damaged, name);
}

/* struct loading is what the visitors below get. */
struct loading {
	struct hsm *h;
	struct partition *p;
};

static enum hf_err visit_role(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct partition *p = ((const struct loading *)ctx)->p;
	struct slice who = slice_str(strrchr(name, '/') + 1);
	struct role_record *r = role_named(p->roles, who), t = { 0 };

	if (r == NULL) {
		TRY(role_record_dec(plain, &t));
		if (!user_name_valid(who) || !role_is_user(t.role))
			return HF_E_DAMAGED;
		TRY(roles_add(p->roles, who, t.role, t.id, &r));
	}
	TRY(role_record_dec(plain, r));
	r->version = version;
	p->user_pin_set = p->roles->user.set;
	return HF_OK;
}

static enum hf_err visit_gone(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	const struct loading *l = ctx;

	return gone_load(l->h, l->p, name, version, plain);
}

static enum hf_err visit_object(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	const struct partition *p = ((const struct loading *)ctx)->p;

	return objects_load(p->objects, name, version, plain);
}

static enum hf_err visit_guard(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	const struct partition *p = ((const struct loading *)ctx)->p;

	return guard_load(p->guards, name, version, plain);
}

static enum hf_err visit_usage(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	const struct partition *p = ((const struct loading *)ctx)->p;

	return usage_load(p->usages, name, version, plain);
}

static enum hf_err visit_onetime(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	const struct loading *l = ctx;

	return onetime_load(l->p->onetimes, l->h->onetime_mark, name, version, plain);
}

static void damaged_in(void *ctx, const char *name)
{
	const struct partition *p = ((const struct loading *)ctx)->p;

	damaged_add(p->roles->damaged, name);
}

static enum hf_err scan_part(struct hsm *h, struct partition *p, const char *kind,
	enum hf_err (*visit)(void *, const char *, uint64_t, struct slice))
{
	struct loading l = { h, p };
	const struct record_visit v = { &l, visit, damaged_in };
	char prefix[PART_NAME_LEN];

	(void)snprintf(prefix, sizeof(prefix), "p/%s/%s/", p->serial, kind);
	return records_scan(h->records, prefix, SEAL_STORE, SLICE_NONE, &v);
}

enum hf_err partition_tell_damage(struct hsm *h, const struct partition *p, size_t n)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "%zu private records of partition %s", n, p->serial);
	return audit_event(h->audit, "damage", text, HF_E_DAMAGED);
}

enum hf_err partition_load_private(struct hsm *h, struct partition *p, struct slice key)
{
	struct loading l = { h, p };
	const struct record_visit v = { &l, visit_object, damaged_in };
	CLEANUP(secret_done) struct secret old = { 0 };
	char prefix[PART_NAME_LEN];

	size_t before = damaged_count(p->roles->damaged), after;

	(void)snprintf(prefix, sizeof(prefix), OBJECT_PRIVATE_PREFIX, p->serial);
	TRY(rekey_old(p, &old));
	TRY(records_scan_private(h->records, prefix, &(struct records_keys){ key, secret_slice(&old) }, &v));
	after = damaged_count(p->roles->damaged);
	return after == before ? HF_OK : partition_tell_damage(h, p, after - before);
}

static enum hf_err one_attempt(struct hsm *h, const struct partition *p,
	const struct role_record *r)
{
	unsigned last = pin_failures(h, p) - 1;

	return records_fail_get(h->records, p->serial, r->id) < last ?
		records_fail_set(h->records, p->serial, r->id, last) : HF_OK;
}

/* Without the anchor the counters may be old: one attempt each is left. */
enum hf_err partition_after_lost_anchor(struct hsm *h, struct partition *p)
{
	if (!h->anchor_lost)
		return HF_OK;
	TRY(one_attempt(h, p, &p->roles->so));
	TRY(one_attempt(h, p, &p->roles->user));
	for (const struct user *u = p->roles->named; u != NULL; u = u->next)
		TRY(one_attempt(h, p, &u->rec));
	return HF_OK;
}

static enum hf_err visit_from(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	(void)name;
	(void)version;
	return roles_from_dec(((const struct loading *)ctx)->p->roles, plain);
}

static enum hf_err load_from(struct hsm *h, struct partition *p)
{
	struct loading l = { h, p };
	const struct record_visit v = { &l, visit_from, damaged_in };
	char name[PART_NAME_LEN];

	(void)snprintf(name, sizeof(name), "p/%s/from", p->serial);
	return records_get(h->records, name, SEAL_STORE, SLICE_NONE, &v);
}

static enum hf_err count_one(void *ctx, const char *name, uint64_t version)
{
	struct partition *p = ctx;

	(void)name;
	(void)version;
	(void)atomic_fetch_add(&p->stored, 1);
	return HF_OK;
}

static enum hf_err count_private(void *ctx, const char *name, uint64_t version,
	const struct record_tags *v)
{
	const struct partition *p = ctx;

	tags_put(p->tags, name, version, v);
	return count_one(ctx, name, version);
}

/* What is private is counted by its names, and known by its tags from here on. */
static enum hf_err count_stored(struct hsm *h, struct partition *p)
{
	char prefix[PART_NAME_LEN];

	atomic_store(&p->stored, 0);
	(void)snprintf(prefix, sizeof(prefix), OBJECT_PUBLIC_PREFIX, p->serial);
	TRY(records_names(h->records, prefix, p, count_one));
	(void)snprintf(prefix, sizeof(prefix), OBJECT_PRIVATE_PREFIX, p->serial);
	return records_tags(h->records, prefix, p, count_private);
}

enum hf_err partition_load_public(struct hsm *h, struct partition *p)
{
	return scan_part(h, p, "pub", visit_object);
}

static enum hf_err load_rest(struct hsm *h, struct partition *p)
{
	enum hf_err e = HF_OK, locked;

	TRY(load_from(h, p));
	TRY(scan_part(h, p, "role", visit_role));
	if (p->wiping) {
		log_warn("partition %s was losing its objects; destroying the rest", p->serial);
		e = partition_finish_wipe(h, p);
	}
	locked = partition_lock_out_load(h, p);
	e = e == HF_OK ? locked : e;
	if (e == HF_E_STORE || e == HF_E_WIPE_PENDING) {
		log_error("partition %s stays shut: %s", p->serial, err_text(HF_E_WIPE_PENDING));
		return HF_OK;
	}
	TRY(e);
	TRY(scan_part(h, p, "gone", visit_gone));
	TRY(bridge_load(h, p));
	TRY(scan_part(h, p, "guard", visit_guard));
	if (*records_trouble(h->records) != '\0')
		TRY(guards_void(h, p));
	TRY(scan_part(h, p, "usage", visit_usage));
	TRY(scan_part(h, p, "onetime", visit_onetime));
	TRY(partition_load_public(h, p));
	TRY(count_stored(h, p));
	TRY(partition_after_lost_anchor(h, p));
	return activations_load(h, p);
}

/* A deletion that a crash cut short left records without their partition. Where
 * the store is not what it was, a record that is missing may also be stolen:
 * then nothing is deleted. */
static enum hf_err orphan(struct hsm *h, const char *serial)
{
	char prefix[PART_NAME_LEN];

	(void)snprintf(prefix, sizeof(prefix), "p/%s/", serial);
	if (*records_trouble(h->records) != '\0') {
		damaged_add(h->damaged, prefix);
		return HF_OK;
	}
	log_warn("partition %s was being deleted; deleting the rest of it", serial);
	return records_wipe(h->records, prefix);
}

/* "p/SERIAL" sorts before what is below it; '0' is the character after '/'. */
static enum hf_err load_next(struct hsm *h, const char *name, char after[RECORD_NAME])
{
	const struct record_visit v = { h, visit_partition, damaged_partition };
	char serial[SERIAL_LEN + 1];

	(void)snprintf(after, RECORD_NAME, "%s", name);
	if (!split_name(name, serial)) {
		damaged_add(h->damaged, name);
		return HF_OK;
	}
	(void)snprintf(after, RECORD_NAME, "p/%s0", serial);
	if (name[2 + SERIAL_LEN] != '\0')
		return orphan(h, serial);
	return records_get(h->records, name, SEAL_STORE, SLICE_NONE, &v);
}

enum hf_err partitions_load(struct hsm *h)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	char name[RECORD_NAME], after[RECORD_NAME] = "";
	struct partition **all;
	enum hf_err e = HF_OK;
	size_t n;

	for (;;) {
		TRY(records_next(h->records, "p/", after, name));
		if (*name == '\0')
			break;
		TRY(load_next(h, name, after));
	}
	TRY(partitions_all(h, &a, &all, &n));
	for (size_t i = 0; i < n && e == HF_OK; i++)
		e = load_rest(h, all[i]);
	partitions_unref(all, n);
	return e;
}

enum hf_err partition_renew(struct slice plain, const char *serial, char label[33], struct buf *out)
{
	struct partition *p;
	enum hf_err e;

	TRY(partition_alloc(serial, &p));
	e = partition_dec(plain, p);
	if (e == HF_OK) {
		p->epoch++;
		if (label[0] != '\0')
			memcpy(p->label, label, sizeof(p->label));
		memcpy(label, p->label, sizeof(p->label));
		partition_enc(p, &p->rekey, out);
		e = buf_err(out);
	}
	partition_unref(p);
	return e;
}

enum hf_err partition_adopt(struct hsm *h, const char *serial)
{
	const struct record_visit v = { h, visit_partition, damaged_partition };
	char name[PART_NAME_LEN];
	struct partition *p;
	enum hf_err e;

	(void)snprintf(name, sizeof(name), "p/%s", serial);
	TRY(records_get(h->records, name, SEAL_STORE, SLICE_NONE, &v));
	p = partition_by_serial(h, slice_str(serial));
	if (p == NULL)
		return HF_E_DAMAGED;
	e = partition_busy(p);
	if (e == HF_OK)
		e = load_rest(h, p);
	partition_idle(p);
	partition_unref(p);
	return e;
}

static void drop(struct map_node *n)
{
	struct partition *p = container_of(n, struct partition, by_slot);

	opening_end(p);
	partition_unref(p);
}

void partitions_drop(struct hsm *h)
{
	map_free(&h->partitions, drop);
}
