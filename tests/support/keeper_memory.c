#include "keeper_memory.h"

#include <fcntl.h>
#include <pthread.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper.h"
#include "map.h"

#define RECORDS_MAX 65536

struct copy {
	char name[STORE_NAME_MAX + 1];
	uint64_t version;
	uint8_t *value;
	size_t n;
};

struct keeper_memory {
	struct keeper base;
	struct keeper_ctx ctx;
	pthread_mutex_t lock;
	pthread_cond_t unheld;
	bool hold, hold_commits, full;
	unsigned held; /* commits that wait */
	char dir[64];
	unsigned fail_commits, fail_audit, pass_commits;
	struct copy *saved;
	size_t saved_n;
	char found[STORE_NAME_MAX + 1];
};

static struct keeper_memory *memory_of(struct keeper *k)
{
	return container_of(k, struct keeper_memory, base);
}

static bool changes_the_store(enum keeper_op op, struct slice fields, struct arena *a)
{
	struct rd r = rd_of(fields);
	struct store_commit_req q;

	return op == KEEPER_STORE_COMMIT && (!store_commit_req_dec(&r, a, &q) || q.changes.n > 0);
}

static enum hf_err run(struct keeper_memory *m, enum keeper_op op, struct slice fields,
	struct arena *a, struct rd *rest)
{
	struct buf out = BUF_MAX(WIRE_MAX_BYTES);
	struct slice kept;
	enum hf_err e;

	if (op == KEEPER_STORE_COMMIT && m->pass_commits > 0) {
		m->pass_commits--;
	} else if (op == KEEPER_STORE_COMMIT && m->fail_commits > 0) {
		m->fail_commits--;
		return HF_E_STORE;
	}
	if (m->full && changes_the_store(op, fields, a))
		return HF_E_STORE;
	if (op == KEEPER_AUDIT_APPEND && m->fail_audit > 0) {
		m->fail_audit--;
		return HF_E_STORE;
	}
	m->ctx.arena = a;
	e = keeper_run(op, &m->ctx, rd_of(fields), a, &out);
	if (e == HF_OK)
		e = arena_dup(a, buf_slice(&out), &kept);
	if (e == HF_OK)
		*rest = rd_of(kept);
	buf_done(&out);
	return e;
}

/* is_shard: p/SERIAL/prv/D */
static bool is_shard(enum keeper_op op, struct slice fields, struct arena *a)
{
	struct rd r = rd_of(fields);
	struct store_scan_req q;
	size_t n;

	if (op != KEEPER_STORE_SCAN || !store_scan_req_dec(&r, a, &q))
		return false;
	n = q.prefix.n;
	return n > 6 && memcmp(q.prefix.p + n - 6, "/prv/", 5) == 0;
}

static enum hf_err call(struct keeper *k, enum keeper_op op, struct slice fields, struct arena *a,
	struct rd *rest)
{
	struct keeper_memory *m = memory_of(k);
	enum hf_err e;

	pthread_mutex_lock(&m->lock);
	m->held += op == KEEPER_STORE_COMMIT;
	while ((m->hold && is_shard(op, fields, a)) || (m->hold_commits && op == KEEPER_STORE_COMMIT))
		pthread_cond_wait(&m->unheld, &m->lock);
	m->held -= op == KEEPER_STORE_COMMIT;
	e = run(m, op, fields, a, rest);
	pthread_mutex_unlock(&m->lock);
	return e;
}

struct keeper_memory *keeper_memory_new(void)
{
	struct keeper_memory *m = calloc(1, sizeof(*m));
	int dir;

	if (m == NULL)
		abort();
	strcpy(m->dir, "/tmp/holdfast-test-XXXXXX");
	if (mkdtemp(m->dir) == NULL)
		abort();
	dir = open(m->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->unheld, NULL);
	m->base.call = call;
	if (store_memory(&m->ctx.store) != HF_OK ||
	    anchor_open(dir, "anchor", &m->ctx.anchor) != HF_OK ||
	    auditlog_open(dir, "audit", 1u << 20, &m->ctx.audit) != HF_OK)
		abort();
	close(dir);
	return m;
}

static void forget_saved(struct keeper_memory *m)
{
	for (size_t i = 0; i < m->saved_n; i++)
		free(m->saved[i].value);
	free(m->saved);
	m->saved = NULL;
	m->saved_n = 0;
}

void keeper_memory_free(struct keeper_memory *m)
{
	char command[128];

	keeper_close(&m->ctx);
	forget_saved(m);
	snprintf(command, sizeof(command), "rm -rf '%s'", m->dir);
	if (system(command) != 0)
		abort();
	free(m);
}

struct keeper *keeper_memory_keeper(struct keeper_memory *m)
{
	return &m->base;
}

void keeper_memory_fail_commits(struct keeper_memory *m, unsigned n)
{
	m->fail_commits = n;
	m->pass_commits = 0;
}

void keeper_memory_fail_after(struct keeper_memory *m, unsigned n)
{
	m->fail_commits = UINT_MAX;
	m->pass_commits = n;
}

void keeper_memory_full(struct keeper_memory *m, bool on)
{
	m->full = on;
}

void keeper_memory_hold_opening(struct keeper_memory *m, bool on)
{
	pthread_mutex_lock(&m->lock);
	m->hold = on;
	pthread_cond_broadcast(&m->unheld);
	pthread_mutex_unlock(&m->lock);
}

void keeper_memory_hold_commits(struct keeper_memory *m, bool on)
{
	pthread_mutex_lock(&m->lock);
	m->hold_commits = on;
	pthread_cond_broadcast(&m->unheld);
	pthread_mutex_unlock(&m->lock);
}

unsigned keeper_memory_held(struct keeper_memory *m)
{
	unsigned n;

	pthread_mutex_lock(&m->lock);
	n = m->held;
	pthread_mutex_unlock(&m->lock);
	return n;
}

void keeper_memory_fail_audit(struct keeper_memory *m, unsigned n)
{
	m->fail_audit = n;
}

/* --- the thief ----------------------------------------------------------- */

static bool save_one(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	struct keeper_memory *m = ctx;
	struct copy *c = &m->saved[m->saved_n++];

	snprintf(c->name, sizeof(c->name), "%.*s", (int)name.n, (const char *)name.p);
	c->version = version;
	c->n = value.n;
	c->value = malloc(value.n + 1);
	if (c->value == NULL || m->saved_n == RECORDS_MAX)
		abort();
	if (value.n > 0)
		memcpy(c->value, value.p, value.n);
	return true;
}

void keeper_memory_snapshot(struct keeper_memory *m)
{
	forget_saved(m);
	m->saved = calloc(RECORDS_MAX, sizeof(*m->saved));
	if (m->saved == NULL ||
	    m->ctx.store->ops->scan(m->ctx.store, SLICE_NONE, SLICE_NONE, save_one, m) != HF_OK)
		abort();
}

void keeper_memory_rollback(struct keeper_memory *m)
{
	struct store_change c;
	struct store_batch b = { &c, 1 };
	enum hf_err e;

	m->ctx.store->ops->close(m->ctx.store);
	if (store_memory(&m->ctx.store) != HF_OK)
		abort();
	for (size_t i = 0; i < m->saved_n; i++) {
		c = (struct store_change){ slice_str(m->saved[i].name), 0, m->saved[i].version,
			{ m->saved[i].value, m->saved[i].n } };
		m->ctx.store->ops->commit(m->ctx.store, &b, 1, &e);
		if (e != HF_OK)
			abort();
	}
}

struct held {
	uint64_t version;
	uint8_t *value;
	size_t n;
};

static bool get_one(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	struct held *g = ctx;

	(void)name;
	g->version = version;
	g->n = value.n;
	g->value = malloc(value.n + 1);
	if (g->value == NULL)
		abort();
	if (value.n > 0)
		memcpy(g->value, value.p, value.n);
	return true;
}

static struct held get(struct keeper_memory *m, const char *name)
{
	struct held g = { 0 };

	if (store_get(m->ctx.store, slice_str(name), get_one, &g) != HF_OK || g.version == 0) {
		fprintf(stderr, "keeper_memory: no record %s\n", name);
		abort();
	}
	return g;
}

/* put writes a record behind the module's back, at the version it says. */
static void put(struct keeper_memory *m, const char *name, uint64_t was, uint64_t version,
	struct slice value)
{
	struct store_change c = { slice_str(name), was, version, value };
	struct store_batch b = { &c, 1 };
	enum hf_err e;

	m->ctx.store->ops->commit(m->ctx.store, &b, 1, &e);
	if (e != HF_OK)
		abort();
}

void keeper_memory_put(struct keeper_memory *m, const char *name, struct slice value)
{
	struct held g = get(m, name);

	put(m, name, g.version, g.version, value);
	free(g.value);
}

uint64_t keeper_memory_version(struct keeper_memory *m, const char *name)
{
	struct held g = get(m, name);

	free(g.value);
	return g.version;
}

size_t keeper_memory_value(struct keeper_memory *m, const char *name, uint8_t *out, size_t max)
{
	struct held g = get(m, name);
	size_t n = g.n;

	if (n > max)
		abort();
	memcpy(out, g.value, n);
	free(g.value);
	return n;
}

void keeper_memory_flip(struct keeper_memory *m, const char *name, size_t byte)
{
	struct held g = get(m, name);

	g.value[byte % g.n] ^= 0x01;
	put(m, name, g.version, g.version, (struct slice){ g.value, g.n });
	free(g.value);
}

void keeper_memory_truncate(struct keeper_memory *m, const char *name, size_t bytes)
{
	struct held g = get(m, name);

	put(m, name, g.version, g.version, (struct slice){ g.value, bytes < g.n ? bytes : g.n });
	free(g.value);
}

void keeper_memory_swap(struct keeper_memory *m, const char *a, const char *b)
{
	struct held x = get(m, a), y = get(m, b);

	put(m, a, x.version, y.version, (struct slice){ y.value, y.n });
	put(m, b, y.version, x.version, (struct slice){ x.value, x.n });
	free(x.value);
	free(y.value);
}

void keeper_memory_remove(struct keeper_memory *m, const char *name)
{
	struct held g = get(m, name);

	put(m, name, g.version, 0, SLICE_NONE);
	free(g.value);
}

void keeper_memory_rollback_one(struct keeper_memory *m, const char *name)
{
	struct held g = get(m, name);

	for (size_t i = 0; i < m->saved_n; i++)
		if (strcmp(m->saved[i].name, name) == 0)
			put(m, name, g.version, m->saved[i].version,
				(struct slice){ m->saved[i].value, m->saved[i].n });
	free(g.value);
}

struct nth {
	struct keeper_memory *m;
	size_t n, seen;
};

static bool find_nth(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	struct nth *f = ctx;

	(void)version;
	(void)value;
	if (f->seen++ != f->n)
		return true;
	snprintf(f->m->found, sizeof(f->m->found), "%.*s", (int)name.n, (const char *)name.p);
	return false;
}

const char *keeper_memory_find(struct keeper_memory *m, const char *prefix, size_t n)
{
	struct nth f = { m, n, 0 };

	m->found[0] = '\0';
	if (m->ctx.store->ops->scan(m->ctx.store, slice_str(prefix), SLICE_NONE, find_nth, &f) != HF_OK)
		abort();
	return m->found[0] != '\0' ? m->found : NULL;
}

size_t keeper_memory_count(struct keeper_memory *m, const char *prefix)
{
	struct nth f = { m, SIZE_MAX, 0 };

	if (m->ctx.store->ops->scan(m->ctx.store, slice_str(prefix), SLICE_NONE, find_nth, &f) != HF_OK)
		abort();
	return f.seen;
}
