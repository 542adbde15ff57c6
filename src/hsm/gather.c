#include "gather.h"

#include "clock.h"
#include "wait.h"

#define SLOW 8u            /* so many groups make a mean */
#define MOST_NS 10000000u  /* a commit that the keeper's start delayed is no measure */

void gather_init(struct gather *g)
{
	*g = (struct gather){ 0 };
	cond_init(&g->came);
}

void gather_done(struct gather *g)
{
	cond_done(&g->came);
}

void gather_came(struct gather *g)
{
	g->queued++;
	if (g->queued == g->goal)
		cond_signal(&g->came);
}

static void wait(struct gather *g, struct mutex *lock, uint64_t until)
{
	MUTEX_HOLD(lock);

	while (g->queued < g->goal && cond_wait_until(&g->came, lock, until))
		;
	g->goal = 0;
}

void gather_wait(struct gather *g, struct mutex *lock)
{
	size_t goal = (g->mean + GATHER_PARTS / 2) / GATHER_PARTS;
	uint64_t until;

	if (g->queued >= goal)
		return;
	g->goal = goal;
	until = clock_mono_ns() + g->took_ns;
	mutex_unlock(lock);
	waiting_begin();
	wait(g, lock, until);
	waiting_end();
	mutex_lock(lock);
}

void gather_ended(struct gather *g, size_t n, uint64_t ns)
{
	g->mean = (g->mean * (SLOW - 1) + n * GATHER_PARTS) / SLOW;
	g->took_ns = ns < MOST_NS ? ns : MOST_NS;
}
