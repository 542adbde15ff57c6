/* metrics.h: how often, how long, with what result. Counted per thread, without
 * a lock or a shared line; summed up when somebody asks. Nothing here is secret. */
#ifndef HF_METRICS_H
#define HF_METRICS_H

#include "module.h"

/* metrics_call counts a call that ended. Of quick calls one in 16 is timed. */
void metrics_call(const struct calls_ctx *c, enum hf_err result, uint64_t began_ns);

#endif
