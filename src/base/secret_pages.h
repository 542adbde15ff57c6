/* secret_pages.h: protected address space and the runs of pages mapped into
 * it; private to src/base. See secret_pages.c for the picture. */
#ifndef HF_SECRET_PAGES_H
#define HF_SECRET_PAGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secret.h"

#ifdef __x86_64__
#define GUARD ((size_t)4096)
#else
#define GUARD ((size_t)65536) /* the largest page that other kernels have */
#endif
#define UNIT ((size_t)1 << 20) /* runs begin behind the guard of one */
#define RUN_MAX (UNIT - 2 * GUARD) /* bytes of the longest run in one unit */
#define GRAIN_BITS 4 /* blocks begin at multiples of 16 bytes */

/* struct run is mapped memory between two guards. */
struct run {
	uint8_t *p;
	size_t bytes;
	enum secret_grade grade;
	struct chunk *chunk; /* what the slabs keep for it; NULL: one big block */
	struct run *next;    /* of the big blocks' store */
};

/* struct region is the address space: reserved once, and anew in a forked
 * child of a process that called secret_init. */
struct region {
	uint8_t *base;
	_Atomic size_t used; /* bytes from base that ever had a run */
	size_t bytes;
	uint8_t *marks;    /* the allocator's: one byte for each grain of `used` */
	struct run **runs; /* by unit; set for a run's first unit only */
};
extern struct region region;

static inline size_t pages_offset(const void *p)
{
	return (size_t)((uintptr_t)p - (uintptr_t)region.base);
}

/* pages_in: p may be an address in a run (not outside all of them). */
static inline bool pages_in(const void *p)
{
	return pages_offset(p) < atomic_load_explicit(&region.used, memory_order_relaxed);
}

/* pages_run finds the run whose first unit holds p, which is pages_in. */
static inline struct run *pages_run(const void *p)
{
	return region.runs[pages_offset(p) / UNIT];
}

/* pages_open reserves the region if it is not there. strict: this process
 * called secret_init: best grade, and no page goes to a child. */
enum hf_err pages_open(size_t limit, bool strict) HF_MUST_CHECK;

/* pages_map maps bytes, a multiple of GUARD, zeroed; NULL: no memory. pages_unmap
 * expects them wiped. Thread-safe. */
struct run *pages_map(size_t bytes);
void pages_unmap(struct run *r);

/* Around fork(2). pages_forked, in the child, says whether the child has the
 * pages (false: the region is empty and closed, as at the start). */
void pages_before_fork(void);
void pages_after_fork(void);
bool pages_forked(void);
/* pages_gone: p was in the region of the parent and is not in the child. */
bool pages_gone(const void *p);

#endif
