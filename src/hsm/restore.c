/* restore.c: the calls restore_begin and restore_next. A frame is restored whole or not at all;
 * objects keep their unique ids, so a restore that was cut short is simply done again. */
#include "backup.h"

#include <string.h>

#include "gate.h"
#include "guard.h"
#include "object_table.h"
#include "pkcs11_numbers.h"
#include "policy.h"

#define LABEL_MOST 255u

static void drop_failed(struct session **s)
{
	if (*s != NULL)
		backup_drop(*s);
}

enum hf_err on_restore_begin(struct calls_ctx *c, const struct restore_begin_req *q,
	struct restore_begin_res *r)
{
	CLEANUP(drop_failed) struct session *failed = c->session;
	struct backup_header h;
	struct backup *b;

	(void)r;
	backup_drop(c->session);
	TRY(backup_permit(c));
	if (!c->session->rw)
		return HF_E_SESSION_RO;
	if (q->collision > RESTORE_RENAME)
		return HF_E_ARGUMENTS;
	TRY(backup_header_read(q->header, &h));
	b = c->session->backup = hf_alloc(1, sizeof(*b));
	if (b == NULL)
		return HF_E_MEMORY;
	b->restoring = true;
	b->collision = (enum restore_collision)q->collision;
	b->dry = q->dry;
	backup_look(&h, &b->chain);
	TRY(backup_unlock(&h, q->passphrase, true, &b->chain));
	call_detail(c, "%sof HSM %.*s", q->dry ? "dry run, " : "", (int)h.hsm.n, (const char *)h.hsm.p);
	failed = NULL;
	return HF_OK;
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

static enum hf_err collide(struct calls_ctx *c, const struct object *now, struct object *o,
	struct place *ret)
{
	CLEANUP(object_release) struct object *other = NULL;
	const struct backup *b = c->session->backup;

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

static enum hf_err find_place(struct calls_ctx *c, struct object *o, struct place *ret)
{
	CLEANUP(object_release) struct object *now = NULL;

	*ret = (struct place){ .outcome = RESTORED_STATEFUL };
	if (backup_stateful(o))
		return HF_OK;
	now = there(c, o->handle);
	ret->outcome = now == NULL ? RESTORED_NEW : RESTORED_SAME;
	return now == NULL || same(now, o) ? HF_OK : collide(c, now, o, ret);
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
};

static void batch_done(struct batch **b)
{
	for (size_t i = 0; *b != NULL && i < (*b)->n; i++)
		object_unref((*b)->v[i]);
	hf_free(*b);
}

static enum hf_err restore_one(struct calls_ctx *c, const struct backup_object *in, struct batch *to,
	struct restored *told)
{
	CLEANUP(object_release) struct object *o = NULL;
	struct place at;

	TRY(make_object(in, &o));
	TRY(find_place(c, o, &at));
	TRY(tell(c, o, at.outcome, told));
	if (c->session->backup->dry || !written(at.outcome))
		return HF_OK;
	if (in->guard.n != 0)
		TRY(guard_restore(c, o->uid, in->guard)); /* first: no key is without its guard */
	to->expect[to->n] = at.expect;
	to->v[to->n++] = o;
	o = NULL;
	return HF_OK;
}

static enum hf_err restore_frame(struct calls_ctx *c, struct slice plain, struct restored_list *ret)
{
	CLEANUP(batch_done) struct batch *to = hf_alloc(1, sizeof(*to));
	struct restored *told = arena_alloc(c->arena, BACKUP_FRAME_OBJECTS, sizeof(*told));
	struct rd r = rd_of(plain);
	struct backup_object in;
	size_t n = 0;

	if (to == NULL || told == NULL)
		return HF_E_MEMORY;
	while (!rd_done(&r)) {
		if (n == BACKUP_FRAME_OBJECTS || !read_object(&r, &in))
			return HF_E_BACKUP_DAMAGED;
		TRY(restore_one(c, &in, to, &told[n]));
		n++;
	}
	TRY(objects_restore(c, to->v, to->expect, to->n));
	call_detail(c, "%zu of %zu objects", to->n, n);
	*ret = (struct restored_list){ told, n };
	return HF_OK;
}

static enum hf_err take_frame(struct calls_ctx *c, struct slice in, struct restore_next_res *r)
{
	CLEANUP(secret_done) struct secret plain = { 0 };
	struct backup *b = c->session->backup;
	uint8_t before[CRYPTO_HASH];
	struct backup_frame f;
	struct backup_end end;

	memcpy(before, b->chain.last, CRYPTO_HASH);
	TRY(backup_frame_check(&b->chain, in, &f));
	if (f.kind == BACKUP_END) {
		r->last = true;
		return backup_end_check(&b->chain, &f, before, &end);
	}
	TRY(backup_frame_open(&b->chain, &f, &plain));
	return restore_frame(c, secret_slice(&plain), &r->objects);
}

/* After an error the restore is over: it is begun anew. */
enum hf_err on_restore_next(struct calls_ctx *c, const struct restore_next_req *q,
	struct restore_next_res *r)
{
	enum hf_err e;

	if (c->session->backup == NULL || !c->session->backup->restoring)
		return HF_E_OP_LOST;
	e = take_frame(c, q->frame, r);
	if (e != HF_OK || r->last)
		backup_drop(c->session);
	return e;
}
