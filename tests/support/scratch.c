#include "scratch.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void need(bool ok, const char *what)
{
	if (!ok) {
		perror(what);
		abort();
	}
}

static void open_it(struct scratch *s)
{
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(s->fd >= 0, s->path);
}

void scratch_new(struct scratch *s)
{
	*s = (struct scratch){ .fd = -1 };
	(void)snprintf(s->path, sizeof(s->path), "/tmp/holdfast-test-XXXXXX");
	need(mkdtemp(s->path) != NULL, s->path);
	open_it(s);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void scratch_free(struct scratch *s)
{
	(void)fchmod(s->fd, 0700);
	close(s->fd);
	if (s->mounted)
		need(umount2(s->path, MNT_DETACH) == 0, "umount");
	need(nftw(s->path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0, s->path);
}

static bool put_line(const char *path, const char *line)
{
	FILE *f = fopen(path, "we");
	bool ok = f != NULL && fputs(line, f) >= 0;

	return f != NULL && fclose(f) == 0 && ok;
}

/* own_mounts: what is mounted from now on is this process's alone. */
static bool own_mounts(void)
{
	static bool have;
	char map[64];

	if (have)
		return true;
	(void)snprintf(map, sizeof(map), "%u %u 1\n", geteuid(), geteuid());
	have = (unshare(CLONE_NEWNS) == 0 ||
		(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && put_line("/proc/self/uid_map", map))) &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return have;
}

bool scratch_disk(struct scratch *s, size_t bytes)
{
	char options[64];

	(void)snprintf(options, sizeof(options), "size=%zu,mode=0700", bytes);
	if (!own_mounts() || mount("tmpfs", s->path, "tmpfs", 0, options) != 0)
		return false;
	s->mounted = true;
	close(s->fd);
	open_it(s);
	return true;
}

bool scratch_read_only(struct scratch *s)
{
	if (geteuid() != 0)
		return fchmod(s->fd, 0500) == 0;
	if (!s->mounted && !scratch_disk(s, 8u << 20))
		return false;
	return mount(NULL, s->path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0;
}

long scratch_size(const struct scratch *s, const char *name)
{
	struct stat st;

	return fstatat(s->fd, name, &st, 0) == 0 ? (long)st.st_size : -1;
}

uint8_t *scratch_read(const struct scratch *s, const char *name, size_t *ret_n)
{
	long n = scratch_size(s, name);
	int fd = openat(s->fd, name, O_RDONLY | O_CLOEXEC);
	uint8_t *p = malloc((size_t)n + 1);

	need(n >= 0 && fd >= 0 && p != NULL && pread(fd, p, (size_t)n, 0) == n, name);
	close(fd);
	*ret_n = (size_t)n;
	return p;
}

void scratch_write(const struct scratch *s, const char *name, struct slice bytes)
{
	int fd = openat(s->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	need(fd >= 0 && write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n, name);
	close(fd);
}
