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

static struct conn *take(struct round *r, struct conn **at)
{
	struct conn *c = *at;

	*at = c->next_round;
	if (*at == NULL)
		r->last = at;
	return c;
}

static struct conn *leave(struct round *r, struct conn **at)
{
	atomic_fetch_sub(&r->count, 1);
	return take(r, at);
}

void round_put(struct round *r, struct conn *c, uint64_t now)
{
	MUTEX_HOLD(&r->lock);

	c->idle_from = now;
	c->passed_over = 0;
	c->asks = false;
	put(r, c);
	atomic_fetch_add(&r->count, 1);
}

/* asked is remembered: who is passed over need not be looked at in memory that is in no cache, again and
 * again. */
static bool asked(struct conn *c)
{
	if (!c->asks && conn_asked(c)) {
		c->asks = true;
		c->asks_from = conn_seat(c);
	}
	return c->asks;
}

struct conn *round_take(struct round *r, uint64_t now, unsigned seat)
{
	MUTEX_HOLD(&r->lock);
	unsigned count = atomic_load(&r->count);
	struct conn **at = &r->first;
	bool elsewhere = false; /* if so, the first one asks from there */

	for (unsigned n = count < LOOKS ? count : LOOKS; n > 0 && *at != NULL; n--) {
		struct conn *c = *at;
		bool asks = asked(c), idle = !asks && now > c->idle_from + IDLE_NS;

		if (!asks && !idle) {
			put(r, take(r, at));
			continue;
		}
		if (idle || c->asks_from == seat || c->passed_over++ >= count)
			return leave(r, at);
		elsewhere = true;
		at = &c->next_round;
	}
	return elsewhere ? leave(r, &r->first) : NULL;
}

struct conn *round_pop(struct round *r)
{
	MUTEX_HOLD(&r->lock);

	return r->first != NULL ? leave(r, &r->first) : NULL;
}
