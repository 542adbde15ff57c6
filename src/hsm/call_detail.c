#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gate.h"

void call_detail(struct calls_ctx *c, const char *fmt, ...)
{
	size_t n = strlen(c->audit.detail);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(c->audit.detail + n, sizeof(c->audit.detail) - n, fmt, ap);
	va_end(ap);
}
