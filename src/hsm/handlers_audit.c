#include <string.h>

#include "audit.h"
#include "keeper_ask.h"

#define READ_MAX 4096u

static enum hf_err to_lines(struct calls_ctx *c, struct entry_list l, struct line_list *ret)
{
	struct line *v = arena_alloc(c->arena, l.n + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < l.n; i++)
		v[i].record = l.v[i].record;
	*ret = (struct line_list){ v, l.n };
	return HF_OK;
}

enum hf_err on_audit_read(struct calls_ctx *c, const struct audit_read_req *q,
	struct audit_read_res *r)
{
	struct audit *audit = c->hsm->audit;
	uint32_t max = q->max < READ_MAX ? q->max : READ_MAX;
	uint8_t *key = arena_alloc(c->arena, 32, 1);
	uint64_t from = q->from, last;
	struct entry_list l = { 0 };

	if (key == NULL)
		return HF_E_SECRET_MEMORY;
	TRY(audit_flush(audit));
	last = audit_sequence(audit);
	if (from == 0)
		from = last > max ? last - max + 1 : 1;
	if (max > 0 && from <= last)
		TRY(keeper_audit_fetch(c->hsm->keeper, from, max, c->arena, &l));
	memcpy(key, audit_keys(audit)->public_key, 32);
	r->public_key = (struct slice){ key, 32 };
	return to_lines(c, l, &r->records);
}
