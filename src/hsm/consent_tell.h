/* consent_tell.h: what custodians are asked to agree to, in words. */
#ifndef HF_CONSENT_TELL_H
#define HF_CONSENT_TELL_H

#include "asks.h"

/* consent_tell writes the call's name and, for calls that change something, what: from
 * its fields, which nobody has decoded yet. HF_E_LIMIT: it is more than can be shown, and nobody
 * is asked. The caller does not hold h->unlocking where the call changes the unlock methods. */
enum hf_err consent_tell(struct calls_ctx *c, const char *name, char ret[ASK_WHAT + 1]) HF_MUST_CHECK;

#endif
