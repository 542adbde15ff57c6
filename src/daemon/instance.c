#include "instance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "medium.h"

#define SOCKET_NAME "vault.sock"
#define LOCK_NAME "lock"
#define KEY_NAME "unlock.key"
#define FD_LOWEST 32
#define BACKLOG 4096
#define LOCK_WAIT_MS 5000u
#define LOCK_STEP_MS 20u

int fd_high(int fd)
{
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_LOWEST);

	if (fd >= 0)
		close(fd);
	return high;
}

/* --- directories ---------------------------------------------------------- */

static void make_parents(const char *path)
{
	char up[PATH_MAX];

	snprintf(up, sizeof(up), "%s", path);
	for (char *p = up + 1; *p != '\0'; p++)
		if (*p == '/') {
			*p = '\0';
			(void)mkdir(up, 0700);
			*p = '/';
		}
}

/* Somebody else who may write here could put his own socket or lock in place. */
static bool is_ours(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		log_error("%s belongs to another user (%u); an instance needs a directory of its own", path,
			(unsigned)st.st_uid);
		return false;
	}
	if ((st.st_mode & 022) != 0 && (st.st_mode & S_ISVTX) == 0)
		log_warn("other users may write in %s: chmod go-w it", path);
	return true;
}

static int open_dir(const char *path, mode_t mode)
{
	int fd;

	make_parents(path);
	if (mkdir(path, mode) != 0 && errno != EEXIST) {
		log_error("%s cannot be made: %m", path);
		return -1;
	}
	fd = fd_high(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (fd < 0)
		log_error("%s cannot be opened: %m", path);
	return fd;
}

/* --- files ---------------------------------------------------------------- */

static bool open_unlock(const struct config *c, const char *where, struct instance *i)
{
	struct stat st;

	if (c->unlock == UNLOCK_BY_FILE) {
		i->unlock = fd_high(openat(i->data, KEY_NAME,
			O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
		if (i->unlock < 0) {
			log_error("%s/" KEY_NAME " cannot be opened: %m", where);
			return false;
		}
		if (fstat(i->unlock, &st) == 0 && (st.st_mode & 077) != 0)
			log_warn("%s/" KEY_NAME " is not its owner's alone (mode %03o): whoever reads it and "
				"the store has every key; chmod 600, and if others may have read it, replace "
				"the root key", where, (unsigned)(st.st_mode & 0777));
	}
	if (*c->passphrase_file != '\0') {
		i->passphrase = fd_high(open(c->passphrase_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
		if (i->passphrase < 0) {
			log_error("passphrase-file = %s cannot be opened: %m", c->passphrase_file);
			return false;
		}
	}
	return true;
}

static bool open_archive(const struct config *c, struct instance *i)
{
	if (*c->audit_archive == '\0')
		return true;
	i->archive = fd_high(open(c->audit_archive, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (i->archive < 0)
		log_error("audit-archive = %s cannot be opened: %m", c->audit_archive);
	return i->archive >= 0;
}

/* The cursor's file is replaced when it changes: its directory is what stays. */
static bool open_cursor(const struct config *c, struct instance *i)
{
	char dir[CONFIG_PATH];

	if (*c->audit_cursor == '\0')
		return true;
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(c->audit_cursor, '/') - c->audit_cursor + 1),
		c->audit_cursor);
	i->cursor = fd_high(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (i->cursor < 0)
		log_error("audit-cursor: %s cannot be opened: %m", dir);
	return i->cursor >= 0;
}

/* socket_at names the socket through /proc/self/fd, since a socket's path may have 107
 * bytes only. */
static struct sockaddr_un socket_at(int dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" SOCKET_NAME, dir);
	return a;
}

/* --- the lock ------------------------------------------------------------- */

/* answers: somebody listens there. */
static bool answers(const char *socket_dir)
{
	int dir = open(socket_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = socket_at(dir);
	bool ok = fd >= 0 && (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return ok;
}

/* A daemon that leaves has its lock a little longer than its socket: who came to
 * replace it waits for that. */
static enum instance_result take_lock(const struct instance_paths *p, struct instance *i)
{
	static const struct timespec step = { 0, LOCK_STEP_MS * 1000000l };

	i->lock = fd_high(openat(i->home, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
	if (i->lock < 0) {
		log_error("%s/" LOCK_NAME " cannot be opened: %m", p->home);
		return INSTANCE_FAILED;
	}
	for (unsigned waited = 0; flock(i->lock, LOCK_EX | LOCK_NB) != 0; waited += LOCK_STEP_MS) {
		if (errno != EWOULDBLOCK) {
			log_error("%s/" LOCK_NAME " cannot be locked: %m", p->home);
			return INSTANCE_FAILED;
		}
		if (waited >= LOCK_WAIT_MS || answers(p->socket_dir))
			return INSTANCE_RUNS;
		nanosleep(&step, NULL);
	}
	return INSTANCE_OPEN;
}

/* --- the socket ----------------------------------------------------------- */

/* activated: the socket that systemd hands over (sd_listen_fds(3)), or -1. */
static int activated(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	char own[32];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	if (pid == NULL || n == NULL || strcmp(pid, own) != 0 || strcmp(n, "1") != 0)
		return -1;
	fcntl(3, F_SETFL, fcntl(3, F_GETFL) | O_NONBLOCK);
	return fd_high(3);
}

/* listen_in: what lies there is of a daemon that was killed, since we have the lock. */
static int listen_in(int dir, mode_t mode)
{
	struct sockaddr_un a = socket_at(dir);
	int fd = fd_high(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	mode_t old = umask(0777 & ~mode);
	bool ok;

	(void)unlinkat(dir, SOCKET_NAME, 0);
	ok = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, BACKLOG) == 0;
	umask(old);
	if (!ok && fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return ok ? fd : -1;
}

static bool open_socket(const struct instance_paths *p, struct instance *i)
{
	i->listen = activated();
	if (i->listen >= 0)
		return true;
	i->socket_dir = open_dir(p->socket_dir, p->everybody ? 0755 : 0700);
	if (i->socket_dir < 0 || !is_ours(i->socket_dir, p->socket_dir))
		return false;
	i->listen = listen_in(i->socket_dir, p->everybody ? 0666 : 0600);
	i->own_socket = i->listen >= 0;
	if (!i->own_socket)
		log_error("%s/" SOCKET_NAME " cannot be made: %m", p->socket_dir);
	return i->own_socket;
}

/* --- the TPM -------------------------------------------------------------- */

static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path)) {
		errno = fd < 0 ? errno : ENAMETOOLONG;
	} else {
		memcpy(a.sun_path, path, strlen(path));
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			return fd;
	}
	if (fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return -1;
}

int instance_tpm(const struct instance *i)
{
	struct stat st;
	int fd;

	if (*i->tpm == '\0')
		return -1;
	fd = stat(i->tpm, &st) == 0 && S_ISSOCK(st.st_mode) ? connect_to(i->tpm) :
		open(i->tpm, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		log_error("tpm = %s cannot be opened: %m", i->tpm);
	return fd_high(fd);
}

/* --- all of it ------------------------------------------------------------ */

enum instance_result instance_open(const struct config *c, const struct instance_paths *p,
	struct instance *ret)
{
	struct instance i = { -1, -1, -1, -1, -1, -1, -1, -1, -1, c->tpm, p->medium, false };
	enum instance_result r;

	i.home = open_dir(p->home, 0700);
	if (i.home < 0 || !is_ours(i.home, p->home))
		return INSTANCE_FAILED;
	r = take_lock(p, &i);
	if (r != INSTANCE_OPEN)
		return r;
	i.data = open_dir(p->data, 0700);
	if (i.data < 0 || !is_ours(i.data, p->data) ||
	    (*p->medium != '\0' && !medium_copy(p->medium, i.data)) || !open_unlock(c, p->data, &i) ||
	    !open_archive(c, &i) || !open_cursor(c, &i) || !open_socket(p, &i))
		return INSTANCE_FAILED;
	*ret = i;
	return INSTANCE_OPEN;
}

bool instance_gone(const struct instance *i)
{
	struct stat st;

	return (*i->medium != '\0' && access(i->medium, F_OK) != 0) ||
		(fstat(i->lock, &st) == 0 && st.st_nlink == 0);
}

void instance_close(struct instance *i)
{
	if (i->own_socket)
		(void)unlinkat(i->socket_dir, SOCKET_NAME, 0);
	i->own_socket = false;
}
