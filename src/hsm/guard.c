#include "guard.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "gate.h"
#include "generation.h"
#include "object_table.h"
#include "pkcs11_numbers.h"
#include "policy.h"

#define FORMAT 2
#define FORMAT_1 1 /* before approvers were persons: its request is void */
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

static void drop(struct map_node *n)
{
	hf_free(of_node(n));
}

void guards_clear(struct guards *g)
{
	map_free(&g->by_handle, drop);
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

static void enc_person(const struct person *p, struct buf *b)
{
	buf_bytes(b, slice_str(p->name));
	buf_u64(b, p->id);
}

static void enc_request(const struct approval *r, struct buf *b)
{
	buf_u64(b, r->number);
	buf_u64(b, r->expires);
	buf_u8(b, r->what);
	enc_person(&r->by, b);
	buf_u32(b, r->approved);
	buf_bytes(b, slice_str(r->comment));
}

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
		enc_person(&g->approvers[i], b);
	buf_u32(b, g->valid_s);
	for (unsigned i = 0; i < REQUESTS_MAX; i++)
		enc_request(&g->requests[i], b);
	buf_bytes(b, slice_str(g->change));
}

static bool take(struct rd *r, void *to, size_t n)
{
	const uint8_t *p;

	if (!rd_take(r, n, &p))
		return false;
	memcpy(to, p, n);
	return true;
}

/* A text of up to most bytes, into what is all zero. */
static bool take_text(struct rd *r, size_t most, char *to)
{
	struct slice s;

	if (!rd_bytes(r, most, &s))
		return false;
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	return true;
}

static bool take_person(struct rd *r, uint8_t format, struct person *to)
{
	return take_text(r, USER_NAME_MAX, to->name) && (format == FORMAT_1 || rd_u64(r, &to->id));
}

static bool dec_approvers(struct rd *r, uint8_t format, struct guard *g)
{
	if (!rd_u8(r, &g->needed) || !rd_u8(r, &g->approver_count) || g->approver_count > APPROVERS_MAX)
		return false;
	for (unsigned i = 0; i < g->approver_count; i++)
		if (!take_person(r, format, &g->approvers[i]))
			return false;
	return true;
}

static bool skip_old_request(struct rd *r)
{
	const uint8_t *numbers;
	struct slice name;
	uint32_t approved;

	return rd_take(r, 2 * sizeof(uint64_t), &numbers) && rd_bytes(r, USER_NAME_MAX, &name) &&
		rd_u32(r, &approved);
}

static bool dec_requests(struct rd *r, struct guard *g)
{
	for (unsigned i = 0; i < REQUESTS_MAX; i++) {
		struct approval *t = &g->requests[i];

		if (!rd_u64(r, &t->number) || !rd_u64(r, &t->expires) || !rd_u8(r, &t->what) ||
		    t->what >= FOR_COUNT || !take_person(r, FORMAT, &t->by) || !rd_u32(r, &t->approved) ||
		    !take_text(r, COMMENT_MAX, t->comment))
			return false;
	}
	return take_text(r, CHANGE_TEXT - 1, g->change);
}

static bool dec(struct slice in, struct guard *g)
{
	struct rd r = rd_of(in);
	uint8_t format;

	return rd_u8(&r, &format) && format >= FORMAT_1 && format <= FORMAT && rd_u64(&r, &g->limit) &&
		rd_u64(&r, &g->used) && rd_bool(&r, &g->has_pin) &&
		take(&r, g->pin.salt, sizeof(g->pin.salt)) && rd_u32(&r, &g->pin.kib) &&
		rd_u32(&r, &g->pin.passes) && take(&r, g->pin.tag, sizeof(g->pin.tag)) &&
		rd_u32(&r, &g->failures) && dec_approvers(&r, format, g) && rd_u32(&r, &g->valid_s) &&
		(format == FORMAT_1 ? skip_old_request(&r) : dec_requests(&r, g)) && rd_done(&r);
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

static bool forget_requests(struct guard *g)
{
	bool any = false;

	for (unsigned i = 0; i < REQUESTS_MAX; i++)
		any = any || g->requests[i].number != 0;
	memset(g->requests, 0, sizeof(g->requests));
	return any;
}

enum hf_err guards_void(struct hsm *h, struct partition *p)
{
	MUTEX_HOLD(&p->guards->lock);

	for (struct map_node *n = map_next(&p->guards->by_handle, NULL); n != NULL;
	     n = map_next(&p->guards->by_handle, n)) {
		struct guard *g = of_node(n), next = *g;

		if (forget_requests(&next))
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
	(void)forget_requests(&next);
	MUTEX_HOLD(&t->lock);
	now = guard_of(t, object_handle(uid));
	if (now != NULL)
		return spend(c, now, &next);
	TRY(guard_become(c, g, &next));
	TRY(map_put(&t->by_handle, object_handle(uid), &g->by_handle));
	g = NULL;
	return HF_OK;
}

/* --- persons ----------------------------------------------------------------------- */

enum hf_err person_named(struct partition *p, struct slice name, struct person *ret)
{
	MUTEX_HOLD(&p->roles->lock);
	const struct role_record *r = role_named(p->roles, name);

	if (r == NULL || r->role == ROLE_SO)
		return HF_E_USER_TYPE;
	*ret = (struct person){ .id = r->person };
	memcpy(ret->name, r->name, sizeof(ret->name));
	return HF_OK;
}

bool person_same(const struct person *a, const struct person *b)
{
	return a->id == b->id && strcmp(a->name, b->name) == 0;
}

bool person_there(struct partition *p, const struct person *who)
{
	MUTEX_HOLD(&p->roles->lock);
	const struct role_record *r = role_named(p->roles, slice_str(who->name));

	return r != NULL && r->person == who->id && !r->blocked;
}

enum hf_err person_calling(struct calls_ctx *c, struct person *ret)
{
	char name[USER_NAME_MAX + 1];

	{
		MUTEX_HOLD(&c->app->lock);
		memcpy(name, c->session->login->user, sizeof(name));
	}
	return person_named(c->part, slice_str(name), ret) == HF_OK ? HF_OK : HF_E_NOT_LOGGED_IN;
}

/* --- requests ---------------------------------------------------------------------- */

bool request_waits(const struct approval *r)
{
	return r->number != 0 && clock_wall_us() < r->expires;
}

bool approval_holds(struct partition *p, const struct guard *g, const struct approval *r, unsigned i)
{
	return (r->approved >> i & 1) != 0 && person_there(p, &g->approvers[i]);
}

unsigned approvals(struct partition *p, const struct guard *g, const struct approval *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < g->approver_count; i++)
		n += approval_holds(p, g, r, i);
	return n;
}

/* --- using ----------------------------------------------------------------------- */

static bool serves(const struct guard *g, const struct approval *r, enum asked_for what,
	const char *change)
{
	return request_waits(r) && r->what == what && (what != FOR_GUARD || strcmp(g->change, change) == 0);
}

static enum hf_err granted(struct calls_ctx *c, const struct guard *g, enum asked_for what,
	const char *change, unsigned *ret_at)
{
	static const char *const how[FOR_COUNT] = { "this use", "exactly this change, by --for guard",
		"another PIN, by --for pin" };
	struct person who;

	TRY(person_calling(c, &who));
	for (unsigned i = 0; i < REQUESTS_MAX; i++) {
		const struct approval *r = &g->requests[i];

		if (serves(g, r, what, change) && person_same(&r->by, &who) &&
		    approvals(c->part, g, r) >= g->needed) {
			*ret_at = i;
			return HF_OK;
		}
	}
	call_detail(c, "needs %u approvals of %s ('holdfast key request')", g->needed, how[what]);
	return HF_E_APPROVAL;
}

enum hf_err guard_may(struct calls_ctx *c, const struct guard *g, enum asked_for what,
	const char *change, unsigned *ret_at)
{
	*ret_at = REQUESTS_MAX;
	if (g->limit != 0 && g->used >= g->limit)
		return HF_E_KEY_EXHAUSTED;
	if (g->has_pin && c->session->guard_open != object_handle(g->uid))
		return HF_E_KEY_GUARDED;
	return g->needed == 0 ? HF_OK : granted(c, g, what, change, ret_at);
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
	unsigned at;

	if (t == NULL || !key->token || key->cko == CKO_PUBLIC_KEY)
		return HF_OK;
	MUTEX_HOLD(&t->lock);
	c->session->guard_asked = 0;
	g = guard_of(t, key->handle);
	TRY(must_have(c, g));
	if (g == NULL)
		return HF_OK;
	e = guard_may(c, g, FOR_USE, "", &at);
	if (e == HF_E_KEY_GUARDED)
		c->session->guard_asked = key->handle;
	TRY(e);
	if (g->limit == 0 && g->needed == 0)
		return HF_OK;
	next = *g;
	next.used++;
	if (at < REQUESTS_MAX)
		next.requests[at] = (struct approval){ .number = 0 };
	generation_soon(c->hsm);
	return guard_become(c, g, &next);
}
