/* making.c: see making.h. */
#include "making.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool say_errno(const char *path)
{
	(void)cli_usage("%s: %s; no backup was made", path, strerror(errno));
	return false;
}

/* alone: nobody else writes it, and it is still the file of that name. */
static bool alone(int fd, const char *part)
{
	struct stat mine, there;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 && stat(part, &there) == 0 &&
	    mine.st_ino == there.st_ino && mine.st_dev == there.st_dev)
		return ftruncate(fd, 0) == 0;
	errno = EBUSY;
	return false;
}

bool making_open(const char *path, struct making *m)
{
	*m = (struct making){ .path = path, .fd = -1 };
	if ((size_t)snprintf(m->part, sizeof(m->part), "%s.part", path) >= sizeof(m->part))
		errno = ENAMETOOLONG;
	else if (access(path, F_OK) == 0)
		errno = EEXIST;
	else
		m->fd = open(m->part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (m->fd >= 0 && !alone(m->fd, m->part)) {
		(void)close(m->fd);
		m->fd = -1;
	}
	return m->fd >= 0 || say_errno(path);
}

void making_to(int fd, struct making *m)
{
	*m = (struct making){ .fd = fd };
}

bool making_put(struct making *m, struct slice s)
{
	while (s.n > 0) {
		ssize_t n = write(m->fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return say_errno(m->path != NULL ? m->part : "standard output");
		s.p += n;
		s.n -= (size_t)n;
		m->bytes += (uint64_t)n;
	}
	return true;
}

/* The name is durable too: so the directory is synced. */
static bool sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[4096] = ".";
	int fd;
	bool ok;

	if (slash != NULL)
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

bool making_finish(struct making *m)
{
	return (fsync(m->fd) == 0 && rename(m->part, m->path) == 0 && sync_directory(m->path)) ||
		say_errno(m->path);
}

void making_close(struct making *m, bool whole)
{
	if (m->fd < 0 || m->path == NULL)
		return;
	(void)close(m->fd);
	if (!whole)
		(void)unlink(m->part);
}
