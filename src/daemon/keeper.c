#include "keeper.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "auditkeep.h"
#include "auditsync.h"
#include "clock.h"
#include "log.h"
#include "reserve.h"
#include "wire.h"

#define GROUP_MAX 256u           /* requests answered together */
#define GROUP_BYTES (16u << 20)  /* of requests and answers; then the group is closed */
#define KEPT_BYTES (64u << 10)   /* of a request's or an answer's room, for the next one */
#define SCAN_MAX (16u << 20)     /* bytes of records in one answer */
#define FETCH_MAX (4u << 20)     /* bytes of audit records in one answer */
#define FETCH_RECORDS 4096u
#define ALONE 8u                /* groups of one request, and the next one most likely is one, too */

/* --- handlers ------------------------------------------------------------ */

static enum hf_err copy_record(struct arena *a, struct slice name, uint64_t version,
	struct slice value, struct record *ret)
{
	ret->version = version;
	TRY(arena_dup(a, name, &ret->name));
	return arena_dup(a, value, &ret->value);
}

struct found {
	struct arena *arena;
	struct record *record;
	bool any;
	enum hf_err err;
};

static bool keep_found(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	struct found *f = ctx;

	f->any = true;
	f->err = copy_record(f->arena, name, version, value, f->record);
	return false;
}

enum hf_err on_store_get(struct keeper_ctx *k, const struct store_get_req *q,
	struct store_get_res *r)
{
	struct found f = { .arena = k->arena, .record = arena_alloc(k->arena, 1, sizeof(*f.record)) };

	if (f.record == NULL)
		return HF_E_MEMORY;
	TRY(store_get(k->store, q->name, keep_found, &f));
	TRY(f.err);
	r->found = (struct record_list){ f.record, f.any };
	return HF_OK;
}

struct page {
	struct arena *arena;
	struct record *v;
	size_t n, cap, bytes, max;
	bool more;
	enum hf_err err;
};

static enum hf_err page_room(struct page *p)
{
	size_t cap = p->cap ? 2 * p->cap : 64;
	struct record *v;

	if (p->n < p->cap)
		return HF_OK;
	v = arena_alloc(p->arena, cap, sizeof(*v));
	if (v == NULL)
		return HF_E_MEMORY;
	if (p->n > 0)
		memcpy(v, p->v, p->n * sizeof(*v));
	p->v = v;
	p->cap = cap;
	return HF_OK;
}

static bool add_to_page(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	struct page *p = ctx;

	if (p->n > 0 && (p->bytes + name.n + value.n > p->max || p->n == WIRE_MAX_LIST)) {
		p->more = true;
		return false;
	}
	p->err = page_room(p);
	if (p->err == HF_OK)
		p->err = copy_record(p->arena, name, version, value, &p->v[p->n]);
	p->n++;
	p->bytes += name.n + value.n;
	return p->err == HF_OK;
}

enum hf_err on_store_scan(struct keeper_ctx *k, const struct store_scan_req *q,
	struct store_scan_res *r)
{
	struct page p = { .arena = k->arena, .max = q->max_bytes < SCAN_MAX ? q->max_bytes : SCAN_MAX };

	TRY(k->store->ops->scan(k->store, q->prefix, q->after, add_to_page, &p));
	TRY(p.err);
	r->records = (struct record_list){ p.v, p.n };
	r->more = p.more;
	return HF_OK;
}

enum hf_err on_store_freeze(struct keeper_ctx *k, const struct store_freeze_req *q,
	struct store_freeze_res *r)
{
	k->frozen = 0;
	TRY(k->store->ops->freeze(k->store, q->on));
	r->id = k->frozen = q->on ? clock_mono_ns() : 0;
	return HF_OK;
}

enum hf_err on_store_scan_frozen(struct keeper_ctx *k, const struct store_scan_frozen_req *q,
	struct store_scan_frozen_res *r)
{
	struct page p = { .arena = k->arena, .max = q->max_bytes < SCAN_MAX ? q->max_bytes : SCAN_MAX };

	if (q->id == 0 || q->id != k->frozen)
		return HF_E_OP_LOST;
	TRY(k->store->ops->scan_frozen(k->store, q->prefix, q->after, add_to_page, &p));
	TRY(p.err);
	r->records = (struct record_list){ p.v, p.n };
	r->more = p.more;
	return HF_OK;
}

enum hf_err on_store_purge(struct keeper_ctx *k, const struct store_purge_req *q,
	struct store_purge_res *r)
{
	(void)q;
	(void)r;
	return k->store->ops->purge(k->store);
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
	if (anchorsync_wait(k->anchoring) != HF_OK)
		log_warn("the anchor is older than the store");
	r->anchor = anchor_get(k->anchor);
	return HF_OK;
}

/* sync is left to auditsync. */
enum hf_err on_audit_append(struct keeper_ctx *k, const struct audit_append_req *q,
	struct audit_append_res *r)
{
	struct slice *v = arena_alloc(k->arena, q->records.n + 1, sizeof(*v));
	enum hf_err e;
	MUTEX_HOLD(auditlog_lock(k->audit));

	r->archive_failing = auditkeep_failing();
	if (v == NULL)
		return HF_E_MEMORY;
	for (size_t i = 0; i < q->records.n; i++)
		v[i] = q->records.v[i].record;
	TRY(auditlog_mend(k->audit, &r->mended));
	if (q->jump)
		TRY(auditlog_skip(k->audit, q->first));
	e = auditlog_append(k->audit, q->first, v, q->records.n);
	if (e == HF_E_STORE && q->last && reserve_release(k->dir))
		e = auditlog_append(k->audit, q->first, v, q->records.n);
	k->sync_wanted |= e == HF_OK && q->sync;
	return e;
}

/* hold tells of a change, not each time. */
static void hold(struct keeper_ctx *k)
{
	bool held = reserve_hold(k->dir), tight = !held || reserve_needed(k->dir);

	if (tight && !k->tight)
		log_warn("the disk is all but full: soon no audit record can be kept%s",
			held ? "" : ", and no room is held back for the last ones");
	if (!tight && k->tight)
		log_notice("the disk has room for audit records again");
	k->tight = tight;
}

enum hf_err on_audit_room(struct keeper_ctx *k, const struct audit_room_req *q, struct audit_room_res *r)
{
	(void)q;
	hold(k);
	r->tight = k->tight;
	return HF_OK;
}

struct fetch {
	struct arena *arena;
	struct entry *v;
	size_t n, max, bytes;
	enum hf_err err;
};

static bool add_to_fetch(void *ctx, uint64_t seq, struct slice record)
{
	struct fetch *f = ctx;

	(void)seq;
	if (f->n == f->max || (f->n > 0 && f->bytes + record.n > FETCH_MAX))
		return false;
	f->err = arena_dup(f->arena, record, &f->v[f->n].record);
	f->n++;
	f->bytes += record.n;
	return f->err == HF_OK;
}

static enum hf_err fetch(struct keeper_ctx *k, uint64_t from, uint32_t max, struct entry_list *ret)
{
	struct fetch f = { .arena = k->arena, .max = max < FETCH_RECORDS ? max : FETCH_RECORDS };

	f.v = arena_alloc(k->arena, f.max + 1, sizeof(*f.v));
	if (f.v == NULL)
		return HF_E_MEMORY;
	MUTEX_HOLD(auditlog_lock(k->audit));
	TRY(auditlog_read(k->audit, from, add_to_fetch, &f));
	TRY(f.err);
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
	r->seq = auditlog_last(k->audit);
	return r->seq == 0 ? HF_OK : fetch(k, r->seq, 1, &r->last);
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
	bool is_commit, early, last;
	bool answered;       /* or auditsync does it */
};

struct group {
	struct asked v[GROUP_MAX];
	struct store_batch batches[GROUP_MAX];
	enum hf_err results[GROUP_MAX];
	size_t n, batch_count, bytes;
	unsigned alone;      /* so many groups, one after the other, were one request each */
	struct mutex send;   /* answers go out whole */
	struct auditsync *sync;
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
	a->early = q.early;
	a->last = q.last;
	a->anchor = q.anchor;
	a->batch = g->batch_count++;
}

static void take(struct keeper_ctx *k, struct group *g, struct asked *a)
{
	if (a->head.opcode == KEEPER_STORE_COMMIT) {
		prepare_commit(g, a);
	} else {
		k->arena = &a->arena;
		a->err = keeper_run(a->head.opcode, k, rd_of(buf_slice(&a->in)), &a->arena, &a->out);
		if (a->err == HF_OK && k->sync_wanted)
			a->err = auditsync_put(g->sync, &a->head, buf_slice(&a->out));
		a->answered = a->err == HF_OK && k->sync_wanted;
		k->sync_wanted = false;
	}
	if (a->err == HF_E_MALFORMED || a->err == HF_E_UNSUPPORTED)
		log_error("the vault asked for what is no call of the keeper: opcode %u, %zu bytes",
			a->head.opcode, a->in.n);
}

static bool last_was_refused(const struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].is_commit && g->v[i].last && g->results[g->v[i].batch] == HF_E_STORE)
			return true;
	return false;
}

/* commit: the store is never more than one change ahead of its anchor. */
static void commit(const struct keeper_ctx *k, struct group *g)
{
	enum hf_err e = anchorsync_mend(k->anchoring);

	if (e == HF_OK)
		k->store->ops->commit(k->store, g->batches, g->batch_count, g->results);
	if (e == HF_OK && last_was_refused(g) && reserve_release(k->dir))
		k->store->ops->commit(k->store, g->batches, g->batch_count, g->results);
	for (size_t i = 0; e != HF_OK && i < g->batch_count; i++)
		g->results[i] = e;
}

/* put_anchor: of several in a group the last one holds. */
static enum hf_err put_anchor(const struct keeper_ctx *k, const struct group *g)
{
	struct slice anchor = SLICE_NONE;
	bool early = true;

	for (size_t i = 0; i < g->n; i++) {
		const struct asked *a = &g->v[i];

		if (!a->is_commit || a->err != HF_OK || a->anchor.n == 0)
			continue;
		anchor = a->anchor;
		early = early && a->early;
	}
	if (anchor.n == 0)
		return HF_OK;
	return early ? anchorsync_put(k->anchoring, anchor) : anchor_put(k->anchor, anchor);
}

/* settle makes the group durable and fills in what came of it. */
static void settle(struct keeper_ctx *k, struct group *g)
{
	enum hf_err anchored;

	g->alone = g->n == 1 ? g->alone + 1 : 0;
	if (g->alone > ALONE && g->batch_count == 0)
		auditsync_here(g->sync);
	else
		auditsync_go(g->sync);
	if (g->batch_count > 0)
		commit(k, g);
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].is_commit)
			g->v[i].err = g->results[g->v[i].batch];
	anchored = put_anchor(k, g);
	for (size_t i = 0; i < g->n; i++) {
		struct asked *a = &g->v[i];

		if (a->is_commit && a->err == HF_OK && a->anchor.n > 0)
			a->err = anchored;
	}
}

/* asked_reset makes ready for the next request; small pieces of memory stay. */
static void asked_reset(struct asked *a)
{
	if (a->in.cap > KEPT_BYTES)
		buf_done(&a->in);
	if (a->out.cap > KEPT_BYTES)
		buf_done(&a->out);
	buf_reset(&a->in);
	buf_reset(&a->out);
	arena_reset(&a->arena);
	*a = (struct asked){ .in = a->in, .out = a->out, .arena = a->arena };
	a->in.max = a->out.max = WIRE_MAX_BYTES;
}

static enum hf_err answer(struct group *g, int fd, struct asked *a)
{
	struct wire_head head = { .opcode = a->head.opcode, .flags = (uint16_t)a->err,
		.request = a->head.request };
	MUTEX_HOLD(&g->send);

	return wire_send(fd, &head, a->err == HF_OK ? buf_slice(&a->out) : SLICE_NONE);
}

/* collect takes the first request, waiting for it, and what has come with it. */
static enum hf_err collect(struct keeper_ctx *k, struct group *g, int fd)
{
	g->n = g->batch_count = g->bytes = 0;
	do {
		struct asked *a = &g->v[g->n];

		asked_reset(a);
		TRY(wire_recv(fd, WIRE_MAX_BYTES, &a->head, &a->in));
		take(k, g, a);
		g->bytes += a->in.n + a->out.n;
		g->n++;
	} while (g->n < GROUP_MAX && g->bytes < GROUP_BYTES && another(fd));
	return HF_OK;
}

/* What came before the vault went is done all the same. */
static enum hf_err serve_group(struct keeper_ctx *k, struct group *g, int fd)
{
	enum hf_err e = collect(k, g, fd);

	settle(k, g);
	for (size_t i = 0; i < g->n; i++) {
		if (e == HF_OK && !g->v[i].answered)
			e = answer(g, fd, &g->v[i]);
		asked_reset(&g->v[i]);
	}
	return e;
}

enum hf_err keeper_loop(struct keeper_ctx *k, int fd)
{
	struct group *g = hf_alloc(1, sizeof(*g));
	enum hf_err e;

	if (g == NULL)
		return HF_E_MEMORY;
	mutex_init(&g->send);
	e = anchorsync_start(k->anchor, &k->anchoring);
	if (e == HF_OK)
		e = auditsync_start(&(struct auditsync_to){ k->audit, k->anchoring, fd, &g->send }, &g->sync);
	while (e == HF_OK)
		e = serve_group(k, g, fd);
	auditsync_stop(g->sync);
	anchorsync_stop(k->anchoring);
	k->anchoring = NULL;
	mutex_done(&g->send);
	for (size_t i = 0; i < GROUP_MAX; i++) {
		buf_done(&g->v[i].in);
		buf_done(&g->v[i].out);
		arena_done(&g->v[i].arena);
	}
	hf_free(g);
	return e;
}

static enum hf_err open_all(int dirfd, size_t audit_segment_bytes, struct keeper_ctx *k)
{
	TRY(store_sqlite(dirfd, "store.db", &k->store));
	TRY(anchor_open(dirfd, "anchor", &k->anchor));
	TRY(auditlog_open(dirfd, "audit", audit_segment_bytes, &k->audit));
	if (fsync(dirfd) != 0) { /* the files' names, too, are to last */
		log_error("the data directory cannot be made durable: %m");
		return HF_E_STORE;
	}
	return HF_OK;
}

enum hf_err keeper_open(int dirfd, size_t audit_segment_bytes, struct keeper_ctx *ret)
{
	struct keeper_ctx k = { .dir = dirfd };
	enum hf_err e = open_all(dirfd, audit_segment_bytes, &k);

	if (e != HF_OK && reserve_release(dirfd)) {
		log_notice("the room that is held back is given up for the start");
		keeper_close(&k);
		k = (struct keeper_ctx){ .dir = dirfd };
		e = open_all(dirfd, audit_segment_bytes, &k);
		k.tight = true;
	} else if (e == HF_OK) {
		hold(&k);
	}
	if (e == HF_OK)
		*ret = k;
	else
		keeper_close(&k);
	return e;
}

void keeper_close(struct keeper_ctx *k)
{
	if (k->store != NULL)
		k->store->ops->close(k->store);
	anchor_close(k->anchor);
	auditlog_close(k->audit);
}
