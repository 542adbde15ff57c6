#include "watch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "secret.h"
#include "watch_int.h"

#define PROCESSES 4

struct watch {
	const struct watcher *to;
	bool processes;            /* tamper-watch */
	uint64_t jump_s;           /* tamper-clock-jump; 0: never mind */
	int64_t ahead_s;           /* wall clock before boot clock, when last looked at */
	pid_t traced[PROCESSES];   /* told already */
	char text[CONFIG_PATH];    /* tamper-source, cut into strings */
	struct source v[WATCH_SOURCES];
	size_t n;
};

/* --- sources ---------------------------------------------------------------------- */

static bool begins(const char *s, const char *name)
{
	size_t n = strlen(name);

	return strncmp(s, name, n) == 0 && s[n] == ':';
}

/* parse makes of spec the next source, without opening it. */
static bool parse(struct watch *w, char *spec)
{
	struct source *s = &w->v[w->n];
	char path[SPEC_MAX];

	spec += strspn(spec, " ");
	for (size_t i = 0; i < source_kind_count && w->n < WATCH_SOURCES; i++) {
		if (!begins(spec, source_kinds[i].name))
			continue;
		*s = (struct source){ .kind = &source_kinds[i], .fd = -1, .to = w->to,
			.spec = spec + strlen(source_kinds[i].name) + 1 };
		w->n++;
		return s->kind->parse(s, path);
	}
	log_error("tamper-source: '%s' is no source, or one too many: command:, gpio: or input:", spec);
	return false;
}

static bool add(struct watch *w, char *spec)
{
	return parse(w, spec) && w->v[w->n - 1].kind->open(&w->v[w->n - 1]);
}

static bool each(struct watch *w, bool (*take)(struct watch *w, char *spec))
{
	char *rest = w->text, *one;

	while ((one = strsep(&rest, ";")) != NULL)
		if (*one != '\0' && !take(w, one))
			return false;
	return true;
}

static int64_t ahead(void)
{
	struct timespec wall, boot;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot); /* runs on in suspend, as the wall clock does */
	return wall.tv_sec - boot.tv_sec;
}

struct watch *watch_new(const struct config *c, const struct watcher *to)
{
	struct watch *w = hf_alloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->to = to;
	w->processes = c->tamper_watch != 0;
	w->jump_s = c->tamper_clock_jump;
	w->ahead_s = ahead();
	(void)snprintf(w->text, sizeof(w->text), "%s", c->tamper_source);
	if (each(w, add))
		return w;
	watch_close(w);
	return NULL;
}

bool watch_possible(const struct config *c)
{
	struct watch *w = hf_alloc(1, sizeof(*w));
	bool good;

	if (w == NULL)
		return false;
	(void)snprintf(w->text, sizeof(w->text), "%s", c->tamper_source);
	good = each(w, parse);
	hf_free(w);
	return good;
}

size_t watch_poll(const struct watch *w, struct pollfd *ret)
{
	for (size_t i = 0; i < w->n; i++)
		ret[i] = (struct pollfd){ .fd = w->v[i].fd, .events = POLLIN };
	return w->n;
}

void watch_ready(struct watch *w, const struct pollfd *p, size_t n)
{
	for (size_t i = 0; i < n && i < w->n; i++)
		if (p[i].revents != 0 && w->v[i].fd >= 0)
			w->v[i].kind->ready(&w->v[i]);
}

void watch_reaped(struct watch *w, pid_t pid, int status)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].pid == pid)
			command_ended(&w->v[i], status);
}

void watch_close(struct watch *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->n; i++) {
		if (w->v[i].pid > 0)
			kill(-w->v[i].pid, SIGKILL);
		if (w->v[i].fd >= 0)
			close(w->v[i].fd);
	}
	hf_free(w);
}

/* --- processes and clocks ---------------------------------------------------------------- */

/* tracer_of: 0 if nobody traces pid, or it cannot be told. */
static pid_t tracer_of(pid_t pid)
{
	char path[40], line[128];
	long tracer = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "TracerPid:", 10) == 0)
			tracer = strtol(line + 10, NULL, 10);
	(void)fclose(f);
	return (pid_t)tracer;
}

static void tell(struct watch *w, const char *why)
{
	w->to->event(w->to->ctx, why);
}

static void look_at(struct watch *w, size_t i, pid_t pid)
{
	pid_t tracer = pid > 0 ? tracer_of(pid) : 0;
	char why[WATCH_WHY];

	if (tracer != 0 && tracer != w->traced[i]) {
		(void)snprintf(why, sizeof(why), "process %d traces process %d of the HSM", (int)tracer,
			(int)pid);
		tell(w, why);
	}
	w->traced[i] = tracer;
}

static void look_at_clock(struct watch *w)
{
	int64_t now = ahead(), by = now - w->ahead_s;
	char why[WATCH_WHY];

	w->ahead_s = now;
	if (w->jump_s == 0 || (by < 0 ? -by : by) < (int64_t)w->jump_s)
		return;
	(void)snprintf(why, sizeof(why), "the clock was set %lld s %s", (long long)(by < 0 ? -by : by),
		by < 0 ? "back" : "ahead");
	tell(w, why);
}

void watch_tick(struct watch *w, const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n && i < PROCESSES && w->processes; i++)
		look_at(w, i, pids[i]);
	look_at_clock(w);
	for (size_t i = 0; i < w->n; i++) {
		struct source *s = &w->v[i];

		if (s->pid == 0 && s->due_ns != 0 && clock_mono_ns() >= s->due_ns && !command_run(s))
			source_event(s, "'%.100s' cannot be run", s->spec);
	}
}
