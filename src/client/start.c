#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "secret.h"

#ifndef HF_SBINDIR
#define HF_SBINDIR "/usr/sbin"
#endif

#define DAEMON "holdfastd"
#define CONNECT_MS 2000u
#define POLL_MS 5
#define MAX_FD_TRIES 65536u

extern char **environ;

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* --- which program -------------------------------------------------------- */

static bool runnable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* mapped_from tells the file that holds the code at p: as the kernel has it, for
 * dladdr's name may be relative to a directory that was left long ago. */
static bool mapped_from(const void *p, char out[PATH_MAX])
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 128];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		const char *path = strchr(line, '/');
		char *dash;
		uintptr_t from = strtoull(line, &dash, 16), to;

		if (path == NULL || *dash != '-')
			continue;
		to = strtoull(dash + 1, NULL, 16);
		found = (uintptr_t)p >= from && (uintptr_t)p < to;
		if (found)
			(void)snprintf(out, PATH_MAX, "%.*s", (int)strcspn(path, "\n"), path);
	}
	if (f != NULL)
		(void)fclose(f);
	return found;
}

/* beside_us names the daemon in the directory of this library, or of the
 * program it is linked into: that is where a build tree has it. */
static bool beside_us(char out[PATH_MAX])
{
	static const char here;
	char us[PATH_MAX];
	char *slash;

	if (!mapped_from(&here, us))
		return false;
	slash = strrchr(us, '/');
	slash[1] = '\0';
	return snprintf(out, PATH_MAX, "%s" DAEMON, us) < PATH_MAX && runnable(out);
}

static bool daemon_path(char out[PATH_MAX])
{
	const char *env = secure_getenv("HOLDFASTD");

	if (env != NULL && env[0] != '\0')
		return realpath(env, out) != NULL && runnable(out);
	if (beside_us(out))
		return true;
	(void)snprintf(out, PATH_MAX, "%s/" DAEMON, HF_SBINDIR);
	return runnable(out);
}

/* --- starting it ---------------------------------------------------------- */

/* struct launch is all that the child needs, made before the fork: between fork
 * and exec of a threaded program only async-signal-safe functions may run. */
struct launch {
	char program[PATH_MAX];
	char log[PATH_MAX];
	const char *argv[5];
	int born[2]; /* a pipe: the daemon's pid comes out */
};

/* bare_fork forks without the handlers of pthread_atfork, which are for children
 * that stay this program, and without SIGCHLD or a zombie for an application
 * that waits for its own children only. */
static pid_t bare_fork(void)
{
	return (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, 0);
}

static void close_all_from(unsigned first)
{
	struct rlimit r = { .rlim_cur = MAX_FD_TRIES };

	if (syscall(SYS_close_range, first, UINT_MAX, 0) == 0)
		return;
	(void)getrlimit(RLIMIT_NOFILE, &r);
	for (unsigned fd = first; fd < r.rlim_cur && fd < MAX_FD_TRIES; fd++)
		(void)close((int)fd);
}

/* exec keeps the signal mask and what is ignored (SIGPIPE, often). */
static void default_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &dfl, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void default_files(const char *log)
{
	int null = open("/dev/null", O_RDWR);
	int err = open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);

	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(err >= 0 ? err : null, STDERR_FILENO);
	close_all_from(STDERR_FILENO + 1);
}

static _Noreturn void become_daemon(const struct launch *l)
{
	pid_t pid;

	(void)setsid();
	pid = bare_fork();
	if (pid != 0)
		_exit(pid > 0 && write(l->born[1], &pid, sizeof(pid)) == (ssize_t)sizeof(pid) ? 0 : 1);
	default_files(l->log);
	default_signals();
	(void)umask(077);
	if (chdir("/") == 0)
		(void)execve(l->program, (char *const *)(uintptr_t)l->argv, environ);
	_exit(127);
}

static enum hf_err launch(const struct launch *l, pid_t *ret_daemon)
{
	pid_t child = bare_fork();
	int e;

	if (child < 0)
		return HF_E_NO_DAEMON;
	if (child == 0)
		become_daemon(l);
	do
		e = (int)waitpid(child, NULL, __WALL);
	while (e < 0 && errno == EINTR);
	return read(l->born[0], ret_daemon, sizeof(*ret_daemon)) == (ssize_t)sizeof(*ret_daemon)
		? HF_OK : HF_E_NO_DAEMON;
}

static enum hf_err spawn(const char *home, const char *dir, pid_t *ret_daemon)
{
	enum hf_err e;
	struct launch l;

	if (!daemon_path(l.program))
		return HF_E_NO_DAEMON;
	if (snprintf(l.log, sizeof(l.log), "%s/daemon.log", dir) >= (int)sizeof(l.log))
		return HF_E_ARGUMENTS;
	l.argv[0] = l.program;
	l.argv[1] = "--private";
	l.argv[2] = "--home";
	l.argv[3] = home;
	l.argv[4] = NULL;
	if (pipe2(l.born, O_CLOEXEC | O_NONBLOCK) != 0)
		return HF_E_NO_DAEMON;
	e = launch(&l, ret_daemon);
	close_fd(&l.born[0]);
	close_fd(&l.born[1]);
	return e;
}

static bool lives(pid_t pid)
{
	return kill(pid, 0) == 0 || errno != ESRCH;
}

/* --- one at a time -------------------------------------------------------- */

static enum hf_err make_home(const char *home)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s", home) >= (int)sizeof(path))
		return HF_E_ARGUMENTS;
	for (char *p = path + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		(void)mkdir(path, 0700);
		*p = '/';
	}
	return mkdir(path, 0700) == 0 || errno == EEXIST ? HF_OK : HF_E_NO_DAEMON;
}

static bool listens(const struct instance *i)
{
	struct transport *t;

	if (transport_unix(i->dir, INSTANCE_SOCKET, CONNECT_MS, &t) != HF_OK)
		return false;
	t->ops->close(t);
	return true;
}

/* answers waits for the vault behind the socket, which the monitor opens first; a daemon that
 * fails hangs up. What is asked is no call: any answer will do. */
static bool answers(const struct instance *i)
{
	CLEANUP(buf_done) struct buf out = BUF_MAX(64);
	struct wire_head h = { .opcode = 0 };
	struct transport *t;
	enum hf_err e;
	bool sent;

	if (transport_unix(i->dir, INSTANCE_SOCKET, CONNECT_MS, &t) != HF_OK)
		return false;
	e = transport_call(t, &h, SLICE_NONE, &out, &sent);
	t->ops->close(t);
	return e == HF_OK;
}

static enum hf_err take_lock(const char *home, uint64_t deadline, int *ret)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/start.lock", home) >= (int)sizeof(path))
		return HF_E_ARGUMENTS;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return HF_E_NO_DAEMON;
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || clock_mono_ns() >= deadline) {
			(void)close(fd);
			return HF_E_NO_DAEMON;
		}
		pause_ms(POLL_MS);
	}
	*ret = fd;
	return HF_OK;
}

enum hf_err client_start(const struct instance *i, unsigned wait_ms)
{
	uint64_t deadline = clock_mono_ns() + (uint64_t)wait_ms * 1000000u;
	CLEANUP(close_fd) int lock = -1;
	pid_t daemon;

	if (i->home == NULL)
		return HF_E_NO_DAEMON;
	TRY(make_home(i->dir));
	TRY(take_lock(i->dir, deadline, &lock));
	if (listens(i))
		return HF_OK;
	TRY(spawn(i->home, i->dir, &daemon));
	for (bool there = true; !answers(i);) {
		if (!there || clock_mono_ns() >= deadline)
			return HF_E_NO_DAEMON;
		there = lives(daemon); /* asked for once more after its end: it may have found another */
		pause_ms(POLL_MS);
	}
	return HF_OK;
}
