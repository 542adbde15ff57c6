/* round.h: the connections that are served in turn, since there are more clients at work than
 * threads. Their shared memory is looked at, so nobody need ring and nobody be called for each
 * request; and nobody waits for more than the others' turn. A connection in the round is nobody
 * else's: its channel is watched, and it is not in the epoll set. */
#ifndef HF_ROUND_H
#define HF_ROUND_H

#include "conn.h"
#include "lock.h"

struct round {
	struct mutex lock;
	struct conn *first, **last; /* the next one to be looked at */
	_Atomic unsigned count;
};

void round_init(struct round *r);

static inline bool round_empty(const struct round *r)
{
	return atomic_load_explicit(&r->count, memory_order_relaxed) == 0;
}

/* round_put hands a watched connection over, behind all others. now: CLOCK_MONOTONIC, ns. */
void round_put(struct round *r, struct conn *c, uint64_t now);

/* round_take: the next connection that asks, or that has asked nothing for long: the caller
 * looks which. NULL: of those that were looked at none. Who asks from the processor seat
 * (counted from 1) goes first, since to wake a thread elsewhere is twice as dear; nobody
 * is passed over by more than all others, though. round_pop: the next one, or NULL. */
struct conn *round_take(struct round *r, uint64_t now, unsigned seat);
struct conn *round_pop(struct round *r);

#endif
