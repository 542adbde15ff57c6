#include "guard.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "gate.h"
#include "object_table.h"
#include "pkcs11_numbers.h"
#include "policy.h"

#define FORMAT 1
#define NAME_LEN 80

static struct guard *of_node(struct map_node *n)
{
	return container_of(n, struct guard, by_handle);
}

enum hf_err guards_new(struct guards **ret)
{
	struct guards *g = hf_alloc(1, sizeof(*g));

	if (g == NULL)
		return HF_E_MEMORY;
	mutex_init(&g->lock);
	*ret = g;
	return HF_OK;
}

void guards_clear(struct guards *g)
{
	struct map_node *n = map_next(&g->by_handle, NULL);

	while (n != NULL) {
		struct map_node *next = map_next(&g->by_handle, n);

		hf_free(of_node(n));
		n = next;
	}
	map_done(&g->by_handle);
}

void guards_free(struct guards *g)
{
	if (g == NULL)
		return;
	guards_clear(g);
	mutex_done(&g->lock);
	hf_free(g);
}

struct guard *guard_of(struct guards *g, uint64_t handle)
{
	struct map_node *n = map_get(&g->by_handle, handle);

	return n != NULL ? of_node(n) : NULL;
}

/* --- records --------------------------------------------------------------------- */

static void enc(const struct guard *g, struct buf *b)
{
	buf_u8(b, FORMAT);
	buf_u64(b, g->limit);
	buf_u64(b, g->used);
	buf_bool(b, g->has_pin);
	buf_raw(b, SLICE_OF(g->pin.salt));
	buf_u32(b, g->pin.kib);
	buf_u32(b, g->pin.passes);
	buf_raw(b, SLICE_OF(g->pin.tag));
	buf_u32(b, g->failures);
	buf_u8(b, g->needed);
	buf_u8(b, g->approver_count);
	for (unsigned i = 0; i < g->approver_count; i++)
		buf_bytes(b, slice_str(g->approvers[i]));
	buf_u32(b, g->valid_s);
	buf_u64(b, g->request);
	buf_u64(b, g->expires);
	buf_bytes(b, slice_str(g->requester));
	buf_u32(b, g->approved);
}

static bool take(struct rd *r, void *to, size_t n)
{
	const uint8_t *p;

	if (!rd_take(r, n, &p))
		return false;
	memcpy(to, p, n);
	return true;
}

static bool take_name(struct rd *r, char to[USER_NAME_MAX + 1])
{
	struct slice s;

	if (!rd_bytes(r, USER_NAME_MAX, &s))
		return false;
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	return true;
}

static bool dec_approvers(struct rd *r, struct guard *g)
{
	if (!rd_u8(r, &g->needed) || !rd_u8(r, &g->approver_count) || g->approver_count > APPROVERS_MAX)
		return false;
	for (unsigned i = 0; i < g->approver_count; i++)
		if (!take_name(r, g->approvers[i]))
			return false;
	return true;
}

static bool dec(struct slice in, struct guard *g)
{
	struct rd r = rd_of(in);
	uint8_t format;

	return rd_u8(&r, &format) && format == FORMAT && rd_u64(&r, &g->limit) &&
		rd_u64(&r, &g->used) && rd_bool(&r, &g->has_pin) &&
		take(&r, g->pin.salt, sizeof(g->pin.salt)) && rd_u32(&r, &g->pin.kib) &&
		rd_u32(&r, &g->pin.passes) && take(&r, g->pin.tag, sizeof(g->pin.tag)) &&
		rd_u32(&r, &g->failures) && dec_approvers(&r, g) && rd_u32(&r, &g->valid_s) &&
		rd_u64(&r, &g->request) && rd_u64(&r, &g->expires) && take_name(&r, g->requester) &&
		rd_u32(&r, &g->approved) && rd_done(&r);
}

enum hf_err guard_load(struct guards *t, const char *name, uint64_t version, struct slice plain)
{
	struct guard *g = hf_alloc(1, sizeof(*g));
	size_t n;

	if (g == NULL)
		return HF_E_MEMORY;
	g->version = version;
	if (!hex_decode(strrchr(name, '/') + 1, g->uid, sizeof(g->uid), &n) || n != UID_LEN ||
	    !dec(plain, g)) {
		hf_free(g);
		return HF_E_DAMAGED;
	}
	if (map_put(&t->by_handle, object_handle(g->uid), &g->by_handle) != HF_OK) {
		hf_free(g);
		return HF_E_MEMORY;
	}
	return HF_OK;
}

static enum hf_err write_guard(struct hsm *h, const struct partition *p, struct guard *now,
	const struct guard *next)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(4096);
	char hex[2 * UID_LEN + 1], name[NAME_LEN];
	struct record_change ch = {
		.name = name, .expect = now->version, .version = now->version + 1, .seal = SEAL_STORE,
	};
	struct map_node node = now->by_handle;

	hex_encode(SLICE_OF(next->uid), hex);
	(void)snprintf(name, sizeof(name), "p/%s/guard/%s", p->serial, hex);
	enc(next, &b);
	TRY(buf_err(&b));
	ch.plain = buf_slice(&b);
	TRY(records_write(h->records, &ch, 1));
	*now = *next;
	now->by_handle = node;
	now->version = ch.version;
	return HF_OK;
}

enum hf_err guard_become(struct calls_ctx *c, struct guard *now, const struct guard *next)
{
	return write_guard(c->hsm, c->part, now, next);
}

enum hf_err guards_void(struct hsm *h, struct partition *p)
{
	MUTEX_HOLD(&p->guards->lock);

	for (struct map_node *n = map_next(&p->guards->by_handle, NULL); n != NULL;
	     n = map_next(&p->guards->by_handle, n)) {
		struct guard *g = of_node(n), next = *g;

		next.request = 0;
		if (g->request != 0)
			TRY(write_guard(h, p, g, &next));
	}
	return HF_OK;
}

void guard_export(struct calls_ctx *c, uint64_t handle, struct buf *out)
{
	struct guards *t = c->part->guards;
	struct guard *g;

	if (t == NULL)
		return;
	MUTEX_HOLD(&t->lock);
	g = guard_of(t, handle);
	if (g != NULL)
		enc(g, out);
}

bool guard_limited(struct calls_ctx *c, uint64_t handle)
{
	struct guards *t = c->part->guards;
	const struct guard *g;

	if (t == NULL)
		return false;
	MUTEX_HOLD(&t->lock);
	g = guard_of(t, handle);
	return g != NULL && g->limit != 0;
}

static void free_guard(struct guard **g)
{
	hf_free(*g);
}

static uint64_t left(const struct guard *g)
{
	return g->limit > g->used ? g->limit - g->used : 0;
}

/* spend leaves the guard that is there no more uses than the backup's has. */
static enum hf_err spend(struct calls_ctx *c, struct guard *now, const struct guard *backed)
{
	struct guard next = *now;

	if (now->limit == 0 || backed->limit == 0 || left(now) <= left(backed))
		return HF_OK;
	next.used = now->limit - left(backed);
	return guard_become(c, now, &next);
}

/* A request for approval does not come along. */
enum hf_err guard_restore(struct calls_ctx *c, const uint8_t uid[UID_LEN], struct slice plain)
{
	CLEANUP(free_guard) struct guard *g = hf_alloc(1, sizeof(*g));
	struct guards *t = c->part->guards;
	struct guard next = { 0 }, *now;

	if (g == NULL || t == NULL)
		return g == NULL ? HF_E_MEMORY : HF_E_STATE;
	if (!dec(plain, &next))
		return HF_E_BACKUP_DAMAGED;
	memcpy(next.uid, uid, UID_LEN);
	next.request = 0;
	MUTEX_HOLD(&t->lock);
	now = guard_of(t, object_handle(uid));
	if (now != NULL)
		return spend(c, now, &next);
	TRY(guard_become(c, g, &next));
	TRY(map_put(&t->by_handle, object_handle(uid), &g->by_handle));
	g = NULL;
	return HF_OK;
}

/* --- using ----------------------------------------------------------------------- */

static bool approved(const struct guard *g, const char *user)
{
	return g->request != 0 && clock_wall_us() < g->expires &&
		(unsigned)__builtin_popcount(g->approved) >= g->needed && strcmp(g->requester, user) == 0;
}

void guard_caller(struct calls_ctx *c, char ret[USER_NAME_MAX + 1])
{
	MUTEX_HOLD(&c->app->lock);

	memcpy(ret, c->session->login->user, USER_NAME_MAX + 1);
}

enum hf_err guard_may(struct calls_ctx *c, uint64_t handle, const struct guard *g)
{
	char who[USER_NAME_MAX + 1];

	if (g->limit != 0 && g->used >= g->limit)
		return HF_E_KEY_EXHAUSTED;
	if (g->has_pin && c->session->guard_open != handle)
		return HF_E_KEY_GUARDED;
	guard_caller(c, who);
	if (g->needed == 0 || approved(g, who))
		return HF_OK;
	call_detail(c, "needs %u approvals", g->needed);
	return HF_E_APPROVAL;
}

bool guarded(struct calls_ctx *c, const struct object *key)
{
	struct guards *t = c->part->guards;

	if (t == NULL || !key->token)
		return false;
	MUTEX_HOLD(&t->lock);
	return guard_of(t, key->handle) != NULL;
}

bool guard_has_pin(struct calls_ctx *c, uint64_t handle)
{
	struct guards *t = c->part->guards;
	const struct guard *g;

	if (t == NULL || handle == 0)
		return false;
	MUTEX_HOLD(&t->lock);
	g = guard_of(t, handle);
	return g != NULL && g->has_pin;
}

/* What the partition wants of every key. */
static enum hf_err must_have(struct calls_ctx *c, const struct guard *g)
{
	if (policy_value(c->part, POLICY_KEY_PIN) != 0 && (g == NULL || !g->has_pin)) {
		call_detail(c, "policy per-key-authorization");
		return HF_E_POLICY;
	}
	if (policy_value(c->part, POLICY_KEY_LIMIT) != 0 && (g == NULL || g->limit == 0)) {
		call_detail(c, "policy usage-limits");
		return HF_E_POLICY;
	}
	return HF_OK;
}

/* An approval is for one use. */
enum hf_err guard_use(struct calls_ctx *c, const struct object *key)
{
	struct guards *t = c->part->guards;
	struct guard *g, next;
	enum hf_err e;

	if (t == NULL || !key->token || key->cko == CKO_PUBLIC_KEY)
		return HF_OK;
	MUTEX_HOLD(&t->lock);
	c->session->guard_asked = 0;
	g = guard_of(t, key->handle);
	TRY(must_have(c, g));
	if (g == NULL)
		return HF_OK;
	e = guard_may(c, key->handle, g);
	if (e == HF_E_KEY_GUARDED)
		c->session->guard_asked = key->handle;
	TRY(e);
	if (g->limit == 0 && g->needed == 0)
		return HF_OK;
	next = *g;
	next.used++;
	if (next.needed != 0)
		next.request = 0;
	return guard_become(c, g, &next);
}
