/* sanitize.h: tells AddressSanitizer and LeakSanitizer about memory that is
 * not the C library's; private to src/base. Nothing in other builds. */
#ifndef HF_SANITIZE_H
#define HF_SANITIZE_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

/* sanitize_open allows n bytes at p to be used, sanitize_close forbids them. */
static inline void sanitize_open(const void *p, size_t n)
{
#ifdef __SANITIZE_ADDRESS__
	__asan_unpoison_memory_region(p, n);
#else
	(void)p;
	(void)n;
#endif
}

static inline void sanitize_close(const void *p, size_t n)
{
#ifdef __SANITIZE_ADDRESS__
	__asan_poison_memory_region(p, n);
#else
	(void)p;
	(void)n;
#endif
}

/* sanitize_roots: what n bytes at p point to has not leaked. */
static inline void sanitize_roots(const void *p, size_t n)
{
#ifdef __SANITIZE_ADDRESS__
	__lsan_register_root_region(p, n);
#else
	(void)p;
	(void)n;
#endif
}

#endif
