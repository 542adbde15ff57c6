/* backup_hsm.c: see backup_hsm.h; the calls hsm_backup_begin, _base and _next. */
#include "backup_hsm.h"

#include <stdio.h>
#include <string.h>

#include "gate.h"
#include "log.h"
#include "object_table.h"
#include "policy.h"

#define SCAN_BYTES 131072u
#define FROM_MOST (8u + 32u * CRYPTO_KEY)

/* --- partitions -------------------------------------------------------------------------- */

struct whole_part *whole_part(struct whole *w, const char *serial)
{
	for (size_t i = w->n; i > 0; i--)
		if (strcmp(w->parts[i - 1].serial, serial) == 0)
			return &w->parts[i - 1];
	return NULL;
}

enum hf_err whole_add(struct whole *w, const char *serial, struct whole_part **ret)
{
	struct whole_part *p;

	if (w->n == PARTITIONS_MAX)
		return HF_E_LIMIT;
	if (w->n == w->cap) {
		p = hf_realloc(w->parts, w->cap + 64, sizeof(*p));
		if (p == NULL)
			return HF_E_MEMORY;
		w->parts = p;
		w->cap += 64;
	}
	p = &w->parts[w->n++];
	*p = (struct whole_part){ .own = BUF_MAX(16384) };
	(void)snprintf(p->serial, sizeof(p->serial), "%s", serial);
	*ret = p;
	return HF_OK;
}

enum hf_err whole_tell(struct calls_ctx *c, const struct whole *w, struct backed_list *ret)
{
	struct backed *v = arena_alloc(c->arena, w->n + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < w->n; i++) {
		TRY(arena_dup(c->arena, slice_str(w->parts[i].serial), &v[i].serial));
		TRY(arena_dup(c->arena, slice_str(w->parts[i].label), &v[i].label));
		v[i].outcome = (uint8_t)w->parts[i].outcome;
		v[i].objects = w->parts[i].objects;
	}
	*ret = (struct backed_list){ v, w->n };
	return HF_OK;
}

/* uncount forgets a stateful key. */
static void uncount(struct map_node *n)
{
	hf_free(n);
}

void whole_free(struct whole *w)
{
	for (size_t i = 0; i < w->n; i++)
		buf_done(&w->parts[i].own);
	hf_free(w->parts);
	map_free(&w->counted, uncount);
	hf_free(w);
}

enum backup_part backup_part_of(struct slice name, char ret_serial[SERIAL_LEN + 1])
{
	static const struct {
		const char *text;
		enum backup_part part;
	} kinds[] = { { "/from", PART_FROM }, { "/role/", PART_ROLE }, { "/guard/", PART_GUARD },
		{ "/pub/", PART_PUBLIC }, { "/prv/", PART_PRIVATE }, { "/usage/", PART_USAGE },
		{ "/onetime/", PART_COUNT } };
	struct slice rest = { name.p + 2 + SERIAL_LEN, name.n - 2 - SERIAL_LEN };

	if (name.n < 2 + SERIAL_LEN || memchr(name.p, 0, name.n) != NULL ||
	    !slice_eq((struct slice){ name.p, 2 }, SLICE_STR("p/")))
		return PART_OTHER;
	for (size_t i = 0; i < SERIAL_LEN; i++)
		if (strchr("0123456789abcdef", name.p[2 + i]) == NULL)
			return PART_OTHER;
	memcpy(ret_serial, name.p + 2, SERIAL_LEN);
	ret_serial[SERIAL_LEN] = '\0';
	if (rest.n == 0)
		return PART_OWN;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].text);

		if (rest.n >= n && slice_eq((struct slice){ rest.p, n }, slice_str(kinds[i].text)) &&
		    (rest.n > n) == (kinds[i].part != PART_FROM))
			return kinds[i].part;
	}
	return PART_OTHER;
}

/* --- beginning ----------------------------------------------------------------------------- */

static void drop(struct whole *w)
{
	if (w->h->records != NULL && w->frozen != 0)
		records_thaw(w->h->records);
	whole_free(w);
}

static enum hf_err whole_new(struct calls_ctx *c, struct backup *b)
{
	struct whole *w = hf_alloc(1, sizeof(*w));

	if (w == NULL)
		return HF_E_MEMORY;
	*w = (struct whole){ .drop = drop, .h = c->hsm, .indexing = true };
	b->whole = w;
	return HF_OK;
}

/* may_leave: what the partition's officer says of it. */
static bool may_leave(const struct partition *p)
{
	return policy_value(p, POLICY_BACKUP) != 0;
}

static enum hf_err add_partition(struct whole *w, struct partition *p)
{
	struct whole_part *part;

	TRY(whole_add(w, p->serial, &part));
	lock_check(pthread_rwlock_rdlock(&p->lock));
	memcpy(part->label, p->label, sizeof(part->label));
	lock_check(pthread_rwlock_unlock(&p->lock));
	part->outcome = may_leave(p) ? RESTORED_NEW : RESTORED_KEPT;
	w->approved |= approved_mode(p);
	part->stateful = policy_value(p, POLICY_STATEFUL) != 0;
	return HF_OK;
}

static enum hf_err choose(struct calls_ctx *c, struct whole *w, struct slice serial)
{
	struct partition **v;
	enum hf_err e = HF_OK;
	size_t n;

	TRY(partitions_all(c->hsm, c->arena, &v, &n));
	for (size_t i = 0; i < n && e == HF_OK; i++)
		if (serial.n == 0 || slice_eq(serial, slice_str(v[i]->serial)))
			e = add_partition(w, v[i]);
	partitions_unref(v, n);
	TRY(e);
	if (serial.n != 0 && w->n == 0)
		return HF_E_NO_PARTITION;
	if (serial.n == 0 || w->parts[0].outcome == RESTORED_NEW)
		return HF_OK;
	call_detail(c, "policy backup");
	return HF_E_POLICY;
}

static void free_it(struct backup **b)
{
	backup_free(*b);
}

enum hf_err on_hsm_backup_begin(struct calls_ctx *c, const struct hsm_backup_begin_req *q,
	struct hsm_backup_begin_res *r)
{
	CLEANUP(free_it) struct backup *b = hf_alloc(1, sizeof(*b));
	struct backup_start s = { .h = { .scope = BACKUP_OF_PARTITIONS }, .base = q->base };

	if (b == NULL)
		return HF_E_MEMORY;
	TRY(whole_new(c, b));
	TRY(choose(c, b->whole, q->serial));
	if (q->serial.n != 0) {
		s.h.serial = slice_str(b->whole->parts[0].serial);
		s.h.label = slice_str(b->whole->parts[0].label);
	}
	s.approved = b->whole->approved;
	TRY(backup_start(c, b, q->to, &s));
	r->header = s.header;
	TRY(records_freeze(c->hsm->records, &b->whole->frozen));
	TRY(whole_tell(c, b->whole, &r->partitions));
	call_detail(c, "%zu partitions", b->whole->n);
	MUTEX_HOLD(&c->app->backup_lock);
	backup_free(c->app->backup);
	c->app->backup = b;
	b = NULL;
	return HF_OK;
}

enum hf_err on_hsm_backup_base(struct calls_ctx *c, const struct hsm_backup_base_req *q,
	struct hsm_backup_base_res *r)
{
	MUTEX_HOLD(&c->app->backup_lock);
	struct backup *b = c->app->backup;

	if (b == NULL || b->restoring)
		return HF_E_OP_LOST;
	return backup_take_base(b, q->frame, &r->last);
}

/* --- frames ---------------------------------------------------------------------------------- */

bool backup_record_read(struct rd *r, struct backup_record *ret)
{
	return rd_bytes(r, RECORD_NAME - 1, &ret->name) && rd_u64(r, &ret->version) &&
		rd_u8(r, &ret->sealed) && rd_bytes(r, BACKUP_FRAME_MOST, &ret->value);
}

static enum hf_err entry_of(struct slice name, struct slice content, struct backup_entry *ret)
{
	uint8_t hash[CRYPTO_HASH];

	TRY(crypto_sha256(name, hash));
	memcpy(ret->id, hash, BACKUP_ID);
	return backup_tag(content, SLICE_NONE, ret);
}

/* put writes the entry, or, in the second round, what the base does not have. */
static enum hf_err put(struct backup *b, const struct backup_record *rec, const struct backup_entry *e,
	struct buf *out)
{
	if (b->whole->indexing) {
		backup_entry_enc(e, out);
		return buf_err(out);
	}
	if (b->increment && backup_index_has(&b->base, e))
		return HF_OK;
	buf_bytes(out, rec->name);
	buf_u64(out, rec->version);
	buf_u8(out, rec->sealed);
	buf_bytes(out, rec->value);
	return buf_err(out);
}

/* The role keys of this HSM and of those that the partition came from. */
static enum hf_err put_from(struct backup *b, const char *serial, struct buf *out)
{
	CLEANUP(buf_done) struct buf keys = BUF_MAX(FROM_MOST);
	struct hsm *h = b->whole->h;
	struct partition *p = partition_by_serial(h, slice_str(serial));
	char name[PART_NAME_LEN];
	struct backup_record rec = { .version = 1, .sealed = BACKUP_CLEAR };
	struct backup_entry e;
	enum hf_err err;

	err = roles_from_enc(h, p == NULL ? NULL : p->roles, &keys);
	partition_unref(p);
	TRY(err);
	(void)snprintf(name, sizeof(name), "p/%s/from", serial);
	rec.name = slice_str(name);
	rec.value = buf_slice(&keys);
	TRY(entry_of(rec.name, rec.value, &e));
	return put(b, &rec, &e, out);
}

static enum hf_err put_record(struct backup *b, const struct record *in, enum backup_part part,
	struct buf *out)
{
	CLEANUP(secret_done) struct secret plain = { 0 };
	struct backup_record rec = { in->name, in->version, BACKUP_BY_PARTITION, in->value };
	struct backup_entry e;
	enum hf_err err;

	if (part != PART_PRIVATE) {
		err = records_unseal(b->whole->h->records, in, &plain);
		if (err == HF_E_DAMAGED) {
			b->left_out += b->whole->indexing;
			return HF_OK;
		}
		TRY(err);
		rec.sealed = BACKUP_CLEAR;
		rec.value = secret_slice(&plain);
	}
	TRY(entry_of(in->name, rec.value, &e));
	return put(b, &rec, &e, out);
}

static bool handle_of(struct slice name, uint64_t *ret)
{
	char hex[2 * UID_LEN + 1] = "";
	uint8_t uid[UID_LEN];
	size_t n;

	if (name.n < sizeof(hex))
		return false;
	memcpy(hex, name.p + name.n - (sizeof(hex) - 1), sizeof(hex) - 1);
	if (!hex_decode(hex, uid, sizeof(uid), &n))
		return false;
	*ret = object_handle(uid);
	return true;
}

/* A stateful key's count comes before the key itself: records are in the order of their names. */
static enum hf_err count_seen(struct whole *w, struct slice name)
{
	struct map_node *n;
	uint64_t handle;
	enum hf_err e;

	if (!handle_of(name, &handle))
		return HF_OK;
	n = hf_alloc(1, sizeof(*n));
	if (n == NULL)
		return HF_E_MEMORY;
	e = map_put(&w->counted, handle, n);
	if (e != HF_OK)
		hf_free(n);
	return e == HF_E_CONFLICT ? HF_OK : e; /* the second round */
}

static bool is_counted(const struct backup *b, struct slice name)
{
	uint64_t handle;

	return b->whole->counted.n != 0 && handle_of(name, &handle) &&
		map_get(&b->whole->counted, handle) != NULL;
}

static enum hf_err take_record(struct backup *b, const struct record *in, struct buf *out)
{
	char serial[SERIAL_LEN + 1] = "";
	enum backup_part part = backup_part_of(in->name, serial);
	struct whole_part *p = part == PART_OTHER ? NULL : whole_part(b->whole, serial);
	bool object = part == PART_PUBLIC || part == PART_PRIVATE;
	size_t before = out->n;

	if (p == NULL || p->outcome != RESTORED_NEW || part == PART_FROM)
		return HF_OK;
	if (part == PART_COUNT)
		return p->stateful ? HF_OK : count_seen(b->whole, in->name);
	if ((object || part == PART_USAGE) && is_counted(b, in->name)) {
		b->left_out += object && b->whole->indexing;
		return HF_OK;
	}
	TRY(put_record(b, in, part, out));
	b->whole_objects += object && b->whole->indexing;
	b->objects += object && !b->whole->indexing && out->n != before;
	return part == PART_OWN ? put_from(b, serial, out) : HF_OK;
}

/* page takes the next records; the last page of the index begins the round with the content. */
static enum hf_err page(struct calls_ctx *c, struct backup *b, struct buf *plain)
{
	struct whole *w = b->whole;
	struct store_scan_frozen_req q = { .id = w->frozen, .prefix = SLICE_STR("p/"),
		.after = slice_str(w->after), .max_bytes = SCAN_BYTES };
	struct store_scan_frozen_res r;

	TRY(records_frozen(c->hsm->records, &q, c->arena, &r));
	for (size_t i = 0; i < r.records.n; i++)
		TRY(take_record(b, &r.records.v[i], plain));
	if (r.more) {
		struct slice last = r.records.v[r.records.n - 1].name;

		(void)snprintf(w->after, sizeof(w->after), "%.*s", (int)last.n, (const char *)last.p);
		return HF_OK;
	}
	w->after[0] = '\0';
	w->over = !w->indexing;
	w->indexing = false;
	return HF_OK;
}

static enum hf_err next_frame(struct calls_ctx *c, struct backup *b, struct buf *frame)
{
	CLEANUP(buf_done) struct buf plain = BUF_MAX(BACKUP_FRAME_MOST);
	enum backup_kind kind = b->whole->indexing ? BACKUP_INDEX : BACKUP_RECORDS;

	if (b->whole->over)
		return backup_end_frame(b, frame);
	TRY(page(c, b, &plain));
	return backup_frame_make(&b->chain, kind, buf_slice(&plain), frame);
}

enum hf_err on_hsm_backup_next(struct calls_ctx *c, const struct hsm_backup_next_req *q,
	struct hsm_backup_next_res *r)
{
	CLEANUP(buf_done) struct buf frame = BUF_MAX(BACKUP_FRAME_MOST + BACKUP_FRAME_PREFIX);
	MUTEX_HOLD(&c->app->backup_lock);
	struct backup *b = c->app->backup;
	enum hf_err e;

	(void)q;
	if (b == NULL || b->restoring)
		return HF_E_OP_LOST;
	if (!b->based)
		return HF_E_BACKUP_CHAIN;
	r->last = b->whole->over;
	e = next_frame(c, b, &frame);
	r->left_out = b->left_out;
	r->objects = b->whole_objects;
	r->written = b->objects;
	if (e == HF_OK)
		e = arena_dup(c->arena, buf_slice(&frame), &r->frame);
	if (e != HF_OK || r->last) {
		backup_free(b);
		c->app->backup = NULL;
	}
	return e;
}
