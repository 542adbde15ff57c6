/* wait.h: a thread that is about to wait for a disk says so, and its pool lets another
 * thread work meanwhile. */
#ifndef HF_WAIT_H
#define HF_WAIT_H

#include <stdbool.h>

/* struct waiting: on is called with true before the wait, with false after it; it may be
 * called under any lock but its own. */
struct waiting {
	void (*on)(void *ctx, bool waits);
	void *ctx;
};

/* waiting_tell sets whom this thread tells; NULL: nobody. w stays the caller's. */
void waiting_tell(const struct waiting *w);

void waiting_begin(void);
void waiting_end(void);

#endif
