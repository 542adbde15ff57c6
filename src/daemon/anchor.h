/* anchor.h: one small value in a file of its own, replaced without a moment in
 * which neither the old nor the new one is there. */
#ifndef HF_ANCHOR_H
#define HF_ANCHOR_H

#include "bytes.h"
#include "err.h"

#define ANCHOR_MAX (1u << 20) /* bytes of the value */

struct anchor;

/* anchor_open opens or creates `name` in dirfd, mode 0600. */
enum hf_err anchor_open(int dirfd, const char *name, struct anchor **ret) HF_MUST_CHECK;
void anchor_close(struct anchor *a); /* NULL-safe */
/* anchor_get: the last value written whole; empty if there was none. */
struct slice anchor_get(const struct anchor *a);
/* anchor_put is durable when it returns. */
enum hf_err anchor_put(struct anchor *a, struct slice value) HF_MUST_CHECK;

#endif
