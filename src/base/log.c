#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "secret.h"

#define LINE_MAX_BYTES 1024

static const char *const level_names[] = { "error", "warn", "notice", "info", "debug" };
#define LEVELS (sizeof(level_names) / sizeof(level_names[0]))

static char log_name[32];
static bool with_time;
static _Atomic int max_level = LOG_L_NOTICE;

void log_open(const char *name, enum log_level level)
{
	(void)snprintf(log_name, sizeof(log_name), "%s", name);
	/* systemd sets it when standard error is the journal, which has the time. */
	with_time = getenv("JOURNAL_STREAM") == NULL;
	atomic_store(&max_level, (int)level);
}

bool log_level_of(const char *s, enum log_level *ret)
{
	for (size_t i = 0; i < LEVELS; i++)
		if (strcmp(s, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	return false;
}

static bool printable(uint8_t c)
{
	return c >= 0x20 && c != 0x7f;
}

const char *log_safe(struct slice s, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n && n + 1 < size; i++)
		out[n++] = s.p[i] < 0x80 && printable(s.p[i]) ? (char)s.p[i] : '?';
	if (size > 0)
		out[n] = '\0';
	return out;
}

static size_t put_head(char *line, size_t size, enum log_level l)
{
	char when[28] = "";
	int n;

	if (with_time)
		clock_iso(clock_wall_us(), when);
	n = snprintf(line, size, "%s%s%s%s%s: ", when, with_time ? " " : "", log_name,
		log_name[0] != '\0' ? ": " : "", level_names[l]);
	return n > 0 ? (size_t)n : 0;
}

/* One write, so that lines of several processes do not mix. */
static void put_line(char *line, size_t n)
{
	ssize_t done;

	for (size_t i = 0; i < n; i++)
		if (!printable((uint8_t)line[i]))
			line[i] = ' ';
	line[n] = '\n';
	do
		done = write(STDERR_FILENO, line, n + 1);
	while (done < 0 && errno == EINTR);
}

void log_at(enum log_level l, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES + 1];
	int saved = errno, n;
	size_t head;
	va_list ap;

	if ((int)l > atomic_load_explicit(&max_level, memory_order_relaxed))
		return;
	head = put_head(line, LINE_MAX_BYTES, l);
	va_start(ap, fmt);
	n = vsnprintf(line + head, LINE_MAX_BYTES - head, fmt, ap);
	va_end(ap);
	if (n >= 0)
		put_line(line, strlen(line));
	secret_wipe(line, sizeof(line));
	errno = saved;
}
