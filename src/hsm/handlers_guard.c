/* handlers_guard.c: keys get guards, and what the guards ask for. */
#include <string.h>

#include "gate.h"
#include "guard.h"
#include "op.h"
#include "pkcs11_numbers.h"
#include "policy.h"

/* Wrong PINs are counted in the anchor, as those of roles are: an older store that is put
 * back gives no try back. This is the counter's number, above all roles'. */
static unsigned counter_of(const struct guard *g)
{
	return 0x80000000u | get_u32(g->uid);
}

static unsigned failures_of(const struct calls_ctx *c, const struct guard *g)
{
	unsigned n = records_fail_get(c->hsm->records, c->part->serial, counter_of(g));

	return n > g->failures ? n : g->failures;
}

static enum hf_err set_failures(const struct calls_ctx *c, const struct guard *g, unsigned n)
{
	return records_fail_set(c->hsm->records, c->part->serial, counter_of(g), n);
}

enum hf_err guard_key(struct calls_ctx *c, uint64_t handle, struct object **ret)
{
	TRY(object_get(c, handle, HF_E_KEY_HANDLE, ret));
	object_audit(c, *ret);
	return (*ret)->cko == CKO_PRIVATE_KEY || (*ret)->cko == CKO_SECRET_KEY ? HF_OK :
		HF_E_KEY_HANDLE;
}

static enum hf_err tag_of(const struct pin_memory *m, struct slice pin, uint8_t tag[CRYPTO_HASH])
{
	CLEANUP(secret_done) struct secret s = { 0 };

	TRY(crypto_stretch(pin, SLICE_OF(m->salt), m->kib, m->passes, &s));
	return crypto_hmac(secret_slice(&s), SLICE_STR("holdfast key PIN"), tag);
}

static enum hf_err new_pin(struct calls_ctx *c, struct slice pin, struct guard *g)
{
	if (pin.n == 0)
		return HF_OK;
	TRY(pin_length(c->hsm, c->part, pin));
	g->has_pin = true;
	g->failures = 0;
	g->pin = (struct pin_memory){ .kib = 0 };
	pin_kdf(c->hsm, c->part, &g->pin.kib, &g->pin.passes);
	TRY(crypto_random(g->pin.salt, sizeof(g->pin.salt)));
	return tag_of(&g->pin, pin, g->pin.tag);
}

static enum hf_err add_guard(struct calls_ctx *c, uint64_t handle, const struct guard *next)
{
	struct guard *g = hf_alloc(1, sizeof(*g));
	enum hf_err e;

	if (g == NULL)
		return HF_E_MEMORY;
	e = map_put(&c->part->guards->by_handle, handle, &g->by_handle);
	if (e != HF_OK) {
		hf_free(g);
		return e;
	}
	e = guard_become(c, g, next);
	if (e != HF_OK) {
		(void)map_del(&c->part->guards->by_handle, handle);
		hf_free(g);
	}
	return e;
}

static enum hf_err put_guard(struct calls_ctx *c, uint64_t handle, struct guard *now,
	const struct guard *next)
{
	return now != NULL ? guard_become(c, now, next) : add_guard(c, handle, next);
}

/* Whoever can read a key needs no use of it. */
static enum hf_err guardable(struct calls_ctx *c, uint64_t handle, struct object **ret)
{
	TRY(guard_key(c, handle, ret));
	return (*ret)->token && attrs_bool(&(*ret)->attrs, CKA_SENSITIVE) ? HF_OK : HF_E_ARGUMENTS;
}

/* Whoever changes a guard needs what a use of the key would need, approved for this very change. */
enum hf_err on_guard_set(struct calls_ctx *c, const struct guard_set_req *q, struct guard_set_res *r)
{
	const struct guard_change to = { q->limit, q->needed, q->any_data, q->valid_s, q->approvers };
	const struct approval want = { .what = FOR_GUARD };
	CLEANUP(object_release) struct object *o = NULL;
	struct guard next = { .version = 0 }, none = { .version = 0 }, *now;
	char change[CHANGE_TEXT];
	unsigned at;

	(void)r;
	TRY(guardable(c, q->key, &o));
	MUTEX_HOLD(&c->part->guards->lock);
	now = guard_of(c->part->guards, q->key);
	TRY(guard_changed(c, &to, now != NULL ? now : &none, &next));
	memcpy(next.uid, o->uid, UID_LEN);
	guard_text(&next, q->pin.n > 0, change);
	if (now != NULL)
		TRY(guard_may(c, now, &want, change, &at));
	TRY(new_pin(c, q->pin, &next));
	TRY(put_guard(c, q->key, now, &next));
	return q->pin.n > 0 ? set_failures(c, &next, 0) : HF_OK;
}

/* may_pin: a reset, for a PIN that is locked or forgotten, needs the policy and nothing else. */
static enum hf_err may_pin(struct calls_ctx *c, uint64_t handle, const struct guard *g, unsigned *ret_at)
{
	const struct approval want = { .what = FOR_PIN };

	*ret_at = REQUESTS_MAX;
	if (g == NULL)
		return HF_OK;
	if (!g->has_pin || c->session->guard_open == handle)
		return guard_may(c, g, &want, "", ret_at);
	if (policy_value(c->part, POLICY_KEY_PIN_RESET) != 0)
		return HF_OK;
	call_detail(c, "policy officer-resets-key-pin");
	return HF_E_POLICY;
}

enum hf_err on_guard_pin(struct calls_ctx *c, const struct guard_pin_req *q, struct guard_pin_res *r)
{
	CLEANUP(object_release) struct object *o = NULL;
	struct guards *t = c->part->guards;
	struct guard next = { .version = 0 }, *now;
	unsigned at;

	(void)r;
	TRY(guardable(c, q->key, &o));
	MUTEX_HOLD(&t->lock);
	now = guard_of(t, q->key);
	TRY(may_pin(c, q->key, now, &at));
	if (q->pin.n == 0)
		return HF_E_PIN_LENGTH;
	if (now != NULL)
		next = *now;
	if (at < REQUESTS_MAX)
		next.requests[at] = (struct approval){ .number = 0 };
	memcpy(next.uid, o->uid, UID_LEN);
	TRY(new_pin(c, q->pin, &next));
	TRY(put_guard(c, q->key, now, &next));
	return set_failures(c, &next, 0);
}

static const struct approval *first_waiting(const struct guard *g)
{
	for (unsigned i = 0; i < REQUESTS_MAX; i++)
		if (request_waits(&g->requests[i]))
			return &g->requests[i];
	return NULL;
}

enum hf_err on_guard_get(struct calls_ctx *c, const struct guard_get_req *q, struct guard_get_res *r)
{
	CLEANUP(object_release) struct object *o = NULL;
	MUTEX_HOLD(&c->part->guards->lock);
	const struct approval *waits;
	const struct guard *g;

	TRY(guard_key(c, q->key, &o));
	g = guard_of(c->part->guards, q->key);
	if (g == NULL)
		return HF_OK;
	waits = first_waiting(g);
	r->limit = g->limit;
	r->used = g->used;
	r->pin = g->has_pin;
	r->locked = failures_of(c, g) >= GUARD_FAILURES;
	r->needed = g->needed;
	r->any_data = g->any_data;
	r->request = waits != NULL ? waits->number : 0;
	r->expires = waits != NULL ? waits->expires : 0;
	TRY(approvers_told(c, g, waits, &r->approvers));
	return arena_dup(c->arena, slice_str(waits != NULL ? waits->by.name : ""), &r->requester);
}

static enum hf_err forget_old_count(struct calls_ctx *c, struct guard *g)
{
	struct guard next = *g;

	next.failures = 0;
	return g->failures != 0 ? guard_become(c, g, &next) : HF_OK;
}

/* The attempt is counted before it is made. */
static enum hf_err try_pin(struct calls_ctx *c, struct guard *g, struct slice pin)
{
	unsigned failures = failures_of(c, g);
	uint8_t tag[CRYPTO_HASH];

	if (!g->has_pin)
		return HF_E_PIN_NOT_SET;
	if (failures >= GUARD_FAILURES)
		return HF_E_PIN_LOCKED;
	TRY(set_failures(c, g, failures + 1));
	TRY(tag_of(&g->pin, pin, tag));
	if (!secret_eq(SLICE_OF(tag), SLICE_OF(g->pin.tag)))
		return HF_E_PIN_INCORRECT;
	TRY(forget_old_count(c, g));
	return set_failures(c, g, 0);
}

enum hf_err guard_enter(struct calls_ctx *c, uint64_t handle, struct slice pin)
{
	CLEANUP(object_release) struct object *o = NULL;
	MUTEX_HOLD(&c->part->guards->lock);
	struct guard *g;

	TRY(guard_key(c, handle, &o));
	g = guard_of(c->part->guards, handle);
	if (g == NULL)
		return HF_E_PIN_NOT_SET;
	TRY(try_pin(c, g, pin));
	c->session->guard_open = handle;
	c->session->guard_asked = 0;
	return HF_OK;
}

enum hf_err on_guard_open(struct calls_ctx *c, const struct guard_open_req *q,
	struct guard_open_res *r)
{
	(void)r;
	return guard_enter(c, q->key, q->pin);
}
