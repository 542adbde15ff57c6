/* approval.c: who approves what about a key: requests and approvals. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "gate.h"
#include "guard.h"

#define US_PER_S 1000000u

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
	(void)snprintf(ret + at, CHANGE_TEXT - (size_t)at, "%s within %u s%s",
		next->approver_count == 0 ? "nobody" : "", next->valid_s, pin ? ", a new PIN" : "");
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
		return HF_E_ATTR_READ_ONLY; /* a limit is never raised */
	*next = *now;
	next->limit = q->limit;
	next->needed = q->needed;
	next->valid_s = q->valid_s;
	memset(next->requests, 0, sizeof(next->requests));
	memset(next->change, 0, sizeof(next->change));
	return new_approvers(c, q->approvers, next);
}

/* --- calls ------------------------------------------------------------------------- */

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

static enum hf_err ask(struct calls_ctx *c, struct guard *g, struct guard *next, struct approval *r)
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
	next = *g;
	TRY(ask(c, g, &next, &a));
	r->request = a.number;
	return HF_OK;
}

/* What only the crypto officer may do only he asks for. */
enum hf_err on_guard_ask(struct calls_ctx *c, const struct guard_ask_req *q, struct guard_ask_res *r)
{
	const struct guard_change to = { q->limit, q->needed, q->valid_s, q->approvers };
	MUTEX_HOLD(&c->part->guards->lock);
	struct approval a = { .what = q->what };
	struct guard *g, next, changed;

	TRY(guard_to_ask(c, q->key, &g));
	if (q->what >= FOR_COUNT || q->comment.n > COMMENT_MAX)
		return HF_E_ARGUMENTS;
	if (q->what != FOR_USE && c->role != ROLE_USER)
		return HF_E_DENIED;
	next = *g;
	if (q->what == FOR_GUARD) {
		TRY(guard_changed(c, &to, g, &changed));
		memset(next.change, 0, sizeof(next.change));
		guard_text(&changed, q->pin, next.change);
	}
	if (q->comment.n > 0)
		memcpy(a.comment, q->comment.p, q->comment.n);
	TRY(ask(c, g, &next, &a));
	call_detail(c, "for %s", a.what == FOR_USE ? "one use" : a.what == FOR_PIN ? "a PIN" : g->change);
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
	i = approver_at(g, &who);
	if (i == g->approver_count || person_same(&t->by, &who)) {
		call_detail(c, "not an approver of this request");
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
	static const char *const what[FOR_COUNT] = { "one use", "", "a new PIN" };
	char names[APPROVERS_MAX * (USER_NAME_MAX + 1)] = "";
	size_t at = 0;

	for (unsigned i = 0; i < g->approver_count; i++)
		if (approval_holds(c->part, g, t, i))
			at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", at > 0 ? "," : "",
				g->approvers[i].name);
	ret->request = t->number;
	ret->expires = t->expires;
	TRY(arena_dup(c->arena, slice_str(t->by.name), &ret->requester));
	TRY(arena_dup(c->arena, slice_str(t->what == FOR_GUARD ? g->change : what[t->what]), &ret->what));
	TRY(arena_dup(c->arena, slice_str(t->comment), &ret->comment));
	return arena_dup(c->arena, slice_str(names), &ret->approved);
}

enum hf_err on_guard_requests(struct calls_ctx *c, const struct guard_requests_req *q,
	struct guard_requests_res *r)
{
	struct key_request *v = arena_alloc(c->arena, REQUESTS_MAX, sizeof(*v));
	CLEANUP(object_release) struct object *o = NULL;
	MUTEX_HOLD(&c->part->guards->lock);
	const struct guard *g;
	size_t n = 0;

	if (v == NULL)
		return HF_E_MEMORY;
	TRY(guard_key(c, q->key, &o));
	g = guard_of(c->part->guards, q->key);
	for (unsigned i = 0; g != NULL && i < REQUESTS_MAX; i++)
		if (request_waits(&g->requests[i]))
			TRY(tell_request(c, g, &g->requests[i], &v[n++]));
	r->requests = (struct key_request_list){ v, n };
	return HF_OK;
}
