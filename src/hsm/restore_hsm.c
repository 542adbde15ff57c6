/* restore_hsm.c: whole partitions come back, or a backup is rehearsed; the calls hsm_restore_begin,
 * _base and _next. A partition's own record is written last, when all of the file was: what was cut
 * short is in no slot, and is cleared away when it is begun again, given up, or at the next start. */
#include "backup_hsm.h"

#include <stdio.h>
#include <string.h>

#include "consent.h"
#include "gate.h"
#include "hsm_roles.h"
#include "log.h"
#include "rehearse.h"

#define RECORDS_MOST 3000u /* of a frame: a batch of the store */

/* --- beginning and giving up ------------------------------------------------------------- */

static void wipe(struct whole *w, const struct whole_part *p)
{
	char prefix[PART_NAME_LEN];
	enum hf_err e;

	(void)snprintf(prefix, sizeof(prefix), "p/%s/", p->serial);
	e = records_wipe(w->h->records, prefix);
	if (e != HF_OK)
		log_warn("partition %s: its restore was given up: %s; the next start deletes the rest of it",
			p->serial, err_text(e));
}

static void drop(struct whole *w)
{
	for (size_t i = 0; i < w->n && w->h->records != NULL; i++)
		if (w->parts[i].begun)
			wipe(w, &w->parts[i]);
	rehearsal_free(w->h, w->rehearsal);
	whole_free(w);
}

static enum hf_err may_restore(struct calls_ctx *c, uint8_t collision, uint8_t mode)
{
	if (mode > RESTORE_REHEARSE || collision > RESTORE_SKIP)
		return HF_E_ARGUMENTS;
	if (mode != RESTORE_IN_EARNEST)
		return HF_OK;
	TRY(hsm_need(c, CALL_BY_H));
	return consent_ask(c);
}

static enum hf_err prepare(struct calls_ctx *c, struct backup *b, uint8_t mode)
{
	struct whole *w = hf_alloc(1, sizeof(*w));

	if (w == NULL)
		return HF_E_MEMORY;
	*w = (struct whole){ .drop = drop, .h = c->hsm };
	b->whole = w;
	if (b->scope == BACKUP_OF_PARTITIONS)
		return HF_OK;
	if (mode != RESTORE_REHEARSE)
		return HF_E_BACKUP_SCOPE;
	b->dry = false;
	return rehearsal_new(c->hsm, &w->rehearsal);
}

static void free_it(struct backup **b)
{
	backup_free(*b);
}

enum hf_err on_hsm_restore_begin(struct calls_ctx *c, const struct hsm_restore_begin_req *q,
	struct hsm_restore_begin_res *r)
{
	CLEANUP(free_it) struct backup *b = hf_alloc(1, sizeof(*b));

	(void)r;
	if (b == NULL)
		return HF_E_MEMORY;
	TRY(may_restore(c, q->collision, q->mode));
	b->collision = (enum restore_collision)q->collision;
	b->dry = q->mode != RESTORE_IN_EARNEST;
	TRY(restore_open(c, b, q->header, q->keys));
	TRY(prepare(c, b, q->mode));
	MUTEX_HOLD(&c->app->backup_lock);
	backup_free(c->app->backup);
	c->app->backup = b;
	b = NULL;
	return HF_OK;
}

static void give_up(struct calls_ctx *c)
{
	backup_free(c->app->backup);
	c->app->backup = NULL;
}

enum hf_err on_hsm_restore_base(struct calls_ctx *c, const struct hsm_restore_base_req *q,
	struct hsm_restore_base_res *r)
{
	MUTEX_HOLD(&c->app->backup_lock);
	enum hf_err e;

	(void)r;
	if (c->app->backup == NULL || !c->app->backup->restoring)
		return HF_E_OP_LOST;
	e = restore_again(c, c->app->backup, q->header, q->keys);
	if (e != HF_OK)
		give_up(c);
	return e;
}

/* --- records --------------------------------------------------------------------------------- */

static bool is_there(struct hsm *h, const char *serial)
{
	struct partition *p = partition_by_serial(h, slice_str(serial));

	partition_unref(p);
	return p != NULL;
}

static enum hf_err begin_part(struct calls_ctx *c, struct backup *b, const char *serial,
	struct whole_part **ret)
{
	struct whole_part *p;
	char prefix[PART_NAME_LEN];

	TRY(whole_add(b->whole, serial, &p));
	*ret = p;
	p->outcome = !is_there(c->hsm, serial) ? RESTORED_NEW :
		b->collision == RESTORE_SKIP ? RESTORED_KEPT : RESTORED_COLLIDES;
	if (p->outcome == RESTORED_COLLIDES && !b->dry)
		return HF_E_BACKUP_COLLISION;
	if (b->dry || p->outcome != RESTORED_NEW)
		return HF_OK;
	p->begun = true;
	(void)snprintf(prefix, sizeof(prefix), "p/%s/", serial);
	return records_wipe(c->hsm->records, prefix);
}

/* struct writing is one frame's records on their way. */
struct writing {
	struct record_change v[RECORDS_MOST];
	size_t n;
};

static enum hf_err is_live(struct backup *b, const struct backup_record *in, bool *ret)
{
	struct backup_entry e;
	uint8_t hash[CRYPTO_HASH];

	*ret = true;
	if (!b->chained)
		return HF_OK;
	TRY(crypto_sha256(in->name, hash));
	memcpy(e.id, hash, BACKUP_ID);
	TRY(backup_tag(in->value, SLICE_NONE, &e));
	return backup_index_take(&b->live, &e, ret);
}

static enum hf_err keep_own(struct whole_part *p, const struct backup_record *in)
{
	CLEANUP(buf_done) struct buf checked = BUF_MAX(16384);

	TRY(partition_renew(in->value, p->serial, p->label, &checked) == HF_OK ? HF_OK :
		HF_E_BACKUP_DAMAGED);
	buf_reset(&p->own);
	buf_raw(&p->own, buf_slice(&checked));
	p->own_version = in->version;
	return buf_err(&p->own);
}

static enum hf_err add(struct calls_ctx *c, const struct backup_record *in, struct writing *to)
{
	char *name = arena_alloc(c->arena, in->name.n + 1, 1);

	if (name == NULL)
		return HF_E_SECRET_MEMORY;
	if (to->n == RECORDS_MOST)
		return HF_E_BACKUP_DAMAGED;
	memcpy(name, in->name.p, in->name.n);
	to->v[to->n++] = (struct record_change){ .name = name, .version = in->version,
		.seal = in->sealed == BACKUP_CLEAR ? SEAL_STORE : SEAL_SEALED, .plain = in->value };
	return HF_OK;
}

static enum hf_err take_record(struct calls_ctx *c, struct backup *b, const struct backup_record *in,
	struct writing *to)
{
	char serial[SERIAL_LEN + 1];
	enum backup_part part = backup_part_of(in->name, serial);
	struct whole_part *p;
	bool live;

	if (part >= PART_COUNT || in->version == 0 ||
	    in->sealed != (part == PART_PRIVATE ? BACKUP_BY_PARTITION : BACKUP_CLEAR))
		return HF_E_BACKUP_DAMAGED;
	TRY(is_live(b, in, &live));
	if (!live)
		return HF_OK;
	p = whole_part(b->whole, serial);
	if (p == NULL)
		TRY(begin_part(c, b, serial, &p));
	p->objects += part == PART_PUBLIC || part == PART_PRIVATE;
	if (part == PART_OWN)
		return keep_own(p, in);
	return p->begun ? add(c, in, to) : HF_OK;
}

static void free_writing(struct writing **w)
{
	hf_free(*w);
}

enum hf_err restore_records(struct calls_ctx *c, struct backup *b, struct slice plain)
{
	CLEANUP(free_writing) struct writing *to = hf_alloc(1, sizeof(*to));
	struct rd r = rd_of(plain);
	struct backup_record in;

	if (to == NULL)
		return HF_E_MEMORY;
	while (!rd_done(&r)) {
		if (!backup_record_read(&r, &in))
			return HF_E_BACKUP_DAMAGED;
		TRY(take_record(c, b, &in, to));
	}
	call_detail(c, "%zu records", to->n);
	return to->n == 0 ? HF_OK : records_write(c->hsm->records, to->v, to->n);
}

/* --- the end ------------------------------------------------------------------------------------ */

static enum hf_err finish_part(struct hsm *h, struct whole_part *p)
{
	char name[PART_NAME_LEN];
	struct record_change own = { .name = name, .version = p->own_version, .seal = SEAL_STORE,
		.plain = buf_slice(&p->own) };

	(void)snprintf(name, sizeof(name), "p/%s", p->serial);
	TRY(records_write(h->records, &own, 1));
	p->begun = false;
	return partition_adopt(h, p->serial);
}

enum hf_err restore_finish(struct calls_ctx *c, struct backup *b)
{
	struct whole *w = b->whole;

	for (size_t i = 0; i < w->n; i++)
		if (w->parts[i].own.n == 0)
			return HF_E_BACKUP_DAMAGED;
	for (size_t i = 0; i < w->n; i++)
		if (w->parts[i].begun)
			TRY(finish_part(c->hsm, &w->parts[i]));
	call_detail(c, "%s%zu partitions", b->dry ? "dry run, " : "", w->n);
	return HF_OK;
}

static enum hf_err all_over(struct calls_ctx *c, struct backup *b, struct backed_list *ret)
{
	if (b->whole->rehearsal != NULL)
		return rehearsal_ready(c->hsm, b->whole->rehearsal);
	TRY(restore_finish(c, b));
	return whole_tell(c, b->whole, ret);
}

enum hf_err on_hsm_restore_next(struct calls_ctx *c, const struct hsm_restore_next_req *q,
	struct hsm_restore_next_res *r)
{
	MUTEX_HOLD(&c->app->backup_lock);
	struct backup *b = c->app->backup;
	struct restored_frame f = { 0 };
	enum hf_err e;

	if (b == NULL || !b->restoring)
		return HF_E_OP_LOST;
	if (b->whole->rehearsal != NULL)
		rehearsal_enter(c, b->whole->rehearsal);
	e = restore_frame(c, b, q->frame, &f);
	r->last = f.last;
	if (e == HF_OK && f.last && !b->awaits)
		e = all_over(c, b, &r->partitions);
	if (e != HF_OK || (f.last && !b->awaits && b->whole->rehearsal == NULL))
		give_up(c);
	return e;
}
