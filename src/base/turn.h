/* turn.h: waiting awake, by giving the processor away for a turn.
 *
 * Between two threads that work for each other a turn costs less than half of a sleep and a
 * waking. But whoever else wants the processor gets it for a whole slice of time, some
 * milliseconds; and a thread of another scheduling group (another service's, another
 * session's) gets it after dozens of turns only. Where either has happened, sleeping is
 * better for a while. */
#ifndef HF_TURN_H
#define HF_TURN_H

#include <stdbool.h>
#include <stdint.h>

struct turn { /* one thread's; {0} at first */
	uint64_t now;        /* CLOCK_MONOTONIC, ns: after the last turn */
	uint64_t dear_until; /* ns */
	unsigned given;      /* turns of this wait */
	unsigned asleep;     /* so many waits more are not worth a turn */
};

/* turn_begin: a wait begins. */
void turn_begin(struct turn *t);

/* turn_give gives the processor away once. false: it did not, since that is dear at the
 * moment, and the caller should sleep. */
bool turn_give(struct turn *t);

/* turn_give_in_crowd: where the processor is wanted by whom this thread waits for, few turns
 * must do; false after those, and for many waits to come. */
bool turn_give_in_crowd(struct turn *t);

#endif
