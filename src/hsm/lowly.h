/* lowly.h: work that may take a minute is done by a thread of its own at a low priority, a few of
 * them at once, so that it takes only the time that others leave. */
#ifndef HF_LOWLY_H
#define HF_LOWLY_H

#include "err.h"

/* lowly runs f and returns what it does; the caller waits. */
enum hf_err lowly(enum hf_err (*f)(void *ctx), void *ctx) HF_MUST_CHECK;

#endif
