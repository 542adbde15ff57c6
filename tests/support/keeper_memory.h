/* keeper_memory.h: a keeper in the test's own process: the real handlers over a
 * memory store, with the anchor and the audit log in a scratch directory. */
#ifndef HF_KEEPER_MEMORY_H
#define HF_KEEPER_MEMORY_H

#include "hsm.h"

struct keeper_memory;

struct keeper_memory *keeper_memory_new(void); /* aborts the test on failure */
void keeper_memory_free(struct keeper_memory *m);
struct keeper *keeper_memory_keeper(struct keeper_memory *m); /* lives with m */

/* The next n commits (or audit appends) fail with HF_E_STORE; 0: none. */
void keeper_memory_fail_commits(struct keeper_memory *m, unsigned n);
/* ... all commits after the next n. */
void keeper_memory_fail_after(struct keeper_memory *m, unsigned n);
/* A full disk, while on: the store takes no change, the anchor is overwritten in place. */
void keeper_memory_full(struct keeper_memory *m, bool on);
void keeper_memory_fail_audit(struct keeper_memory *m, unsigned n);

/* While on, a scan of the records that begin with one digit of a unique id waits: so a partition that is
 * being opened stays so. */
void keeper_memory_hold_opening(struct keeper_memory *m, bool on);

/* While on, commits wait; so many do. */
void keeper_memory_hold_commits(struct keeper_memory *m, bool on);
unsigned keeper_memory_held(struct keeper_memory *m);

/* Playing the thief: a copy of the store (without anchor) is taken and put back. */
void keeper_memory_snapshot(struct keeper_memory *m);
void keeper_memory_rollback(struct keeper_memory *m);
/* Tampering with single records; version and name stay. */
void keeper_memory_put(struct keeper_memory *m, const char *name, struct slice value);
uint64_t keeper_memory_version(struct keeper_memory *m, const char *name);
size_t keeper_memory_value(struct keeper_memory *m, const char *name, uint8_t *out, size_t max);
void keeper_memory_flip(struct keeper_memory *m, const char *name, size_t byte);
void keeper_memory_truncate(struct keeper_memory *m, const char *name, size_t bytes);
void keeper_memory_swap(struct keeper_memory *m, const char *a, const char *b);
void keeper_memory_remove(struct keeper_memory *m, const char *name);
/* keeper_memory_find gives the name of the n-th record under prefix; NULL: none.
 * Valid until the next call. */
const char *keeper_memory_find(struct keeper_memory *m, const char *prefix, size_t n);
/* keeper_memory_roll_back_one puts the snapshot's value of one record back. */
void keeper_memory_rollback_one(struct keeper_memory *m, const char *name);
size_t keeper_memory_count(struct keeper_memory *m, const char *prefix);

#endif
