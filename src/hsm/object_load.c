/* object_load.c: an object's record, and objects from theirs. */
#include <string.h>

#include "object_table.h"

#define RECORD_FORMAT 1

/* | format u8 | origin 24 | attributes | */
void object_enc(const struct object *o, struct buf *out)
{
	buf_u8(out, RECORD_FORMAT);
	buf_raw(out, (struct slice){ o->origin, sizeof(o->origin) });
	attrs_enc(&o->attrs, out);
}

enum hf_err object_dec(struct object *o, uint64_t version, struct slice plain)
{
	struct rd r = rd_of(plain);
	const uint8_t *origin;
	uint8_t format;

	if (!rd_u8(&r, &format) || format != RECORD_FORMAT ||
	    !rd_take(&r, sizeof(o->origin), &origin))
		return HF_E_DAMAGED;
	memcpy(o->origin, origin, sizeof(o->origin));
	TRY(attrs_dec((struct slice){ r.p, r.n }, &o->attrs));
	o->version = version;
	object_born(o);
	return o->token && version != 0 && o->handle != 0 ? HF_OK : HF_E_DAMAGED;
}

/* load_one: the record's name ends in the unique id. */
static enum hf_err load_one(struct object *o, const char *name, uint64_t version,
	struct slice plain)
{
	const char *hex = strrchr(name, '/');
	size_t n;

	if (hex == NULL || !hex_decode(hex + 1, o->uid, UID_LEN, &n) || n != UID_LEN)
		return HF_E_DAMAGED;
	return object_dec(o, version, plain);
}

static enum hf_err load(const struct objects *t, const char *name, uint64_t version, struct slice plain,
	struct object **ret)
{
	CLEANUP(object_release) struct object *o = hf_alloc(1, sizeof(*o));

	if (o == NULL)
		return HF_E_MEMORY;
	atomic_init(&o->refs, 1);
	TRY(load_one(o, name, version, plain));
	table_hash(t, o);
	*ret = o;
	o = NULL;
	return HF_OK;
}

/* put takes *o over where it is not there already. */
static enum hf_err put(struct objects *t, struct object **o)
{
	const struct object *there = table_get(t, (*o)->handle);

	if (there != NULL)
		return same_uid(there, *o) ? HF_OK : HF_E_CONFLICT;
	TRY(table_put(t, *o));
	*o = NULL;
	return HF_OK;
}

/* Of many records each place in the table lies in memory that no cache holds: all are asked for before the
 * first is waited for. */
enum hf_err objects_batch_put(struct objects_batch *b)
{
	enum hf_err e = HF_OK;

	rwlock_write(&b->t->lock);
	for (size_t i = 0; i < b->n; i++)
		table_prefetch(b->t, b->v[i], false);
	for (size_t i = 0; i < b->n; i++)
		table_prefetch(b->t, b->v[i], true);
	for (size_t i = 0; i < b->n && e == HF_OK; i++)
		e = put(b->t, &b->v[i]);
	rwlock_unlock(&b->t->lock);
	objects_batch_done(b);
	return e;
}

void objects_batch_done(struct objects_batch *b)
{
	for (; b->n > 0; b->n--)
		object_unref(b->v[b->n - 1]);
}

enum hf_err objects_load_later(struct objects_batch *b, const char *name, uint64_t version,
	struct slice plain)
{
	TRY(load(b->t, name, version, plain, &b->v[b->n]));
	b->n++;
	return b->n < OBJECTS_BATCH ? HF_OK : objects_batch_put(b);
}

enum hf_err objects_load(struct objects *t, const char *name, uint64_t version, struct slice plain)
{
	struct objects_batch b = { .t = t };

	TRY(objects_load_later(&b, name, version, plain));
	return objects_batch_put(&b);
}
