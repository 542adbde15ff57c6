/* object_table.h: the inside of a partition's table of objects, for object*.c. */
#ifndef HF_OBJECT_TABLE_H
#define HF_OBJECT_TABLE_H

#include "object.h"
#include "records.h"

struct way {
	struct object **slot;
	size_t slots, n;
};

struct objects {
	struct rwlock lock; /* what follows; the innermost lock of all */
	struct map by_handle;
	size_t bytes; /* of the attributes of all of them */
	struct way way[WAY_COUNT];
	uint64_t seed; /* so that nobody can make labels collide */
};

/* The caller holds the lock for writing. table_put takes over a reference
 * unless it fails; HF_E_CONFLICT: the handle is in use. table_del returns the
 * table's reference to the caller. */
enum hf_err table_put(struct objects *t, struct object *o) HF_MUST_CHECK;
void table_del(struct objects *t, struct object *o);

/* table_hash works out before table_put, and without the lock, where o belongs. table_prefetch, with the
 * lock, asks for the memory that table_put will want: first the places, and then, with objects, who is
 * there. */
void table_hash(const struct objects *t, struct object *o);
void table_prefetch(const struct objects *t, const struct object *o, bool objects);

/* The caller holds the lock. way_first and way_next walk the objects whose value
 * may be v (others may come along: compare). */
struct object *table_get(const struct objects *t, uint64_t handle);
struct object *way_first(const struct objects *t, enum object_way w, struct slice v);
struct object *way_next(const struct object *o, enum object_way w);

/* way_value: by what an object is found on this way; empty: it is not on it. */
struct slice way_value(const struct object *o, enum object_way w);

/* object_visible: may this call see the object? */
bool object_visible(const struct calls_ctx *c, const struct object *o);

/* object_handle: the handle that belongs to a unique id. */
uint64_t object_handle(const uint8_t uid[UID_LEN]);

bool same_uid(const struct object *a, const struct object *b);

/* object_enc writes the plain content of an object's record. */
void object_enc(const struct object *o, struct buf *out);
/* object_dec reads it into an object that has its unique id. */
enum hf_err object_dec(struct object *o, uint64_t version, struct slice plain) HF_MUST_CHECK;

/* object_attrs views the attributes in a record's plain content, which has been read. */
struct attrs object_attrs(struct slice plain);
/* object_tags makes the tags of such content under a key of tags_key. */
enum hf_err object_tags(struct slice key, struct slice plain, struct record_tags *ret) HF_MUST_CHECK;

/* object_room: HF_E_LIMIT unless so many more objects, of so many bytes together, have room. */
enum hf_err object_room(struct calls_ctx *c, size_t n, size_t more) HF_MUST_CHECK;
/* objects_restore writes token objects of a backup, all or none, each in the place of what is
 * there in the version expect[i] (0: nothing), and shows them. */
enum hf_err objects_restore(struct calls_ctx *c, struct object **v, const uint64_t *expect, size_t n)
	HF_MUST_CHECK;

/* object_born fills in what an object's attributes decide. */
void object_born(struct object *o);

#endif
