/* generation.h: is the whole data directory the one that was left?
 *
 * Where a TPM opens the HSM, a counter in it moves on with the store: the record "hsm/generation" says how
 * far it must have come. The record is written first, so that the TPM is one behind at most; at a start
 * the counter above the record means that store, anchor and log of an earlier time were put back.
 *
 * A TPM wears out: it counts at a start and an end, and at events that must not be undone (a wrong PIN, what
 * roles, PINs, policies, unlock methods and guards become, approvals): sixteen of them at once, then
 * one a minute, with which those between are bound; for other changes once an hour. Never for a signature. */
#ifndef HF_GENERATION_H
#define HF_GENERATION_H

#include "module.h"

void generation_init(struct store_generation *g);
void generation_done(struct store_generation *g);

/* generation_open compares, once records are open and the serial number is known. *ret_why is "" if nothing
 * speaks against the store. A TPM that does not answer is told in status and log, and is no doubt. */
#define GENERATION_WHY 200
enum hf_err generation_open(struct hsm *h, char ret_why[GENERATION_WHY]) HF_MUST_CHECK;
/* generation_begin counts the start, with a new counter where there was none. generation_end: the last
 * change before the end. */
void generation_begin(struct hsm *h);
void generation_end(struct hsm *h);

/* generation_bind makes a counter in this TPM if the HSM has none in it; generation_drop: no unlock method
 * needs one any more. */
void generation_bind(struct hsm *h);
void generation_drop(struct hsm *h);

/* generation_event: a call ended so. generation_soon: something changed that the next count, within a minute,
 * binds. generation_tick does what is due. */
void generation_event(struct hsm *h, const struct call_row *row, unsigned opcode, enum hf_err e);
void generation_soon(struct hsm *h);
void generation_tick(struct hsm *h);

#endif
