/* audit_facts.c: what others may know of the chain. */
#include "audit_int.h"

uint64_t audit_sequence(struct audit *a)
{
	MUTEX_HOLD(&a->lock);

	return a->seq;
}

uint64_t audit_backlog(struct audit *a)
{
	MUTEX_HOLD(&a->lock);

	return a->seq - a->durable;
}

uint64_t audit_dropped(struct audit *a)
{
	MUTEX_HOLD(&a->lock);

	return a->dropped;
}

uint64_t audit_gaps(struct audit *a)
{
	MUTEX_HOLD(&a->lock);

	return a->gaps;
}

bool audit_failing(const struct audit *a)
{
	return atomic_load(&a->failing);
}

const struct audit_keys *audit_keys(const struct audit *a)
{
	return &a->keys;
}
