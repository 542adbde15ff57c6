#include "text.h"

#include <string.h>

static bool is_continuation(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

void text_pad(uint8_t *out, size_t n, struct slice s)
{
	size_t take = s.n;

	if (take > n)
		for (take = n; take > 0 && is_continuation(s.p[take]); take--)
			;
	memset(out, ' ', n);
	if (take > 0)
		memcpy(out, s.p, take);
}

struct slice text_trim(const uint8_t *p, size_t n)
{
	const uint8_t *nul = memchr(p, 0, n);

	if (nul != NULL)
		n = (size_t)(nul - p);
	while (n > 0 && p[n - 1] == ' ')
		n--;
	return (struct slice){ p, n };
}
