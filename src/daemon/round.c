#include "round.h"

#define IDLE_NS 2000000u /* after an answer: a crowd's clients wait for a processor, too */
#define LOOKS 64u        /* under the lock at once */

void round_init(struct round *r)
{
	*r = (struct round){ .count = 0 };
	r->last = &r->first;
	mutex_init(&r->lock);
}

static void put(struct round *r, struct conn *c)
{
	c->next_round = NULL;
	*r->last = c;
	r->last = &c->next_round;
}

static struct conn *pop(struct round *r)
{
	struct conn *c = r->first;

	if (c == NULL)
		return NULL;
	r->first = c->next_round;
	if (r->first == NULL)
		r->last = &r->first;
	return c;
}

void round_put(struct round *r, struct conn *c, uint64_t now)
{
	MUTEX_HOLD(&r->lock);

	c->idle_from = now;
	put(r, c);
	atomic_fetch_add(&r->count, 1);
}

struct conn *round_take(struct round *r, uint64_t now)
{
	MUTEX_HOLD(&r->lock);
	unsigned n = atomic_load(&r->count);

	for (n = n < LOOKS ? n : LOOKS; n > 0; n--) {
		struct conn *c = pop(r);

		if (conn_asked(c) || now > c->idle_from + IDLE_NS) {
			atomic_fetch_sub(&r->count, 1);
			return c;
		}
		put(r, c);
	}
	return NULL;
}

struct conn *round_pop(struct round *r)
{
	MUTEX_HOLD(&r->lock);
	struct conn *c = pop(r);

	if (c != NULL)
		atomic_fetch_sub(&r->count, 1);
	return c;
}
