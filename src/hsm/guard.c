#include "guard.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "gate.h"
#include "object_table.h"

#define FORMAT 3
#define FORMAT_2 2 /* approvals were for any data */
#define FORMAT_1 1 /* before approvers were persons: its request is void */
#define NAME_LEN 80
#define US_PER_S 1000000u

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

struct guard *guard_after(struct guards *t, struct guard *g)
{
	struct map_node *n = map_next(&t->by_handle, g != NULL ? &g->by_handle : NULL);

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
	buf_u32(b, r->use.ckf);
	buf_u32(b, r->use.mechanism);
	buf_raw(b, SLICE_OF(r->use.param));
	buf_raw(b, SLICE_OF(r->use.data));
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
	buf_bool(b, g->any_data);
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
	g->any_data = format < FORMAT;
	if (!rd_u8(r, &g->needed) || (format == FORMAT && !rd_bool(r, &g->any_data)) ||
	    !rd_u8(r, &g->approver_count) || g->approver_count > APPROVERS_MAX)
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

static bool take_use(struct rd *r, uint8_t format, struct use_for *to)
{
	return format < FORMAT || (rd_u32(r, &to->ckf) && rd_u32(r, &to->mechanism) &&
		take(r, to->param, sizeof(to->param)) && take(r, to->data, sizeof(to->data)));
}

static bool dec_requests(struct rd *r, uint8_t format, struct guard *g)
{
	for (unsigned i = 0; i < REQUESTS_MAX; i++) {
		struct approval *t = &g->requests[i];

		if (!rd_u64(r, &t->number) || !rd_u64(r, &t->expires) || !rd_u8(r, &t->what) ||
		    t->what >= FOR_COUNT || !take_use(r, format, &t->use) ||
		    !take_person(r, format, &t->by) || !rd_u32(r, &t->approved) ||
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
		(format == FORMAT_1 ? skip_old_request(&r) : dec_requests(&r, format, g)) && rd_done(&r);
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

	for (struct guard *g = guard_after(p->guards, NULL); g != NULL; g = guard_after(p->guards, g)) {
		struct guard next = *g;

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

/* place_for: the user's own request gives way; one is free, or nobody waits for it any more. */
static enum hf_err place_for(struct calls_ctx *c, struct guard *g, const struct approval *r,
	struct approval **ret)
{
	const struct approval *other = NULL;
	struct approval *own = NULL, *empty = NULL;

	for (unsigned i = 0; i < REQUESTS_MAX; i++) {
		struct approval *t = &g->requests[i];

		if (!request_waits(t) || !person_there(c->part, &t->by))
			empty = t;
		else if (person_same(&t->by, &r->by))
			own = t;
		else if (other == NULL || (r->what == FOR_GUARD && t->what == FOR_GUARD))
			other = t;
	}
	*ret = own != NULL ? own : empty;
	if (*ret != NULL && !(r->what == FOR_GUARD && other != NULL && other->what == FOR_GUARD))
		return HF_OK;
	call_detail(c, "request %llu of %s waits; 'holdfast key requests' shows all, 'key cancel' ends one",
		(unsigned long long)other->number, other->by.name);
	return HF_E_LIMIT;
}

const struct approval *approval_own(const struct guard *g, const struct person *who)
{
	for (unsigned i = 0; i < REQUESTS_MAX; i++)
		if (request_waits(&g->requests[i]) && person_same(&g->requests[i].by, who))
			return &g->requests[i];
	return NULL;
}

enum hf_err approval_ask(struct calls_ctx *c, struct guard *g, struct guard *next, struct approval *r)
{
	struct approval *at;

	TRY(person_calling(c, &r->by));
	TRY(place_for(c, next, r, &at));
	TRY(crypto_random((uint8_t *)&r->number, sizeof(r->number)));
	r->number |= 1;
	r->expires = clock_wall_us() + (uint64_t)g->valid_s * US_PER_S;
	*at = *r;
	return guard_become(c, g, next);
}
