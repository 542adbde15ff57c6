/* consent_tell.h: what custodians are asked to agree to, in words. */
#ifndef HF_CONSENT_TELL_H
#define HF_CONSENT_TELL_H

#include "asks.h"

/* consent_tell writes the call's name and, for calls that change something, what: from
 * its fields, which nobody has decoded yet. */
void consent_tell(struct calls_ctx *c, const char *name, char ret[ASK_WHAT + 1]);

#endif
