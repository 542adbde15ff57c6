/* secret.h: memory for key bytes, PINs and session keys.
 *
 * Pages come from memfd_secret(2) where the kernel has it, else they are
 * locked and MADV_DONTDUMP, in both cases between guard pages, and absent in
 * children (MADV_WIPEONFORK or DONTFORK). What is freed is wiped. */
#ifndef HF_SECRET_H
#define HF_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"

/* How the pages that were handed out so far are protected. */
enum secret_grade {
	SECRET_MEMFD,  /* memfd_secret: not even the kernel maps them */
	SECRET_LOCKED, /* mlock + DONTDUMP */
	SECRET_PLAIN,  /* DONTDUMP only: the lock limit was reached */
};

/* secret_init chooses the best grade this process may have. Called at start,
 * before threads and before the first allocation; later calls change nothing.
 * limit: bytes of address space to reserve for protected memory (0: a default
 * of 64 GiB, reserved and not committed). No page of such a process goes to a
 * forked child: the child may free what it lost, not use it. A process that
 * does not call secret_init (a client) gets DONTDUMP pages, in blocks up to
 * 1 MiB locked as far as the limit goes, and its children have copies.
 * Blocks over 1 MiB, larger than any key, are at most SECRET_LOCKED. */
enum hf_err secret_init(size_t limit) HF_MUST_CHECK;

/* secret_status: the grade of the worst page in use in a block up to 1 MiB, and bytes mapped
 * in each grade. */
struct secret_status {
	enum secret_grade worst;
	size_t memfd, locked, plain;
};
struct secret_status secret_status(void);

/* secret_malloc and friends: a thread-safe general allocator over such pages:
 * size classes with per-thread caches, so that small requests take no lock;
 * 16-byte alignment; new memory is zero, also from secret_malloc, and where
 * secret_realloc lengthens. secret_free wipes the whole block and stops the
 * process when the pointer is no block in use. They are what OpenSSL is given
 * in the vault. n of 0 yields a block. NULL (and ENOMEM) when out of memory. */
void *secret_malloc(size_t n);
void *secret_calloc(size_t n, size_t size);
void *secret_realloc(void *p, size_t n);
void secret_free(void *p);
/* secret_size returns the usable size of a block. */
size_t secret_size(const void *p);

/* struct secret owns bytes in such memory. */
struct secret {
	uint8_t *p;
	size_t n;
};

enum hf_err secret_alloc(struct secret *ret, size_t n) HF_MUST_CHECK; /* zeroed */
enum hf_err secret_dup(struct slice from, struct secret *ret) HF_MUST_CHECK;
void secret_done(struct secret *s); /* wipes, frees, empties; NULL-safe */
struct secret secret_take(struct secret *s); /* hands over, empties *s */
struct slice secret_slice(const struct secret *s);
/* secret_cut shortens to n bytes, wiping what is cut. */
void secret_cut(struct secret *s, size_t n);

/* secret_eq compares in time that depends on the lengths only. */
bool secret_eq(struct slice a, struct slice b);

/* secret_wipe zeroes memory that the compiler may not leave as it is. */
void secret_wipe(void *p, size_t n);

/* --- ordinary memory --------------------------------------------------- */

/* hf_alloc returns zeroed heap memory for things that hold no secret; the only
 * way to it outside src/base. hf_free accepts NULL. */
void *hf_alloc(size_t n, size_t size);
void *hf_realloc(void *p, size_t n, size_t size);
void hf_free(void *p);
char *hf_strdup(const char *s);

/* --- arena ------------------------------------------------------------- */

/* struct arena hands out protected memory that lives until arena_reset: one
 * call's worth. Zeroed, 16-aligned; wiped on reset. */
struct arena {
	struct arena_block *head;
	size_t used, max; /* bytes; max 0: no limit of its own */
};

void *arena_alloc(struct arena *a, size_t n, size_t size); /* NULL: no memory */
enum hf_err arena_dup(struct arena *a, struct slice s, struct slice *ret) HF_MUST_CHECK;
void arena_reset(struct arena *a); /* keeps one block for the next call */
void arena_done(struct arena *a);

#endif
