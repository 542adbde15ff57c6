#include "turn.h"

#include <sched.h>

#include "clock.h"

#define DEAR_NS 1000000u /* longer than any call that is worth waiting awake for */
#define REMEMBERED 16u /* times what a dear turn took: so little is lost by trying again */

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
		t->dear_until = t->now + REMEMBERED * took;
	return true;
}
