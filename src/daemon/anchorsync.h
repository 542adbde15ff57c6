/* anchorsync.h: a thread of the keeper's that replaces the anchor, once the store has what it tells of,
 * while the audit log's disk is waited for beside. */
#ifndef HF_ANCHORSYNC_H
#define HF_ANCHORSYNC_H

#include "anchor.h"

struct anchorsync;

/* anchorsync_start: until anchorsync_stop the anchor stays the caller's, who leaves it alone while
 * anchorsync_wait would wait. */
enum hf_err anchorsync_start(struct anchor *a, struct anchorsync **ret) HF_MUST_CHECK;
/* anchorsync_put hands a value over, of which it takes a copy, and does not wait for the disk, but for the
 * one before. */
enum hf_err anchorsync_put(struct anchorsync *s, struct slice value) HF_MUST_CHECK;
/* anchorsync_wait waits for what was handed over before; the error if that could not be put. NULL-safe.
 * anchorsync_mend tries that once more; only who puts may call it. */
enum hf_err anchorsync_wait(struct anchorsync *s) HF_MUST_CHECK;
enum hf_err anchorsync_mend(struct anchorsync *s) HF_MUST_CHECK;
void anchorsync_stop(struct anchorsync *s); /* when all is put; NULL-safe */

#endif
