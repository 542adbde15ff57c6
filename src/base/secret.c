#include "secret.h"

#include <string.h>

enum hf_err secret_alloc(struct secret *ret, size_t n)
{
	uint8_t *p = secret_calloc(1, n);

	if (p == NULL)
		return HF_E_SECRET_MEMORY;
	*ret = (struct secret){ p, n };
	return HF_OK;
}

enum hf_err secret_dup(struct slice from, struct secret *ret)
{
	struct secret s;

	TRY(secret_alloc(&s, from.n));
	if (from.n > 0)
		memcpy(s.p, from.p, from.n);
	*ret = s;
	return HF_OK;
}

void secret_done(struct secret *s)
{
	if (s == NULL)
		return;
	secret_free(s->p);
	*s = (struct secret){ 0 };
}

struct secret secret_take(struct secret *s)
{
	struct secret t = *s;

	*s = (struct secret){ 0 };
	return t;
}

struct slice secret_slice(const struct secret *s)
{
	return (struct slice){ s->p, s->n };
}

void secret_cut(struct secret *s, size_t n)
{
	if (n >= s->n)
		return;
	secret_wipe(s->p + n, s->n - n);
	s->n = n;
}

bool secret_eq(struct slice a, struct slice b)
{
	uint8_t differ = 0;

	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		differ |= (uint8_t)(a.p[i] ^ b.p[i]);
		/* Else the compiler may see that nothing changes past 0xff. */
		__asm__ volatile("" : "+r"(differ));
	}
	return differ == 0;
}

void secret_wipe(void *p, size_t n)
{
	if (n == 0)
		return;
	memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory");
}
