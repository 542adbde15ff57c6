/* object_find.c: C_FindObjects, page by page, ascending by handle. */
#include <string.h>

#include "builtin.h"
#include "object.h"
#include "object_table.h"
#include "opening.h"
#include "pkcs11_numbers.h"

#define PAGE_MAX WIRE_MAX_LIST

/* struct page keeps the smallest handles after a cursor: a heap whose top is the
 * largest of them. */
struct page {
	uint64_t *v;
	size_t n, max;
	bool more; /* others match, too */
};

static void sift_down(uint64_t *v, size_t n, size_t i)
{
	for (;;) {
		size_t big = i, l = 2 * i + 1, r = l + 1;
		uint64_t t = v[i];

		if (l < n && v[l] > v[big])
			big = l;
		if (r < n && v[r] > v[big])
			big = r;
		if (big == i)
			return;
		v[i] = v[big];
		v[big] = t;
		i = big;
	}
}

static void sift_up(uint64_t *v, size_t i)
{
	while (i > 0 && v[i] > v[(i - 1) / 2]) {
		uint64_t t = v[i];

		v[i] = v[(i - 1) / 2];
		v[(i - 1) / 2] = t;
		i = (i - 1) / 2;
	}
}

static void page_add(struct page *p, uint64_t handle)
{
	if (p->n < p->max) {
		p->v[p->n] = handle;
		sift_up(p->v, p->n++);
		return;
	}
	p->more = true;
	if (handle < p->v[0]) {
		p->v[0] = handle;
		sift_down(p->v, p->n, 0);
	}
}

static void page_sort(struct page *p)
{
	for (size_t n = p->n; n > 1; n--) {
		uint64_t top = p->v[0];

		p->v[0] = p->v[n - 1];
		p->v[n - 1] = top;
		sift_down(p->v, n - 1, 0);
	}
}

/* struct query is what somebody looks for. */
struct query {
	struct calls_ctx *c;
	struct attr_list tmpl;
	uint64_t after;
	struct page page;
};

static void consider(struct query *q, const struct object *o)
{
	if (o->handle > q->after && object_visible(q->c, o) && attrs_match(&o->attrs, q->tmpl))
		page_add(&q->page, o->handle);
}

static struct slice wanted(struct attr_list t, uint32_t type)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.v[i].type == type)
			return t.v[i].value;
	return SLICE_NONE;
}

static void by_way(struct query *q, const struct objects *t, enum object_way w, struct slice v)
{
	for (struct object *o = way_first(t, w, v); o != NULL; o = way_next(o, w))
		consider(q, o);
}

/* handle_of a unique id; 0: it is none. */
static uint64_t handle_of(struct slice v)
{
	char hex[2 * UID_LEN + 1] = { 0 };
	uint8_t uid[UID_LEN];
	size_t n;

	if (v.n != sizeof(hex) - 1)
		return 0;
	memcpy(hex, v.p, v.n);
	return hex_decode(hex, uid, sizeof(uid), &n) && n == sizeof(uid) ? object_handle(uid) : 0;
}

static void by_unique_id(struct query *q, const struct objects *t, struct slice v)
{
	struct object *o = table_get(t, handle_of(v));

	if (o != NULL)
		consider(q, o);
}

static void by_all(struct query *q, const struct objects *t)
{
	for (struct map_node *n = map_next(&t->by_handle, NULL); n != NULL;
	     n = map_next(&t->by_handle, n))
		consider(q, container_of(n, struct object, by_handle));
}

/* look takes the narrowest way that the template offers. */
static void look(struct query *q, const struct objects *t)
{
	struct slice uid = wanted(q->tmpl, CKA_UNIQUE_ID), id = wanted(q->tmpl, CKA_ID),
		label = wanted(q->tmpl, CKA_LABEL);

	if (uid.n != 0)
		by_unique_id(q, t, uid);
	else if (id.n != 0)
		by_way(q, t, WAY_ID, id);
	else if (label.n != 0)
		by_way(q, t, WAY_LABEL, label);
	else
		by_all(q, t);
}

/* be_there: what may match is in memory. Session objects are always. */
static enum hf_err be_there(struct calls_ctx *c, struct attr_list tmpl)
{
	struct slice uid = wanted(tmpl, CKA_UNIQUE_ID), id = wanted(tmpl, CKA_ID),
		label = wanted(tmpl, CKA_LABEL), token = wanted(tmpl, CKA_TOKEN),
		private = wanted(tmpl, CKA_PRIVATE);

	if (!role_is_user(c->role) || (token.n == 1 && *token.p == 0) || (private.n == 1 && *private.p == 0))
		return HF_OK;
	if (uid.n != 0)
		return opening_fetch(c->hsm, c->part, handle_of(uid));
	if (id.n != 0)
		return opening_find(c->hsm, c->part, RECORD_TAG_ID, id);
	return label.n != 0 ? opening_find(c->hsm, c->part, RECORD_TAG_LABEL, label) : opening_wait(c->part);
}

enum hf_err objects_find(struct calls_ctx *c, struct attr_list tmpl, uint64_t after, uint32_t max,
	struct u64_list *ret, uint64_t *ret_cursor)
{
	struct objects *t = c->part->objects;
	struct query q = { .c = c, .tmpl = tmpl, .after = after };
	size_t count;

	if (max == 0)
		return HF_E_ARGUMENTS;
	if (builtin_wanted(tmpl))
		return builtin_find(c, tmpl, after, max, ret, ret_cursor);
	TRY(be_there(c, tmpl));
	count = objects_count(t);
	q.page.max = max < PAGE_MAX ? max : PAGE_MAX;
	if (q.page.max > count)
		q.page.max = count + 1; /* what comes meanwhile may wait a page */
	q.page.v = arena_alloc(c->arena, q.page.max, sizeof(*q.page.v));
	if (q.page.v == NULL)
		return HF_E_SECRET_MEMORY;
	rwlock_read(&t->lock);
	look(&q, t);
	rwlock_unlock(&t->lock);
	page_sort(&q.page);
	*ret = (struct u64_list){ q.page.v, q.page.n };
	*ret_cursor = q.page.more ? q.page.v[q.page.n - 1] : 0;
	return HF_OK;
}
