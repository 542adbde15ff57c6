#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "wire.h"

#define GROUP_MAX 256            /* requests answered together */
#define FETCH_MAX (4u << 20)     /* bytes of audit records in one answer */

/* --- handlers ------------------------------------------------------------ */

static bool keep_found(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	struct keeper_ctx *k = ((void **)ctx)[0];
	struct record *r = ((void **)ctx)[1];

	r->version = version;
	return arena_dup(k->arena, name, &r->name) == HF_OK &&
	       arena_dup(k->arena, value, &r->value) == HF_OK;
}

enum hf_err on_store_get(struct keeper_ctx *k, const struct store_get_req *q,
	struct store_get_res *r)
{
	struct record *found = arena_alloc(k->arena, 1, sizeof(*found));
	void *ctx[] = { k, found };

	if (found == NULL)
		return HF_E_MEMORY;
	TRY(store_get(k->store, q->name, keep_found, ctx));
	r->found = (struct record_list){ found, found->version != 0 };
	return HF_OK;
}

struct page {
	struct keeper_ctx *k;
	struct record *v;
	size_t n, cap, bytes, max;
	bool more;
	enum hf_err err;
};

static bool add_to_page(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	struct page *p = ctx;

	if (p->n > 0 && (p->bytes + value.n > p->max || p->n == WIRE_MAX_LIST)) {
		p->more = true;
		return false;
	}
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 64;
		struct record *v = arena_alloc(p->k->arena, cap, sizeof(*v));

		if (v == NULL) {
			p->err = HF_E_MEMORY;
			return false;
		}
		if (p->n > 0)
			memcpy(v, p->v, p->n * sizeof(*v));
		p->v = v;
		p->cap = cap;
	}
	p->v[p->n] = (struct record){ .version = version };
	if (arena_dup(p->k->arena, name, &p->v[p->n].name) != HF_OK ||
	    arena_dup(p->k->arena, value, &p->v[p->n].value) != HF_OK) {
		p->err = HF_E_MEMORY;
		return false;
	}
	p->n++;
	p->bytes += name.n + value.n;
	return true;
}

enum hf_err on_store_scan(struct keeper_ctx *k, const struct store_scan_req *q,
	struct store_scan_res *r)
{
	struct page p = { .k = k, .max = q->max_bytes };

	TRY(k->store->ops->scan(k->store, q->prefix, q->after, add_to_page, &p));
	TRY(p.err);
	r->records = (struct record_list){ p.v, p.n };
	r->more = p.more;
	return HF_OK;
}

static enum hf_err to_batch(struct arena *a, const struct store_commit_req *q,
	struct store_batch *ret)
{
	struct store_change *v = arena_alloc(a, q->changes.n + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_MEMORY;
	for (size_t i = 0; i < q->changes.n; i++)
		v[i] = (struct store_change){ q->changes.v[i].name, q->changes.v[i].expect,
			q->changes.v[i].version, q->changes.v[i].value };
	*ret = (struct store_batch){ v, q->changes.n };
	return HF_OK;
}

/* One commit by itself; keeper_loop groups them instead. */
enum hf_err on_store_commit(struct keeper_ctx *k, const struct store_commit_req *q,
	struct store_commit_res *r)
{
	struct store_batch b;
	enum hf_err e;

	(void)r;
	TRY(to_batch(k->arena, q, &b));
	k->store->ops->commit(k->store, &b, 1, &e);
	TRY(e);
	return q->anchor.n > 0 ? anchor_put(k->anchor, q->anchor) : HF_OK;
}

enum hf_err on_anchor_get(struct keeper_ctx *k, const struct anchor_get_req *q,
	struct anchor_get_res *r)
{
	(void)q;
	r->anchor = anchor_get(k->anchor);
	return HF_OK;
}

/* sync is left to keeper_sync, so that a group shares it. */
enum hf_err on_audit_append(struct keeper_ctx *k, const struct audit_append_req *q,
	struct audit_append_res *r)
{
	(void)r;
	for (size_t i = 0; i < q->records.n; i++)
		TRY(auditlog_append(k->audit, q->first + i, q->records.v[i].record));
	k->sync_wanted |= q->sync;
	return HF_OK;
}

struct fetch {
	struct keeper_ctx *k;
	struct entry *v;
	size_t n, max, bytes;
};

static bool add_to_fetch(void *ctx, uint64_t seq, struct slice record)
{
	struct fetch *f = ctx;

	(void)seq;
	if (f->n == f->max || (f->n > 0 && f->bytes + record.n > FETCH_MAX) ||
	    arena_dup(f->k->arena, record, &f->v[f->n].record) != HF_OK)
		return false;
	f->n++;
	f->bytes += record.n;
	return true;
}

static enum hf_err fetch(struct keeper_ctx *k, uint64_t from, uint32_t max, struct entry_list *ret)
{
	struct fetch f = { .k = k, .max = max < 4096 ? max : 4096 };

	f.v = arena_alloc(k->arena, f.max + 1, sizeof(*f.v));
	if (f.v == NULL)
		return HF_E_MEMORY;
	TRY(auditlog_read(k->audit, from, add_to_fetch, &f));
	*ret = (struct entry_list){ f.v, f.n };
	return HF_OK;
}

enum hf_err on_audit_fetch(struct keeper_ctx *k, const struct audit_fetch_req *q,
	struct audit_fetch_res *r)
{
	return fetch(k, q->from, q->max, &r->records);
}

enum hf_err on_audit_tail(struct keeper_ctx *k, const struct audit_tail_req *q,
	struct audit_tail_res *r)
{
	(void)q;
	if (auditlog_last(k->audit) == 0)
		return HF_OK;
	return fetch(k, auditlog_last(k->audit), 1, &r->last);
}

/* --- the loop ------------------------------------------------------------ */

/* struct asked is one request of a group; its answer waits until the group is
 * durable. */
struct asked {
	struct wire_head head;
	struct buf in, out;
	struct arena arena;
	enum hf_err err;
	struct slice anchor; /* of a commit */
	size_t batch;        /* of a commit: its place among the batches */
	bool is_commit, is_append;
};

struct group {
	struct asked v[GROUP_MAX];
	struct store_batch batches[GROUP_MAX];
	enum hf_err results[GROUP_MAX];
	size_t n, batch_count;
};

static bool another(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

static void prepare_commit(struct group *g, struct asked *a)
{
	struct store_commit_req q;
	struct rd r = rd_of(buf_slice(&a->in));

	if (!store_commit_req_dec(&r, &a->arena, &q) || !rd_done(&r))
		a->err = HF_E_MALFORMED;
	else
		a->err = to_batch(&a->arena, &q, &g->batches[g->batch_count]);
	if (a->err != HF_OK)
		return;
	a->is_commit = true;
	a->anchor = q.anchor;
	a->batch = g->batch_count++;
}

static void take(struct keeper_ctx *k, struct group *g, struct asked *a)
{
	if (a->head.opcode == KEEPER_STORE_COMMIT) {
		prepare_commit(g, a);
		return;
	}
	a->is_append = a->head.opcode == KEEPER_AUDIT_APPEND;
	k->arena = &a->arena;
	a->err = keeper_run(a->head.opcode, k, rd_of(buf_slice(&a->in)), &a->arena, &a->out);
}

/* settle makes the group durable and fills in what came of it. */
static void settle(struct keeper_ctx *k, struct group *g)
{
	struct slice anchor = SLICE_NONE;
	enum hf_err anchored = HF_OK, synced = HF_OK;

	if (g->batch_count > 0)
		k->store->ops->commit(k->store, g->batches, g->batch_count, g->results);
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].is_commit) {
			g->v[i].err = g->results[g->v[i].batch];
			if (g->v[i].err == HF_OK && g->v[i].anchor.n > 0)
				anchor = g->v[i].anchor;
		}
	if (anchor.n > 0)
		anchored = anchor_put(k->anchor, anchor);
	if (k->sync_wanted)
		synced = auditlog_sync(k->audit);
	k->sync_wanted = false;
	for (size_t i = 0; i < g->n; i++) {
		struct asked *a = &g->v[i];

		if (a->is_commit && a->err == HF_OK && a->anchor.n > 0)
			a->err = anchored;
		if (a->is_append && a->err == HF_OK)
			a->err = synced;
	}
}

static enum hf_err answer(int fd, struct group *g)
{
	enum hf_err e = HF_OK;

	for (size_t i = 0; i < g->n; i++) {
		struct asked *a = &g->v[i];
		struct wire_head head = a->head;

		head.flags = (uint16_t)a->err;
		head.session = 0;
		if (a->err != HF_OK)
			buf_reset(&a->out);
		if (e == HF_OK)
			e = wire_send(fd, &head, buf_slice(&a->out));
		buf_reset(&a->in);
		buf_reset(&a->out);
		arena_reset(&a->arena);
	}
	return e;
}

enum hf_err keeper_loop(struct keeper_ctx *k, int fd)
{
	struct group *g = hf_alloc(1, sizeof(*g));
	enum hf_err e = g != NULL ? HF_OK : HF_E_MEMORY;

	while (e == HF_OK) {
		g->n = g->batch_count = 0;
		do {
			struct asked *a = &g->v[g->n];
			struct buf in = a->in, out = a->out;
			struct arena arena = a->arena;

			*a = (struct asked){ .in = in, .out = out, .arena = arena };
			a->in.max = a->out.max = WIRE_MAX_BYTES;
			e = wire_recv(fd, WIRE_MAX_BYTES, &a->head, &a->in);
			if (e != HF_OK)
				break;
			take(k, g, a);
			g->n++;
		} while (g->n < GROUP_MAX && another(fd));
		settle(k, g);
		if (g->n > 0 && answer(fd, g) != HF_OK)
			e = HF_E_CONNECTION;
	}
	for (size_t i = 0; g != NULL && i < GROUP_MAX; i++) {
		buf_done(&g->v[i].in);
		buf_done(&g->v[i].out);
		arena_done(&g->v[i].arena);
	}
	hf_free(g);
	return e;
}

enum hf_err keeper_open(int dirfd, size_t audit_segment_bytes, struct keeper_ctx *ret)
{
	*ret = (struct keeper_ctx){ 0 };
	TRY(store_sqlite(dirfd, "store.db", &ret->store));
	TRY(anchor_open(dirfd, "anchor", &ret->anchor));
	return auditlog_open(dirfd, "audit", audit_segment_bytes, &ret->audit);
}

void keeper_close(struct keeper_ctx *k)
{
	if (k->store != NULL)
		k->store->ops->close(k->store);
	anchor_close(k->anchor);
	auditlog_close(k->audit);
}
