/* secret_slab.h: blocks of fixed sizes, cut from runs of pages; private to
 * src/base. Free blocks are all zero, and stay so while they are free. */
#ifndef HF_SECRET_SLAB_H
#define HF_SECRET_SLAB_H

#include <stddef.h>

#define SLAB_MAX ((size_t)65536) /* bytes of the largest class */
#define SLAB_CLASSES 44

/* slab_class finds the class for n bytes, 1 to SLAB_MAX: 16, 32, 48, 64, then
 * four steps in each doubling. */
static inline unsigned slab_class(size_t n)
{
	unsigned e;

	if (n <= 64)
		return (unsigned)(n + 15) / 16 - 1;
	e = 63 - (unsigned)__builtin_clzll(n - 1);
	return 4 * e - 20 + (unsigned)((n - 1 - ((size_t)1 << e)) >> (e - 2));
}

/* slab_size is a class's size; good for larger ones than there are, too. */
static inline size_t slab_size(unsigned c)
{
	unsigned e = c / 4 + 5;

	return c < 4 ? 16 * ((size_t)c + 1) : ((size_t)(c % 4) + 5) << (e - 2);
}

/* slab_init comes first, once. */
void slab_init(void);

/* slab_take puts up to n free blocks of class c into out and returns how many
 * (0: no memory); slab_give takes n of them back. Thread-safe. */
size_t slab_take(unsigned c, void **out, size_t n);
void slab_give(unsigned c, void *const *blocks, size_t n);

/* Around fork(2); slab_forget, in the child, drops all there was. */
void slab_before_fork(void);
void slab_after_fork(void);
void slab_forget(void);

#endif
