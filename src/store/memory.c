/* memory.c: a sorted array of records that forgets; for tests. */
#include <string.h>

#include "map.h"
#include "secret.h"
#include "store.h"

struct record {
	uint8_t *name, *value;
	size_t name_n, value_n;
	uint64_t version;
};

struct memory {
	struct store base;
	struct record *v;
	size_t n, cap;
	struct memory *frozen; /* a copy, or NULL */
};

static struct memory *memory_of(struct store *s)
{
	return container_of(s, struct memory, base);
}

static struct slice name_of(const struct record *r)
{
	return (struct slice){ r->name, r->name_n };
}

/* position: the first record whose name does not sort before name. */
static size_t position(const struct memory *m, struct slice name)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (slice_cmp(name_of(&m->v[mid]), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static uint64_t version_of(const struct memory *m, struct slice name)
{
	size_t at = position(m, name);

	return at < m->n && slice_eq(name_of(&m->v[at]), name) ? m->v[at].version : 0;
}

static enum hf_err memory_scan(struct store *s, struct slice prefix, struct slice after,
	store_visit visit, void *ctx)
{
	struct memory *m = memory_of(s);
	size_t at = position(m, slice_cmp(after, prefix) > 0 ? after : prefix);

	for (; at < m->n; at++) {
		struct record *r = &m->v[at];

		if (r->name_n < prefix.n ||
		    !slice_eq((struct slice){ r->name, prefix.n }, prefix))
			break;
		if (after.n != 0 && slice_cmp(name_of(r), after) <= 0)
			continue;
		if (!visit(ctx, name_of(r), r->version, (struct slice){ r->value, r->value_n }))
			break;
	}
	return HF_OK;
}

static void record_done(struct record *r)
{
	hf_free(r->name);
	hf_free(r->value);
}

static uint8_t *copy(struct slice s)
{
	uint8_t *p = hf_alloc(s.n + 1, 1);

	if (p != NULL && s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

static enum hf_err make_room(struct memory *m, size_t more)
{
	struct record *v;
	size_t cap = m->cap ? m->cap : 64;

	while (cap - m->n < more)
		cap *= 2;
	if (cap == m->cap)
		return HF_OK;
	v = hf_realloc(m->v, cap, sizeof(*v));
	if (v == NULL)
		return HF_E_MEMORY;
	m->v = v;
	m->cap = cap;
	return HF_OK;
}

/* apply puts r, made by prepare, where c says; there is room. */
static void apply(struct memory *m, const struct store_change *c, struct record r)
{
	size_t at = position(m, c->name);
	bool there = at < m->n && slice_eq(name_of(&m->v[at]), c->name);

	if (there)
		record_done(&m->v[at]);
	if (c->version == 0 && there) {
		memmove(&m->v[at], &m->v[at + 1], (m->n - at - 1) * sizeof(*m->v));
		m->n--;
	} else if (c->version != 0) {
		if (!there) {
			memmove(&m->v[at + 1], &m->v[at], (m->n - at) * sizeof(*m->v));
			m->n++;
		}
		m->v[at] = r;
	}
}

static enum hf_err prepare(const struct store_change *c, struct record *ret)
{
	*ret = (struct record){ NULL, NULL, c->name.n, c->value.n, c->version };
	if (c->version == 0)
		return HF_OK;
	ret->name = copy(c->name);
	ret->value = copy(c->value);
	return ret->name != NULL && ret->value != NULL ? HF_OK : HF_E_MEMORY;
}

/* All that can fail comes before the first change. */
static enum hf_err commit_one(struct memory *m, const struct store_batch *b)
{
	struct record *made = hf_alloc(b->n + 1, sizeof(*made));
	enum hf_err e = made == NULL ? HF_E_STORE : make_room(m, b->n);

	for (size_t i = 0; i < b->n && e == HF_OK; i++)
		if (version_of(m, b->v[i].name) != b->v[i].expect)
			e = HF_E_CONFLICT;
	for (size_t i = 0; i < b->n && e == HF_OK; i++)
		e = prepare(&b->v[i], &made[i]);
	for (size_t i = 0; i < b->n && made != NULL; i++) {
		if (e == HF_OK)
			apply(m, &b->v[i], made[i]);
		else
			record_done(&made[i]);
	}
	hf_free(made);
	return e == HF_OK || e == HF_E_CONFLICT ? e : HF_E_STORE;
}

static void memory_commit(struct store *s, const struct store_batch *batches, size_t n,
	enum hf_err *ret)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = commit_one(memory_of(s), &batches[i]);
}

static enum hf_err copy_all(const struct memory *m, struct memory *ret)
{
	ret->v = hf_alloc(m->n + 1, sizeof(*ret->v));
	if (ret->v == NULL)
		return HF_E_MEMORY;
	for (; ret->n < m->n; ret->n++) {
		const struct record *r = &m->v[ret->n];
		const struct store_change c = { .name = name_of(r), .version = r->version,
			.value = { r->value, r->value_n } };
		enum hf_err e = prepare(&c, &ret->v[ret->n]);

		if (e != HF_OK) {
			record_done(&ret->v[ret->n]);
			return e;
		}
	}
	return HF_OK;
}

static void memory_free(struct memory *m)
{
	for (size_t i = 0; m != NULL && i < m->n; i++)
		record_done(&m->v[i]);
	if (m != NULL)
		hf_free(m->v);
	hf_free(m);
}

static enum hf_err memory_freeze(struct store *s, bool on)
{
	struct memory *m = memory_of(s);
	enum hf_err e = HF_OK;

	memory_free(m->frozen);
	m->frozen = on ? hf_alloc(1, sizeof(*m->frozen)) : NULL;
	if (on)
		e = m->frozen == NULL ? HF_E_MEMORY : copy_all(m, m->frozen);
	return e;
}

static enum hf_err memory_scan_frozen(struct store *s, struct slice prefix, struct slice after,
	store_visit visit, void *ctx)
{
	struct memory *m = memory_of(s);

	return m->frozen == NULL ? HF_E_OP_LOST :
		memory_scan(&m->frozen->base, prefix, after, visit, ctx);
}

static enum hf_err memory_purge(struct store *s)
{
	(void)s;
	return HF_OK;
}

static void memory_close(struct store *s)
{
	struct memory *m = memory_of(s);

	memory_free(m->frozen);
	memory_free(m);
}

enum hf_err store_memory(struct store **ret)
{
	static const struct store_ops ops = { memory_scan, memory_commit, memory_freeze,
		memory_scan_frozen, memory_purge, memory_close };
	struct memory *m = hf_alloc(1, sizeof(*m));

	if (m == NULL)
		return HF_E_MEMORY;
	m->base.ops = &ops;
	*ret = &m->base;
	return HF_OK;
}
