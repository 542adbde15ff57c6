/* audit_form.h: audit records of this format and of those before. */
#ifndef HF_AUDIT_FORM_H
#define HF_AUDIT_FORM_H

#include "audit_codec.h"

#define AUDIT_FORMAT 2 /* 1: without the HSM's serial and the connection */

/* audit_read takes a whole record apart, with views into it; what its format lacks is
 * empty. False: it is none, or of a later format. */
bool audit_read(struct slice encoded, struct arena *a, struct audit_record *ret) HF_MUST_CHECK;
/* audit_write appends the record in its own format. */
void audit_write(struct buf *b, const struct audit_record *r);

#endif
