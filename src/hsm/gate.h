/* gate.h: the one way in. */
#ifndef HF_GATE_H
#define HF_GATE_H

#include "module.h"

/* set_part makes p the call's partition and takes over the caller's reference,
 * which ends with the call. */
void set_part(struct calls_ctx *c, struct partition *p);

/* call_detail adds to the detail of the call's audit record; never a secret. */
void call_detail(struct calls_ctx *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* gate_service notes for the session, and for the record, whether what the call did is approved. */
void gate_service(struct calls_ctx *c, enum hf_err e);

#endif
