/* restore_hsm.c: whole partitions come back, or a backup is rehearsed; the calls hsm_restore_begin,
 * _base and _next. A partition's own record is written last, when all of the file was: what was cut
 * short is in no slot, and is cleared away when it is begun again, given up, or at the next start. */
#include "backup_hsm.h"

#include <stdio.h>
#include <string.h>

#include "consent.h"
#include "gate.h"
#include "hsm_roles.h"
#include "keeper_ask.h"
#include "log.h"
#include "rehearse.h"

#define RENAMES 1000u
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

/* What is in use is not replaced. */
static bool collision_of_partitions(uint8_t c)
{
	return c == RESTORE_FAIL || c == RESTORE_SKIP || c == RESTORE_RENAME;
}

static enum hf_err may_restore(struct calls_ctx *c, uint8_t collision, uint8_t mode)
{
	if (mode > RESTORE_REHEARSE || !collision_of_partitions(collision))
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
	w->rehearsing = mode == RESTORE_REHEARSE && b->scope == BACKUP_OF_PARTITIONS;
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
	if (q->serial.n != 0 && q->serial.n != SERIAL_LEN)
		return HF_E_ARGUMENTS;
	memcpy(b->whole->only, q->serial.p, q->serial.n);
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
	p->outcome = !b->whole->rehearsing && is_there(c->hsm, serial) ? RESTORED_SAME : RESTORED_NEW;
	if (b->dry || p->outcome != RESTORED_NEW)
		return HF_OK;
	p->begun = true;
	(void)snprintf(prefix, sizeof(prefix), "p/%s/", serial);
	return records_wipe(c->hsm->records, prefix);
}

/* --- a partition that is there ------------------------------------------------------------------ */

struct compared {
	const struct backup_record *in;
	bool same;
};

static enum hf_err compare(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct compared *t = ctx;

	(void)name;
	t->same = version == t->in->version &&
		secret_eq(plain, t->in->value);
	return HF_OK;
}

static void compare_damaged(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
}

/* is_same: private objects are compared as they are sealed. */
static enum hf_err is_same(struct calls_ctx *c, const struct backup_record *in, bool *ret)
{
	struct compared t = { .in = in };
	const struct record_visit v = { &t, compare, compare_damaged };
	char name[RECORD_NAME];
	struct record rec;
	bool found;

	(void)snprintf(name, sizeof(name), "%.*s", (int)in->name.n, (const char *)in->name.p);
	if (in->sealed == BACKUP_CLEAR) {
		TRY(records_get(c->hsm->records, name, SEAL_STORE, SLICE_NONE, &v));
		*ret = t.same;
		return HF_OK;
	}
	TRY(keeper_get(c->hsm->keeper, name, c->arena, &found, &rec));
	*ret = found && rec.version == in->version && slice_eq(rec.value, in->value);
	return HF_OK;
}

/* What use changes (PINs, counts) does not make a partition another. */
static enum hf_err meet(struct calls_ctx *c, struct backup *b, const struct backup_record *in,
	enum backup_part part, struct whole_part *p)
{
	bool same;

	if (p->outcome != RESTORED_SAME || (part != PART_PUBLIC && part != PART_PRIVATE))
		return HF_OK;
	TRY(is_same(c, in, &same));
	if (same)
		return HF_OK;
	p->outcome = b->collision == RESTORE_SKIP ? RESTORED_KEPT : RESTORED_COLLIDES;
	return p->outcome == RESTORED_COLLIDES && !b->dry ? HF_E_BACKUP_COLLISION : HF_OK;
}

/* --- writing ------------------------------------------------------------------------------------ */

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

	p->label[0] = '\0';
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

static bool is_wanted(const struct whole *w, const char *serial)
{
	return w->only[0] == '\0' || strcmp(w->only, serial) == 0;
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
	if (!live || !is_wanted(b->whole, serial))
		return HF_OK;
	b->whole->opened += part != PART_PRIVATE;
	b->whole->unopened += part == PART_PRIVATE;
	p = whole_part(b->whole, serial);
	if (p == NULL)
		TRY(begin_part(c, b, serial, &p));
	p->objects += part == PART_PUBLIC || part == PART_PRIVATE;
	if (part == PART_OWN)
		return keep_own(p, in);
	TRY(meet(c, b, in, part, p));
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

static bool has_label(struct partition *p, const char *label)
{
	bool same;

	lock_check(pthread_rwlock_rdlock(&p->lock));
	same = strcmp(p->label, label) == 0;
	lock_check(pthread_rwlock_unlock(&p->lock));
	return same;
}

static enum hf_err is_taken(struct calls_ctx *c, const char *label, bool *ret)
{
	struct partition **v;
	size_t n;

	TRY(partitions_all(c->hsm, c->arena, &v, &n));
	*ret = false;
	for (size_t i = 0; i < n && !*ret; i++)
		*ret = has_label(v[i], label);
	partitions_unref(v, n);
	return HF_OK;
}

/* rename_part: "box 2", or the next that is free. */
static enum hf_err rename_part(struct calls_ctx *c, struct whole_part *p)
{
	CLEANUP(buf_done) struct buf renewed = BUF_MAX(16384);
	char label[sizeof(p->label)];
	bool taken = true;

	for (unsigned i = 2; taken && i < RENAMES; i++) {
		(void)snprintf(label, sizeof(label), "%.28s %u", p->label, i);
		TRY(is_taken(c, label, &taken));
	}
	if (taken)
		return HF_E_BACKUP_COLLISION;
	memcpy(p->label, label, sizeof(label));
	TRY(partition_renew(buf_slice(&p->own), p->serial, p->label, &renewed));
	buf_reset(&p->own);
	buf_raw(&p->own, buf_slice(&renewed));
	p->outcome = RESTORED_RENAMED;
	return buf_err(&p->own);
}

/* settle_label: two partitions of one label could not be told apart. */
static enum hf_err settle_label(struct calls_ctx *c, const struct backup *b, struct whole_part *p)
{
	bool taken;

	if (p->outcome != RESTORED_NEW || b->whole->rehearsing)
		return HF_OK;
	TRY(is_taken(c, p->label, &taken));
	if (!taken)
		return HF_OK;
	if (b->collision == RESTORE_RENAME)
		return rename_part(c, p);
	p->outcome = b->collision == RESTORE_SKIP ? RESTORED_KEPT : RESTORED_COLLIDES;
	return p->outcome == RESTORED_COLLIDES && !b->dry ? HF_E_BACKUP_COLLISION : HF_OK;
}

enum hf_err restore_finish(struct calls_ctx *c, struct backup *b)
{
	struct whole *w = b->whole;

	if (w->n == 0 && w->only[0] != '\0')
		return HF_E_NO_PARTITION;

	for (size_t i = 0; i < w->n; i++)
		if (w->parts[i].own.n == 0)
			return HF_E_BACKUP_DAMAGED;
	for (size_t i = 0; i < w->n; i++)
		TRY(settle_label(c, b, &w->parts[i]));
	for (size_t i = 0; i < w->n; i++)
		if (w->parts[i].begun && w->parts[i].outcome != RESTORED_KEPT)
			TRY(finish_part(c->hsm, &w->parts[i]));
	call_detail(c, "%s%zu partitions", b->dry ? "dry run, " : "", w->n);
	return HF_OK;
}

static enum hf_err all_over(struct calls_ctx *c, struct backup *b, struct backed_list *ret)
{
	if (b->whole->rehearsal != NULL)
		return rehearsal_ready(c->hsm, b->whole->rehearsal);
	TRY(restore_finish(c, b));
	b->whole->rehearsed = b->whole->rehearsing;
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
	if (e != HF_OK || (f.last && !b->awaits && b->whole->rehearsal == NULL && !b->whole->rehearsed))
		give_up(c);
	return e;
}
