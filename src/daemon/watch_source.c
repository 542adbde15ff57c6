/* watch_source.c: the kinds of tamper sources: commands, GPIO lines, input events. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/gpio.h>
#include <linux/input.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "instance.h"
#include "log.h"
#include "watch_int.h"

#define AGAIN_NS 10000000000ull

void source_event(const struct source *s, const char *fmt, ...)
{
	char why[WATCH_WHY];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	s->to->event(s->to->ctx, why);
}

/* lost: a sensor that is gone may have been cut off. */
static void lost(struct source *s)
{
	source_event(s, "%s:%s is gone: %s", s->kind->name, s->spec, strerror(errno));
	close(s->fd);
	s->fd = -1;
}

/* --- commands ------------------------------------------------------------------ */

static _Noreturn void become_command(const struct source *s, int out)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (setpgid(0, 0) != 0 || dup2(open("/dev/null", O_RDONLY), STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	(void)syscall(SYS_close_range, STDERR_FILENO + 1, UINT_MAX, 0);
	execl("/bin/sh", "sh", "-c", s->spec, (char *)NULL);
	_exit(127);
}

bool command_run(struct source *s)
{
	int ends[2];

	s->due_ns = clock_mono_ns() + AGAIN_NS;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return false;
	s->pid = fork();
	if (s->pid == 0)
		become_command(s, ends[1]);
	close(ends[1]);
	if (s->pid < 0) {
		s->pid = 0;
		close(ends[0]);
		return false;
	}
	s->fd = fd_high(ends[0]);
	s->n = 0;
	return s->fd >= 0;
}

static bool command_parse(struct source *s, char path[SPEC_MAX])
{
	(void)path;
	if (*s->spec == '\0')
		log_error("tamper-source: command: lacks its command");
	return *s->spec != '\0';
}

static bool command_open(struct source *s)
{
	char path[SPEC_MAX];

	if (!command_parse(s, path))
		return false;
	if (command_run(s))
		return true;
	log_error("tamper-source: '%s' cannot be run: %m", s->spec);
	return false;
}

static void take_char(struct source *s, char c)
{
	if (c != '\n') {
		if (s->n < sizeof(s->line) - 1)
			s->line[s->n++] = c >= ' ' && c < 0x7f ? c : '?';
		return;
	}
	s->line[s->n] = '\0';
	if (s->n > 0)
		source_event(s, "%s", s->line);
	s->n = 0;
}

static void command_ready(struct source *s)
{
	char some[512];
	ssize_t n;

	while ((n = read(s->fd, some, sizeof(some))) > 0)
		for (ssize_t i = 0; i < n; i++)
			take_char(s, some[i]);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	close(s->fd);
	s->fd = -1;
}

void command_ended(struct source *s, int status)
{
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	if (s->fd >= 0)
		command_ready(s);
	s->pid = 0;
	s->due_ns = clock_mono_ns() + AGAIN_NS;
	if (!good && !s->bad && WIFEXITED(status))
		source_event(s, "'%.100s' ended with code %d", s->spec, WEXITSTATUS(status));
	else if (!good && !s->bad)
		source_event(s, "'%.100s' was ended by signal %d", s->spec, WTERMSIG(status));
	s->bad = !good;
}

/* --- GPIO lines (Documentation/userspace-api/gpio/chardev.rst) ---------------------- */

/* split takes "PATH:rest" apart; false: it is not of that form. */
static bool split(const char *spec, char path[SPEC_MAX], const char **ret_rest)
{
	const char *colon = strchr(spec, ':');

	if (spec[0] != '/' || colon == NULL || colon - spec >= SPEC_MAX)
		return false;
	memcpy(path, spec, (size_t)(colon - spec));
	path[colon - spec] = '\0';
	*ret_rest = colon + 1;
	return true;
}

static bool number(const char **at, char end, unsigned *ret)
{
	char *stop;
	unsigned long v = strtoul(*at, &stop, 10);

	if (**at < '0' || **at > '9' || *stop != end || v > INT_MAX)
		return false;
	*ret = (unsigned)v;
	*at = end != '\0' ? stop + 1 : stop;
	return true;
}

static bool malformed(const struct source *s, const char *form)
{
	log_error("tamper-source: '%s:%s' must be %s:%s", s->kind->name, s->spec, s->kind->name, form);
	return false;
}

static bool cannot_open(const struct source *s)
{
	log_error("tamper-source: '%s:%s' cannot be opened: %m", s->kind->name, s->spec);
	return false;
}

static bool request_line(int chip, unsigned line, bool low, int *ret)
{
	struct gpio_v2_line_request r = { .num_lines = 1, .consumer = "holdfast" };

	r.offsets[0] = line;
	r.config.flags = GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING |
		(low ? GPIO_V2_LINE_FLAG_ACTIVE_LOW : 0);
	if (ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &r) != 0)
		return false;
	*ret = fd_high(r.fd);
	return *ret >= 0 && fcntl(*ret, F_SETFL, O_NONBLOCK) == 0;
}

/* want: line, 1 if it is low that is meant. */
static bool gpio_parse(struct source *s, char path[SPEC_MAX])
{
	const char *rest;

	if (!split(s->spec, path, &rest) || !number(&rest, ':', &s->want[0]) ||
	    (strcmp(rest, "high") != 0 && strcmp(rest, "low") != 0))
		return malformed(s, "/dev/gpiochipN:LINE:high (or low)");
	s->want[1] = strcmp(rest, "low") == 0;
	return true;
}

static bool gpio_open(struct source *s)
{
	struct gpio_v2_line_values v = { .mask = 1 };
	char path[SPEC_MAX];
	bool ok;
	int chip;

	if (!gpio_parse(s, path))
		return false;
	chip = open(path, O_RDONLY | O_CLOEXEC);
	ok = chip >= 0 && request_line(chip, s->want[0], s->want[1] != 0, &s->fd) &&
		ioctl(s->fd, GPIO_V2_LINE_GET_VALUES_IOCTL, &v) == 0;
	if (!ok)
		(void)cannot_open(s);
	if (chip >= 0)
		close(chip);
	if (ok && (v.bits & 1) != 0)
		source_event(s, "gpio:%s at the start", s->spec);
	return ok;
}

static void gpio_ready(struct source *s)
{
	struct gpio_v2_line_event e;
	ssize_t n;

	while ((n = read(s->fd, &e, sizeof(e))) == (ssize_t)sizeof(e))
		source_event(s, "gpio:%s", s->spec);
	if (n >= 0 || errno != EAGAIN)
		lost(s);
}

/* --- input events ---------------------------------------------------------------------- */

static bool input_parse(struct source *s, char path[SPEC_MAX])
{
	const char *rest;

	if (!split(s->spec, path, &rest) || !number(&rest, ':', &s->want[0]) ||
	    !number(&rest, ':', &s->want[1]) || !number(&rest, '\0', &s->want[2]))
		return malformed(s, "/dev/input/eventN:TYPE:CODE:VALUE");
	return true;
}

static bool input_open(struct source *s)
{
	char path[SPEC_MAX];

	if (!input_parse(s, path))
		return false;
	s->fd = fd_high(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
	return s->fd >= 0 || cannot_open(s);
}

static void input_ready(struct source *s)
{
	struct input_event e;
	ssize_t n;

	while ((n = read(s->fd, &e, sizeof(e))) == (ssize_t)sizeof(e))
		if (e.type == s->want[0] && e.code == s->want[1] && (unsigned)e.value == s->want[2])
			source_event(s, "input:%s", s->spec);
	if (n >= 0 || errno != EAGAIN)
		lost(s);
}

const struct source_kind source_kinds[] = {
	{ "command", command_parse, command_open, command_ready },
	{ "gpio", gpio_parse, gpio_open, gpio_ready },
	{ "input", input_parse, input_open, input_ready },
};
const size_t source_kind_count = sizeof(source_kinds) / sizeof(source_kinds[0]);
