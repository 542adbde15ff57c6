/* opening.h: a partition's private objects come into memory with the first user's login: the
 * first page of them before it ends, the others behind it, by some threads. Meanwhile an object that is
 * named by its handle or unique id is fetched by itself, and those of a label or id by their tags; who
 * must know of all waits. */
#ifndef HF_OPENING_H
#define HF_OPENING_H

#include "module.h"

void opening_init(struct opening *o);
void opening_done(struct opening *o);

/* opening_begin: the caller holds roles.lock, and has put the key in place. */
enum hf_err opening_begin(struct hsm *h, struct partition *p) HF_MUST_CHECK;
/* opening_end stops what is under way; what came into memory stays there. */
void opening_end(struct partition *p);
bool opening_is(const struct partition *p);
/* opening_wait returns when all are there; the error if they could not be read. */
enum hf_err opening_wait(struct partition *p) HF_MUST_CHECK;
/* opening_fetch brings the private object of this handle, if there is one. */
enum hf_err opening_fetch(struct hsm *h, struct partition *p, uint64_t handle) HF_MUST_CHECK;
/* opening_find brings the private objects that may have this value (which: RECORD_TAG_), or, where that
 * cannot be told, waits for all. */
enum hf_err opening_find(struct hsm *h, struct partition *p, unsigned which, struct slice value)
	HF_MUST_CHECK;

#endif
