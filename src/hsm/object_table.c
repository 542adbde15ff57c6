/* object_table.c: finding an object by handle, label, id, origin, application. */
#include "object_table.h"

#include <string.h>

#include "pkcs11_numbers.h"

/* FNV-1a with a secret start, and splitmix64's finisher. */
static uint32_t hash(const struct objects *t, struct slice v)
{
	uint64_t h = t->seed ^ 0xcbf29ce484222325u;

	for (size_t i = 0; i < v.n; i++)
		h = (h ^ v.p[i]) * 0x100000001b3u;
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)(h ^ (h >> 32));
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
static enum hf_err way_grow(struct way *y, enum object_way w)
{
	struct way to = { .slots = y->slots != 0 ? y->slots * 2 : 16, .n = y->n };
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

static enum hf_err way_put(struct objects *t, enum object_way w, struct object *o)
{
	struct way *y = &t->way[w];
	struct slice v = way_value(o, w);

	if (v.n == 0)
		return HF_OK;
	if (y->n >= y->slots)
		TRY(way_grow(y, w));
	o->way[w].hash = hash(t, v);
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
