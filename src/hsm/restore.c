/* restore.c: the calls restore_begin, restore_base and restore_next. A frame is restored whole or not at all;
 * objects keep their unique ids, so a restore that was cut short is simply done again. */
#include "backup.h"

#include <stdio.h>
#include <string.h>

#include "backup_hsm.h"
#include "backup_keys.h"
#include "clone.h"
#include "gate.h"
#include "guard.h"
#include "object_table.h"
#include "opening.h"
#include "pkcs11_numbers.h"
#include "policy.h"

#define LABEL_MOST 255u

static void drop_failed(struct session **s)
{
	if (*s != NULL)
		backup_drop(*s);
}

static enum hf_err keep_only(struct backup *b, struct attr_list from)
{
	struct attr *v = arena_alloc(&b->kept, from.n + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < from.n; i++) {
		v[i].type = from.v[i].type;
		TRY(arena_dup(&b->kept, from.v[i].value, &v[i].value));
	}
	b->only = (struct attr_list){ v, from.n };
	return HF_OK;
}

enum hf_err on_restore_begin(struct calls_ctx *c, const struct restore_begin_req *q,
	struct restore_begin_res *r)
{
	CLEANUP(drop_failed) struct session *failed = c->session;
	struct backup *b;

	(void)r;
	backup_drop(c->session);
	TRY(backup_permit(c));
	if (!c->session->rw)
		return HF_E_SESSION_RO;
	if (q->collision > RESTORE_RENAME)
		return HF_E_ARGUMENTS;
	TRY(opening_wait(c->part)); /* what is there is in memory: it is compared */
	b = c->session->backup = hf_alloc(1, sizeof(*b));
	if (b == NULL)
		return HF_E_MEMORY;
	b->collision = (enum restore_collision)q->collision;
	b->dry = q->dry;
	TRY(keep_only(b, q->only));
	TRY(restore_open(c, b, q->header, q->keys));
	if (b->scope != BACKUP_OF_OBJECTS)
		return HF_E_BACKUP_SCOPE;
	failed = NULL;
	return HF_OK;
}

static enum hf_err open_file(struct backup *b, const struct backup_header *h,
	const struct backup_opener *v, size_t n)
{
	backup_chain_done(&b->chain);
	backup_look(h, &b->chain);
	TRY(backup_unlock(h, v, n, true, &b->chain));
	b->awaits = h->base.n != 0;
	if (b->awaits)
		memcpy(b->next_hash, h->base.p, CRYPTO_HASH);
	return HF_OK;
}

enum hf_err restore_open_with(struct calls_ctx *c, struct backup *b, struct slice header,
	const struct backup_opener *v, size_t n)
{
	struct backup_header h;

	TRY(backup_header_read(header, &h));
	b->restoring = true;
	b->scope = h.scope;
	b->chained = h.base.n != 0;
	backup_name(&h, b->name);
	backup_tell(c, &h);
	call_detail(c, "%sof HSM %.*s", b->dry ? "dry run, " : "", (int)h.hsm.n, (const char *)h.hsm.p);
	return open_file(b, &h, v, n);
}

enum hf_err restore_open(struct calls_ctx *c, struct backup *b, struct slice header,
	struct opener_list keys)
{
	CLEANUP(backup_openers_done) struct backup_openers o = { 0 };
	enum hf_err e;

	TRY(backup_openers_get(c, keys, &o));
	e = restore_open_with(c, b, header, o.v, o.n);
	return e == HF_E_BACKUP_KEY ? backup_key_missing(c, header) : e;
}

/* Only between two files. */
enum hf_err restore_again(struct calls_ctx *c, struct backup *b, struct slice header,
	struct opener_list keys)
{
	CLEANUP(backup_openers_done) struct backup_openers o = { 0 };
	struct backup_header h;

	TRY(backup_header_read(header, &h));
	if (!b->awaits || b->chain.objects_key.n != 0 || h.scope != b->scope ||
	    !slice_eq(SLICE_OF(h.hash), SLICE_OF(b->next_hash)))
		return HF_E_BACKUP_CHAIN;
	TRY(backup_openers_get(c, keys, &o));
	return open_file(b, &h, o.v, o.n);
}

enum hf_err on_restore_base(struct calls_ctx *c, const struct restore_base_req *q,
	struct restore_base_res *r)
{
	struct backup *b = c->session->backup;
	enum hf_err e;

	(void)r;
	if (b == NULL || !b->restoring)
		return HF_E_OP_LOST;
	e = restore_again(c, b, q->header, q->keys);
	if (e != HF_OK)
		backup_drop(c->session);
	return e;
}

/* --- one object ------------------------------------------------------------------------- */

static bool read_object(struct rd *r, struct backup_object *o)
{
	const uint8_t *uid;

	if (!rd_take(r, UID_LEN, &uid) || !rd_u64(r, &o->version) ||
	    !rd_bytes(r, BACKUP_CONTENT_MOST, &o->content) || !rd_bytes(r, BACKUP_GUARD_MOST, &o->guard))
		return false;
	memcpy(o->uid, uid, UID_LEN);
	return true;
}

static enum hf_err make_object(const struct backup_object *in, struct object **ret)
{
	CLEANUP(object_release) struct object *o = hf_alloc(1, sizeof(*o));

	if (o == NULL)
		return HF_E_MEMORY;
	atomic_init(&o->refs, 1);
	memcpy(o->uid, in->uid, UID_LEN);
	if (object_dec(o, 1, in->content) != HF_OK)
		return HF_E_BACKUP_DAMAGED;
	*ret = o;
	o = NULL;
	return HF_OK;
}

static struct object *there(struct calls_ctx *c, uint64_t handle)
{
	struct objects *t = c->part->objects;
	struct object *o;

	rwlock_read(&t->lock);
	o = table_get(t, handle);
	if (o != NULL)
		object_ref(o);
	rwlock_unlock(&t->lock);
	return o;
}

static bool same(const struct object *a, const struct object *b)
{
	return same_uid(a, b) && secret_eq((struct slice){ a->attrs.p, a->attrs.n },
		(struct slice){ b->attrs.p, b->attrs.n });
}

/* widens: what is there may do less with the key's value than the backup's would. */
static bool widens(const struct object *now, const struct object *o)
{
	return (attrs_bool(&now->attrs, CKA_SENSITIVE) && !attrs_bool(&o->attrs, CKA_SENSITIVE)) ||
		(!attrs_bool(&now->attrs, CKA_EXTRACTABLE) && attrs_bool(&o->attrs, CKA_EXTRACTABLE)) ||
		(attrs_bool(&now->attrs, CKA_WRAP_WITH_TRUSTED) &&
			!attrs_bool(&o->attrs, CKA_WRAP_WITH_TRUSTED)) ||
		now->private_ != o->private_;
}

/* rename_object gives it a unique id that is the same for the same backup each time. */
static enum hf_err rename_object(const struct backup *b, struct object *o)
{
	char hex[2 * UID_LEN + 1];
	uint8_t h[CRYPTO_HASH];

	TRY(crypto_sha256_2(SLICE_OF(b->chain.head), SLICE_OF(o->uid), h));
	memcpy(o->uid, h, UID_LEN);
	hex_encode(SLICE_OF(o->uid), hex);
	TRY(attrs_set(&o->attrs, CKA_UNIQUE_ID, slice_str(hex)));
	object_born(o);
	return HF_OK;
}

/* struct place is where an object goes. */
struct place {
	enum restore_outcome outcome;
	uint64_t expect; /* version that is there; 0: none */
};

static bool written(enum restore_outcome o)
{
	return o == RESTORED_NEW || o == RESTORED_REPLACED || o == RESTORED_RENAMED;
}

static enum hf_err collide(struct calls_ctx *c, const struct backup *b, const struct object *now,
	struct object *o, struct place *ret)
{
	CLEANUP(object_release) struct object *other = NULL;

	switch (b->collision) {
	case RESTORE_FAIL:
		ret->outcome = RESTORED_COLLIDES;
		return b->dry ? HF_OK : HF_E_BACKUP_COLLISION;
	case RESTORE_SKIP:
		ret->outcome = RESTORED_KEPT;
		return HF_OK;
	case RESTORE_REPLACE:
		ret->outcome = widens(now, o) || !same_uid(now, o) ? RESTORED_STRICTER : RESTORED_REPLACED;
		ret->expect = now->version;
		o->version = now->version + 1;
		return HF_OK;
	case RESTORE_RENAME:
		TRY(rename_object(b, o));
		other = there(c, o->handle);
		ret->outcome = other == NULL ? RESTORED_RENAMED : RESTORED_SAME;
		return HF_OK;
	}
	return HF_E_INTERNAL;
}

static enum hf_err find_place(struct calls_ctx *c, const struct backup *b, struct object *o,
	struct place *ret)
{
	CLEANUP(object_release) struct object *now = NULL;

	*ret = (struct place){ .outcome = RESTORED_STATEFUL };
	if (backup_stateful(c, o))
		return HF_OK;
	ret->outcome = RESTORED_FORBIDDEN;
	if (b->clone && !clone_allowed(c, o->cko))
		return HF_OK;
	now = there(c, o->handle);
	ret->outcome = now == NULL ? RESTORED_NEW : RESTORED_SAME;
	return now == NULL || same(now, o) ? HF_OK : collide(c, b, now, o, ret);
}

static enum hf_err tell(struct calls_ctx *c, const struct object *o, enum restore_outcome outcome,
	struct restored *ret)
{
	struct slice label = attrs_get(&o->attrs, CKA_LABEL);

	if (label.n > LABEL_MOST)
		label.n = LABEL_MOST;
	TRY(arena_dup(c->arena, SLICE_OF(o->uid), &ret->uid));
	TRY(arena_dup(c->arena, label, &ret->label));
	ret->class = o->cko;
	ret->type = o->ckk;
	ret->outcome = (uint8_t)outcome;
	return HF_OK;
}

/* --- a frame -------------------------------------------------------------------------------- */

/* struct batch is what a frame's objects become. */
struct batch {
	struct object *v[BACKUP_FRAME_OBJECTS];
	uint64_t expect[BACKUP_FRAME_OBJECTS];
	size_t n;
	struct restored *told;
	size_t told_n;
};

static void batch_done(struct batch **b)
{
	for (size_t i = 0; *b != NULL && i < (*b)->n; i++)
		object_unref((*b)->v[i]);
	hf_free(*b);
}

/* live: the newest file of a chain says that it was there, just so, and it was not yet restored. */
static enum hf_err is_live(struct backup *b, const struct backup_object *in, bool *ret)
{
	struct backup_entry e;

	*ret = true;
	if (!b->chained)
		return HF_OK;
	memcpy(e.id, in->uid, BACKUP_ID);
	TRY(backup_tag(in->content, in->guard, &e));
	return backup_index_take(&b->live, &e, ret);
}

static enum hf_err restore_one(struct calls_ctx *c, struct backup *b, const struct backup_object *in,
	struct batch *to)
{
	CLEANUP(object_release) struct object *o = NULL;
	struct place at;

	TRY(make_object(in, &o));
	if (!attrs_match(&o->attrs, b->only))
		return HF_OK;
	TRY(find_place(c, b, o, &at));
	TRY(tell(c, o, at.outcome, &to->told[to->told_n++]));
	if (written(at.outcome) && at.expect == 0) {
		b->would++;
		b->would_bytes += o->attrs.n;
	}
	if (b->dry || !written(at.outcome))
		return HF_OK;
	if (in->guard.n != 0)
		TRY(guard_restore(c, o->uid, in->guard)); /* first: no key is without its guard */
	to->expect[to->n] = at.expect;
	to->v[to->n++] = o;
	o = NULL;
	return HF_OK;
}

/* full_of: what the call's detail says of the limit. */
static void full_of(struct calls_ctx *c, struct backup *b)
{
	size_t before = strlen(c->audit.detail);

	b->full[0] = '\0';
	if (object_room(c, b->would, b->would_bytes) == HF_E_LIMIT)
		(void)snprintf(b->full, sizeof(b->full), "%s", c->audit.detail + before);
}

static enum hf_err restore_objects(struct calls_ctx *c, struct backup *b, struct slice plain,
	struct restored_list *ret)
{
	CLEANUP(batch_done) struct batch *to = hf_alloc(1, sizeof(*to));
	struct rd r = rd_of(plain);
	struct backup_object in;
	bool live;
	size_t n = 0;

	if (to == NULL)
		return HF_E_MEMORY;
	to->told = arena_alloc(c->arena, BACKUP_FRAME_OBJECTS, sizeof(*to->told));
	if (to->told == NULL)
		return HF_E_MEMORY;
	for (; !rd_done(&r); n++) {
		if (n == BACKUP_FRAME_OBJECTS || !read_object(&r, &in))
			return HF_E_BACKUP_DAMAGED;
		TRY(is_live(b, &in, &live));
		if (live)
			TRY(restore_one(c, b, &in, to));
	}
	TRY(objects_restore(c, to->v, to->expect, to->n));
	if (b->dry && b->would != 0)
		full_of(c, b);
	call_detail(c, "%zu of %zu objects", to->n, to->told_n);
	*ret = (struct restored_list){ to->told, to->told_n };
	return HF_OK;
}

/* The index matters in a chain only, and of its newest file. */
static enum hf_err take_index(struct backup *b, const struct backup_frame *f)
{
	CLEANUP(secret_done) struct secret plain = { 0 };

	if (!b->chained || b->live.sorted)
		return HF_OK;
	TRY(backup_frame_open(&b->chain, f, &plain));
	return backup_index_read(&b->live, secret_slice(&plain));
}

static enum hf_err take_end(struct backup *b, const struct backup_frame *f,
	const uint8_t before[CRYPTO_HASH])
{
	static const struct backup_entry none;
	struct backup_end end;

	TRY(backup_end_check(&b->chain, f, before, &end));
	backup_chain_done(&b->chain);
	(void)backup_index_has(&b->live, &none); /* no other file adds to it */
	if (!b->awaits && b->chained && !backup_index_complete(&b->live))
		return HF_E_BACKUP_CHAIN;
	return HF_OK;
}

enum hf_err restore_frame(struct calls_ctx *c, struct backup *b, struct slice frame,
	struct restored_frame *ret)
{
	CLEANUP(secret_done) struct secret plain = { 0 };
	uint8_t before[CRYPTO_HASH];
	struct backup_frame f;

	if (b->chain.objects_key.n == 0)
		return HF_E_BACKUP_CHAIN; /* the file is over */
	memcpy(before, b->chain.last, CRYPTO_HASH);
	TRY(backup_frame_check(&b->chain, frame, &f));
	ret->last = f.kind == BACKUP_END;
	if (ret->last)
		return take_end(b, &f, before);
	if (f.kind == BACKUP_INDEX)
		return take_index(b, &f);
	if (f.kind != (b->scope == BACKUP_OF_OBJECTS ? BACKUP_OBJECTS : BACKUP_RECORDS))
		return HF_E_BACKUP_DAMAGED;
	TRY(backup_frame_open(&b->chain, &f, &plain));
	if (f.kind == BACKUP_RECORDS)
		return restore_records(c, b, secret_slice(&plain));
	return restore_objects(c, b, secret_slice(&plain), &ret->objects);
}

/* After an error the restore is over: it is begun anew. */
enum hf_err on_restore_next(struct calls_ctx *c, const struct restore_next_req *q,
	struct restore_next_res *r)
{
	struct backup *b = c->session->backup;
	struct restored_frame f = { 0 };
	enum hf_err e;

	if (b == NULL || !b->restoring)
		return HF_E_OP_LOST;
	e = restore_frame(c, b, q->frame, &f);
	r->objects = f.objects;
	r->last = f.last;
	if (e == HF_OK)
		e = arena_dup(c->arena, slice_str(b->full), &r->full);
	if (e != HF_OK || (f.last && !b->awaits))
		backup_drop(c->session);
	return e;
}
