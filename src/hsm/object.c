/* object.c: one object, and the table of a partition's objects as a whole. */
#include "object.h"

#include <string.h>

#include "builtin.h"
#include "object_table.h"
#include "onetime.h"
#include "opening.h"
#include "pkcs11_numbers.h"
#include "rights.h"
#include "tags.h"
#include "usage.h"
#include "utf8.h"

void object_ref(struct object *o)
{
	atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
}

void object_unref(struct object *o)
{
	if (o == NULL || atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1)
		return;
	key_free(atomic_load(&o->key));
	usage_unref(atomic_load(&o->usage));
	attrs_done(&o->attrs);
	onetime_session_unref(o->onetime);
	hf_free(o);
}

void object_release(struct object **o)
{
	object_unref(*o);
	*o = NULL;
}

uint64_t object_handle(const uint8_t uid[UID_LEN])
{
	return get_u64(uid) >> 16;
}

bool same_uid(const struct object *a, const struct object *b)
{
	return slice_eq(SLICE_OF(a->uid), SLICE_OF(b->uid));
}

void object_born(struct object *o)
{
	o->handle = object_handle(o->uid);
	o->cko = (uint32_t)attrs_u64(&o->attrs, CKA_CLASS, ATTRS_AS_GIVEN);
	o->ckk = (uint32_t)attrs_u64(&o->attrs, CKA_KEY_TYPE, ATTRS_AS_GIVEN);
	o->token = attrs_bool(&o->attrs, CKA_TOKEN);
	o->private_ = attrs_bool(&o->attrs, CKA_PRIVATE);
	o->local = attrs_bool(&o->attrs, CKA_LOCAL);
	o->wants_login = attrs_bool(&o->attrs, CKA_ALWAYS_AUTHENTICATE);
	o->lists_mechanisms = attrs_has(&o->attrs, CKA_ALLOWED_MECHANISMS);
	o->strength = strength_of(&o->attrs);
	attrs_shrink(&o->attrs);
}

enum hf_err object_key(struct object *o, const struct key **ret)
{
	struct key *k = atomic_load(&o->key), *was = NULL;
	struct key_source s = attrs_source(&o->attrs);

	if (k == NULL) {
		TRY(key_parse(o->cko, o->ckk, &s, &k));
		/* Two threads may parse at once: the first one's stays. */
		if (!atomic_compare_exchange_strong(&o->key, &was, k)) {
			key_free(k);
			k = was;
		}
	}
	*ret = k;
	return HF_OK;
}

enum hf_err objects_new(struct objects **ret)
{
	struct objects *t = hf_alloc(1, sizeof(*t));

	if (t == NULL)
		return HF_E_MEMORY;
	rwlock_init(&t->lock);
	if (crypto_random((uint8_t *)&t->seed, sizeof(t->seed)) != HF_OK) {
		objects_free(t);
		return HF_E_INTERNAL;
	}
	*ret = t;
	return HF_OK;
}

static bool drop_all(const struct object *o, const void *ctx)
{
	(void)o;
	(void)ctx;
	return true;
}

static bool drop_private(const struct object *o, const void *ctx)
{
	(void)ctx;
	return o->token && o->private_;
}

/* drop_if takes objects out of the table; who holds a reference may go on. */
static void drop_if(struct objects *t, bool (*which)(const struct object *, const void *),
	const void *ctx)
{
	struct map_node *n, *next;

	rwlock_write(&t->lock);
	for (n = map_next(&t->by_handle, NULL); n != NULL; n = next) {
		struct object *o = container_of(n, struct object, by_handle);

		next = map_next(&t->by_handle, n);
		if (which(o, ctx)) {
			table_del(t, o);
			object_unref(o);
		}
	}
	rwlock_unlock(&t->lock);
}

void objects_free(struct objects *t)
{
	if (t == NULL)
		return;
	drop_if(t, drop_all, NULL);
	map_done(&t->by_handle);
	for (int w = 0; w < WAY_COUNT; w++)
		hf_free(t->way[w].slot);
	rwlock_done(&t->lock);
	hf_free(t);
}

void objects_drop_private(struct objects *t)
{
	drop_if(t, drop_private, NULL);
}

void objects_drop_all(struct objects *t)
{
	drop_if(t, drop_all, NULL);
}

void objects_drop_session(struct objects *t, const struct app *app, uint64_t session,
	bool private_only)
{
	struct object *o, *next;

	rwlock_write(&t->lock);
	o = way_first(t, WAY_APP, (struct slice){ (const uint8_t *)&app, sizeof(app) });
	for (; o != NULL; o = next) {
		next = way_next(o, WAY_APP);
		if (o->app != app || (session != 0 && o->session != session) ||
		    (private_only && !o->private_))
			continue;
		table_del(t, o);
		object_unref(o);
	}
	rwlock_unlock(&t->lock);
}

size_t objects_count(const struct objects *t)
{
	struct rwlock *l = &((struct objects *)(uintptr_t)t)->lock;
	size_t n;

	rwlock_read(l);
	n = t->by_handle.n;
	rwlock_unlock(l);
	return n;
}

size_t objects_bytes(const struct objects *t)
{
	struct rwlock *l = &((struct objects *)(uintptr_t)t)->lock;
	size_t n;

	rwlock_read(l);
	n = t->bytes;
	rwlock_unlock(l);
	return n;
}

struct attrs object_attrs(struct slice plain)
{
	const size_t head = 1 + sizeof(((struct object *)NULL)->origin);

	return (struct attrs){ .p = (uint8_t *)(uintptr_t)plain.p + head, .n = plain.n - head };
}

enum hf_err object_tags(struct slice key, struct slice plain, struct record_tags *ret)
{
	const struct attrs a = object_attrs(plain);
	struct record_tags t = { .are = true };

	TRY(tag_of(key, RECORD_TAG_LABEL, attrs_get(&a, CKA_LABEL), &t.v[RECORD_TAG_LABEL]));
	TRY(tag_of(key, RECORD_TAG_ID, attrs_get(&a, CKA_ID), &t.v[RECORD_TAG_ID]));
	*ret = t;
	return HF_OK;
}

bool object_visible(const struct calls_ctx *c, const struct object *o)
{
	if (o->version == 0 && o->app != c->app)
		return false;
	return (!o->private_ || role_is_user(c->role)) &&
		(c->rights.keys[0] == '\0' || rights_key(&c->rights, &o->attrs));
}

bool object_is_here(const struct partition *p, uint64_t handle)
{
	bool here;

	rwlock_read(&p->objects->lock);
	here = table_get(p->objects, handle) != NULL;
	rwlock_unlock(&p->objects->lock);
	return here;
}

bool object_is_there(const struct partition *p, uint64_t handle)
{
	return opening_is(p) || object_is_here(p, handle);
}

static struct object *get_visible(const struct calls_ctx *c, uint64_t handle)
{
	struct objects *t = c->part->objects;
	struct object *o;

	rwlock_read(&t->lock);
	o = table_get(t, handle);
	if (o != NULL && !object_visible(c, o))
		o = NULL;
	if (o != NULL)
		object_ref(o);
	rwlock_unlock(&t->lock);
	return o;
}

enum hf_err object_get(struct calls_ctx *c, uint64_t handle, enum hf_err missing,
	struct object **ret)
{
	struct object *o;

	if (handle >= BUILTIN_HANDLE)
		return builtin_get(c, handle, missing, ret);
	o = get_visible(c, handle);
	if (o == NULL && opening_is(c->part) && role_is_user(c->role)) {
		TRY(opening_fetch(c->hsm, c->part, handle));
		o = get_visible(c, handle);
	}
	if (o == NULL)
		return missing;
	*ret = o;
	return HF_OK;
}

/* Labels are whatever bytes somebody chose; the audit record takes text. */
void object_audit(struct calls_ctx *c, const struct object *o)
{
	c->audit.has_object = o != NULL;
	c->audit.object_label[0] = '\0';
	if (o == NULL)
		return;
	memcpy(c->audit.object, o->uid, UID_LEN);
	audit_label(c, attrs_get(&o->attrs, CKA_LABEL));
}

void audit_label(struct calls_ctx *c, struct slice label)
{
	label_text(label, c->audit.object_label, sizeof(c->audit.object_label));
}

void label_text(struct slice label, char *out, size_t size)
{
	static const char cut[] = "\u2026";
	bool whole = label.n < size;

	if (!utf8_valid(label)) {
		label = SLICE_STR("(not text)");
		whole = true;
	}
	if (!whole) {
		label.n = size - sizeof(cut);
		while (label.n > 0 && (label.p[label.n] & 0xc0) == 0x80)
			label.n--;
	}
	if (label.n != 0)
		memcpy(out, label.p, label.n);
	memcpy(out + label.n, whole ? "" : cut, whole ? 1 : sizeof(cut));
}
