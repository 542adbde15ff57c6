/* ahead.h: records made ahead of a call's end. A call whose last work is to write a new object waits for
 * the store, and would wait once more for its audit record: the thread that led the commit makes the
 * records of all whose changes were in it, and rouses them when those are durable. */
#ifndef HF_AHEAD_H
#define HF_AHEAD_H

#include "audit.h"
#include "module.h"
#include "records.h"

struct ahead {
	uint64_t began_ns;      /* the call's */
	bool last;              /* see ahead_last */
	bool made;              /* the record is, of a call that went well; what came of it: */
	struct audit_end end;
	enum hf_err recorded;   /* as audit_call returns it */
	struct records_behind behind;
};

/* ahead_last: from here on the handler adds nothing to the record but the new object. */
void ahead_last(struct calls_ctx *c);

bool ahead_is_last(const struct calls_ctx *c);

/* ahead_behind: what to give to records_write_early; NULL: the record has to wait for the call's end. */
const struct records_behind *ahead_behind(struct calls_ctx *c);

#endif
