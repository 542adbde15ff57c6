#include "ahead.h"

#include "audit_level.h"
#include "clock.h"
#include "gate.h"
#include "secret.h"

void ahead_last(struct calls_ctx *c)
{
	if (c->ahead != NULL)
		c->ahead->last = true;
}

bool ahead_is_last(const struct calls_ctx *c)
{
	return c->ahead != NULL && c->ahead->last;
}

static void make_record(struct audit_each *e, struct calls_ctx *c)
{
	gate_service(c, HF_OK);
	c->ahead->end.duration_ns = clock_mono_ns() - c->ahead->began_ns;
	*e = (struct audit_each){ .c = c, .end = &c->ahead->end };
}

/* Without memory each makes its own at its end. */
static void make_records(void *const *ctx, size_t n)
{
	struct audit_each *v = hf_alloc(n, sizeof(*v));
	struct calls_ctx *first = ctx[0];

	if (v == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		make_record(&v[i], ctx[i]);
	audit_calls(first->hsm->audit, v, n);
	for (size_t i = 0; i < n; i++) {
		struct ahead *a = ((struct calls_ctx *)ctx[i])->ahead;

		a->made = true;
		a->recorded = v[i].err;
	}
	hf_free(v);
}

const struct records_behind *ahead_behind(struct calls_ctx *c)
{
	struct ahead *a = c->ahead;

	if (!ahead_is_last(c) || a->made || c->hsm->audit == NULL || c->session == NULL)
		return NULL;
	a->end = (struct audit_end){ .result = HF_OK, .want = audit_wants(c, HF_OK) };
	if (a->end.want != AUDIT_DURABLE && a->end.want != AUDIT_OR_NOTHING)
		return NULL;
	a->behind = (struct records_behind){ make_records, c };
	return &a->behind;
}
