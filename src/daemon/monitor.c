/* monitor.c: starts vault and keeper, and starts them again when one dies. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "roles.h"

#define SOCKET_NAME "vault.sock"
#define RESTARTS_AT_ONCE 10    /* without a pause; one more is allowed each second */
#define PATIENCE_S 5           /* for the other role to leave by itself */

enum { VAULT, KEEPER, ROLES }; /* the gate's place is behind them */

static const char *const role_names[ROLES] = { "vault", "keeper" };

struct monitor {
	const struct role_flags *flags;
	int config, data, listen, unlock, lock, control[2];
	pid_t pid[ROLES];
};

/* --- places ----------------------------------------------------------------- */

static int open_dir(const char *path, mode_t mode)
{
	int fd;

	if (mkdir(path, mode) != 0 && errno != EEXIST) {
		log_error("%s cannot be made: %m", path);
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		log_error("%s cannot be opened: %m", path);
	return fd;
}

/* only_one takes the instance's lock for as long as this process lives. */
static int only_one(int dir)
{
	int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		log_error("the lock file cannot be opened: %m (is the directory read-only?)");
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return -2;
	}
	return fd;
}

/* listen_at binds the socket inside dir; through /proc/self/fd, since a socket's
 * path may only have 107 bytes. */
static int listen_at(int dir, mode_t mode)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old = umask(0777 & ~mode);
	bool ok;

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", dir, SOCKET_NAME);
	unlinkat(dir, SOCKET_NAME, 0);
	ok = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, SOMAXCONN) == 0;
	umask(old);
	if (!ok)
		log_error("the socket cannot be made: %m");
	return ok ? fd : -1;
}

/* activated: the socket that systemd hands over (sd_listen_fds(3)), or -1. */
static int activated(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	char own[32];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	if (pid == NULL || n == NULL || strcmp(pid, own) != 0 || strcmp(n, "1") != 0)
		return -1;
	fcntl(3, F_SETFL, fcntl(3, F_GETFL) | O_NONBLOCK);
	return fcntl(3, F_DUPFD_CLOEXEC, 32);
}

static int settings_fd(const struct config *c)
{
	int fd = memfd_create("holdfast-config", MFD_CLOEXEC);
	FILE *f = fd >= 0 ? fdopen(dup(fd), "w") : NULL;

	if (f == NULL || !config_write(c, f, false) || fclose(f) != 0)
		return -1;
	return fd;
}

/* --- roles ------------------------------------------------------------------- */

/* give puts descriptor fd at number n for the program to come. All of ours are
 * above 31, so none is overwritten before it was given. */
static void give(int fd, int n)
{
	if (fd >= 0 && dup2(fd, n) < 0)
		_exit(127);
}

static int above(int fd)
{
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 32);

	if (fd >= 0)
		close(fd);
	return high;
}

static void become(const struct monitor *m, int role, int link, pid_t parent)
{
	char *argv[8] = { NULL };
	char name[32];
	sigset_t blocked;
	int n = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	/* The keeper leaves when the vault does; a terminal's Ctrl-C reaches all. */
	sigemptyset(&blocked);
	if (role == KEEPER) {
		sigaddset(&blocked, SIGINT);
		sigaddset(&blocked, SIGTERM);
	}
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	snprintf(name, sizeof(name), "--role=%s", role_names[role]);
	argv[n++] = (char *)(uintptr_t) "holdfastd";
	argv[n++] = name;
	if (m->flags->private_)
		argv[n++] = (char *)(uintptr_t) "--private";
	if (m->flags->allow_no_seccomp)
		argv[n++] = (char *)(uintptr_t) "--allow-no-seccomp";
	if (m->flags->allow_unsealed)
		argv[n++] = (char *)(uintptr_t) "--allow-unsealed";
	give(m->config, FD_CONFIG);
	give(link, FD_LINK);
	give(m->control[0], FD_CONTROL);
	give(role == VAULT ? m->listen : m->data, FD_DATA);
	if (role == VAULT)
		give(m->unlock, FD_UNLOCK);
	lseek(FD_CONFIG, 0, SEEK_SET);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static pid_t spawn(const struct monitor *m, int role, int link)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		become(m, role, link, parent);
	if (pid < 0)
		log_error("%s cannot be started: %m", role_names[role]);
	return pid;
}

static bool start_all(struct monitor *m)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	pair[0] = above(pair[0]);
	pair[1] = above(pair[1]);
	m->pid[KEEPER] = spawn(m, KEEPER, pair[0]);
	m->pid[VAULT] = spawn(m, VAULT, pair[1]);
	close(pair[0]);
	close(pair[1]);
	return m->pid[VAULT] > 0 && m->pid[KEEPER] > 0;
}

static bool any_left(const struct monitor *m)
{
	return m->pid[VAULT] > 0 || m->pid[KEEPER] > 0;
}

/* reap notes who ended. True: the vault did; *ret_status is how. */
static bool reap(struct monitor *m, int *ret_status)
{
	bool vault = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int r = 0; r < ROLES; r++) {
			if (m->pid[r] != pid)
				continue;
			m->pid[r] = 0;
			if (WIFSIGNALED(status))
				log_warn("%s (process %d) was ended by signal %d%s", role_names[r], (int)pid,
					WTERMSIG(status),
					WTERMSIG(status) == SIGSYS ? ": a system call that is not allowed" : "");
			else if (WEXITSTATUS(status) != 0)
				log_warn("%s (process %d) ended with code %d", role_names[r], (int)pid,
					WEXITSTATUS(status));
			if (r == VAULT) {
				vault = true;
				*ret_status = status;
			}
		}
	return vault;
}

/* wait_signal waits for one of the blocked signals; 0: time is over. */
static int wait_signal(const sigset_t *set, unsigned seconds)
{
	struct timespec t = { (time_t)seconds, 0 };
	int s;

	do
		s = seconds > 0 ? sigtimedwait(set, NULL, &t) : sigwaitinfo(set, NULL);
	while (s < 0 && errno == EINTR);
	return s < 0 ? 0 : s;
}

/* finish lets the roles leave: each goes when the other has gone. */
static void finish(struct monitor *m, const sigset_t *set)
{
	uint64_t until = clock_mono_ns() + PATIENCE_S * 1000000000ull;
	int unused;

	while (any_left(m) && clock_mono_ns() < until) {
		wait_signal(set, 1);
		reap(m, &unused);
	}
	for (int r = 0; r < ROLES; r++)
		if (m->pid[r] > 0) {
			log_warn("%s does not leave; killing it", role_names[r]);
			kill(m->pid[r], SIGKILL);
			waitpid(m->pid[r], NULL, 0);
			m->pid[r] = 0;
		}
}

/* ready tells systemd (sd_notify(3)). */
static void ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (path == NULL || strlen(path) >= sizeof(a.sun_path))
		return;
	memcpy(a.sun_path, path, strlen(path));
	if (a.sun_path[0] == '@')
		a.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)!sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&a,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	close(fd);
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

/* watch returns the exit code of the whole when it ends. */
static int watch(struct monitor *m, const sigset_t *set)
{
	bool stop = false;

	for (;;) {
		int status = 0, s;
		bool vault = false;

		if (!start_all(m))
			return 1;
		while (!vault && m->pid[KEEPER] > 0) {
			s = wait_signal(set, 0);
			if (s == SIGTERM || s == SIGINT) {
				stop = true;
				kill(m->pid[VAULT], SIGTERM);
			}
			vault = reap(m, &status);
		}
		finish(m, set);
		if (vault && WIFEXITED(status) &&
		    (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == EXIT_NO_SANDBOX))
			return WEXITSTATUS(status);
		if (stop)
			return 1;
		log_notice("starting vault and keeper again");
		while (!may_restart_now()) {
			s = wait_signal(set, 1);
			if (s == SIGTERM || s == SIGINT)
				return 0;
		}
	}
}

static bool open_places(struct monitor *m, const struct config *c,
	const struct instance_paths *paths)
{
	int data = open_dir(paths->data, 0700), dir;

	if (data < 0)
		return false;
	m->data = above(data);
	m->listen = activated();
	if (m->listen < 0) {
		dir = open_dir(paths->socket_dir, paths->system ? 0755 : 0700);
		m->listen = dir < 0 ? -1 : above(listen_at(dir, paths->system ? 0666 : 0600));
		if (dir >= 0)
			close(dir);
	}
	m->unlock = -1;
	if (c->unlock == UNLOCK_BY_FILE) {
		m->unlock = above(openat(m->data, "unlock.key", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			0600));
		if (m->unlock < 0)
			log_error("unlock.key cannot be opened: %m");
	}
	m->config = above(settings_fd(c));
	if (pipe2(m->control, O_CLOEXEC) != 0)
		return false;
	m->control[0] = above(m->control[0]);
	m->control[1] = above(m->control[1]);
	return m->listen >= 0 && m->config >= 0 && (c->unlock != UNLOCK_BY_FILE || m->unlock >= 0);
}

int monitor_main(const struct config *c, const struct role_flags *f,
	const struct instance_paths *paths)
{
	struct monitor m = { .flags = f };
	sigset_t set;
	int data = open_dir(paths->home, 0700), code;

	if (data < 0)
		return 1;
	m.lock = only_one(data);
	close(data);
	if (m.lock == -2) {
		if (!f->private_)
			log_error("a holdfastd runs already for %s", paths->home);
		return f->private_ ? 0 : 1;
	}
	if (m.lock < 0 || !open_places(&m, c, paths))
		return 1;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	ready();
	code = watch(&m, &set);
	log_info("stopped");
	return code;
}
