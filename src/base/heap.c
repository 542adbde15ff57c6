#include <stdlib.h>
#include <string.h>

#include "fault_now.h"
#include "secret.h"

void *hf_alloc(size_t n, size_t size)
{
	if (fault_now())
		return NULL;
	return n == 0 || size == 0 ? calloc(1, 1) : calloc(n, size);
}

void *hf_realloc(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes) || fault_now())
		return NULL;
	return realloc(p, bytes > 0 ? bytes : 1);
}

void hf_free(void *p)
{
	free(p);
}

char *hf_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = hf_alloc(n, 1);

	if (p != NULL)
		memcpy(p, s, n);
	return p;
}
