#include "turn.h"

#include <sched.h>

#include "clock.h"

#define DEAR_NS 1000000u /* longer than any call that is worth waiting awake for */
#define REMEMBERED 16u /* times what a dear turn took: so little is lost by trying again */
#define DEAREST_NS 4000000u /* a slice; more than that (a stopped process) says nothing of the next one */
#define TURNS_MAX 4u   /* of one wait */
#define WAITS_REMEMBERED 256u

void turn_begin(struct turn *t)
{
	t->given = 0;
	if (t->asleep > 0)
		t->asleep--;
}

bool turn_give(struct turn *t)
{
	uint64_t before = clock_mono_ns(), took;

	t->now = before;
	if (before < t->dear_until)
		return false;
	(void)sched_yield();
	t->now = clock_mono_ns();
	took = t->now - before;
	if (took > DEAR_NS)
		t->dear_until = t->now + REMEMBERED * (took < DEAREST_NS ? took : DEAREST_NS);
	return true;
}

bool turn_give_in_crowd(struct turn *t)
{
	if (t->asleep > 0)
		return false;
	if (t->given++ == TURNS_MAX) {
		t->asleep = WAITS_REMEMBERED;
		return false;
	}
	return turn_give(t);
}
