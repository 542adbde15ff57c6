/* guard_use.c: may the key be used now? */
#include <stdio.h>
#include <string.h>

#include "gate.h"
#include "generation.h"
#include "guard.h"
#include "object_table.h"
#include "op.h"
#include "pkcs11_numbers.h"
#include "policy.h"

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

/* --- approvals --------------------------------------------------------------------- */

static bool same_use(const struct use_for *a, const struct use_for *b)
{
	return a->ckf == b->ckf && a->mechanism == b->mechanism &&
		slice_eq(SLICE_OF(a->param), SLICE_OF(b->param)) &&
		slice_eq(SLICE_OF(a->data), SLICE_OF(b->data));
}

static bool serves(const struct guard *g, const struct approval *r, const struct approval *want,
	const char *change)
{
	return request_waits(r) && r->what == want->what &&
		same_use(&r->use, &want->use) &&
		(want->what != FOR_GUARD || strcmp(g->change, change) == 0);
}

static enum hf_err granted(struct calls_ctx *c, const struct guard *g, const struct approval *want,
	const char *change, unsigned *ret_at)
{
	static const char *const how[FOR_COUNT] = { "this use", "exactly this change, by --for guard",
		"another PIN, by --for pin" };
	struct person who;

	TRY(person_calling(c, &who));
	for (unsigned i = 0; i < REQUESTS_MAX; i++) {
		const struct approval *r = &g->requests[i];

		if (serves(g, r, want, change) && person_same(&r->by, &who) &&
		    approvals(c->part, g, r) >= g->needed) {
			*ret_at = i;
			return HF_OK;
		}
	}
	if (want->use.ckf == 0)
		call_detail(c, "needs %u approvals of %s ('holdfast key request')", g->needed,
			how[want->what]);
	return HF_E_APPROVAL;
}

/* open_now: but for approvals. */
static enum hf_err open_now(const struct calls_ctx *c, const struct guard *g)
{
	if (g->limit != 0 && g->used >= g->limit)
		return HF_E_KEY_EXHAUSTED;
	return g->has_pin && c->session->guard_open != object_handle(g->uid) ? HF_E_KEY_GUARDED : HF_OK;
}

enum hf_err guard_may(struct calls_ctx *c, const struct guard *g, const struct approval *want,
	const char *change, unsigned *ret_at)
{
	*ret_at = REQUESTS_MAX;
	TRY(open_now(c, g));
	return g->needed == 0 ? HF_OK : granted(c, g, want, change, ret_at);
}

/* --- one use of named data --------------------------------------------------------- */

static bool binds(const struct guard *g)
{
	return g->needed != 0 && !g->any_data;
}

struct key_use use_of_call(const struct calls_ctx *c, uint32_t ckf, const struct mech_in *m)
{
	return (struct key_use){ .ckf = ckf, .mech = *m, .data = c->fields };
}

static enum hf_err use_for(const struct key_use *u, struct use_for *ret)
{
	ret->ckf = u->ckf & ~USE_MESSAGE;
	ret->mechanism = u->mech.type;
	if (u->mech.param.n + u->aad.n > 0)
		TRY(crypto_sha256_2(u->mech.param, u->aad, ret->param));
	if (u->sha256 == NULL)
		return crypto_sha256(u->data, ret->data);
	memcpy(ret->data, u->sha256, CRYPTO_HASH);
	return HF_OK;
}

/* say_of: what those who approve read where nobody wrote a comment. */
static void say_of(const struct calls_ctx *c, const struct key_use *u, char ret[COMMENT_MAX + 1])
{
	char uid[2 * UID_LEN + 1];

	if (u->leaves == NULL) {
		memcpy(ret, c->app->program, COMMENT_MAX + 1);
		return;
	}
	hex_encode(SLICE_OF(u->leaves->uid), uid);
	(void)snprintf(ret, COMMENT_MAX + 1, "takes out the key %s", uid);
}

/* ask_now has the use that was refused ask for its approvals. The user's own request for something
 * else stays, with what approvals it has. */
static enum hf_err ask_now(struct calls_ctx *c, struct guard *g, const struct key_use *u,
	struct approval *want)
{
	const struct approval *own;
	struct guard next = *g;
	enum hf_err e;

	TRY(person_calling(c, &want->by));
	own = approval_own(g, &want->by);
	if (own == NULL) {
		say_of(c, u, want->comment);
		e = approval_ask(c, g, &next, want);
		if (e != HF_OK)
			return e == HF_E_LIMIT ? HF_E_APPROVAL : e;
		own = want;
	}
	if (serves(g, own, want, ""))
		call_detail(c, "request %llu has %u of %u ('holdfast key requests'); then do the same again",
			(unsigned long long)own->number, approvals(c->part, g, own), g->needed);
	else
		call_detail(c, "your request %llu is for something else ('holdfast key requests'); use or "
			"cancel that first", (unsigned long long)own->number);
	return HF_E_APPROVAL;
}

static enum hf_err approved(struct calls_ctx *c, struct guard *g, const struct key_use *u, unsigned *ret_at)
{
	struct approval want = { .what = FOR_USE };
	enum hf_err e;

	if (!binds(g))
		return guard_may(c, g, &want, "", ret_at);
	if (u == NULL) {
		call_detail(c, "approvals name the data, so they must be in one call or in parts of one "
			"signature, or the guard be for --any-data");
		return HF_E_APPROVAL;
	}
	TRY(use_for(u, &want.use));
	e = guard_may(c, g, &want, "", ret_at);
	return e == HF_E_APPROVAL ? ask_now(c, g, u, &want) : e;
}

/* --- using ------------------------------------------------------------------------- */

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

/* note_pin: a PIN that comes now (C_Login) is this key's. */
static enum hf_err note_pin(struct calls_ctx *c, const struct object *key, enum hf_err e)
{
	c->session->guard_asked = e == HF_E_KEY_GUARDED ? key->handle : 0;
	return e;
}

/* An approval is for one use. */
static enum hf_err count(struct calls_ctx *c, struct guard *g, const struct object *key,
	const struct key_use *use)
{
	struct guard next;
	unsigned at;

	TRY(note_pin(c, key, approved(c, g, use, &at)));
	if (g->limit == 0 && g->needed == 0)
		return HF_OK;
	next = *g;
	next.used++;
	if (at < REQUESTS_MAX) {
		call_detail(c, "by request %llu", (unsigned long long)next.requests[at].number);
		next.requests[at] = (struct approval){ .number = 0 };
	}
	generation_soon(c->hsm);
	return guard_become(c, g, &next);
}

static bool may_have_guard(const struct calls_ctx *c, const struct object *key)
{
	return c->part->guards != NULL && key->token && key->cko != CKO_PUBLIC_KEY;
}

/* guard_there gives the key's guard, or NULL, if the partition is content with it. */
static enum hf_err guard_there(struct calls_ctx *c, const struct object *key, struct guard **ret)
{
	c->session->guard_asked = 0;
	*ret = guard_of(c->part->guards, key->handle);
	return must_have(c, *ret);
}

enum hf_err guard_double(struct calls_ctx *c, const struct object *key)
{
	if (!may_have_guard(c, key))
		return HF_OK;
	MUTEX_HOLD(&c->part->guards->lock);
	return must_have(c, guard_of(c->part->guards, key->handle));
}

enum hf_err guard_use(struct calls_ctx *c, const struct object *key, const struct key_use *use)
{
	struct guard *g;

	if (!may_have_guard(c, key))
		return HF_OK;
	MUTEX_HOLD(&c->part->guards->lock);
	TRY(guard_there(c, key, &g));
	return g != NULL ? count(c, g, key, use) : HF_OK;
}

enum hf_err guard_begin(struct calls_ctx *c, const struct object *key, bool *ret_bound)
{
	struct guard *g;

	*ret_bound = false;
	if (!may_have_guard(c, key))
		return HF_OK;
	MUTEX_HOLD(&c->part->guards->lock);
	TRY(guard_there(c, key, &g));
	if (g == NULL)
		return HF_OK;
	*ret_bound = binds(g);
	return *ret_bound ? note_pin(c, key, open_now(c, g)) : count(c, g, key, NULL);
}
