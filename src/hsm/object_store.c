/* object_store.c: objects come, change and go: durable first, visible then, and
 * the other way round for those that go. */
#include <stdio.h>
#include <string.h>

#include "ahead.h"
#include "gate.h"
#include "log.h"
#include "object.h"
#include "object_table.h"
#include "onetime.h"
#include "opening.h"
#include "pkcs11_numbers.h"
#include "policy.h"
#include "records.h"
#include "rights.h"
#include "tags.h"
#include "usage.h"

#define NAME_MAX_LEN 80
#define PAIR 2
#define COUNTED 3u /* bytes of a unique id: ids drawn one after another are one after another */

/* struct staged is a change on its way to the store. */
struct staged {
	char name[NAME_MAX_LEN];
	struct buf plain;
};

static void staged_done(struct staged *s)
{
	buf_done(&s->plain);
}

static enum hf_err partition_key(struct partition *p, struct secret *ret)
{
	enum hf_err e = HF_E_NOT_LOGGED_IN;

	lock_check(pthread_rwlock_rdlock(&p->lock));
	if (p->key.n != 0)
		e = secret_dup(secret_slice(&p->key), ret);
	lock_check(pthread_rwlock_unlock(&p->lock));
	return e;
}

/* stage describes the change of one token object; version 0 deletes it. */
static enum hf_err stage(struct calls_ctx *c, const struct object *o, uint64_t expect,
	uint64_t version, struct staged *s, struct record_change *ret)
{
	char hex[2 * UID_LEN + 1];
	int n;

	hex_encode((struct slice){ o->uid, UID_LEN }, hex);
	n = o->private_ ?
		snprintf(s->name, sizeof(s->name), OBJECT_PRIVATE_PREFIX "%s", c->part->serial, hex) :
		snprintf(s->name, sizeof(s->name), OBJECT_PUBLIC_PREFIX "%s", c->part->serial, hex);
	if (n < 0 || (size_t)n >= sizeof(s->name))
		return HF_E_INTERNAL;
	s->plain = BUF_MAX(ATTRS_MAX_BYTES + 64);
	if (version != 0) {
		object_enc(o, &s->plain);
		TRY(buf_err(&s->plain));
	}
	*ret = (struct record_change){
		.name = s->name, .expect = expect, .version = version,
		.seal = o->private_ ? SEAL_PARTITION : SEAL_STORE, .plain = buf_slice(&s->plain),
	};
	return HF_OK;
}

/* keep_tags: after a failure that leaves open what the store has, finds wait for the records. */
static void keep_tags(struct tags *t, const struct record_change *v, size_t n, enum hf_err e)
{
	if (e != HF_OK && e != HF_E_CONFLICT)
		tags_doubt(t);
	for (size_t i = 0; e == HF_OK && i < n; i++)
		if (v[i].seal == SEAL_PARTITION && v[i].version != 0)
			tags_put(t, v[i].name, v[i].version, &v[i].tags);
		else if (v[i].seal == SEAL_PARTITION)
			tags_gone(t, v[i].name);
}

/* give_keys gives each change its tags and a copy of the key: a logout may wipe the partition's meanwhile. */
static enum hf_err give_keys(struct calls_ctx *c, struct record_change *v, size_t n, struct secret *key)
{
	CLEANUP(secret_done) struct secret tagging = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (v[i].seal != SEAL_PARTITION)
			continue;
		if (key->n == 0) {
			TRY(partition_key(c->part, key));
			TRY(tags_key(secret_slice(key), &tagging));
		}
		v[i].key = secret_slice(key);
		if (v[i].version != 0)
			TRY(object_tags(secret_slice(&tagging), v[i].plain, &v[i].tags));
	}
	return HF_OK;
}

/* write_under is called with partition.keeping held: no other key takes the partition's place between the
 * sealing and the store. */
static enum hf_err write_under(struct calls_ctx *c, struct record_change *v, size_t n)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	enum hf_err e;

	TRY(give_keys(c, v, n, &key));
	e = records_write(c->hsm->records, v, n);
	keep_tags(c->part->tags, v, n, e);
	return e;
}

static enum hf_err write_staged(struct calls_ctx *c, struct record_change *v, size_t n)
{
	enum hf_err e;

	rwlock_read(&c->part->keeping);
	e = write_under(c, v, n);
	rwlock_unlock(&c->part->keeping);
	return e;
}

static enum hf_err write_one(struct calls_ctx *c, const struct object *o, uint64_t expect,
	uint64_t version)
{
	CLEANUP(staged_done) struct staged s = { 0 };
	struct record_change ch;

	TRY(stage(c, o, expect, version, &s, &ch));
	return write_staged(c, &ch, 1);
}

/* write_gone deletes the record of a token object, and its count; partition.keeping is held. */
static enum hf_err write_gone(struct calls_ctx *c, const struct object *o)
{
	CLEANUP(staged_done) struct staged s = { 0 };
	CLEANUP(onetime_change_done) struct onetime_change count = { 0 };
	struct record_change ch[2];
	size_t n = 1;

	TRY(stage(c, o, o->version, 0, &s, &ch[0]));
	if (attrs_one_time(&o->attrs) && onetime_stage_gone(c, o, &count, &ch[1]))
		n = 2;
	TRY(write_under(c, ch, n));
	(void)atomic_fetch_sub(&c->part->stored, 1);
	if (attrs_one_time(&o->attrs))
		onetime_gone(c, o);
	return HF_OK;
}

static enum hf_err origin_of(const struct calls_ctx *c, uint8_t out[24])
{
	uint8_t request[8], h[CRYPTO_HASH];

	put_u64(request, c->head.request);
	TRY(crypto_sha256_2((struct slice){ c->app->id, APP_ID_LEN }, SLICE_OF(request), h));
	memcpy(out, h, 24);
	return HF_OK;
}

static bool handle_taken(struct objects *t, uint64_t handle)
{
	bool taken;

	rwlock_read(&t->lock);
	taken = handle == 0 || table_get(t, handle) != NULL;
	rwlock_unlock(&t->lock);
	return taken;
}

/* draw_uid: what is made one after another stands so. The store keeps records by their names, so it
 * writes a page for several of them; it wrote one for each. Where a start begins to count is random. */
static enum hf_err draw_uid(struct hsm *h, struct objects *t, uint8_t uid[UID_LEN])
{
	uint8_t count[4];

	do {
		TRY(crypto_random(uid, UID_LEN));
		put_u32(count, (uint32_t)(h->boot + atomic_fetch_add(&h->uids, 1)));
		memcpy(uid, count + 1, COUNTED);
	} while (handle_taken(t, object_handle(uid)));
	return HF_OK;
}

static enum hf_err object_new(struct calls_ctx *c, struct attrs *a, struct object **ret)
{
	CLEANUP(object_release) struct object *o = hf_alloc(1, sizeof(*o));
	char hex[2 * UID_LEN + 1];

	if (o == NULL)
		return HF_E_MEMORY;
	atomic_init(&o->refs, 1);
	TRY(draw_uid(c->hsm, c->part->objects, o->uid));
	TRY(origin_of(c, o->origin));
	hex_encode((struct slice){ o->uid, UID_LEN }, hex);
	TRY(attrs_set(a, CKA_UNIQUE_ID, slice_str(hex)));
	o->attrs = attrs_take(a);
	object_born(o);
	if (o->token) {
		o->version = 1;
	} else {
		TRY(onetime_session_new(&o->attrs, &o->onetime));
		o->session = c->session->owner != 0 ? c->session->owner : c->session->by_id.key;
		o->app = c->app;
	}
	*ret = o;
	o = NULL;
	return HF_OK;
}

enum hf_err object_role(struct calls_ctx *c, const struct call_row *row)
{
	if (c->role == ROLE_PUBLIC && policy_value(c->part, POLICY_PUBLIC_CHANGES) == 0)
		return policy_forbids(c, POLICY_PUBLIC_CHANGES, HF_E_NOT_LOGGED_IN);
	if (row == NULL || (row->session_only & (unsigned)c->role) == 0)
		return HF_OK;
	call_detail(c, "this role touches session objects only");
	return HF_E_DENIED;
}

/* may_keep: token objects take a read/write session, and a role that may touch them. */
static enum hf_err may_keep(struct calls_ctx *c)
{
	return c->session->rw ? object_role(c, c->row) : HF_E_SESSION_RO;
}

size_t objects_held(struct partition *p)
{
	size_t stored = atomic_load(&p->stored), here = objects_count(p->objects);

	return stored > here ? stored : here;
}

static uint64_t most_objects(struct calls_ctx *c)
{
	struct partition *p = c->part;
	uint64_t most = c->hsm->cfg.max_objects;

	lock_check(pthread_rwlock_rdlock(&p->lock));
	if (p->max_objects != 0 && p->max_objects < most)
		most = p->max_objects;
	lock_check(pthread_rwlock_unlock(&p->lock));
	return most;
}

static enum hf_err too_many(struct calls_ctx *c, uint64_t most)
{
	call_detail(c, "the partition's or the HSM's limit of %llu objects", (unsigned long long)most);
	return HF_E_LIMIT;
}

enum hf_err object_room(struct calls_ctx *c, size_t n, size_t more)
{
	struct partition *p = c->part;
	uint64_t most = most_objects(c), bytes;

	lock_check(pthread_rwlock_rdlock(&p->lock));
	bytes = p->max_bytes;
	lock_check(pthread_rwlock_unlock(&p->lock));
	if (objects_held(p) + n > most)
		return too_many(c, most);
	if (bytes == 0)
		return HF_OK;
	TRY(opening_wait(p));
	if (objects_bytes(p->objects) + more <= bytes)
		return HF_OK;
	call_detail(c, "the partition's limit of %llu bytes", (unsigned long long)bytes);
	return HF_E_LIMIT;
}

/* claim takes places for n objects on their way to the store: of many threads none comes too many. */
static enum hf_err claim(struct calls_ctx *c, size_t n)
{
	uint64_t most = n != 0 ? most_objects(c) : 0;
	size_t now = atomic_load(&c->part->stored);

	do
		if (n != 0 && now + n > most)
			return too_many(c, most);
	while (!atomic_compare_exchange_weak(&c->part->stored, &now, now + n));
	return HF_OK;
}

enum hf_err object_permit(struct calls_ctx *c, const struct attrs *a)
{
	if (attrs_bool(a, CKA_TOKEN))
		TRY(may_keep(c));
	if (attrs_bool(a, CKA_PRIVATE) && !role_is_user(c->role))
		return HF_E_NOT_LOGGED_IN;
	if (!rights_key(&c->rights, a)) {
		call_detail(c, "this user is restricted to keys called %s", c->rights.keys);
		return HF_E_DENIED;
	}
	TRY(object_room(c, 1, a->n));
	return policy_birth(c, a);
}

/* may_appear: in a partition that was closed meanwhile (the last logout), or a
 * session that was, nothing new of theirs appears. */
static enum hf_err may_appear(const struct calls_ctx *c, const struct object *o, bool open)
{
	if (o->token)
		return HF_OK;
	if (c->session->closed)
		return HF_E_SESSION_CLOSED;
	return o->private_ && !open ? HF_E_NOT_LOGGED_IN : HF_OK;
}

/* put_one: an object that a login read from the store meanwhile takes the place
 * of ours. */
static enum hf_err put_one(struct objects *t, struct object **o)
{
	struct object *there = table_get(t, (*o)->handle);

	if (there != NULL && same_uid(there, *o)) {
		object_ref(there);
		object_unref(*o);
		*o = there;
		return HF_OK;
	}
	TRY(table_put(t, *o));
	object_ref(*o); /* one for the table, one for the caller */
	return HF_OK;
}

static enum hf_err put_all(struct calls_ctx *c, struct object **v, size_t n, bool open)
{
	struct objects *t = c->part->objects;
	enum hf_err e = HF_OK;
	size_t i;

	for (i = 0; i < n && e == HF_OK; i++)
		e = may_appear(c, v[i], open);
	for (i = 0; i < n && e == HF_OK; i++)
		if (open || !v[i]->private_)
			e = put_one(t, &v[i]);
	while (e != HF_OK && i-- > 0)
		if (table_get(t, v[i]->handle) == v[i]) {
			table_del(t, v[i]);
			object_unref(v[i]);
		}
	return e;
}

/* publish makes written objects visible. */
static enum hf_err publish(struct calls_ctx *c, struct object **v, size_t n)
{
	struct partition *p = c->part;
	enum hf_err e;

	lock_check(pthread_rwlock_rdlock(&p->lock));
	rwlock_write(&p->objects->lock);
	e = put_all(c, v, n, p->key.n != 0);
	rwlock_unlock(&p->objects->lock);
	lock_check(pthread_rwlock_unlock(&p->lock));
	return e;
}

/* --- new ones --------------------------------------------------------------- */

/* struct addition: new objects on their way to the store; it lies in the call's arena. */
struct addition {
	struct object *v[PAIR];
	size_t n, claimed;                 /* places taken, of token objects */
	struct staged s[PAIR];
	struct onetime_change count;       /* a pair has one half that counts */
	struct record_change ch[PAIR + 1];
	size_t changes;
	struct secret key;
	struct records_later later;
};

/* add_stage: what the store is to have of the token objects, all or none. */
static enum hf_err add_stage(struct calls_ctx *c, struct addition *x)
{
	for (size_t i = 0; i < x->n; i++) {
		if (!x->v[i]->token)
			continue;
		TRY(stage(c, x->v[i], 0, 1, &x->s[i], &x->ch[x->changes]));
		x->changes++;
		if (attrs_one_time(&x->v[i]->attrs)) {
			TRY(onetime_stage_new(c, x->v[i], &x->count, &x->ch[x->changes]));
			x->changes++;
		}
	}
	return give_keys(c, x->ch, x->changes, &x->key);
}

/* add_begin does what comes before the store. No other key takes the partition's place between the
 * sealing and the store. The record, which may be made before the call is over, names the last of them. */
static enum hf_err add_begin(struct calls_ctx *c, struct addition *x)
{
	size_t kept = 0;

	object_audit(c, x->v[x->n - 1]);
	for (size_t i = 0; i < x->n; i++)
		kept += x->v[i]->token;
	TRY(claim(c, kept));
	x->claimed = kept;
	if (kept > 0)
		rwlock_read(&c->part->keeping);
	TRY(add_stage(c, x));
	c->anchor_due |= x->changes > 0; /* it comes while the call is recorded (gate.c) */
	x->later = (struct records_later){ .r = c->hsm->records, .v = x->ch, .n = x->changes,
		.behind = x->changes > 0 ? ahead_behind(c) : NULL };
	return HF_OK;
}

static enum hf_err add_show(struct calls_ctx *c, struct addition *x)
{
	enum hf_err e = HF_OK;

	for (size_t i = 0; e == HF_OK && i < x->n; i++)
		e = onetime_born(c, x->v[i]);
	if (e == HF_OK)
		e = publish(c, x->v, x->n);
	for (size_t i = 0; e != HF_OK && i < x->n; i++)
		if (x->v[i]->token && write_gone(c, x->v[i]) != HF_OK)
			log_error("an object that could not be shown stays in the store");
	return e;
}

/* add_end: e is what came of it so far. */
static enum hf_err add_end(struct calls_ctx *c, struct addition *x, enum hf_err e)
{
	if (e == HF_OK)
		e = add_show(c, x);
	else
		(void)atomic_fetch_sub(&c->part->stored, x->claimed);
	if (x->claimed > 0) /* perhaps by another thread than locked it */
		rwlock_unlock(&c->part->keeping);
	for (size_t i = 0; i < x->n; i++) {
		object_unref(x->v[i]);
		staged_done(&x->s[i]);
	}
	onetime_change_done(&x->count);
	secret_done(&x->key);
	if (e != HF_OK)
		object_audit(c, NULL);
	return e;
}

static enum hf_err add_written(struct calls_ctx *c, struct addition *x, enum hf_err e)
{
	keep_tags(c->part->tags, x->ch, x->changes, e);
	return add_end(c, x, e);
}

bool object_added(struct calls_ctx *c, enum hf_err so_far, enum hf_err *ret)
{
	struct addition *x = c->adding;

	if (so_far == HF_OK && !records_write_later(&x->later))
		return false;
	c->adding = NULL;
	*ret = so_far != HF_OK ? add_end(c, x, so_far) : add_written(c, x, x->later.result);
	return true;
}

static bool add_later(struct calls_ctx *c, struct addition *x)
{
	if (c->later == NULL || !ahead_is_last(c) || x->changes == 0)
		return false;
	x->later.ready = c->later->ready;
	x->later.ctx = c->later->ctx;
	c->adding = x;
	return true;
}

static enum hf_err add_all(struct calls_ctx *c, struct object *const *v, size_t n)
{
	struct addition *x = arena_alloc(c->arena, 1, sizeof(*x));
	enum hf_err e;

	if (x == NULL)
		return HF_E_SECRET_MEMORY;
	x->n = n;
	memcpy(x->v, v, n * sizeof(struct object *));
	for (size_t i = 0; i < n; i++)
		object_ref(v[i]);
	e = add_begin(c, x);
	if (e != HF_OK || x->changes == 0)
		return add_end(c, x, e);
	if (add_later(c, x))
		return HF_OK;
	return add_written(c, x, records_write_early(c->hsm->records, x->ch, x->changes, x->later.behind));
}

enum hf_err object_add(struct calls_ctx *c, struct attrs *a, struct object **ret)
{
	CLEANUP(object_release) struct object *o = NULL;

	TRY(object_permit(c, a));
	TRY(object_new(c, a, &o));
	TRY(add_all(c, &o, 1));
	*ret = o;
	o = NULL;
	return HF_OK;
}

static void pair_done(struct object *(*v)[PAIR])
{
	for (size_t i = 0; i < PAIR; i++)
		object_unref((*v)[i]);
}

enum hf_err object_add_pair(struct calls_ctx *c, struct attrs *pub, struct attrs *priv,
	struct object **ret_pub, struct object **ret_priv)
{
	CLEANUP(pair_done) struct object *v[PAIR] = { NULL };

	TRY(object_permit(c, pub));
	TRY(object_permit(c, priv));
	TRY(object_new(c, pub, &v[0]));
	TRY(object_new(c, priv, &v[1]));
	TRY(add_all(c, v, PAIR));
	*ret_pub = v[0];
	*ret_priv = v[1];
	v[0] = v[1] = NULL;
	return HF_OK;
}

/* successor makes the snapshot that follows old. */
static enum hf_err successor(const struct object *old, struct attrs *a, struct object **ret)
{
	struct object *o = hf_alloc(1, sizeof(*o));

	if (o == NULL)
		return HF_E_MEMORY;
	atomic_init(&o->refs, 1);
	memcpy(o->uid, old->uid, sizeof(o->uid));
	memcpy(o->origin, old->origin, sizeof(o->origin));
	o->version = old->token ? old->version + 1 : 0;
	o->session = old->session;
	o->app = old->app;
	o->onetime = onetime_session_ref(old->onetime);
	o->attrs = attrs_take(a);
	object_born(o);
	*ret = o;
	return HF_OK;
}

/* is_old: at is what old stands for: old itself, or the same record read anew by
 * a login after the last logout had forgotten it. */
static bool is_old(const struct object *at, const struct object *old)
{
	return at == old || (at != NULL && old->token && at->version <= old->version &&
		same_uid(at, old));
}

/* swap puts o (NULL: nothing) where old is. A token object that is not there
 * any more was forgotten by the last logout: the store has it as it should. */
static enum hf_err swap(struct objects *t, struct object *old, struct object *o)
{
	enum hf_err e = HF_OK;
	struct object *at;

	rwlock_write(&t->lock);
	at = table_get(t, old->handle);
	if (is_old(at, old)) {
		table_del(t, at);
		object_unref(at);
		if (o != NULL)
			e = table_put(t, o);
		if (o != NULL && e == HF_OK)
			object_ref(o);
	} else if (!old->token) {
		e = HF_E_CONFLICT;
	}
	rwlock_unlock(&t->lock);
	return e;
}

enum hf_err object_replace(struct calls_ctx *c, struct object *old, struct attrs *a)
{
	CLEANUP(object_release) struct object *o = NULL;

	if (old->token)
		TRY(may_keep(c));
	TRY(successor(old, a, &o));
	if (o->token != old->token || o->private_ != old->private_)
		return HF_E_INTERNAL;
	if (o->token)
		TRY(write_one(c, o, old->version, o->version));
	return swap(c->part->objects, old, o);
}

static enum hf_err count_once(struct calls_ctx *c, uint64_t handle, uint32_t cka, uint64_t *ret)
{
	CLEANUP(object_release) struct object *old = NULL;
	CLEANUP(object_release) struct object *o = NULL;
	CLEANUP(attrs_done) struct attrs a = { 0 };
	struct slice now;
	uint8_t next[8];

	TRY(object_get(c, handle, HF_E_KEY_HANDLE, &old));
	now = attrs_get(&old->attrs, cka);
	if (now.n != sizeof(next))
		return HF_E_INTERNAL;
	if (get_u64(now.p) == UINT64_MAX)
		return HF_E_KEY_EXHAUSTED;
	put_u64(next, get_u64(now.p) + 1);
	TRY(attrs_dup(&old->attrs, &a));
	TRY(attrs_set(&a, cka, SLICE_OF(next)));
	TRY(successor(old, &a, &o));
	if (o->token)
		TRY(write_one(c, o, old->version, o->version));
	TRY(swap(c->part->objects, old, o));
	*ret = get_u64(next) - 1;
	return HF_OK;
}

enum hf_err object_count(struct calls_ctx *c, uint64_t handle, uint32_t cka, uint64_t *ret)
{
	enum hf_err e;

	do {
		e = count_once(c, handle, cka, ret);
	} while (e == HF_E_CONFLICT);
	return e;
}

static enum hf_err destroy_kept(struct calls_ctx *c, const struct object *o)
{
	enum hf_err e;

	rwlock_read(&c->part->keeping);
	e = write_gone(c, o);
	rwlock_unlock(&c->part->keeping);
	return e;
}

enum hf_err object_destroy(struct calls_ctx *c, struct object *o)
{
	if (o->token)
		TRY(may_keep(c));
	if (!attrs_bool(&o->attrs, CKA_DESTROYABLE))
		return HF_E_DESTROY_PROHIBITED;
	if (o->token && o->private_) /* a record that was read before its end would come again */
		TRY(opening_wait(c->part));
	if (o->token)
		TRY(destroy_kept(c, o));
	usage_gone(c->part->usages, o->handle);
	return swap(c->part->objects, o, NULL);
}

size_t object_by_origin(struct calls_ctx *c, struct object *ret[2])
{
	struct objects *t = c->part->objects;
	uint8_t origin[24];
	struct slice v = SLICE_OF(origin);
	size_t n = 0;

	ret[0] = ret[1] = NULL;
	if ((c->head.flags & WIRE_FLAG_REPEAT) == 0 || opening_wait(c->part) != HF_OK ||
	    origin_of(c, origin) != HF_OK)
		return 0;
	rwlock_read(&t->lock);
	for (struct object *o = way_first(t, WAY_ORIGIN, v); o != NULL && n < 2;
	     o = way_next(o, WAY_ORIGIN))
		if (slice_eq(way_value(o, WAY_ORIGIN), v) && object_visible(c, o)) {
			object_ref(o);
			ret[n++] = o;
		}
	rwlock_unlock(&t->lock);
	if (n == 2 && ret[1]->cko == CKO_PUBLIC_KEY) {
		struct object *first = ret[1];

		ret[1] = ret[0];
		ret[0] = first;
	}
	return n;
}

/* --- what a backup brings ---------------------------------------------------------- */

static enum hf_err stage_all(struct calls_ctx *c, struct object **v, const uint64_t *expect, size_t n,
	struct staged *s)
{
	struct record_change *ch = arena_alloc(c->arena, n, sizeof(*ch));

	if (ch == NULL)
		return HF_E_MEMORY;
	for (size_t i = 0; i < n; i++)
		TRY(stage(c, v[i], expect[i], v[i]->version, &s[i], &ch[i]));
	return write_staged(c, ch, n);
}

static enum hf_err write_all(struct calls_ctx *c, struct object **v, const uint64_t *expect, size_t n)
{
	struct staged *s = arena_alloc(c->arena, n, sizeof(*s));
	enum hf_err e = s == NULL ? HF_E_MEMORY : stage_all(c, v, expect, n, s);

	for (size_t i = 0; s != NULL && i < n; i++)
		staged_done(&s[i]);
	return e;
}

static enum hf_err show(struct objects *t, struct object *o)
{
	struct object *at = table_get(t, o->handle);

	if (at != NULL && at->version >= o->version)
		return HF_OK; /* a login read it from the store meanwhile */
	if (at != NULL) {
		table_del(t, at);
		object_unref(at);
	}
	TRY(table_put(t, o));
	object_ref(o);
	return HF_OK;
}

enum hf_err objects_restore(struct calls_ctx *c, struct object **v, const uint64_t *expect, size_t n)
{
	struct partition *p = c->part;
	enum hf_err e = HF_OK;
	size_t fresh = 0, more = 0;

	for (size_t i = 0; i < n; i++)
		if (expect[i] == 0) {
			fresh++;
			more += v[i]->attrs.n;
		}
	if (n == 0)
		return HF_OK;
	if (fresh != 0)
		TRY(object_room(c, fresh, more));
	TRY(claim(c, fresh));
	e = write_all(c, v, expect, n);
	if (e != HF_OK) {
		(void)atomic_fetch_sub(&p->stored, fresh);
		return e;
	}
	lock_check(pthread_rwlock_rdlock(&p->lock));
	rwlock_write(&p->objects->lock);
	for (size_t i = 0; i < n && e == HF_OK; i++)
		if (p->key.n != 0 || !v[i]->private_)
			e = show(p->objects, v[i]);
	rwlock_unlock(&p->objects->lock);
	lock_check(pthread_rwlock_unlock(&p->lock));
	return e;
}
