/* start.h: from locked to operational. */
#ifndef HF_START_H
#define HF_START_H

#include "module.h"

/* hsm_start opens everything that is under the root key, which it takes over.
 * passphrase: a new HSM's, empty if it unlocks by file. h->unlocking is held, or
 * nobody else is there yet. On failure the HSM is locked as before. */
enum hf_err hsm_start(struct hsm *h, struct secret *root, struct slice passphrase) HF_MUST_CHECK;

#endif
