/* handlers_async.c: calls that run apart. */
#include "attrs.h"
#include "jobs.h"
#include "pkcs11_numbers.h"

static bool for_the_token(struct attr_list t)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.v[i].type == CKA_TOKEN)
			return t.v[i].value.n == 1 && t.v[i].value.p[0] != 0;
	return false;
}

static bool one_durable(struct rd r, struct arena *a)
{
	struct key_generate_req q;

	return key_generate_req_dec(&r, a, &q) && for_the_token(q.attrs);
}

static bool pair_durable(struct rd r, struct arena *a)
{
	struct key_pair_generate_req q;

	return key_pair_generate_req_dec(&r, a, &q) && for_the_token(q.pub) && for_the_token(q.priv);
}

/* The calls that may run apart: those that take long and touch no operation of
 * their session. */
static const struct apart {
	enum calls_op op;
	bool (*durable)(struct rd r, struct arena *a);
} apart[] = {
	{ CALLS_KEY_GENERATE, one_durable },
	{ CALLS_KEY_PAIR_GENERATE, pair_durable },
};

enum hf_err on_async_start(struct calls_ctx *c, const struct async_start_req *q,
	struct async_start_res *r)
{
	for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
		struct job_order o = { apart[i].op, q->fields, false };

		if (q->op != (uint32_t)o.op)
			continue;
		o.durable = apart[i].durable(rd_of(q->fields), c->arena);
		return job_start(c, &o, &r->id);
	}
	return HF_E_UNSUPPORTED;
}

enum hf_err on_async_take(struct calls_ctx *c, const struct async_take_req *q,
	struct async_take_res *r)
{
	struct wire_head h;
	struct slice frame;

	TRY(job_take(c, q->id, &r->done, &frame));
	if (!r->done)
		return HF_OK;
	if (frame.n < WIRE_HEAD || wire_head_get(frame.p, frame.n, &h) != HF_OK)
		return HF_E_INTERNAL;
	r->error = h.flags;
	r->fields = (struct slice){ frame.p + WIRE_HEAD, frame.n - WIRE_HEAD };
	return HF_OK;
}

enum hf_err on_async_keep(struct calls_ctx *c, const struct async_keep_req *q,
	struct async_keep_res *r)
{
	(void)r;
	return job_keep(c, q->id);
}

enum hf_err on_async_join(struct calls_ctx *c, const struct async_join_req *q,
	struct async_join_res *r)
{
	(void)r;
	return job_join(c, q->id, (enum calls_op)q->op);
}
