/* monitor.c: starts vault and keeper, and starts them again when one dies. Holds
 * nothing but descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit.h"
#include "clock.h"
#include "instance.h"
#include "log.h"
#include "notify.h"
#include "roles.h"
#include "sandbox.h"
#include "watch.h"

#define RESTARTS_AT_ONCE 10 /* without a pause; one more is allowed each second */
#define FIRST_STARTS 3      /* that may fail before the first that serves */
#define STOP_S 15           /* for the vault to end calls and close the audit log */
#define PATIENCE_S 5        /* for the other role to leave by itself */
#define EVENTS 8            /* that wait for a vault; then the newest takes the last's place */
#define GONE_S 10           /* between looks whether the instance is still there */

enum { VAULT, KEEPER, ROLES }; /* the gate's place is behind them */

static const char *const role_names[ROLES] = { "vault", "keeper" };

struct monitor {
	const struct role_flags *flags;
	struct instance *places;
	int config[ROLES];    /* settings; each role reads its own copy at its own pace */
	int null, signals;
	int tally;            /* memory that outlives the vault: what it gave to the audit chain */
	int notify;
	int control;          /* the vault's other end */
	int tpm;              /* while the vault starts; else -1 */
	pid_t pid[ROLES];     /* 0: has ended */
	int status[ROLES];    /* of those that have, as waitpid(2) tells */
	bool stopping;        /* somebody asked for the end */
	bool served;          /* it came to serving once */
	uint64_t deadline;    /* of what goes on; 0: none */
	struct watch *watch;
	bool tells;           /* of ends by a signal, as tamper events */
	bool ready;           /* the vault that runs hears events */
	char events[EVENTS][WATCH_WHY]; /* that wait for a vault */
	size_t event_count;
};

static uint64_t in_seconds(unsigned s)
{
	return clock_mono_ns() + s * 1000000000ull;
}

/* --- tamper events ------------------------------------------------------------- */

static void pass_on(struct monitor *m)
{
	char line[WATCH_WHY + 1];

	for (size_t i = 0; m->ready && m->control >= 0 && i < m->event_count; i++) {
		int n = snprintf(line, sizeof(line), "%s\n", m->events[i]);

		if (send(m->control, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
			log_error("the vault could not be told: %s", m->events[i]);
	}
	if (m->ready)
		m->event_count = 0;
}

static void take_event(void *ctx, const char *why)
{
	struct monitor *m = ctx;

	log_warn("tamper event: %s", why);
	if (m->event_count == EVENTS)
		m->event_count--;
	(void)snprintf(m->events[m->event_count++], WATCH_WHY, "%s", why);
	pass_on(m);
}

static void take_death(struct monitor *m, int role, pid_t pid, int status)
{
	char why[WATCH_WHY];

	if (!m->tells || m->stopping || !WIFSIGNALED(status))
		return;
	(void)snprintf(why, sizeof(why), "the %s (process %d) was ended by signal %d", role_names[role],
		(int)pid, WTERMSIG(status));
	take_event(m, why);
}

/* --- starting a role -------------------------------------------------------- */

/* give puts descriptor fd (-1: nothing) at number n for the program to come. Ours are
 * all above those numbers, so none is overwritten before it was given. */
static void give(int fd, int n)
{
	if (fd < 0)
		close(n);
	else if (dup2(fd, n) < 0)
		_exit(127);
}

/* Of the terminal only standard error remains; whatever else this process was
 * started with stays here. */
static void give_all(const struct monitor *m, int role, int link, int control)
{
	bool vault = role == VAULT;

	give(m->null, STDIN_FILENO);
	give(m->null, STDOUT_FILENO);
	give(m->config[role], FD_CONFIG);
	lseek(FD_CONFIG, 0, SEEK_SET);
	give(link, FD_LINK);
	give(vault ? control : -1, FD_CONTROL);
	give(vault ? m->places->listen : m->places->data, vault ? FD_LISTEN : FD_DATA);
	give(vault ? m->places->unlock : m->places->archive, vault ? FD_UNLOCK : FD_ARCHIVE);
	give(vault ? m->places->passphrase : m->places->cursor, vault ? FD_PASSPHRASE : FD_CURSOR);
	give(vault ? m->tpm : -1, FD_TPM);
	give(vault ? m->tally : -1, FD_TALLY);
	(void)syscall(SYS_close_range, FD_LAST + 1, UINT_MAX, 0);
}

/* Nothing of the environment reaches the roles but what is for them: it could
 * change how the C library and OpenSSL work. */
static void keep_environment(char *out[], size_t max)
{
	static const char *const names[] = { "JOURNAL_STREAM", "HOLDFAST_TEST_FAIL_SELFTEST",
#ifdef __SANITIZE_ADDRESS__
		"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
#endif
	};
	size_t n = 0;

	for (char **e = environ; *e != NULL; e++)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && n + 1 < max; i++) {
			size_t len = strlen(names[i]);

			if (strncmp(*e, names[i], len) == 0 && (*e)[len] == '=')
				out[n++] = *e;
		}
	out[n] = NULL;
}

/* Signals stay blocked: a terminal's Ctrl-C reaches all processes, and it is the
 * monitor's to end them in order. */
static _Noreturn void become(const struct monitor *m, int role, int link, int control)
{
	char name[32], *argv[8] = { NULL }, *env[8];
	int n = 0;

	snprintf(name, sizeof(name), "--role=%s", role_names[role]);
	argv[n++] = (char *)(uintptr_t) "holdfastd";
	argv[n++] = name;
	if (m->flags->private_)
		argv[n++] = (char *)(uintptr_t) "--private";
	if (m->flags->allow_no_seccomp)
		argv[n++] = (char *)(uintptr_t) "--allow-no-seccomp";
	if (m->flags->allow_unsealed)
		argv[n++] = (char *)(uintptr_t) "--allow-unsealed";
	keep_environment(env, sizeof(env) / sizeof(env[0]));
	give_all(m, role, link, control);
	execve("/proc/self/exe", argv, env);
	log_error("%s cannot be executed: %m", role_names[role]);
	_exit(127);
}

static pid_t spawn(const struct monitor *m, int role, int link, int control)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
		become(m, role, link, control);
	}
	if (pid < 0)
		log_error("%s cannot be started: %m", role_names[role]);
	return pid < 0 ? 0 : pid;
}

static bool high_pair(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		log_error("no socket pair: %m");
		return false;
	}
	pair[0] = fd_high(pair[0]);
	pair[1] = fd_high(pair[1]);
	return true;
}

/* start_all: false when not both run. */
static bool start_all(struct monitor *m)
{
	int link[2], control[2];

	if (!high_pair(link))
		return false;
	if (!high_pair(control)) {
		close(link[0]);
		close(link[1]);
		return false;
	}
	m->control = control[0];
	m->deadline = 0;
	m->pid[KEEPER] = spawn(m, KEEPER, link[0], -1);
	m->tpm = instance_tpm(m->places);
	m->pid[VAULT] = spawn(m, VAULT, link[1], control[1]);
	if (m->tpm >= 0)
		close(m->tpm);
	m->tpm = -1;
	close(link[0]);
	close(link[1]);
	close(control[1]);
	return m->pid[VAULT] > 0 && m->pid[KEEPER] > 0;
}

/* --- watching --------------------------------------------------------------- */

static void say_end(int role, pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		log_warn("%s (process %d) was ended by signal %d%s", role_names[role], (int)pid,
			WTERMSIG(status),
			WTERMSIG(status) == SIGSYS ? ": a system call that is not allowed" : "");
	else if (WEXITSTATUS(status) != 0)
		log_warn("%s (process %d) ended with code %d", role_names[role], (int)pid,
			WEXITSTATUS(status));
}

static void ended(struct monitor *m, int role, int status)
{
	say_end(role, m->pid[role], status);
	m->ready = false;
	take_death(m, role, m->pid[role], status);
	m->pid[role] = 0;
	m->status[role] = status;
	if (role == VAULT && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		instance_close(m->places);
}

/* Whoever comes when the vault has left for good must find nobody, not a queue. */
static void reap(struct monitor *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		watch_reaped(m->watch, pid, status);
		for (int r = 0; r < ROLES; r++)
			if (m->pid[r] == pid)
				ended(m, r, status);
	}
}

/* ask_end: the vault sees the end of its control channel, ends what goes on and
 * leaves; the keeper follows it. */
static void ask_end(struct monitor *m)
{
	m->stopping = true;
	m->deadline = in_seconds(STOP_S);
	instance_close(m->places);
	notify_say(m->notify, "STOPPING=1");
	if (m->control >= 0)
		shutdown(m->control, SHUT_WR);
}

static void take_signals(struct monitor *m)
{
	struct signalfd_siginfo s;

	while (read(m->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGHUP)
			log_notice("settings are read at the start only; restart to change them");
		if ((s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT) && !m->stopping)
			ask_end(m);
	}
	reap(m);
}

static void take_control(struct monitor *m)
{
	char c;

	if (read(m->control, &c, 1) != 1) {
		close(m->control);
		m->control = -1;
	} else if (c == ROLE_READY) {
		m->ready = true;
		pass_on(m);
		if (m->served)
			return;
		m->served = true;
		notify_say(m->notify, "READY=1");
		log_info("ready");
	}
}

static int wait_ms(const struct monitor *m)
{
	uint64_t now = clock_mono_ns(), ms = WATCH_TICK_MS;

	if (m->deadline != 0 && m->deadline <= now)
		return 0;
	if (m->deadline != 0 && (m->deadline - now) / 1000000u < ms)
		ms = (m->deadline - now) / 1000000u + 1;
	return (int)ms;
}

static void tick(struct monitor *m)
{
	static uint64_t last, looked;
	uint64_t now = clock_mono_ns();

	if (now - last < WATCH_TICK_MS * 1000000ull)
		return;
	last = now;
	watch_tick(m->watch, m->pid, ROLES);
	if (now - looked < GONE_S * 1000000000ull)
		return;
	looked = now;
	if (m->deadline == 0 && m->flags->private_ && instance_gone(m->places)) {
		log_warn("the directory was removed: leaving");
		ask_end(m);
	}
}

/* wait_event handles what comes next. False: the deadline has passed. */
static bool wait_event(struct monitor *m)
{
	struct pollfd p[2 + WATCH_SOURCES] = { { m->signals, POLLIN, 0 }, { m->control, POLLIN, 0 } };
	size_t sources = watch_poll(m->watch, p + 2);

	if (poll(p, 2 + sources, wait_ms(m)) < 0)
		return true;
	watch_ready(m->watch, p + 2, sources);
	if (p[1].revents != 0)
		take_control(m);
	if (p[0].revents != 0)
		take_signals(m);
	tick(m);
	return m->deadline == 0 || clock_mono_ns() < m->deadline;
}

static void kill_rest(struct monitor *m)
{
	for (int r = 0; r < ROLES; r++)
		if (m->pid[r] > 0) {
			log_warn("%s does not leave; killing it", role_names[r]);
			kill(m->pid[r], SIGKILL);
			waitpid(m->pid[r], &m->status[r], 0);
			m->pid[r] = 0;
		}
}

/* finish: when one has gone the other goes by itself, or is made to. */
static void finish(struct monitor *m)
{
	m->deadline = in_seconds(PATIENCE_S);
	while (m->pid[VAULT] > 0 || m->pid[KEEPER] > 0)
		if (!wait_event(m))
			kill_rest(m);
	m->deadline = 0;
	if (m->control >= 0)
		close(m->control);
	m->control = -1;
}

/* run_once starts the roles and returns when none is left. */
static void run_once(struct monitor *m)
{
	m->status[VAULT] = m->status[KEEPER] = -1;
	if (start_all(m))
		while (m->pid[VAULT] > 0 && m->pid[KEEPER] > 0 && wait_event(m))
			;
	finish(m);
}

static bool ended_with(const struct monitor *m, int role, int code)
{
	return m->status[role] != -1 && WIFEXITED(m->status[role]) &&
	       WEXITSTATUS(m->status[role]) == code;
}

/* may_restart_now: a program that cannot start must not take the machine; one that
 * was killed must come back at once. */
static bool may_restart_now(void)
{
	static uint64_t restarts, since;
	uint64_t now = clock_mono_ns(), allowed;

	if (since == 0)
		since = now;
	allowed = RESTARTS_AT_ONCE + (now - since) / 1000000000u;
	if (restarts + RESTARTS_AT_ONCE < allowed) /* quiet for long: no more in hand than ten */
		restarts = allowed - RESTARTS_AT_ONCE;
	if (restarts >= allowed)
		return false;
	restarts++;
	return true;
}

/* pause_restart waits until a restart is due. */
static void pause_restart(struct monitor *m)
{
	while (!m->stopping && !may_restart_now()) {
		m->deadline = in_seconds(1);
		while (!m->stopping && wait_event(m))
			;
	}
}

/* watch returns the exit code of the whole when it ends. */
static int watch(struct monitor *m)
{
	for (unsigned starts = 1;; starts++) {
		run_once(m);
		if (ended_with(m, VAULT, 0))
			return 0;
		if (ended_with(m, VAULT, EXIT_NO_SANDBOX) || ended_with(m, KEEPER, EXIT_NO_SANDBOX))
			return EXIT_NO_SANDBOX;
		if (ended_with(m, VAULT, EXIT_NO_FIPS))
			return EXIT_NO_FIPS;
		if (m->stopping)
			return 1;
		if (!m->served && starts >= FIRST_STARTS) {
			log_error("it does not start; see the lines above");
			return 1;
		}
		pause_restart(m);
		if (m->stopping)
			return 0;
		log_notice("starting vault and keeper again");
	}
}

/* --- the process -------------------------------------------------------------- */

static int settings_fd(const struct config *c)
{
	int fd = memfd_create("holdfast-config", MFD_CLOEXEC);
	FILE *f = fd >= 0 ? fdopen(dup(fd), "w") : NULL;

	if (f == NULL || !config_write(c, f, false) || fclose(f) != 0) {
		log_error("the settings cannot be handed over: %m");
		return -1;
	}
	return fd_high(fd);
}

static int tally_fd(void)
{
	int fd = memfd_create("holdfast-audit-tally", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, sizeof(struct audit_tally)) != 0)
		log_warn("what the audit log loses when the vault is killed will not be counted: %m");
	return fd_high(fd);
}

static int signals_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return fd_high(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

/* give_up: from here on neither this process nor those that it starts can write
 * outside the instance, get more rights, or be looked at. */
static void give_up(const struct instance *i)
{
	int tpm = *i->tpm != '\0' ? open(i->tpm, O_PATH | O_CLOEXEC) : -1;
	const int own[] = { i->home, i->data, i->socket_dir, i->archive, tpm };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
		log_warn("prctl: %m");
	(void)sandbox_write_only_in(own, sizeof(own) / sizeof(own[0]));
	if (tpm >= 0)
		close(tpm);
}

int monitor_main(const struct config *c, const struct role_flags *f,
	const struct instance_paths *paths)
{
	struct instance places;
	struct monitor m = { .flags = f, .places = &places, .control = -1, .tpm = -1 };
	const struct watcher to = { &m, take_event };
	int code;

	switch (instance_open(c, paths, &places)) {
	case INSTANCE_RUNS:
		if (!f->private_)
			log_error("a holdfastd runs already for %s", paths->home);
		return f->private_ ? 0 : 1;
	case INSTANCE_FAILED:
		return 1;
	case INSTANCE_OPEN:
		break;
	}
	for (int r = 0; r < ROLES; r++) {
		m.config[r] = settings_fd(c);
		if (m.config[r] < 0)
			return 1;
	}
	m.null = fd_high(open("/dev/null", O_RDWR | O_CLOEXEC));
	m.signals = signals_fd();
	m.notify = fd_high(notify_open());
	m.tally = tally_fd();
	if (m.signals < 0 || m.null < 0)
		return 1;
	give_up(&places);
	m.tells = c->tamper_watch != 0;
	m.watch = watch_new(c, &to);
	code = m.watch != NULL ? watch(&m) : 1;
	watch_close(m.watch);
	instance_close(&places);
	log_info("stopped");
	return code;
}
