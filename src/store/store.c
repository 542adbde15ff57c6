#include "store.h"

struct one {
	struct slice name;
	store_visit visit;
	void *ctx;
};

/* A name sorts before every longer one that starts with it, so the first record
 * of the scan is the one that is asked for, or it is not there. */
static bool visit_one(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	struct one *o = ctx;

	if (slice_eq(name, o->name))
		o->visit(o->ctx, name, version, value);
	return false;
}

enum hf_err store_get(struct store *s, struct slice name, store_visit visit, void *ctx)
{
	struct one o = { name, visit, ctx };

	return s->ops->scan(s, name, SLICE_NONE, visit_one, &o);
}
