/* object_table.c: finding an object by handle, label, id, origin, application. */
#include "object_table.h"

#include <string.h>

#include "pkcs11_numbers.h"

#define SLOTS_MIN 16u

/* FNV-1a with a secret start, and splitmix64's finisher; 0 is kept for who is not on a way. */
static uint32_t hash(const struct objects *t, struct slice v)
{
	uint64_t h = t->seed ^ 0xcbf29ce484222325u;

	for (size_t i = 0; i < v.n; i++)
		h = (h ^ v.p[i]) * 0x100000001b3u;
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
	h ^= h >> 32;
	return (uint32_t)h != 0 ? (uint32_t)h : 1;
}

struct slice way_value(const struct object *o, enum object_way w)
{
	switch (w) {
	case WAY_LABEL:
		return attrs_get(&o->attrs, CKA_LABEL);
	case WAY_ID:
		return attrs_get(&o->attrs, CKA_ID);
	case WAY_ORIGIN:
		return (struct slice){ o->origin, sizeof(o->origin) };
	case WAY_APP:
		if (o->version != 0)
			return SLICE_NONE;
		return (struct slice){ (const uint8_t *)&o->app, sizeof(o->app) };
	case WAY_COUNT:
		break;
	}
	return SLICE_NONE;
}

static void link_in(struct way *y, struct object *o, enum object_way w)
{
	struct object_link *l = &o->way[w];
	struct object **at = &y->slot[l->hash & (y->slots - 1)];

	l->next = *at;
	l->prev = at;
	if (l->next != NULL)
		l->next->way[w].prev = &l->next;
	*at = o;
}

/* A way that cannot grow gets slower and stays right. */
static enum hf_err way_grow(struct way *y, enum object_way w, size_t slots)
{
	struct way to = { .slots = slots, .n = y->n };
	struct object *next;

	to.slot = hf_alloc(to.slots, sizeof(struct object *));
	if (to.slot == NULL)
		return y->slots != 0 ? HF_OK : HF_E_MEMORY;
	for (size_t i = 0; i < y->slots; i++)
		for (struct object *o = y->slot[i]; o != NULL; o = next) {
			next = o->way[w].next;
			link_in(&to, o, w);
		}
	hf_free(y->slot);
	*y = to;
	return HF_OK;
}

static void way_hash(const struct objects *t, enum object_way w, struct object *o)
{
	struct slice v = way_value(o, w);

	o->way[w].hash = v.n != 0 ? hash(t, v) : 0;
}

static enum hf_err way_put(struct objects *t, enum object_way w, struct object *o)
{
	struct way *y = &t->way[w];

	if (o->way[w].hash == 0) /* not of table_hash */
		way_hash(t, w, o);
	if (o->way[w].hash == 0)
		return HF_OK;
	if (y->n >= y->slots)
		TRY(way_grow(y, w, y->slots != 0 ? y->slots * 2 : SLOTS_MIN));
	link_in(y, o, w);
	y->n++;
	return HF_OK;
}

static void way_del(struct objects *t, enum object_way w, struct object *o)
{
	struct object_link *l = &o->way[w];

	if (l->prev == NULL)
		return;
	*l->prev = l->next;
	if (l->next != NULL)
		l->next->way[w].prev = l->prev;
	*l = (struct object_link){ 0 };
	t->way[w].n--;
}

void table_del(struct objects *t, struct object *o)
{
	for (int w = 0; w < WAY_COUNT; w++)
		way_del(t, (enum object_way)w, o);
	map_del(&t->by_handle, o->handle);
	t->bytes -= o->attrs.n;
}

enum hf_err table_put(struct objects *t, struct object *o)
{
	enum hf_err e = HF_OK;

	TRY(map_put(&t->by_handle, o->handle, &o->by_handle));
	t->bytes += o->attrs.n;
	for (int w = 0; w < WAY_COUNT && e == HF_OK; w++)
		e = way_put(t, (enum object_way)w, o);
	if (e != HF_OK)
		table_del(t, o);
	return e;
}

void table_hash(const struct objects *t, struct object *o)
{
	for (int w = 0; w < WAY_COUNT; w++)
		way_hash(t, (enum object_way)w, o);
}

static void prefetch_way(const struct way *y, enum object_way w, uint32_t h, bool objects)
{
	struct object *const *at;

	if (h == 0 || y->slots == 0)
		return;
	at = &y->slot[h & (y->slots - 1)];
	if (!objects)
		__builtin_prefetch(at, 1);
	else if (*at != NULL)
		__builtin_prefetch(&(*at)->way[w], 1);
}

void table_prefetch(const struct objects *t, const struct object *o, bool objects)
{
	map_prefetch(&t->by_handle, o->handle, objects);
	for (int w = 0; w < WAY_COUNT; w++)
		prefetch_way(&t->way[w], (enum object_way)w, o->way[w].hash, objects);
}

void objects_expect(struct objects *t, size_t n)
{
	static const enum object_way ways[] = { WAY_LABEL, WAY_ID, WAY_ORIGIN };
	size_t slots = SLOTS_MIN;
	bool more;

	while (slots < n)
		slots *= 2;
	rwlock_write(&t->lock);
	more = map_reserve(&t->by_handle, n) == HF_OK;
	for (size_t i = 0; more && i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct way *y = &t->way[ways[i]];

		more = slots <= y->slots || way_grow(y, ways[i], slots) == HF_OK;
	}
	rwlock_unlock(&t->lock);
}

struct object *table_get(const struct objects *t, uint64_t handle)
{
	struct map_node *n = map_get(&t->by_handle, handle);

	return n == NULL ? NULL : container_of(n, struct object, by_handle);
}

static struct object *same_hash(struct object *o, enum object_way w, uint32_t h)
{
	while (o != NULL && o->way[w].hash != h)
		o = o->way[w].next;
	return o;
}

struct object *way_first(const struct objects *t, enum object_way w, struct slice v)
{
	const struct way *y = &t->way[w];
	uint32_t h = hash(t, v);

	return y->slots == 0 ? NULL : same_hash(y->slot[h & (y->slots - 1)], w, h);
}

struct object *way_next(const struct object *o, enum object_way w)
{
	return same_hash(o->way[w].next, w, o->way[w].hash);
}
