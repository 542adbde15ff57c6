/* handlers_mechs.c: which mechanisms there are. */
#include "module.h"
#include "op.h"

/* slot_part: the partition of a slot; NULL for the free slot, where mechanisms
 * are told, too. */
static enum hf_err slot_part(struct calls_ctx *c, uint64_t slot, struct partition **ret)
{
	enum hf_err e;

	*ret = NULL;
	e = call_part(c, slot, ret);
	return e == HF_E_NO_TOKEN ? HF_OK : e;
}

enum hf_err on_mech_list(struct calls_ctx *c, const struct mech_list_req *q,
	struct mech_list_res *r)
{
	struct partition *p;
	const struct mech *m;
	uint32_t *v;
	size_t n = 0;

	TRY(slot_part(c, q->slot, &p));
	while (mech_at(n) != NULL)
		n++;
	v = arena_alloc(c->arena, n != 0 ? n : 1, sizeof(*v));
	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	n = 0;
	for (size_t i = 0; (m = mech_at(i)) != NULL; i++)
		if (mech_ops(p, m) != 0)
			v[n++] = m->type;
	r->types = (struct u32_list){ v, n };
	return HF_OK;
}

enum hf_err on_mech_info(struct calls_ctx *c, const struct mech_info_req *q,
	struct mech_info_res *r)
{
	const struct mech *m = mech_find(q->type);
	struct partition *p;

	TRY(slot_part(c, q->slot, &p));
	if (m == NULL || mech_ops(p, m) == 0)
		return HF_E_MECHANISM;
	r->min_size = m->min;
	r->max_size = m->max;
	r->flags = mech_ops(p, m);
	return HF_OK;
}
