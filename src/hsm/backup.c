/* backup.c: see backup.h; the calls backup_begin and backup_next. */
#include "backup.h"

#include <string.h>

#include "clock.h"
#include "gate.h"
#include "guard.h"
#include "hsm_roles.h"
#include "object_table.h"
#include "pkcs11_numbers.h"
#include "policy.h"

#define FRAME_BYTES 131072u /* after which a frame is full; one object may exceed it */

static void free_it(struct backup **b)
{
	backup_free(*b);
}

/* With the passphrase the file is open to anybody: so it takes two, the officer of the keys
 * and the HSM's security officer. */
enum hf_err backup_permit(struct calls_ctx *c)
{
	TRY(hsm_need(c, CALL_BY_H));
	return policy_need(c, POLICY_BACKUP);
}

bool backup_stateful(const struct object *o)
{
	return o->cko == CKO_PRIVATE_KEY &&
		(o->ckk == CKK_HSS || o->ckk == CKK_XMSS || o->ckk == CKK_XMSSMT);
}

/* --- the snapshot --------------------------------------------------------------------- */

static void take(struct backup *b, struct object *o)
{
	if (backup_stateful(o)) {
		b->left_out++;
		return;
	}
	object_ref(o);
	b->v[b->n++] = o;
}

static enum hf_err take_all(struct calls_ctx *c, struct backup *b)
{
	struct objects *t = c->part->objects;

	b->v = hf_alloc(t->by_handle.n + 1, sizeof(struct object *));
	if (b->v == NULL)
		return HF_E_MEMORY;
	for (struct map_node *n = map_next(&t->by_handle, NULL); n != NULL; n = map_next(&t->by_handle, n)) {
		struct object *o = container_of(n, struct object, by_handle);

		if (o->token)
			take(b, o);
	}
	return HF_OK;
}

static enum hf_err take_chosen(struct calls_ctx *c, struct backup *b, struct u64_list chosen)
{
	struct objects *t = c->part->objects;

	b->v = hf_alloc(chosen.n, sizeof(struct object *));
	if (b->v == NULL)
		return HF_E_MEMORY;
	for (size_t i = 0; i < chosen.n; i++) {
		struct object *o = table_get(t, chosen.v[i]);

		if (o == NULL || !o->token)
			return HF_E_OBJECT_HANDLE;
		take(b, o);
	}
	return HF_OK;
}

static enum hf_err snapshot(struct calls_ctx *c, struct backup *b, struct u64_list chosen)
{
	enum hf_err e;

	rwlock_read(&c->part->objects->lock);
	e = chosen.n == 0 ? take_all(c, b) : take_chosen(c, b, chosen);
	rwlock_unlock(&c->part->objects->lock);
	b->objects = b->n;
	return e;
}

enum hf_err on_backup_begin(struct calls_ctx *c, const struct backup_begin_req *q,
	struct backup_begin_res *r)
{
	CLEANUP(free_it) struct backup *b = hf_alloc(1, sizeof(*b));
	CLEANUP(buf_done) struct buf head = BUF_MAX(BACKUP_HEADER_MOST);
	char label[sizeof(c->part->label)];
	struct backup_header h = {
		.created = clock_wall_us(), .domain = BACKUP_PASSPHRASE,
		.hsm = slice_str(c->hsm->serial), .serial = slice_str(c->part->serial),
		.kib = c->hsm->cfg.argon2_kib, .passes = c->hsm->cfg.argon2_passes,
	};

	if (b == NULL)
		return HF_E_MEMORY;
	TRY(backup_permit(c));
	TRY(pin_length(c->hsm, c->part, q->passphrase));
	lock_check(pthread_rwlock_rdlock(&c->part->lock));
	memcpy(label, c->part->label, sizeof(label));
	lock_check(pthread_rwlock_unlock(&c->part->lock));
	h.label = slice_str(label);
	TRY(backup_header_make(&h, q->passphrase, &head, &b->chain));
	TRY(snapshot(c, b, q->objects));
	TRY(arena_dup(c->arena, buf_slice(&head), &r->header));
	r->objects = b->n;
	r->left_out = b->left_out;
	call_detail(c, "%zu objects", b->n);
	backup_drop(c->session);
	c->session->backup = b;
	b = NULL;
	return HF_OK;
}

/* --- frames ----------------------------------------------------------------------------- */

static enum hf_err put_object(struct calls_ctx *c, const struct object *o, struct buf *out)
{
	CLEANUP(buf_done) struct buf content = BUF_MAX(BACKUP_CONTENT_MOST);
	CLEANUP(buf_done) struct buf guard = BUF_MAX(BACKUP_GUARD_MOST);

	object_enc(o, &content);
	TRY(buf_err(&content));
	guard_export(c, o->handle, &guard);
	TRY(buf_err(&guard));
	buf_raw(out, SLICE_OF(o->uid));
	buf_u64(out, o->version);
	buf_bytes(out, buf_slice(&content));
	buf_bytes(out, buf_slice(&guard));
	return buf_err(out);
}

static enum hf_err objects_frame(struct calls_ctx *c, struct backup *b, struct buf *frame)
{
	CLEANUP(buf_done) struct buf plain = BUF_MAX(BACKUP_FRAME_MOST);
	size_t to = b->at;

	while (to < b->n && to - b->at < BACKUP_FRAME_OBJECTS && plain.n < FRAME_BYTES)
		TRY(put_object(c, b->v[to++], &plain));
	TRY(backup_frame_make(&b->chain, BACKUP_OBJECTS, buf_slice(&plain), frame));
	call_detail(c, "%zu objects", to - b->at);
	while (b->at < to)
		object_unref(b->v[b->at++]);
	return HF_OK;
}

static enum hf_err end_frame(struct backup *b, struct buf *frame)
{
	CLEANUP(buf_done) struct buf plain = BUF_MAX(256);
	struct backup_end end = {
		.objects = b->objects, .left_out = b->left_out, .frames = b->chain.next,
	};

	memcpy(end.chain, b->chain.last, CRYPTO_HASH);
	backup_end_enc(&end, &plain);
	TRY(buf_err(&plain));
	return backup_frame_make(&b->chain, BACKUP_END, buf_slice(&plain), frame);
}

/* A frame that could not be made is made again when it is asked for again. */
enum hf_err on_backup_next(struct calls_ctx *c, const struct backup_next_req *q,
	struct backup_next_res *r)
{
	CLEANUP(buf_done) struct buf frame = BUF_MAX(BACKUP_FRAME_MOST + BACKUP_FRAME_PREFIX);
	struct backup *b = c->session->backup;

	(void)q;
	if (b == NULL || b->restoring)
		return HF_E_OP_LOST;
	r->last = b->at == b->n;
	TRY(r->last ? end_frame(b, &frame) : objects_frame(c, b, &frame));
	TRY(arena_dup(c->arena, buf_slice(&frame), &r->frame));
	if (r->last)
		backup_drop(c->session);
	return HF_OK;
}
