/* A stand-in on the C library's heap; wipes, but protects nothing yet. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "fault_now.h"
#include "secret.h"

enum hf_err secret_init(size_t limit)
{
	(void)limit;
	return HF_OK;
}

struct secret_status secret_status(void)
{
	return (struct secret_status){ .worst = SECRET_PLAIN };
}

void *secret_malloc(size_t n)
{
	return fault_now() ? NULL : calloc(1, n > 0 ? n : 1);
}

void *secret_calloc(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : secret_malloc(bytes);
}

size_t secret_size(const void *p)
{
	return p != NULL ? malloc_usable_size((void *)(uintptr_t)p) : 0;
}

void *secret_realloc(void *p, size_t n)
{
	size_t had = secret_size(p);
	void *to;

	if (p != NULL && n <= had)
		return p;
	to = secret_malloc(n);
	if (to == NULL || p == NULL)
		return to;
	memcpy(to, p, had < n ? had : n);
	secret_free(p);
	return to;
}

void secret_free(void *p)
{
	if (p == NULL)
		return;
	secret_wipe(p, malloc_usable_size(p));
	free(p);
}
