/* approval.c: who approves what about a key: requests and approvals. */
#include <stdio.h>
#include <string.h>

#include "gate.h"
#include "guard.h"
#include "object_table.h"
#include "usage.h"

#define TOLD_MAX 256u /* requests in one answer */

/* --- in words ---------------------------------------------------------------------- */

enum hf_err approvers_told(struct calls_ctx *c, const struct guard *g, const struct approval *r,
	struct slice *ret)
{
	char text[APPROVERS_MAX * (USER_NAME_MAX + 10)] = "";
	size_t at = 0;

	for (unsigned i = 0; i < g->approver_count; i++) {
		bool there = person_there(c->part, &g->approvers[i]);

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s%s%s", i > 0 ? "," : "",
			g->approvers[i].name, there && r != NULL && (r->approved >> i & 1) != 0 ? "+" : "",
			there ? "" : " (gone)");
	}
	return arena_dup(c->arena, slice_str(text), ret);
}

void guard_text(const struct guard *next, bool pin, char ret[CHANGE_TEXT])
{
	int at = snprintf(ret, CHANGE_TEXT, "guard: limit %llu, %u approvals of ",
		(unsigned long long)next->limit, next->needed);

	for (unsigned i = 0; i < next->approver_count; i++)
		at += snprintf(ret + at, CHANGE_TEXT - (size_t)at, "%s%s", i > 0 ? "," : "",
			next->approvers[i].name);
	(void)snprintf(ret + at, CHANGE_TEXT - (size_t)at, "%s within %u s%s%s",
		next->approver_count == 0 ? "nobody" : "", next->valid_s,
		next->any_data ? ", each use of any data" : "", pin ? ", a new PIN" : "");
}

void use_text(const struct use_for *u, char ret[USE_TEXT])
{
	static const uint8_t none[CRYPTO_HASH];
	const struct mech *m = mech_find(u->mechanism);
	bool param = !slice_eq(SLICE_OF(u->param), SLICE_OF(none));
	char hex[2 * CRYPTO_HASH + 1];

	hex_encode(SLICE_OF(u->param), hex);
	(void)snprintf(ret, USE_TEXT, u->ckf == 0 ? "one use" : "%s by %s%s%s", usage_name(u->ckf),
		m != NULL ? m->name : "?", param ? ", parameter of SHA-256 " : "", param ? hex : "");
}

/* --- what a guard would be --------------------------------------------------------- */

static enum hf_err add_approver(struct calls_ctx *c, struct slice name, struct guard *g)
{
	if (g->approver_count == APPROVERS_MAX ||
	    (!user_name_valid(name) && !slice_eq(name, SLICE_STR("user"))))
		return HF_E_ARGUMENTS;
	for (unsigned k = 0; k < g->approver_count; k++)
		if (slice_eq(slice_str(g->approvers[k].name), name))
			return HF_E_ARGUMENTS;
	TRY(person_named(c->part, name, &g->approvers[g->approver_count]));
	g->approver_count++;
	return HF_OK;
}

/* Names joined by commas, each once. */
static enum hf_err new_approvers(struct calls_ctx *c, struct slice list, struct guard *g)
{
	memset(g->approvers, 0, sizeof(g->approvers));
	g->approver_count = 0;
	for (size_t i = 0; i < list.n;) {
		size_t n = i;

		while (n < list.n && list.p[n] != ',')
			n++;
		TRY(add_approver(c, (struct slice){ list.p + i, n - i }, g));
		i = n + 1;
	}
	return g->needed <= g->approver_count ? HF_OK : HF_E_ARGUMENTS;
}

/* Requests for what was are void. */
enum hf_err guard_changed(struct calls_ctx *c, const struct guard_change *q, const struct guard *now,
	struct guard *next)
{
	if (now->limit != 0 && (q->limit == 0 || q->limit > now->limit))
		return HF_E_GUARD_LIMIT;
	*next = *now;
	next->limit = q->limit;
	next->needed = q->needed;
	next->any_data = q->any_data;
	next->valid_s = q->valid_s;
	memset(next->requests, 0, sizeof(next->requests));
	memset(next->change, 0, sizeof(next->change));
	return new_approvers(c, q->approvers, next);
}

/* --- calls ------------------------------------------------------------------------- */

static enum hf_err guard_to_ask(struct calls_ctx *c, uint64_t key, struct guard **ret)
{
	CLEANUP(object_release) struct object *o = NULL;

	TRY(guard_key(c, key, &o));
	*ret = guard_of(c->part->guards, key);
	return *ret != NULL && (*ret)->needed != 0 ? HF_OK : HF_E_ARGUMENTS;
}

enum hf_err on_guard_request(struct calls_ctx *c, const struct guard_request_req *q,
	struct guard_request_res *r)
{
	MUTEX_HOLD(&c->part->guards->lock);
	struct approval a = { .what = FOR_USE };
	struct guard *g, next;

	TRY(guard_to_ask(c, q->key, &g));
	if (!g->any_data)
		return HF_E_ARGUMENTS;
	next = *g;
	TRY(approval_ask(c, g, &next, &a));
	r->request = a.number;
	return HF_OK;
}

/* use_asked: a request for a use names the data where the guard wants to know them, and only there. */
static enum hf_err use_asked(const struct guard_ask_req *q, const struct guard *g, struct use_for *ret)
{
	const struct mech *m = mech_find(q->mech.type);

	if (q->what != FOR_USE || g->any_data)
		return q->use == 0 ? HF_OK : HF_E_ARGUMENTS;
	if (m == NULL || (m->ops & q->use) != q->use || q->use == 0 || q->data.n != CRYPTO_HASH)
		return HF_E_ARGUMENTS;
	*ret = (struct use_for){ .ckf = q->use, .mechanism = q->mech.type };
	memcpy(ret->data, q->data.p, CRYPTO_HASH);
	return q->mech.param.n != 0 ? crypto_sha256(q->mech.param, ret->param) : HF_OK;
}

/* detail_of puts what a request is for into the call's record. */
static void detail_of(struct calls_ctx *c, const struct guard *g, const struct approval *t)
{
	char text[USE_TEXT], hex[2 * CRYPTO_HASH + 1];

	use_text(&t->use, text);
	hex_encode(SLICE_OF(t->use.data), hex);
	if (t->what == FOR_USE)
		call_detail(c, "for %s%s%s", text, t->use.ckf != 0 ? ", data of SHA-256 " : "",
			t->use.ckf != 0 ? hex : "");
	else
		call_detail(c, "for %s", t->what == FOR_PIN ? "a PIN" : g->change);
}

/* What only the crypto officer may do only he asks for. */
enum hf_err on_guard_ask(struct calls_ctx *c, const struct guard_ask_req *q, struct guard_ask_res *r)
{
	const struct guard_change to = { q->limit, q->needed, q->any_data, q->valid_s, q->approvers };
	MUTEX_HOLD(&c->part->guards->lock);
	struct approval a = { .what = q->what };
	struct guard *g, next, changed;

	TRY(guard_to_ask(c, q->key, &g));
	if (q->what >= FOR_COUNT || q->comment.n > COMMENT_MAX)
		return HF_E_ARGUMENTS;
	if (q->what != FOR_USE && c->role != ROLE_USER)
		return HF_E_DENIED;
	TRY(use_asked(q, g, &a.use));
	next = *g;
	if (q->what == FOR_GUARD) {
		TRY(guard_changed(c, &to, g, &changed));
		memset(next.change, 0, sizeof(next.change));
		guard_text(&changed, q->pin, next.change);
	}
	if (q->comment.n > 0)
		memcpy(a.comment, q->comment.p, q->comment.n);
	TRY(approval_ask(c, g, &next, &a));
	detail_of(c, g, &a);
	r->request = a.number;
	return HF_OK;
}

static struct approval *request_numbered(struct guard *g, uint64_t number)
{
	for (unsigned i = 0; i < REQUESTS_MAX; i++)
		if (number != 0 && g->requests[i].number == number && request_waits(&g->requests[i]))
			return &g->requests[i];
	return NULL;
}

enum hf_err on_guard_cancel(struct calls_ctx *c, const struct guard_cancel_req *q,
	struct guard_cancel_res *r)
{
	MUTEX_HOLD(&c->part->guards->lock);
	struct guard *g, next;
	struct approval *t;
	struct person who;

	(void)r;
	TRY(guard_to_ask(c, q->key, &g));
	next = *g;
	t = request_numbered(&next, q->request);
	if (t == NULL)
		return HF_E_REQUEST;
	TRY(person_calling(c, &who));
	if (c->role != ROLE_USER && !person_same(&who, &t->by))
		return HF_E_DENIED;
	*t = (struct approval){ .number = 0 };
	return guard_become(c, g, &next);
}

/* approver_at: her place; approver_count: she is none. */
static unsigned approver_at(const struct guard *g, const struct person *who)
{
	unsigned i = 0;

	while (i < g->approver_count && !person_same(&g->approvers[i], who))
		i++;
	return i;
}

/* The number makes an approval one of this request: replayed later it is refused. */
enum hf_err on_guard_approve(struct calls_ctx *c, const struct guard_approve_req *q,
	struct guard_approve_res *r)
{
	CLEANUP(object_release) struct object *o = NULL;
	MUTEX_HOLD(&c->part->guards->lock);
	struct guard *g, next;
	struct approval *t;
	struct person who;
	unsigned i;

	TRY(guard_key(c, q->key, &o));
	g = guard_of(c->part->guards, q->key);
	if (g == NULL)
		return HF_E_REQUEST;
	next = *g;
	t = request_numbered(&next, q->request);
	if (t == NULL)
		return HF_E_REQUEST;
	TRY(person_calling(c, &who));
	detail_of(c, g, t);
	i = approver_at(g, &who);
	if (i == g->approver_count || person_same(&t->by, &who)) {
		call_detail(c, "; not an approver of this request");
		return HF_E_DENIED;
	}
	t->approved |= 1u << i;
	r->approved = (uint8_t)approvals(c->part, &next, t);
	r->needed = g->needed;
	return guard_become(c, g, &next);
}

static enum hf_err tell_request(struct calls_ctx *c, const struct guard *g, const struct approval *t,
	struct key_request *ret)
{
	char names[APPROVERS_MAX * (USER_NAME_MAX + 1)] = "", use[USE_TEXT];
	const char *what[FOR_COUNT] = { use, g->change, "a new PIN" };
	size_t at = 0;

	for (unsigned i = 0; i < g->approver_count; i++)
		if (approval_holds(c->part, g, t, i))
			at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", at > 0 ? "," : "",
				g->approvers[i].name);
	use_text(&t->use, use);
	ret->request = t->number;
	ret->expires = t->expires;
	ret->key = object_handle(g->uid);
	ret->mechanism = t->use.mechanism;
	if (t->use.ckf != 0)
		TRY(arena_dup(c->arena, SLICE_OF(t->use.data), &ret->data));
	TRY(arena_dup(c->arena, slice_str(c->audit.object_label), &ret->label));
	TRY(arena_dup(c->arena, slice_str(t->by.name), &ret->requester));
	TRY(arena_dup(c->arena, slice_str(what[t->what]), &ret->what));
	TRY(arena_dup(c->arena, slice_str(t->comment), &ret->comment));
	return arena_dup(c->arena, slice_str(names), &ret->approved);
}

struct told {
	struct key_request *v;
	size_t n;
};

/* tell_key appends the requests for one key. */
static enum hf_err tell_key(struct calls_ctx *c, uint64_t key, struct told *l)
{
	CLEANUP(object_release) struct object *o = NULL;
	const struct guard *g = guard_of(c->part->guards, key);

	TRY(guard_key(c, key, &o));
	for (unsigned i = 0; g != NULL && i < REQUESTS_MAX && l->n < TOLD_MAX; i++)
		if (request_waits(&g->requests[i]))
			TRY(tell_request(c, g, &g->requests[i], &l->v[l->n++]));
	return HF_OK;
}

/* Of all keys: those that the caller may see. */
enum hf_err on_guard_requests(struct calls_ctx *c, const struct guard_requests_req *q,
	struct guard_requests_res *r)
{
	struct told l = { .v = arena_alloc(c->arena, TOLD_MAX, sizeof(struct key_request)) };
	MUTEX_HOLD(&c->part->guards->lock);
	enum hf_err e = HF_OK;

	if (l.v == NULL)
		return HF_E_MEMORY;
	if (q->key != 0)
		TRY(tell_key(c, q->key, &l));
	for (struct guard *g = guard_after(c->part->guards, NULL); q->key == 0 && g != NULL;
	     g = guard_after(c->part->guards, g)) {
		e = tell_key(c, object_handle(g->uid), &l);
		if (e != HF_OK && e != HF_E_KEY_HANDLE)
			return e;
	}
	r->requests = (struct key_request_list){ l.v, l.n };
	return HF_OK;
}
