/* gather.h: how long one who leads a commit waits for company. Writers whose records came together come
 * back one by one; without this the first of them takes a commit for itself, and the rest wait for it. */
#ifndef HF_GATHER_H
#define HF_GATHER_H

#include "lock.h"

/* struct gather is used with its owner's lock held. */
struct gather {
	struct cond came;
	size_t queued;     /* writers who wait to be taken */
	size_t goal;       /* so many are waited for; 0: nobody waits for them */
	size_t mean;       /* of a group's writers, in parts of GATHER_PARTS */
	uint64_t took_ns;  /* the last commit */
};

#define GATHER_PARTS 16u

void gather_init(struct gather *g);
void gather_done(struct gather *g);

/* gather_came: one more is queued. */
void gather_came(struct gather *g);

/* gather_wait returns when as many are queued as came together lately, and not later than the last commit
 * took: for longer it would not pay. `lock` is held, but not meanwhile. */
void gather_wait(struct gather *g, struct mutex *lock);

/* gather_ended: a commit of n writers took ns. */
void gather_ended(struct gather *g, size_t n, uint64_t ns);

#endif
